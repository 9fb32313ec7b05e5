"""Amortised inference: an encoder network states the evidence of x about z in one step."""

from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from latentia.constraints import fixed
from latentia.latents import AbstractPosterior, AbstractVectorPrior
from latentia.likelihoods import Neural
from latentia.model import LatentVariableModel
from latentia.networks import AbstractNetwork, as_network
from latentia.numerics import log_sum_exp
from latentia.potentials import GaussianPotential
from latentia.typing import Key, Moments, Scalar
from latentia.verdict import Exactness

from .amortized_posterior import AmortizedPosterior, Proposal, log_weights
from .content import content_key
from .interface import AbstractInference
from .uphill import uphill

# The log precision of evidence about a coordinate; far beyond what data of any kind say.
_LEAST, _MOST = -12.0, 25.0
# A point and its opposite for each, where a proposal is refined.
_MOST_PAIRS = 32


class Parts(NamedTuple):
    """What a deep model is made of, with the prior made ready for many z."""

    prior: Any
    likelihood: Any
    inference: Any


def parts_of_model(model: Any) -> Parts:
    """The parts of a model with an encoder."""
    prior = model.prior.prepare(model.inference.propose)
    return Parts(prior, model.likelihood, model.inference)


def proposed(parts: Parts, x: jax.Array) -> Proposal:
    """What the encoder proposes for one x, which may have covariates behind it."""
    return parts.inference.propose(*parts.likelihood.split(x))


class Amortized(AbstractInference):
    """An encoder network that has learned to infer: for every x a Gaussian potential of z.

    The potential speaks of the coordinates in which the prior is standard normal (or of z, if there
    are none): the network gives a precision of the evidence and the mean of the posterior, and
    conditioning the prior on it is exact Gaussian algebra. No evidence is the prior. (Kingma and
    Welling 2014; the form as evidence is that of Johnson et al. 2016.)

    Args:
        encoder: from x, in the ``shape`` of the likelihood, to 2 L numbers: one of
            ``latentia.networks``, or any equinox module. Covariates stand behind its last axis,
            the same ones at every pixel of a picture.
        masked: whether the encoder also gets, behind the last axis of x, which entries are
            observed, so that it can infer from x with missing entries (these it sees as 0).
        draws: k, how many draws ``infer`` and ``score`` estimate the log evidence with.
        refinement: how many gradient steps on the bound of each x improve the encoder's answer
            (semi-amortised inference: Kim et al. 2018).
        centre: ``[*shape]``, subtracted from x; by default the mean of the data.
        scale: ``[*shape]``, divides x after that; by default the standard deviation.
    """

    encoder: AbstractNetwork
    centre: Float[Array, "..."] | None = eqx.field(metadata=fixed)
    scale: Float[Array, "..."] | None = eqx.field(metadata=fixed)
    masked: bool = eqx.field(static=True)
    draws: int = eqx.field(static=True)
    refinement: int = eqx.field(static=True)

    def __init__(
        self,
        encoder: Any,
        *,
        masked: bool = False,
        draws: int = 64,
        refinement: int = 0,
        centre: Any = None,
        scale: Any = None,
    ) -> None:
        self.encoder = as_network(encoder, "encoder of Amortized")
        self.masked = masked
        self.draws = draws
        self.refinement = refinement
        self.centre = centre
        self.scale = scale

    def __check_init__(self) -> None:
        for name, least in (("draws", 1), ("refinement", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(
                    f"{name} of Amortized should be a whole number of at least {least}, but is "
                    f"{value!r}."
                )

    @property
    def exactness(self) -> Exactness:
        return Exactness.ESTIMATE

    def check(self, prior: Any, likelihood: Any) -> None:
        """Raise if the encoder does not fit the other parts of a model."""
        if not isinstance(prior, AbstractVectorPrior) or not isinstance(likelihood, Neural):
            raise TypeError(
                "inference=Amortized(...) should be with a prior of a real vector and a Neural "
                f"likelihood, but is with {type(prior).__name__} and {type(likelihood).__name__}: "
                "leave inference out."
            )
        if prior.dim != likelihood.latent_dim:
            raise ValueError(
                f"latent_dim of Neural should be {prior.dim}, as the prior has dimensions, but is "
                f"{likelihood.latent_dim}."
            )
        if likelihood.inputs and not prior.alone:
            raise ValueError(
                f"prior should be made without an encoder where there are covariates, but is a "
                f"{type(prior).__name__}: use a GaussianLatent, a MixtureLatent or a FlowLatent."
            )
        shape = self.input_shape(likelihood.shape, likelihood.inputs)
        x = jax.ShapeDtypeStruct(shape, jnp.float32)
        try:
            size = jax.eval_shape(lambda network, x: network(x), self.encoder, x).size
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"encoder of Amortized should take an array of shape {shape}, but does not "
                f"({str(error).splitlines()[0]}): choose its inputs so."
            ) from error
        if size != 2 * prior.dim:
            raise ValueError(
                f"encoder of Amortized should give {2 * prior.dim} numbers, two for each dimension "
                f"of z, but gives {size}: choose its outputs so."
            )

    def input_shape(self, shape: tuple[int, ...], inputs: int = 0) -> tuple[int, ...]:
        """The shape of what the encoder sees of an x of this shape with so many covariates."""
        return (*shape[:-1], shape[-1] * (2 if self.masked else 1) + inputs)

    def propose(self, x: jax.Array, given: jax.Array | None = None) -> Proposal:
        """The posterior that the encoder proposes for one ``x [*shape]``, and maybe covariates
        ``[P]``, in u."""
        seen = ~jnp.isnan(x)
        shown = x if self.centre is None else x - self.centre
        shown = shown if self.scale is None else shown / self.scale
        shown = jnp.where(seen, shown, 0.0)
        if self.masked:
            shown = jnp.concatenate([shown, seen.astype(shown.dtype)], axis=-1)
        if given is not None:
            everywhere = jnp.broadcast_to(given, (*shown.shape[:-1], given.size))
            shown = jnp.concatenate([shown, everywhere.astype(shown.dtype)], axis=-1)
        mean, precision = self.encoder(shown).reshape(2, -1)
        # Nothing was observed, so nothing is known beyond the prior.
        some = jnp.any(seen)
        log_scale = -0.5 * jax.nn.softplus(jnp.clip(precision, _LEAST, _MOST))
        return Proposal(jnp.where(some, mean, 0.0), jnp.where(some, log_scale, 0.0))

    def evidence(self, x: jax.Array) -> GaussianPotential:
        """The potential of one x, about u: conditioning a standard normal u on it gives
        ``propose(x)``. Its constant is without meaning."""
        proposal = self.propose(x)
        variance = jnp.exp(2 * proposal.log_scale)
        design = jnp.sqrt(jnp.maximum(1 / variance - 1, jnp.exp(_LEAST)))
        target = proposal.mean / (variance * design)
        return GaussianPotential(jnp.diag(design), target, jnp.zeros((), target.dtype))

    def infer(
        self, model: LatentVariableModel, x: jax.Array, key: Key | None = None
    ) -> AmortizedPosterior:
        return self.posterior(parts_of_model(model), x, key)

    def posterior(self, parts: Parts, x: jax.Array, key: Key | None = None) -> AmortizedPosterior:
        """The posterior of one x. Without a key the draws are decided by x itself."""
        x = x.reshape(parts.likelihood.row_shape)
        key = content_key(x) if key is None else key
        proposal = self.improve(parts, x, proposed(parts, x), key)
        noise = jax.random.normal(key, (self.draws, proposal.mean.size), proposal.mean.dtype)
        weights = log_weights(parts, x, proposal, jax.vmap(proposal.at)(noise))
        total = log_sum_exp(weights)
        effective = jnp.exp(2 * total - log_sum_exp(2 * weights))
        place = parts.prior.place
        mean = place(proposal.mean)
        # The map is affine, so its slopes are the columns of the root.
        root = jax.jacfwd(place)(proposal.mean) * proposal.scale
        evidence = total - jnp.log(self.draws)
        return AmortizedPosterior(mean, root, evidence, effective, x, self.draws, None)

    def improve(
        self, parts: Parts, x: jax.Array, proposal: Proposal, key: Key, steps: int | None = None
    ) -> Proposal:
        """The proposal after steps uphill on the bound of this x; by default ``refinement``."""
        steps = self.refinement if steps is None else steps
        if steps == 0:
            return proposal
        noise = _points(proposal.mean.size, key).astype(proposal.mean.dtype)

        def bound(proposal: Proposal) -> jax.Array:
            return jnp.mean(log_weights(parts, x, proposal, jax.vmap(proposal.at)(noise)))

        def step(_: Any, carry: Any) -> Any:
            at, size = carry
            slope = jax.grad(bound)(at)
            # In units of the posterior's own width; a step that does not help is tried shorter.
            move = Proposal(slope.mean * at.scale**2, slope.log_scale)
            tried = jax.tree.map(lambda a, b: a + size * jnp.clip(b, -3.0, 3.0), at, move)
            better = bound(tried) > bound(at)
            kept = jax.tree.map(lambda new, old: jnp.where(better, new, old), tried, at)
            return kept, jnp.where(better, 1.5 * size, 0.5 * size)

        return jax.lax.fori_loop(0, steps, step, (proposal, jnp.asarray(0.1)))[0]

    def mode(self, parts: Parts, x: jax.Array) -> jax.Array:
        """The z of the highest joint density that is reached uphill from the encoder's mean."""
        x = x.reshape(parts.likelihood.row_shape)

        def joint(u: jax.Array) -> jax.Array:
            place = parts.prior.place(u)
            return parts.likelihood.log_prob(x, place) + parts.prior.log_prob_at(u)

        start = proposed(parts, x)
        return parts.prior.place(uphill(joint, start.mean, start.scale))

    def condition(self, prior: Any, potential: Any) -> AbstractPosterior:
        return prior.condition(potential)

    def expect(self, prior: Any, potential: Any) -> tuple[Moments, Scalar]:
        raise ValueError(
            "learner should be a StochasticGradient for a model with an encoder, but is EM: leave "
            "learner out."
        )

    def started(self, centre: np.ndarray, scale: np.ndarray) -> Self:
        """The same, with what is not set yet taken from the data."""
        return type(self)(
            self.encoder,
            masked=self.masked,
            draws=self.draws,
            refinement=self.refinement,
            centre=centre if self.centre is None else self.centre,
            scale=scale if self.scale is None else self.scale,
        )

    def describe(self, model: LatentVariableModel | None = None) -> str:
        steps = f", refined in {self.refinement} steps" if self.refinement else ""
        return f"an encoder, {self.encoder.describe()}{steps} (approximation)"


def _points(dim: int, key: Key) -> jax.Array:
    """Points ``[P, L]`` over which the mean of a cubic polynomial is that over a standard normal.

    All have coordinates 1 and -1 (Stroud 1957). A few normal draws would not do: an optimum over
    them fits their mean and spread, and was seen to be worse than where it began. Beyond 32
    dimensions products of coordinates are right on average only.
    """
    if dim > _MOST_PAIRS:
        signs = jax.random.rademacher(key, (_MOST_PAIRS, dim))
    else:
        signs = np.ones((1, 1))
        while len(signs) < dim:
            # Hadamard matrices, by Sylvester's doubling: the columns are orthogonal.
            signs = np.block([[signs, signs], [signs, -signs]])
        signs = jnp.asarray(signs[:, :dim])
    return jnp.concatenate([signs, -signs])
