# %% [markdown]
# # When inference fails
#
# No method of approximation works for every posterior. What matters is that this is said, and what
# is done about it. This page shows a posterior that defeats all the cheap methods, how to read what
# the ladder tried, and what to do; then a posterior that does not exist, and a density that breaks.
#
# ## A funnel
#
# Eight schools had courses, each of which had an effect, known with a standard error (Rubin 1981).
# The effects are spread around a mean mu by tau. Written as one would say it:

# %%
import jax.numpy as jnp
import numpy as np

import latentia as lt
from latentia.densities import Flat, HalfCauchy, Normal

schools = {
    "effect": np.array([28.0, 8, -3, 7, -1, 1, 18, 12]),
    "error": np.array([15.0, 10, 16, 11, 9, 11, 10, 18]),
}
scales = {"mu": Normal(0, 5), "tau": HalfCauchy(5)}
centred = lt.LatentVariableModel(
    prior=lt.Continuous(scales | {"theta": lambda z: Normal(z["mu"], z["tau"], shape=8)}),
    likelihood=lt.Custom(lambda x, z: Normal(z["theta"], x["error"]).log_prob(x["effect"])),
)

# %% [markdown]
# The density grows without bound as tau goes to zero and all effects to mu, and its shape, a
# funnel, is like no Gaussian. The ladder climbs; to save time, only its lower rungs here.

# %%
cheap = lt.Ladder(rungs=(lt.AtMode(), lt.MeanField(), lt.FullRank(), lt.MomentMatching()))
doubtful = lt.infer(centred, schools, inference=cheap)
for step in doubtful.path:
    print("*", step)
print(doubtful.verdict)

# %% [markdown]
# Every rung says why it did not pass. Laplace's method found no highest point. The others have
# draws, but a few of these decide the answer, or they drift when they are moved: a part of the
# posterior is missing. The best of them is returned, with its verdict. By default annealing, a
# normalising flow and the sampler NUTS (if BlackJAX is installed, `pip install 'latentia[mcmc]'`)
# follow.
#
# A failed posterior hands out no draws, and in a pipeline a doubtful one can be an error:

# %%
strict = lt.Ladder(rungs=cheap.rungs, raise_on="suspect")
try:
    lt.infer(centred, schools, inference=strict)
except lt.UntrustedPosterior as error:
    print(error)

# %% [markdown]
# ## The remedy
#
# Another form of the same model, with effects in units of their own spread, has a posterior that is
# much closer to a Gaussian. The quantities that one wants are derived from it.

# %%
free = lt.LatentVariableModel(
    prior=lt.Continuous(scales | {"t": Normal(0, 1, shape=8)}),
    likelihood=lt.Custom(
        lambda x, z: Normal(z["mu"] + z["tau"] * z["t"], x["error"]).log_prob(x["effect"])
    ),
)
trusted = lt.infer(free, schools)
for step in trusted.path:
    print("*", step)
effects = trusted.derive(lambda z: {"theta": z["mu"] + z["tau"] * z["t"]})
print("effects, trusted  ", effects.mean["theta"].round(1))
print("effects, doubtful ", doubtful.mean["theta"].round(1))
print("tau", trusted.mean["tau"].round(2), "and", doubtful.mean["tau"].round(2))

# %% [markdown]
# ## A posterior that does not exist
#
# A flat prior on something that the data say nothing of leaves an improper posterior:

# %%
try:
    lt.infer(
        lt.LatentVariableModel(
            prior=lt.Continuous({"mu": Normal(0, 5), "unused": Flat()}),
            likelihood=lt.Custom(lambda x, z: Normal(z["mu"], x["error"]).log_prob(x["effect"])),
        ),
        schools,
    )
except lt.UntrustedPosterior as error:
    print(error)

# %% [markdown]
# ## A density that breaks
#
# Where a log density is not finite anywhere near the start, the operation is named that first went
# wrong, and the entry of the data if it is one of these:

# %%
broken = lt.LatentVariableModel(
    prior=lt.Continuous({"mu": Normal(0, 5)}),
    likelihood=lt.Custom(lambda x, z: jnp.sum(jnp.log(x["effect"]) - z["mu"] ** 2)),
)
try:
    lt.infer(broken, schools)
except ValueError as error:
    print(error)
