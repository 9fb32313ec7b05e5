"""The parts of a variational autoencoder, from the words for them."""

from collections.abc import Callable
from math import prod
from typing import Any

import jax
import numpy as np

from latentia.inference import Amortized
from latentia.latents import FlowLatent, GaussianLatent, MixtureLatent, VampPrior
from latentia.likelihoods import (
    AbstractOutput,
    BernoulliOutput,
    ContinuousBernoulliOutput,
    GaussianOutput,
    LogisticOutput,
    NegativeBinomialOutput,
    Neural,
    PoissonOutput,
    VaryingGaussianOutput,
)
from latentia.model import LatentVariableModel
from latentia.networks import MLP, BroadcastDecoder, ConvDecoder, ConvEncoder, ResidualMLP

FAMILIES: dict[str, Callable[[], AbstractOutput]] = {
    "bernoulli": BernoulliOutput,
    "continuous-bernoulli": ContinuousBernoulliOutput,
    "gaussian": GaussianOutput,
    "varying-gaussian": VaryingGaussianOutput,
    "logistic": LogisticOutput,
    "poisson": PoissonOutput,
    "negative-binomial": NegativeBinomialOutput,
}
NETWORKS = ("mlp", "residual", "conv", "broadcast")
# Of pictures.
_CONVOLVED = ("conv", "broadcast")
PRIORS = ("normal", "mixture", "vamp", "flow")
_WIDTHS = {
    "mlp": (256, 256),
    "residual": (256, 256),
    "conv": (16, 32, 64),
    "broadcast": (16, 32, 64),
}
# From this height and width on, pictures are for convolutions.
_LARGE = 16
# The hidden layer of an encoder behind its convolutions.
_HIDDEN = (128,)


def guess_family(values: np.ndarray) -> str:
    """Bernoulli for zeros and ones, Gaussian for all else."""
    seen = values[~np.isnan(values)]
    return "bernoulli" if np.isin(seen, (0, 1)).all() else "gaussian"


def build(
    options: Any, family: str, shape: tuple[int, ...], missing: bool, inputs: int, seed: int
) -> LatentVariableModel:
    """The model to fit.

    Args:
        options: the estimator, for its parameters.
        family: the name of a family.
        shape: of one datum.
        missing: whether entries may be missing, so that the encoder has to see which.
        inputs: how many covariates there are.
        seed: decides the first weights.
    """
    outputs, latent = FAMILIES[family](), int(options.n_components)
    kind = options.network
    if kind == "auto":
        kind = "broadcast" if len(shape) == 3 and min(shape[:2]) >= _LARGE else "mlp"
    if kind in _CONVOLVED and len(shape) != 3:
        raise ValueError(
            f'network="{kind}" should be for pictures [N, height, width, channels], but X is a '
            'table: use "mlp".'
        )
    widths = _WIDTHS[kind] if options.widths is None else tuple(map(int, options.widths))
    sizes = latent, inputs, outputs.parameters, 2 if missing else 1
    decoder, encoder = _networks(kind, widths, shape, sizes, seed)
    likelihood = Neural(decoder, outputs, shape, latent, inputs=inputs)
    inference = Amortized(encoder, masked=missing, draws=int(options.score_draws))
    return LatentVariableModel(_prior(options, latent, shape, seed), likelihood, inference)


def _networks(
    kind: str, widths: Any, shape: Any, sizes: tuple[int, int, int, int], seed: int
) -> tuple[Any, Any]:
    first, second = jax.random.split(jax.random.key(seed))
    latent, inputs, parameters, copies = sizes
    asked = latent + inputs
    if kind in _CONVOLVED:
        seen = (*shape[:2], copies * shape[2] + inputs)
        made = (*shape[:2], parameters * shape[2])
        if kind == "conv":
            decoder = ConvDecoder(asked, made, tuple(reversed(widths)), key=first)
            return decoder, ConvEncoder(seen, 2 * latent, widths, key=second)
        # The grid takes the place of the smallest picture.
        decoder = BroadcastDecoder(asked, made, tuple(reversed(widths[:-1])), key=first)
        return decoder, ConvEncoder(seen, 2 * latent, widths, _HIDDEN, key=second)
    entries = prod(shape)
    # Of a picture each pixel has the covariates beside it.
    shown = prod(shape[:-1]) * (copies * shape[-1] + inputs)
    if kind == "residual":
        size = widths[0], len(widths)
        decoder = ResidualMLP(asked, entries * parameters, *size, key=first)
        return decoder, ResidualMLP(shown, 2 * latent, *size, key=second)
    decoder = MLP(asked, entries * parameters, tuple(reversed(widths)), key=first)
    return decoder, MLP(shown, 2 * latent, widths, key=second)


def _prior(options: Any, latent: int, shape: tuple[int, ...], seed: int) -> Any:
    if options.prior == "mixture":
        return MixtureLatent(int(options.n_clusters), latent, key=seed)
    if options.prior == "vamp":
        return VampPrior(int(options.n_clusters), latent, shape)
    if options.prior == "flow":
        return FlowLatent(latent, key=seed)
    return GaussianLatent(latent)
