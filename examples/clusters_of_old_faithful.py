# %% [markdown]
# # How many kinds of eruption?
#
# The Old Faithful geyser: 272 eruptions, their length and the waiting time to the next, both in
# minutes. We compare mixtures of one to six Gaussians of four shapes, keep the best by BIC, and
# look at it.

# %%
import latentia as lt

table = lt.datasets.load_faithful()
print(table.columns, table.data.shape)

# %% [markdown]
# One call fits every candidate, each from many starts. Candidates in which a component has shrunk
# to a point are listed, and never chosen.

# %%
selection = lt.select(table.data, components=range(1, 7))
print(selection)

# %%
display = lt.plots.plot_selection(selection.table)

# %% [markdown]
# The estimator is a scikit-learn estimator: `fit`, `predict`, `predict_proba`, `score_samples`.

# %%
best = lt.GaussianMixture(n_components=3, covariance_type="tied", random_state=0)
best.fit(table.data)
print(best.summary())

# %%
display = lt.plots.plot_clusters(best, table.data)

# %% [markdown]
# Where is the assignment uncertain? The posterior says so for each eruption.

# %%
display = lt.plots.plot_uncertainty(best, table.data)

# %% [markdown]
# Missing values are no obstacle: they are integrated out. Here one eruption has no length, and the
# model says what it expects, given the waiting time.

# %%
print(best.impute([[float("nan"), 55.0], [float("nan"), 85.0]]))
