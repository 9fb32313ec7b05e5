# %% [markdown]
# # Models of your own
#
# Where no algorithm fits a model, you can still write it down: a prior over named numbers, and the
# likelihood as a plain function. `infer` then approximates the posterior, corrects the
# approximation by importance sampling, and says how far to trust the result.
#
# The example is the classic of eight schools (Rubin 1981): in each of them coaching for a test had
# an effect, known with a standard error. The effects differ from school to school by a standard
# deviation tau that is not known.

# %%
import jax
import numpy as np

import latentia as lt
from latentia.densities import HalfCauchy, Normal

schools = {
    "effect": np.array([28.0, 8, -3, 7, -1, 1, 18, 12]),
    "error": np.array([15.0, 10, 16, 11, 9, 11, 10, 18]),
}


def log_likelihood(x, z):
    theta = z["mu"] + z["tau"] * z["t"]
    return Normal(theta, x["error"]).log_prob(x["effect"])


model = lt.LatentVariableModel(
    prior=lt.Continuous({"mu": Normal(0, 5), "tau": HalfCauchy(5), "t": Normal(0, 1, shape=8)}),
    likelihood=lt.Custom(log_likelihood),
)
print(model)

# %% [markdown]
# ## The posterior and its verdict
#
# All the data are one x, of any structure. There is nothing to set: no learning rate, no number of
# steps. What is printed comes with the error that the draws leave in it.

# %%
posterior = lt.infer(model, schools)
print(posterior)

# %% [markdown]
# Read the verdict first. *pass* means that the weights of importance sampling are stable: the
# Pareto k-hat, the shape of their tail, is below 0.7, and at least a tenth of the draws count. Two
# rungs of the ladder were tried. Laplace's method, a distribution with the curvature at the mode,
# missed much of the posterior and was called a failure; mean-field variational inference, with
# covariances by linear response, came close enough to be corrected.
#
# Numbers come back in the structure of z, and further quantities can be derived from it.

# %%
print("tau has mean", posterior.mean["tau"].round(2), "+-", posterior.mean_error["tau"].round(3))
told = posterior.derive(lambda z: {"theta": z["mu"] + z["tau"] * z["t"]})
print("effects      ", told.mean["theta"].round(1))
print("and their sd ", told.standard_deviation["theta"].round(1))
print("5 % and 95 % ", told.quantiles([0.05, 0.95])["theta"].round(1), sep="\n")
draws = posterior.sample(key=0, n=1000)
print("P(tau > 5) is about", np.mean(draws["tau"] > 5).round(2))

# %% [markdown]
# The evidence is an estimate with an interval, so that models can be compared. Here the schools
# need not differ at all:

# %%
same = lt.LatentVariableModel(
    prior=lt.Continuous({"mu": Normal(0, 5)}),
    likelihood=lt.Custom(lambda x, z: Normal(z["mu"], x["error"]).log_prob(x["effect"])),
)
for name, each in (("different", model), ("the same", same)):
    low, high = lt.infer(each, schools).evidence_interval
    print(f"{name:<10} log evidence between {low:.2f} and {high:.2f}")

# %% [markdown]
# What the ladder does where this does not work is on a page of its own, "When inference fails".
#
# ## Would the model make such data?
#
# A verdict is about the approximation, and says nothing of the model. A posterior predictive check
# draws the data again, and compares. It needs to know how to draw x given z:


# %%
def draw_effects(key, z):
    theta = z["mu"] + z["tau"] * z["t"]
    noise = jax.random.normal(key, theta.shape)
    return {"effect": theta + schools["error"] * noise, "error": schools["error"]}


drawable = lt.LatentVariableModel(model.prior, lt.Custom(log_likelihood, draw=draw_effects))
check = lt.predictive_check(drawable, schools, posterior=posterior)
print(check.verdict)

# %% [markdown]
# With ArviZ (`pip install 'latentia[arviz]'`) `posterior.loo()` is leave-one-out cross-validation
# with a k-hat for each school, and `posterior.to_arviz(pointwise="rows")` all that its plots need.
# `lt.calibrate(drawable)` asks whether posteriors of such data are as wide as they should be.

# %% [markdown]
# ## A shape like no Gaussian
#
# Where z has a few curved dimensions, a `Flow` bends the best Gaussian until its bound is highest.
# The evidence of this banana is 1, without any data.

# %%
banana = lt.LatentVariableModel(
    prior=lt.Continuous({"a": Normal(0, 1), "b": lambda z: Normal(z["a"] ** 2, 0.3)}),
    likelihood=lt.Custom(lambda x, z: 0.0 * z["a"]),
)
bent = lt.infer(banana, 0.0, inference=lt.Ladder(rungs=(lt.AtMode(), lt.FullRank(), lt.Flow())))
for step in bent.path:
    print("*", step)
print("log evidence", bent.evidence_interval)

# %% [markdown]
# ## Many data
#
# With the `Stochastic` rung every step sees a few rows of the data. It tunes its own steps, stops
# when their average no longer changes, and is corrected with all the data in the end. The
# likelihood has to be a sum over the rows of all arrays in x, which is checked.

# %%
rng = np.random.default_rng(0)
X = np.column_stack([np.ones(20_000), rng.normal(50, 10, 20_000)])
rows = {"X": X, "y": X @ [1.0, 0.02] + rng.normal(size=20_000)}
line = lt.LatentVariableModel(
    prior=lt.Continuous({"slopes": Normal(0, 10, shape=2)}),
    likelihood=lt.Custom(lambda x, z: Normal(x["X"] @ z["slopes"], 1.0).log_prob(x["y"])),
)
print(lt.infer(line, rows, inference=lt.Ladder(rungs=(lt.Stochastic(),))))

# %% [markdown]
# ## Components whose order says nothing
#
# In a mixture any order of the components is as probable as any other, so that separate starts find
# several modes, and means over draws are of no use. `exchangeable` finds such components by trying,
# and `align_labels` puts them in one order in all draws.


# %%
def two_groups(x, z):
    each = -0.5 * (x[:, None] - z["means"]) ** 2
    return jax.nn.logsumexp(each, axis=1).sum()


groups = np.r_[rng.normal(-3, 1, 30), rng.normal(3, 1, 30)]
switched = lt.infer(
    lt.LatentVariableModel(lt.Continuous({"means": Normal(0, 5, shape=2)}), lt.Custom(two_groups)),
    groups,
)
print(switched.verdict)
print("exchangeable", lt.exchangeable(switched), "means", switched.mean["means"].round(2))
aligned = lt.align_labels(switched)
print(aligned.verdict)
print("means in order", aligned.mean["means"].round(2))

# %% [markdown]
# ## To and from other libraries
#
# Any sampler of JAX can have the log density, as a function of unconstrained numbers:

# %%
density = lt.log_density(model, schools)
start = jax.numpy.zeros(density.dim)
print(density.names[:3], density(start), jax.grad(density)(start)[:3])
print(density.constrain(start)["tau"])

# %% [markdown]
# A model that was written for NumPyro (`pip install 'latentia[numpyro]'`) becomes one of this
# library, with its sample sites as named parts of z:
#
# ```python
# model, x = lt.from_numpyro(numpyro_function, J, sigma, y=y)
# lt.infer(model, x)
# ```
