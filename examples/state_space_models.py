# %% [markdown]
# # The level of the Nile
#
# The annual flow of the Nile at Aswan, 1871 to 1970, is the first example of Durbin and Koopman's
# book on state space models. The flow of a year is a level that wanders, and noise. How much of
# each?

# %%
import numpy as np

import latentia as lt

table = lt.datasets.load_nile()
years, flow = table.data[:, 0], table.data[:, 1:]
print(flow[:10].ravel())

# %% [markdown]
# As a pair, p(z) is a chain of Gaussian levels, each the one before plus noise, and p(x|z) is at
# every step the level plus noise of its own. Nothing is known of the first level: a diffuse start.
# What is printed says how each question will be answered: by Kalman's filter and smoother, exactly.

# %%
model = lt.LatentVariableModel(
    prior=lt.GaussianChain(
        transition=np.eye(1), variances=np.array([1000.0]), diffuse=True, learned=["noise"]
    ),
    likelihood=lt.PerStep(lt.LinearGaussian(np.eye(1), np.zeros(1), np.array([10000.0]))),
)
fixed = ["likelihood.emission.loadings", "likelihood.emission.bias"]
fit = lt.fit(model, flow, fixed=fixed, learner=lt.EM(start="given", tol=1e-9))
print(fit)
print("level", fit.model.prior.variances, "noise", fit.model.likelihood.emission.noise)

# %% [markdown]
# These are the book's 1469 and 15099. `structural` makes such models: with a slope, and with a
# season, too. `fit_structural` takes a quasi-Newton method where EM would crawl.

# %%
print(lt.fit_structural(lt.structural(), flow).log_likelihood, fit.log_likelihood)

# %% [markdown]
# Years without a value are no obstacle: they say nothing, and the chain bridges them. Here are
# forty.

# %%
gaps = flow.copy()
gaps[20:40], gaps[60:80] = np.nan, np.nan
posterior = lt.infer(fit.model, gaps)
print(posterior.mean[[10, 30, 50], 0], np.sqrt(posterior.covariance[[10, 30, 50], 0, 0]))
display = lt.plots.plot_paths(fit.model, gaps, steps=10, times=years)

# %% [markdown]
# To look ahead is the same: years of which nothing is known.

# %%
coming = lt.forecast(fit.model, flow, 3)
low, high = coming.interval(0.9)
print(np.concatenate([low, coming.mean, high], axis=1).round(0))

# %% [markdown]
# With several columns the hidden coordinates are shared: a linear dynamical system. Here one is
# drawn that turns slowly, and found again from four sequences, in the manner of scikit-learn.

# %%
angle = 0.3
turn = 0.95 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
loadings = np.array([[1.0, 0.0], [0.5, 1.0], [0.0, -1.0]])
truth = lt.LatentVariableModel(
    lt.GaussianChain(transition=turn, length=100),
    lt.PerStep(lt.LinearGaussian(loadings, np.zeros(3), np.full(3, 0.3))),
)
series = lt.sample(truth, key=0, n=4).x
rows, lengths = series.reshape(-1, 3), [100] * 4
found = lt.LinearGaussianStateSpace(n_states=2, n_init=1).fit(rows, lengths=lengths)
print(np.linalg.eigvals(found.transition_), np.linalg.eigvals(turn))

# %% [markdown]
# ## What covariates do
#
# In 1899 the building of the dam at Aswan began. A covariate that is 0 before and 1 from then on
# says what it did to the flow: with it, hardly anything is left for the level to wander. (Durbin
# and Koopman find the same.)

# %%
dam = (years >= 1899).astype(float)[:, None]
with_dam = lt.fit_structural(lt.structural(regressors=1), flow, given=dam)
print("effect", with_dam.model.likelihood.emission.coefficients)
print("level", with_dam.model.prior.variances, "noise", with_dam.model.likelihood.emission.noise)
print("log-likelihood", with_dam.log_likelihood, "in place of", fit.log_likelihood)

# %% [markdown]
# To look ahead takes the covariates of the steps to come, behind those of the past.

# %%
still_there = np.concatenate([dam, np.ones((3, 1))])
print(lt.forecast(with_dam.model, flow, 3, given=still_there).mean.round(0).ravel())

# %% [markdown]
# That effect is on the observation. A covariate may also push what is hidden: a control, whose work
# lasts as long as the chain remembers. Here a push at step 10 is seen to fade.

# %%
driven = lt.LatentVariableModel(
    lt.DrivenGaussianChain(
        lt.GaussianChain(transition=np.array([[0.8]]), noise=np.array([[0.01]])), controls=[[5.0]]
    ),
    lt.PerStep(lt.LinearGaussian(np.eye(1), np.zeros(1), np.array([0.01])), drivers=1),
)
push = np.zeros((20, 1))
push[10] = 1.0
print(lt.sample(driven, key=1, given=push).x.ravel().round(1))

# %% [markdown]
# ## A few factors behind many series
#
# Eight series that two factors move, each an autoregression. One begins late, one is seen every
# third step only. EM finds the factors, as far as they can be known: up to a turn.

# %%
rng = np.random.default_rng(2)
factors = np.zeros((200, 2))
for t in range(1, 200):
    factors[t] = factors[t - 1] * [0.9, 0.5] + rng.normal(size=2)
panel = factors @ rng.normal(size=(2, 8)) + 0.7 * rng.normal(size=(200, 8))
panel[:80, 0], panel[np.arange(200) % 3 > 0, 1] = np.nan, np.nan
model = lt.dynamic_factors(series=8, factors=2)
found = lt.fit_dynamic_factors(model, panel, learner=lt.EM(n_init=1))
print(found.status, np.linalg.eigvals(found.model.prior.transition).round(2))
smooth = lt.infer(found.model, panel).mean
left = factors - smooth @ np.linalg.lstsq(smooth, factors)[0]
print("explained", (1 - left.var(axis=0) / factors.var(axis=0)).round(3))
