# %% [markdown]
# # Tests, questionnaires and the traits behind them
#
# Item response theory takes the answers to the items of a test as signs of one trait, or of a few.
# As prior and likelihood: the trait is standard normal, and the answers are independent given it.

# %%
import matplotlib.pyplot as plt
import numpy as np

import latentia as lt

rng = np.random.default_rng(0)

# %% [markdown]
# ## A test with right and wrong answers
#
# In the two-parameter logistic model the chance of a right answer is a logistic curve in the trait,
# with a slope (discrimination) and a place (difficulty) for each item. Here are the answers of
# 1,500 people to eight items, a tenth of them missing.

# %%
slopes = np.array([0.8, 1.2, 2.0, 1.0, 1.6, 0.6, 1.3, 1.8])
difficulty = np.array([-2.0, -1.2, -0.6, 0.0, 0.3, 0.8, 1.4, 2.0])
trait = rng.normal(size=1500)
chance = 1 / (1 + np.exp(-slopes * (trait[:, None] - difficulty)))
answers = (rng.random(chance.shape) < chance).astype(float)
answers[rng.random(answers.shape) < 0.1] = np.nan

model = lt.LatentVariableModel(
    prior=lt.GaussianLatent(dim=1),
    likelihood=lt.GeneralizedLinear(lt.BinaryResponse(dim=8), latent_dim=1),
)
print(model)

# %% [markdown]
# This pair is not conjugate: no formula gives the posterior of the trait. The library sums over a
# grid of the trait, estimates the error of that, and refines the grid until the error is below 1e-8
# in the log-likelihood of every person.

# %%
fit = lt.fit(model, answers)
print(fit)
print("largest error of a person:", fit.error)

# %% [markdown]
# ## The same with scikit-learn's manners
#
# `ItemResponse` names the parameters in the words of the field, and knows the standard errors of
# both items and people.

# %%
test = lt.ItemResponse("2pl").fit(answers)
print(test.summary())
errors = test.standard_errors(answers)
print("standard errors of the slopes:", errors["discrimination"].round(2))

# %%
scores = test.scores(answers, method="eap")
print("traits of the first three people:", scores.value[:3, 0].round(2))
print("and their standard errors:       ", scores.error[:3, 0].round(2))
print("correlation with the truth:", np.corrcoef(scores.value[:, 0], trait)[0, 1].round(3))

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
lt.plots.plot_item_curves(test, ax=axes[0])
lt.plots.plot_information(test, ax=axes[1])
plt.show()

# %% [markdown]
# ## Which model?
#
# One slope for all items is the Rasch model, here `"rasch"`; a chance of guessing makes `"3pl"`.
# Lower BIC is better.

# %%
rasch = lt.ItemResponse("rasch").fit(answers)
print("rasch", round(rasch.bic(answers), 1), " 2pl", round(test.bic(answers), 1))

# %% [markdown]
# ## Ordered levels
#
# Answers such as "disagree", "agree", "strongly agree" follow a graded response model. Texts need
# their order, from low to high.

# %%
levels = np.array(["disagree", "agree", "strongly agree"])
eta = np.array([1.5, 1.0, 2.0, 1.2]) * trait[:, None]
reaction = eta + rng.logistic(size=eta.shape)
codes = (reaction > -1).astype(int) + (reaction > 1)
survey = lt.ItemResponse("graded", levels=levels.tolist()).fit(levels[codes])
print(survey.summary())
lt.plots.plot_item_curves(survey, items=[2])
plt.show()

# %% [markdown]
# All of these are pairs of the same prior with another response: `GradedResponse` asks whether an
# answer is above a level, `PartialCredit` compares each level with the one below, `GuessedResponse`
# gives right answers a floor, and `CountResponse` describes counts. The trait is inferred in the
# same way for all.

# %%
responses = {
    "graded response": lt.GradedResponse(levels=(3, 3, 3, 3)),
    "partial credit": lt.PartialCredit(levels=(3, 3, 3, 3)),
}
for name, response in responses.items():
    pair = lt.LatentVariableModel(
        prior=lt.GaussianLatent(dim=1), likelihood=lt.GeneralizedLinear(response, latent_dim=1)
    )
    found = lt.fit(pair, codes[:500].astype(float), learner=lt.EM(tol=1e-4))
    print(f"{name:<16} log-likelihood {found.log_likelihood:.1f}  bic {found.bic:.1f}")

# %% [markdown]
# Counts of errors in six texts follow one trait as well: their rates are log-linear in it.

# %%
errors_made = rng.poisson(np.exp(0.5 + 0.4 * trait[:300, None] + np.linspace(-0.5, 0.5, 6)))
counts = lt.LatentVariableModel(
    prior=lt.GaussianLatent(dim=1),
    likelihood=lt.GeneralizedLinear(lt.CountResponse(dim=6), latent_dim=1),
)
found = lt.fit(counts, errors_made.astype(float), learner=lt.EM(tol=1e-4))
print(found.model.likelihood.loadings.ravel().round(2))
