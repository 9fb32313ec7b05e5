"""Amortised inference: an encoder network states the evidence of x about z in one step."""

from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from latentia.constraints import fixed
from latentia.latents import AbstractPosterior, AbstractVectorPrior
from latentia.likelihoods import Neural, PerStep
from latentia.model import LatentVariableModel
from latentia.networks import AbstractNetwork, as_network
from latentia.numerics import log_sum_exp
from latentia.potentials import GaussianPotential
from latentia.typing import Key, Moments, Scalar
from latentia.verdict import Exactness

from .amortized_posterior import AmortizedPosterior
from .content import content_key
from .encoded import (
    LEAST,
    AbstractEncoded,
    AbstractPosteriorFamily,
    Conditioned,
    DiagonalPosterior,
    Framed,
    FullProposal,
    Parts,
    Proposal,
    family_for,
    log_weights,
    speaks_to,
)
from .encoded_posterior import EncodedPosterior, StructuredPosterior
from .encoder_checks import check_encoder
from .interface import AbstractInference
from .refining import refined
from .uphill import uphill

# Keys of refinement are apart from those of draws by this.
_REFINING = 2**31 + 1


def parts_of_model(model: Any) -> Parts:
    """The parts of a model with an encoder."""
    return Parts(prepared(model), model.likelihood, model.inference)


def prepared(model: Any) -> Any:
    """The prior made ready for many z."""
    if isinstance(model.prior, AbstractVectorPrior):
        return model.prior.prepare(model.inference.propose)
    return Framed(model.prior)


def proposed(parts: Parts, x: jax.Array) -> AbstractEncoded:
    """What the encoder proposes for one x, which may have covariates behind it."""
    inference, likelihood = parts.inference, parts.likelihood
    if isinstance(likelihood, PerStep):
        rows = x.reshape(-1, *likelihood.emission.shape)
        return inference.chosen(parts.prior).propose(parts, *jax.vmap(inference.numbers)(rows))
    if isinstance(likelihood, Neural):
        return inference.propose(*likelihood.split(x), parts)
    return inference.propose(x, None, parts)


def shaped(likelihood: Any, x: jax.Array) -> jax.Array:
    """One x in the shape of the likelihood; a sequence has any number of steps."""
    if isinstance(likelihood, PerStep):
        return x
    return x.reshape(likelihood.row_shape if isinstance(likelihood, Neural) else likelihood.shape)


class Amortized(AbstractInference):
    """An encoder network that has learned to infer: for every x a Gaussian potential of z.

    By default the potential speaks of the coordinates in which the prior is standard normal (or of
    z, if there are none): the network gives a precision of the evidence and the mean of the
    posterior, and conditioning the prior on it is exact Gaussian algebra. No evidence is the prior.
    (Kingma and Welling 2014; the form as evidence is that of Johnson et al. 2016.)

    With a ``GaussianChain``, a ``MarkovChain`` or a ``Discrete`` prior the encoder emits a
    potential of every step, and the prior's own algorithm conditions on it: a structured
    variational autoencoder, such as ``LatentVariableModel(GaussianChain(2), PerStep(Neural(...)),
    Amortized(encoder))``.

    Args:
        encoder: from x, in the ``shape`` of the likelihood (of one step of a sequence), to as many
            numbers as the ``family`` takes, 2 L by default: one of ``latentia.networks``, or any
            equinox module. Covariates stand behind its last axis, the same ones at every pixel of a
            picture.
        masked: whether the encoder also gets, behind the last axis of x, which entries are
            observed, so that it can infer from x with missing entries (these it sees as 0).
        draws: k, how many draws ``infer`` and ``score`` estimate the log evidence with.
        refinement: how many gradient steps on the bound of each x improve the encoder's answer
            (semi-amortised inference: Kim et al. 2018); for diagonal Gaussians.
        centre: ``[*shape]``, subtracted from x; by default the mean of the data.
        scale: ``[*shape]``, divides x after that; by default the standard deviation.
        family: which posteriors the encoder's numbers describe, such as ``FullPosterior()`` or a
            ``CouplingPosterior(L)``. By default the prior decides: for a vector it is
            ``DiagonalPosterior()``, for a ``LayeredLatent`` ``TopDownPosterior()``, and for any
            other structure ``ConditionedPosterior()``.
    """

    encoder: AbstractNetwork
    centre: Float[Array, "..."] | None = eqx.field(metadata=fixed)
    scale: Float[Array, "..."] | None = eqx.field(metadata=fixed)
    masked: bool = eqx.field(static=True)
    draws: int = eqx.field(static=True)
    refinement: int = eqx.field(static=True)
    family: AbstractPosteriorFamily | None = None

    def __init__(
        self,
        encoder: Any,
        *,
        masked: bool = False,
        draws: int = 64,
        refinement: int = 0,
        centre: Any = None,
        scale: Any = None,
        family: AbstractPosteriorFamily | None = None,
    ) -> None:
        self.encoder = as_network(encoder, "encoder of Amortized")
        self.masked = masked
        self.draws = draws
        self.refinement = refinement
        self.centre = centre
        self.scale = scale
        self.family = family

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
        check_encoder(self, prior, likelihood)

    def chosen(self, prior: Any) -> AbstractPosteriorFamily:
        """The ``family``, or the one that the prior asks for."""
        return family_for(prior) if self.family is None else self.family

    def input_shape(self, shape: tuple[int, ...], inputs: int = 0) -> tuple[int, ...]:
        """The shape of what the encoder sees of an x of this shape with so many covariates."""
        return (*shape[:-1], shape[-1] * (2 if self.masked else 1) + inputs)

    def numbers(self, x: jax.Array, given: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """The encoder's output for one ``x [*shape]``, and maybe covariates ``[P]``, as a vector;
        and whether anything of x was observed."""
        seen = ~jnp.isnan(x)
        shown = x if self.centre is None else x - self.centre
        shown = shown if self.scale is None else shown / self.scale
        shown = jnp.where(seen, shown, 0.0)
        if self.masked:
            shown = jnp.concatenate([shown, seen.astype(shown.dtype)], axis=-1)
        if given is not None:
            everywhere = jnp.broadcast_to(given, (*shown.shape[:-1], given.size))
            shown = jnp.concatenate([shown, everywhere.astype(shown.dtype)], axis=-1)
        return self.encoder(shown).reshape(-1), jnp.any(seen)

    def propose(
        self, x: jax.Array, given: jax.Array | None = None, parts: Parts | None = None
    ) -> Any:
        """The posterior that the encoder proposes for one ``x [*shape]``, and maybe covariates
        ``[P]``, in u.

        Args:
            parts: of the model, for families of posteriors that are made of its prior.
        """
        family = DiagonalPosterior() if parts is None else self.chosen(parts.prior)
        # Nothing was observed, so nothing is known beyond the prior.
        return family.propose(parts, *self.numbers(x, given))

    def evidence(self, x: jax.Array) -> GaussianPotential:
        """The potential of one x, about u: conditioning a standard normal u on it gives
        ``propose(x)``. Its constant is without meaning."""
        proposal = self.propose(x)
        variance = jnp.exp(2 * proposal.log_scale)
        design = jnp.sqrt(jnp.maximum(1 / variance - 1, jnp.exp(LEAST)))
        target = proposal.mean / (variance * design)
        return GaussianPotential(jnp.diag(design), target, jnp.zeros((), target.dtype))

    def infer(
        self, model: LatentVariableModel, x: jax.Array, key: Key | None = None
    ) -> AbstractPosterior:
        return self.posterior(parts_of_model(model), x, key)

    def posterior(self, parts: Parts, x: jax.Array, key: Key | None = None) -> AbstractPosterior:
        """The posterior of one x. Without a key the draws are decided by x itself."""
        x = shaped(parts.likelihood, x)
        key = content_key(x) if key is None else key
        # The draws that weigh must not be those that the proposal was fitted to.
        q = self.improve(parts, x, proposed(parts, x), jax.random.fold_in(key, _REFINING))
        u = jax.vmap(q.at)(q.noise(key, (self.draws,)))
        weights = log_weights(parts, x, q, u)
        total = log_sum_exp(weights)
        effective = jnp.exp(2 * total - log_sum_exp(2 * weights))
        evidence = total - jnp.log(self.draws)
        if isinstance(q, Conditioned):
            return StructuredPosterior(q.posterior, evidence, effective, x, self.draws, None)
        place = parts.prior.place
        if isinstance(q, Proposal | FullProposal) and parts.prior.affine:
            # The slopes of an affine map are its matrix.
            root = jax.jacfwd(place)(q.mean) @ q.root
            return AmortizedPosterior(place(q.mean), root, evidence, effective, x, self.draws, None)
        z = jax.vmap(place)(u)
        mean = jnp.mean(z, axis=0)
        covariance = (z - mean).T @ (z - mean) / self.draws
        return EncodedPosterior(
            mean, covariance, evidence, effective, x, q, parts.prior, self.draws, None
        )

    def improve(
        self, parts: Parts, x: jax.Array, proposal: Any, key: Key, steps: int | None = None
    ) -> Any:
        """The proposal after steps uphill on the bound of this x; by default ``refinement``.

        Only diagonal Gaussians are moved.
        """
        steps = self.refinement if steps is None else steps
        if steps == 0 or not isinstance(proposal, Proposal):
            return proposal
        return refined(parts, x, proposal, key, steps)

    def mode(self, parts: Parts, x: jax.Array) -> Any:
        """The z of the highest joint density: exactly if the likelihood speaks the language of the
        prior, else that which is reached uphill from the encoder's mean; of codes, those that are
        most probable by the encoder."""
        x = shaped(parts.likelihood, x)
        q = proposed(parts, x)
        if isinstance(q, Conditioned) and speaks_to(parts.prior.prior, parts.likelihood, x):
            return parts.prior.prior.condition(parts.likelihood.potential(x)).mode()
        start, scale = q.centre()
        if start is None:
            return q.posterior.mode()  # pyright: ignore[reportAttributeAccessIssue]

        def joint(flat: jax.Array) -> jax.Array:
            u = flat.reshape(start.shape)
            place = parts.prior.place(u)
            return parts.likelihood.log_prob(x, place) + parts.prior.log_prob_at(u)

        found = uphill(joint, start.reshape(-1), scale.reshape(-1))
        return parts.prior.place(found.reshape(start.shape))

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
            family=self.family,
        )

    def describe(self, model: LatentVariableModel | None = None) -> str:
        steps = f", refined in {self.refinement} steps" if self.refinement else ""
        return f"an encoder, {self.encoder.describe()}{steps} (approximation)"
