# %% [markdown]
# # A model is a prior and a likelihood
#
# Every model of the library is a pair, p(x, z) = p(z) p(x|z), and the same five words work for all:
# `sample`, `infer`, `map_estimate`, `score` and `fit`.

# %%
import numpy as np

import latentia as lt

rng = np.random.default_rng(0)

# %% [markdown]
# ## A mixture: z is one of K states

# %%
mixture = lt.LatentVariableModel(
    prior=lt.Discrete(2),
    likelihood=lt.Switch(lt.Gaussian(dim=2), 2),
)
print(mixture)

# %%
x = lt.datasets.load_faithful().data
fit = lt.fit(mixture, x)
print(fit.verdict)
print("log-likelihood", fit.log_likelihood)

# %% [markdown]
# The whole posterior of z, its mode, the evidence of x, and new data from the model:

# %%
posterior = lt.infer(fit.model, x[:3])
print(posterior.probabilities.round(4), "-", posterior.exactness)
print(lt.map_estimate(fit.model, x[:3]))
print(lt.score(fit.model, x[:3]))
print(lt.sample(fit.model, key=0, n=3).x)

# %% [markdown]
# Or x for a chosen z:

# %%
print(lt.sample(fit.model, key=0, n=2, z=1).x)

# %% [markdown]
# ## A factor model: z is a Gaussian vector
#
# Only the two parts change, and with them the algorithm.

# %%
loadings = rng.normal(size=(6, 2))
data = rng.normal(size=(500, 2)) @ loadings.T + rng.normal(size=(500, 6)) * 0.5
factors = lt.LatentVariableModel(
    prior=lt.GaussianLatent(dim=2),
    likelihood=lt.LinearGaussian(dim=6, latent_dim=2),
)
fit = lt.fit(factors, data)
print(fit)

# %% [markdown]
# ## Columns of different kinds, with missing values
#
# A `Product` puts families side by side. Here two Gaussian columns, a count and a category with
# three levels, a tenth of it missing.

# %%
state = rng.integers(2, size=400)
mixed = np.column_stack(
    [
        rng.normal(size=(400, 2)) + 2 * state[:, None],
        rng.poisson(2 + 6 * state),
        np.where(rng.random(400) < 0.8, state, 2),
    ]
)
mixed[rng.random(mixed.shape) < 0.1] = np.nan
columns = lt.Product(lt.Gaussian(dim=2), lt.Poisson(dim=1), lt.Categorical(levels=(3,)))
fit = lt.fit(lt.LatentVariableModel(lt.Discrete(2), lt.Switch(columns, 2)), mixed)
agreement = np.mean(lt.map_estimate(fit.model, mixed) == state)
print(fit.verdict)
print("share of states found:", max(agreement, 1 - agreement).round(3))

# %% [markdown]
# With one noise for all columns it is probabilistic principal component analysis.

# %%
components = lt.LatentVariableModel(
    prior=lt.GaussianLatent(dim=2),
    likelihood=lt.LinearGaussian(dim=6, latent_dim=2, isotropic=True),
)
print(lt.fit(components, data))

# %% [markdown]
# ## Latent classes: z is one of K states, and x are answers
#
# The states of a mixture may as well be classes of people, and x the answers to yes-or-no questions
# (`Bernoulli`), or to questions with more answers (`Categorical`).

# %%
knows = rng.integers(2, size=300)
answers = (rng.random((300, 5)) < np.where(knows, 0.85, 0.2)[:, None]).astype(float)
classes = lt.LatentVariableModel(prior=lt.Discrete(2), likelihood=lt.Switch(lt.Bernoulli(dim=5), 2))
fit = lt.fit(classes, answers)
print(fit.model.likelihood.parts.probabilities.round(2))

# %% [markdown]
# ## A mixture of factor analysers: a branch, then a vector

# %%
analysers = lt.LatentVariableModel(
    prior=lt.Branching(2, lt.GaussianLatent(dim=1)),
    likelihood=lt.Switch(lt.LinearGaussian(dim=6, latent_dim=1), 2),
)
print(lt.fit(analysers, data))
