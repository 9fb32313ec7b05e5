# %% [markdown]
# # Regressions in groups and along chains
#
# Old Faithful's eruptions come in two kinds, short and long, and after long ones one waits longer.
# Within a kind, does the wait still grow with the duration? That asks for a line in each group,
# while nobody says which group an eruption belongs to.
#
# As a pair, p(z) is one of two groups, and p(x|z, u) a regression of the wait x on the duration u:
# the covariate is *given*, and the model does not describe it.

# %%
import numpy as np

import latentia as lt

geyser = lt.datasets.load_faithful().data
duration, wait = geyser[:, :1], geyser[:, 1:]


def lines(groups):
    return lt.LatentVariableModel(
        prior=lt.Discrete(groups),
        likelihood=lt.Switch(lt.GaussianRegression(dim=1, covariates=1), groups),
    )


for groups in (1, 2, 3):
    fit = lt.fit(lines(groups), wait, given=duration)
    print(groups, round(fit.log_likelihood, 1), "bic", round(fit.bic, 1))

# %% [markdown]
# One line is as good as two: once the duration is known, groups add nothing. The words are those of
# every model, with `given=` beside the data.

# %%
fit = lt.fit(lines(1), wait, given=duration)
part = fit.model.likelihood.parts
print("wait =", part.intercept[0].round(1), "+", part.coefficients[0, 0].round(1), "* duration")
print(lt.score(fit.model, wait[:3], given=duration[:3]))
print(lt.sample(fit.model, 0, 5, given=[3.0]).x.ravel().round(1))

# %% [markdown]
# ## Counts with a trend, in regimes
#
# The same families are emissions of hidden Markov models. Here the rates of two regimes of
# earthquakes may have a trend: `PoissonRegression` on the year, in units of fifty years from 1953.

# %%
table = lt.datasets.load_earthquakes().data
year, counts = (table[:, :1] - 1953) / 50, table[:, 1:]
plain = lt.LatentVariableModel(lt.MarkovChain(2), lt.PerStep(lt.Switch(lt.Poisson(dim=1), 2)))
trend = lt.LatentVariableModel(
    lt.MarkovChain(2), lt.PerStep(lt.Switch(lt.PoissonRegression(dim=1, covariates=1), 2))
)
without = lt.fit(plain, counts)
with_trend = lt.fit(trend, counts, given=year)
print("bic without a trend", round(without.bic, 1), "and with one", round(with_trend.bic, 1))
print(with_trend.model.likelihood.emission.parts.coefficients.ravel().round(3))

# %% [markdown]
# ## Covariates that move the chain
#
# Or the trend is in how regimes follow each other. `DrivenMarkovChain` makes each move a logistic
# regression on covariates, which the likelihood hands on: `drivers=1`. Inference stays exact, by
# forward-backward with moves of their own at every step.

# %%
driven = lt.LatentVariableModel(
    prior=lt.DrivenMarkovChain(2, covariates=1),
    likelihood=lt.PerStep(lt.Switch(lt.Poisson(dim=1), 2), drivers=1),
)
print(driven)
moving = lt.fit(driven, counts, given=year)
print("bic", round(moving.bic, 1))
for name, when in (("1903", -1.0), ("2003", 1.0)):
    print(name, moving.model.prior.transitions([when]).round(2).tolist())

# %% [markdown]
# By BIC the earthquakes want a trend in the rates of their regimes, and none in the moves.

# %% [markdown]
# ## Yesterday as a covariate
#
# Where the covariate is the series itself, one step earlier, a regression is an autoregression, and
# along a Markov chain it switches (Hamilton 1989). Here calm and wild stretches take turns.

# %%
rng = np.random.default_rng(0)
wild = np.repeat([0, 1, 0, 1, 0], 60)
series = np.zeros((301, 1))
for t, state in enumerate(wild):
    series[t + 1] = (0.9, -0.8)[state] * series[t] + rng.normal()
switching = lt.LatentVariableModel(
    prior=lt.MarkovChain(2),
    likelihood=lt.PerStep(lt.Switch(lt.GaussianRegression(dim=1, covariates=1), 2)),
)
today, yesterday = series[1:], series[:-1]
found = lt.fit(switching, today, given=yesterday)
slopes = found.model.likelihood.emission.parts.coefficients.ravel()
path = lt.map_estimate(found.model, today, given=yesterday)
print("slopes", slopes.round(2))
print("steps in the right regime", round(max(np.mean(path == wild), np.mean(path != wild)), 3))

# %% [markdown]
# ## Factors of what covariates leave
#
# `LinearGaussianRegression` is factor analysis with covariates: both are linear, and only the
# factors are hidden. The covariate explains what it can, and the factor the rest.

# %%
score = rng.normal(size=(300, 1))
age = rng.uniform(20, 70, (300, 1))
tests = score @ [[0.9, 0.8, 0.7, 0.6]] + age @ [[-0.02, 0.0, 0.01, 0.03]]
tests = tests + 0.5 * rng.normal(size=(300, 4))
left = lt.LatentVariableModel(
    prior=lt.GaussianLatent(dim=1),
    likelihood=lt.LinearGaussianRegression(dim=4, latent_dim=1, covariates=1),
)
found = lt.fit(left, tests, given=age)
print("effects of age", found.model.likelihood.coefficients.ravel().round(3))
print("loadings      ", found.model.likelihood.loadings.ravel().round(2))
