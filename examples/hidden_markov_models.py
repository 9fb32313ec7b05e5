# %% [markdown]
# # Regimes of earthquakes
#
# How many earthquakes of magnitude 7 or more were there each year, from 1900 to 2006? A Poisson
# distribution does not fit: years with many come in a row. A hidden Markov model says that there
# are a few regimes, each with a rate of its own, and that the regime of a year depends on that of
# the year before.

# %%
import numpy as np

import latentia as lt

table = lt.datasets.load_earthquakes()
years, counts = table.data[:, 0], table.data[:, 1:]
print(counts[:10].ravel())

# %% [markdown]
# As a pair, p(z) is a Markov chain, and p(x|z) is at every step the Poisson distribution of that
# step's state. What is printed says how each question will be answered: by forward-backward, and
# exactly.

# %%
model = lt.LatentVariableModel(
    prior=lt.MarkovChain(3, stationary=True),
    likelihood=lt.PerStep(lt.Switch(lt.Poisson(dim=1), 3)),
)
fit = lt.fit(model, counts)
print(fit)
print(fit.model.likelihood.emission.parts.rates.ravel())
print(fit.model.prior.transitions.round(3))

# %% [markdown]
# Zucchini and MacDonald (2009) print a log-likelihood of -329.46 for these three regimes. How many
# regimes do the data want? BIC says.

# %%
for states in (1, 2, 3, 4):
    chain = lt.MarkovChain(states, stationary=True)
    emission = lt.PerStep(lt.Switch(lt.Poisson(dim=1), states))
    candidate = lt.fit(lt.LatentVariableModel(chain, emission), counts)
    print(states, round(candidate.log_likelihood, 2), round(candidate.bic, 1))

# %% [markdown]
# The verbs are those of every model. `map_estimate` is Viterbi's path, `infer` the probability of
# each regime in each year, `score` the log-likelihood of the series.

# %%
path = lt.map_estimate(fit.model, counts)
posterior = lt.infer(fit.model, counts)
print(path[:20])
print(posterior.probabilities[:3].round(3), posterior.method)

# %% [markdown]
# Missing years are no obstacle: they say nothing, and the chain bridges them. To look ahead is the
# same: append years of which nothing is known.

# %%
ahead = np.concatenate([counts, np.full((3, 1), np.nan)])
rates = fit.model.likelihood.emission.parts.rates.ravel()
print(lt.infer(fit.model, ahead).probabilities[-3:] @ rates)

# %% [markdown]
# A Markov chain leaves a regime with the same probability however long it has lasted. Where that is
# not so, `SemiMarkovChain` gives every regime a distribution of its durations, here of up to 15
# years. It is the same pair with another latent structure, and the same verbs. BIC finds that these
# counts are too few to learn so much.

# %%
lasting = lt.LatentVariableModel(
    prior=lt.SemiMarkovChain(2, longest=15),
    likelihood=lt.PerStep(lt.Switch(lt.Poisson(dim=1), 2)),
)
durations = lt.fit(lasting, counts)
print(durations)
print("bic", round(durations.bic, 1))
print(lt.map_estimate(durations.model, counts)[:20])

# %% [markdown]
# What a regime emits may be a mixture itself. Here each of two regimes of a series has two kinds of
# values, so neither is a single Gaussian.

# %%
rng = np.random.default_rng(0)
regime = np.repeat([0, 1, 0, 1], 60)
values = np.array([[-2.0, 2.0], [6.0, 10.0]])[regime, rng.integers(0, 2, 240)]
values = (values + 0.7 * rng.normal(size=240))[:, None]
two_kinds = lt.LatentVariableModel(
    prior=lt.MarkovChain(2),
    likelihood=lt.PerStep(lt.Switch(lt.Mixture(2, lt.DiagonalGaussian(dim=1)), 2)),
)
found = lt.fit(two_kinds, values)
print(found.model.likelihood.emission.parts.parts.mean.round(1).tolist())
agreement = np.mean(lt.map_estimate(found.model, values) == regime)
print("share of steps in the right regime:", max(agreement, 1 - agreement).round(3))

# %% [markdown]
# The same in the manner of hmmlearn: changing the import is enough.

# %%
hmm = lt.PoissonHMM(n_components=3, random_state=0).fit(counts)
print(hmm.lambdas_.ravel(), hmm.score(counts))
display = lt.plots.plot_states(hmm, counts, times=years)
