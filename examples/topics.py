# %% [markdown]
# # Topics of documents
#
# A topic is a distribution over words, and a document mixes a few topics. That is a pair like any
# other: `Topics` is the prior of the proportions z in which a document mixes them, and
# `WordCounts` says how often each word comes, given z. Together they are latent Dirichlet
# allocation (Blei, Ng and Jordan 2003).

# %%
import numpy as np
import scipy.sparse as sp

import latentia as lt

words = [
    *("galaxy", "star", "orbit", "planet", "telescope", "comet", "moon", "light"),
    *("goal", "match", "team", "league", "coach", "player", "season", "score"),
    *("flour", "butter", "oven", "sugar", "recipe", "salt", "dough", "pan"),
]
truth = lt.LatentVariableModel(
    prior=lt.Topics(3, concentration=0.3),
    likelihood=lt.WordCounts(np.repeat(np.eye(3), 8, axis=1) * 0.11 + 0.005, length=60),
)
print(truth)

# %% [markdown]
# We draw 400 documents from this model, so that we know what there is to find. Counts of words are
# mostly zero, and stay sparse.

# %%
draw = lt.sample(truth, key=0, n=400)
counts = sp.csr_array(draw.x)
print(counts.shape, f"{counts.nnz / np.prod(counts.shape):.0%} of the counts are not zero")

# %% [markdown]
# ## As a scikit-learn estimator
#
# The interface is that of scikit-learn's class. The bound never falls in batch learning.

# %%
lda = lt.LatentDirichletAllocation(n_components=3, random_state=0, max_iter=30)
lda.fit(counts)
print("bound after each pass", np.round(lda.lower_bounds_[:5], 1))
print("and at the end", round(lda.lower_bound_, 1))
display = lt.plots.plot_topics(lda, words)

# %% [markdown]
# `transform` gives the expected proportions of each document. Topics have no order of their own, so
# we match them with those that we drew from.

# %%
shares = lda.transform(counts)
match = np.corrcoef(shares.T, draw.z.T)[:3, 3:].argmax(axis=0)
print("mean error of the proportions:", np.abs(shares[:, match] - draw.z).mean().round(3))

# %% [markdown]
# How well are words predicted that were not seen? `completion_perplexity` estimates the proportions
# from half the words of each document and predicts the other half. It is the number of words among
# which the model is in doubt: 24 without any knowledge, 8 with one topic for each document.

# %%
test = sp.csr_array(lt.sample(truth, key=1, n=200).x)
print("perplexity of held-out words:", round(lda.completion_perplexity(test), 2))

# %% [markdown]
# Documents may also come in batches, as a stream does: `partial_fit` learns from each and forgets
# it (Hoffman, Blei and Bach 2010). Two passes over eight batches find nearly what all documents
# together do.

# %%
online = lt.LatentDirichletAllocation(n_components=3, random_state=0, total_samples=400)
for _ in range(2):
    for first in range(0, 400, 50):
        online.partial_fit(counts[first : first + 50])
print("perplexity of held-out words:", round(online.completion_perplexity(test), 2))

# %% [markdown]
# ## As a model
#
# The estimator's `model_` is the pair, with the same verbs as every model. The posterior of z has
# no closed form, so the evidence is a lower bound, and says so.

# %%
posterior = lt.infer(lda.model_, draw.x[:3])
print(posterior.method, "-", posterior.exactness)
print(posterior.probabilities.round(3))
print(lt.score(lda.model_, draw.x[:3]))

# %% [markdown]
# `latentia.fit` finds topics, and the concentration of the prior, by maximum likelihood (of the
# bound), without any prior on topics. Here 150 documents do.

# %%
fit = lt.fit(
    lt.LatentVariableModel(lt.Topics(3), lt.WordCounts(dim=24, states=3)),
    draw.x[:150],
    learner=lt.EM(n_init=1, tol=1e-4),
)
print(fit)
print("concentration", fit.model.prior.concentration.round(2))
