# %% [markdown]
# # Doges: a deep latent variable model
#
# A variational autoencoder is a pair like any other: a Gaussian vector z, and a network that says
# how a picture follows from it. It is stated, fitted and asked with the words that serve a mixture.
# The pictures are cartoon Shiba Inus that `latentia.datasets.doges` draws from known factors:
# how the head is turned and tilted, the ears, the mouth, the colour of the fur, size, place, light.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

import latentia as lt

doges = lt.datasets.doges(4000, seed=0)
new = lt.datasets.doges(500, seed=1)
lt.plots.plot_pictures(doges.images[:24], columns=12, title="Doges")
plt.show()

# %% [markdown]
# ## The pair, and the encoder
#
# `Neural` is the likelihood: the decoder gives the mean of each pixel, and one learned scale says
# how far pixels are from it. `Amortized` is how z is inferred: an encoder network that has learned
# to do it in one step. The decoder knows where each pixel lies, so that what moves in the picture
# is one number of z.

# %%
latent = 16
shape = (32, 32, 3)
channels = (16, 32, 64)
model = lt.LatentVariableModel(
    prior=lt.GaussianLatent(dim=latent),
    likelihood=lt.Neural(
        lt.networks.BroadcastDecoder(latent, shape, channels[1::-1], key=0),
        lt.GaussianOutput(),
        shape=shape,
        latent_dim=latent,
    ),
    inference=lt.Amortized(
        lt.networks.ConvEncoder(shape, 2 * latent, channels, hidden=(128,), key=1), draws=8
    ),
)
print(model)

# %% [markdown]
# Training climbs the evidence lower bound by stochastic gradient. A tenth of the data is held out,
# and the weights of the best epoch are kept.

# %%
learner = lt.StochasticGradient(lt.ELBO(), epochs=20, batch=32, learning_rate=3e-3)
fit = lt.fit(model, doges.images, learner=learner)
print(fit)

# %% [markdown]
# ## How good is it?
#
# `evaluate` measures on doges that were not seen: an importance-weighted estimate of the
# log-likelihood, its parts, how many of the 16 coordinates are used, and a verdict.

# %%
found = lt.evaluate(fit.model, new.images[:40], k=100, refine=20)
print(found)

# %% [markdown]
# The bound has two parts: the rate, what z says of a picture, and the distortion, what is left to
# say. Training trades one for the other; most coordinates of z are put to use.

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
lt.plots.plot_rate_distortion(fit, ax=axes[0])
lt.plots.plot_rates(found, ax=axes[1])
plt.show()

# %% [markdown]
# ## Question 1: generate
#
# `sample` draws z from the prior and then a picture. The picture that is expected for a z has no
# noise on its pixels.

# %%
lt.plots.plot_draws(fit.model, n=24, columns=12)
plt.show()

# %% [markdown]
# ## Question 2: infer
#
# The posterior of z is the object that every model of the library gives: mean, covariance, draws,
# log evidence, and the name of the method. Its verdict counts the draws that carry weight: where
# they are few, as in many dimensions they are, the log evidence is a bound and no more, and
# `evaluate`, as above, says by how much it falls short.

# %%
posterior = lt.infer(fit.model, new.images)
print(posterior.mean.shape, "by", posterior.method)
print(posterior.verdict)
lt.plots.plot_reconstructions(fit.model, new.images[:10])
plt.show()

# %% [markdown]
# The posteriors of 200 doges in two of the coordinates, and one of the true factors as a colour:

# %%
light = new.factors[:200, new.names.index("light")]
lt.plots.plot_latent_plane(fit.model, new.images[:200], values=light, name="true light")
plt.show()

# %% [markdown]
# What do the coordinates mean? The true factors are known here, so we can ask how much of each of
# them a linear function of z predicts (R², on doges that it was not fitted to), and which
# coordinate says most about it.

# %%
known = doges.factors[:2000]
codes = lt.infer(fit.model, doges.images[:2000]).mean
print(lt.disentanglement(codes, known, doges.names, periodic=["hue"]))

# %% [markdown]
# The same linear function, on doges that neither it nor the model has seen:


# %%
def with_hue(factors):
    hue = factors[:, 4]
    return np.column_stack([factors[:, :4], np.cos(hue), np.sin(hue), factors[:, 5:]])


names = [*doges.names[:4], "cos(hue)", "sin(hue)", *doges.names[5:]]
probe = LinearRegression().fit(codes, with_hue(known))
truth, found = with_hue(new.factors), probe.predict(posterior.mean)
# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
for ax, name in zip(axes, ["turn", "across", "light"], strict=True):
    column = names.index(name)
    ax.plot(truth[:, column], found[:, column], ".", markersize=3)
    ax.set(xlabel=f"true {name}", ylabel="from z")
plt.show()

# %% [markdown]
# ## A doge of a chosen style and posture
#
# The same data say which z to expect of some factors: a regression, with squares and products,
# since z curves as the head turns. So a doge can be ordered: style (the hue of the fur) from one
# list, posture (turn and tilt of the head) from another.

# %%
writer = make_pipeline(PolynomialFeatures(2), LinearRegression())
writer.fit(with_hue(known), codes)
order = np.tile(with_hue(known).mean(axis=0), (3, 7, 1))
for row, hue in enumerate([0.5, 2.5, 4.5]):
    order[row, :, names.index("cos(hue)")] = np.cos(hue)
    order[row, :, names.index("sin(hue)")] = np.sin(hue)
order[:, :, names.index("turn")] = np.linspace(-0.9, 0.9, 7)
order[:, :, names.index("tilt")] = np.linspace(0.25, -0.25, 7)
chosen = writer.predict(order.reshape(21, -1))


def expected(z):
    """The pictures expected for some z, without pixel noise."""
    return np.stack([np.asarray(fit.model.likelihood.mean(one)) for one in z.astype(np.float32)])


lt.plots.plot_pictures(expected(chosen), columns=7, title="Three styles in seven postures")
plt.show()

# %% [markdown]
# ## Question 3: the most probable explanation
#
# `map_estimate` climbs to the mode of the joint density. Missing pixels are integrated out, so it
# also completes a doge of which only the left half is seen.

# %%
half = new.images[:10].copy()
half[:, :, 16:] = np.nan
completed = expected(lt.map_estimate(fit.model, half))
rows = np.concatenate([half, completed, new.images[:10]])
lt.plots.plot_pictures(rows, columns=10, title="Seen, completed, true")
plt.show()

hidden = np.isnan(half)
average = np.broadcast_to(doges.images.mean(axis=0), half.shape)
ours, theirs = (((guess - new.images[:10])[hidden] ** 2).mean() for guess in (completed, average))
print(f"squared error of the hidden half: {ours:.4f} completed, {theirs:.4f} by the mean picture")

# %% [markdown]
# ## Question 4: how probable is a picture?
#
# `score` is the log evidence, here an importance-weighted bound. A doge upside down is a stranger.

# %%
upright = lt.score(fit.model, new.images[:50])
upside_down = lt.score(fit.model, new.images[:50, ::-1])
print("mean log evidence, upright:", upright.mean().round(0), " upside down:",
      upside_down.mean().round(0))  # fmt: skip

# %% [markdown]
# ## A walk between two doges
#
# Halfway between two pictures is a blend of both; halfway between their z is a doge.

# %%
first, last = posterior.mean[3], posterior.mean[8]
walk = first + np.linspace(0, 1, 10)[:, None] * (last - first)
lt.plots.plot_pictures(expected(walk), columns=10, title="From one doge to another")
plt.show()

# %% [markdown]
# ## The same with scikit-learn's manners
#
# `VariationalAutoencoder` chooses networks and family from the data, and is saved as data.

# %%
small = lt.datasets.doges(300, seed=2, size=16).images
vae = lt.VariationalAutoencoder(8, max_iter=3, batch_size=64).fit(small)
print(vae.transform(small[:5]).shape, vae.fit_.verdict)
