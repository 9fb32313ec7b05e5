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
import numpy as np

import latentia as lt
from latentia.densities import Flat, HalfCauchy, Normal

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
# ## When it does not work
#
# The same model can be written with the effects themselves in place of t. Then the density grows
# without bound as tau goes to zero and all effects to mu, and its shape, a funnel, is like no
# Gaussian. The ladder climbs: every rung has a verdict, and none passes.


# %%
def centred(x, z):
    return Normal(z["theta"], x["error"]).log_prob(x["effect"])


funnel = lt.LatentVariableModel(
    prior=lt.Continuous(
        {
            "mu": Normal(0, 5),
            "tau": HalfCauchy(5),
            "theta": lambda z: Normal(z["mu"], z["tau"], shape=8),
        }
    ),
    likelihood=lt.Custom(centred),
)
cheap = lt.Ladder(rungs=(lt.AtMode(), lt.MeanField(), lt.FullRank(), lt.MomentMatching()))
doubtful = lt.infer(funnel, schools, inference=cheap)
for step in doubtful.path:
    print("*", step)
print(doubtful.verdict)

# %% [markdown]
# By default two more rungs follow: annealing, whose points follow the funnel some of the way, and
# the sampler NUTS, if BlackJAX is installed (`pip install 'latentia[mcmc]'`). On a funnel both have
# trouble as well, and say so. The remedy is the first form of the model. In a pipeline a doubtful
# posterior can be an error:

# %%
strict = lt.Ladder(rungs=cheap.rungs, raise_on="suspect")
try:
    lt.infer(funnel, schools, inference=strict)
except lt.UntrustedPosterior as error:
    print(error)

# %% [markdown]
# A posterior that does not exist is called improper:

# %%
try:
    lt.infer(
        lt.LatentVariableModel(
            prior=lt.Continuous({"mu": Normal(0, 5), "unused": Flat()}),
            likelihood=same.likelihood,
        ),
        schools,
    )
except lt.UntrustedPosterior as error:
    print(error)
