# %% [markdown]
# # Clusters and factors among outliers
#
# A Gaussian pays for a far point with the square of its distance, so one typing error can bend a
# whole component. A Student t does not: it is a Gaussian whose covariance is divided by a hidden
# scale of each row, and a far row simply gets a small scale.

# %%
import numpy as np

import latentia as lt

table = lt.datasets.load_faithful()
rng = np.random.default_rng(0)
errors = np.column_stack([rng.uniform(0, 12, 12), rng.uniform(0, 200, 12)])
data = np.concatenate([table.data, errors])

# %% [markdown]
# Old Faithful has two kinds of eruption. With twelve wrong rows added, two Gaussians no longer
# find them, while two Student t components do.

# %%
gaussian = lt.GaussianMixture(2, random_state=0).fit(data)
student = lt.StudentTMixture(2, random_state=0).fit(data)
print("Gaussian means:\n", gaussian.means_.round(2))
print(student.summary())

# %% [markdown]
# The same model, stated as a prior and a likelihood. The state says which Student t a row is from.

# %%
model = lt.LatentVariableModel(
    prior=lt.Discrete(2),
    likelihood=lt.Switch(lt.StudentT(dim=2), 2),
)
fit = lt.fit(model, data)
print(fit)

# %% [markdown]
# The degrees of freedom were learned. A number of one's own is `StudentT(dim=2, fixed_df=4.0)`.
#
# # Factors that outliers do not turn
#
# In factor analysis the scale becomes a part of z, beside the factors: z = (vector, scale). Then
# the evidence, the factors and the scales are all exact, and each row says how far out it is.

# %%
truth = lt.LatentVariableModel(
    prior=lt.GaussianLatent(1),
    likelihood=lt.LinearGaussian([[0.9], [0.8], [0.7], [0.6]], np.zeros(4), [0.3] * 4),
)
scores = lt.sample(truth, 0, 300).x
scores[:10, 2:] = [15.0, -15.0]

plain = lt.LatentVariableModel(
    prior=lt.GaussianLatent(1),
    likelihood=lt.LinearGaussian(dim=4, latent_dim=1),
)
robust = lt.LatentVariableModel(
    prior=lt.StudentTLatent(1),
    likelihood=lt.Scaled(lt.LinearGaussian(dim=4, latent_dim=1)),
)
bent = lt.fit(plain, scores).model
straight = lt.fit(robust, scores).model
print("Gaussian: ", bent.likelihood.loadings.ravel().round(2))
print("Student t:", straight.likelihood.inner.loadings.ravel().round(2))
print("degrees of freedom:", straight.prior.df.round(2))

# %% [markdown]
# The expected scale is near 1 for ordinary rows, and near 0 for the ten that were tampered with.

# %%
scale = lt.infer(straight, scores).scale
print("the ten smallest scales belong to rows", np.sort(np.argsort(scale)[:10]))
print("largest of the ten:", scale[:10].max().round(3), " median:", np.median(scale).round(2))

# %% [markdown]
# Both together: a state, and in each state factors with a scale of their own.

# %%
analysers = lt.LatentVariableModel(
    prior=lt.Branching(2, lt.StudentTLatent(1, fixed_df=4.0)),
    likelihood=lt.Switch(lt.Scaled(lt.LinearGaussian(dim=4, latent_dim=1)), 2),
)
print(analysers)
far = np.concatenate([scores, lt.sample(truth, 1, 200).x + [4.0, -4.0, 4.0, -4.0]])
found = lt.fit(analysers, far, learner=lt.EM(n_init=2))
codes, _ = lt.map_estimate(found.model, far)
print("rows of each state:", np.bincount(codes))

# %% [markdown]
# A mixture can also be one distribution among others: here each of two states has a density of two
# parts. In a hidden Markov model the same line gives states with Gaussian mixtures as emissions.

# %%
nested = lt.LatentVariableModel(
    prior=lt.Discrete(2),
    likelihood=lt.Switch(lt.Mixture(2, lt.DiagonalGaussian(dim=2)), 2),
)
print(lt.fit(nested, table.data))
