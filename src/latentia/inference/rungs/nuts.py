"""NUTS, the no-U-turn sampler, by BlackJAX: the reference that the other rungs save the time of."""

from importlib.util import find_spec
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from latentia.inference.bridge import between
from latentia.inference.chain_diagnostics import effective_sizes, r_hat
from latentia.inference.importance import Weighted, even, log_ratios
from latentia.inference.proposals import Proposal
from latentia.inference.target import MOST_CURVED, Target
from latentia.verdict import Verdict

from .interface import AbstractRung, Attempt, Climb, too_many

_CHAINS = 4
# The usual bounds: Vehtari et al. 2021.
_MIXED, _UNMIXED, _ENOUGH = 1.01, 1.05, 400


class NUTS(AbstractRung):
    """Four chains of the no-U-turn sampler (Hoffman and Gelman 2014), in the last covariance."""

    warmup: int = eqx.field(static=True, default=1000)
    steps: int = eqx.field(static=True, default=1000)

    @property
    def name(self) -> str:
        return "NUTS"

    def attempt(self, climb: Climb) -> Attempt:
        if find_spec("blackjax") is None:
            reason = "not tried, since BlackJAX is not installed: pip install 'latentia[mcmc]'"
            return Attempt(self.name, Verdict("fail", reason))
        surface = climb.surface
        if not surface.curved:
            return Attempt(self.name, too_many(surface, MOST_CURVED))
        centre, root = _scale(climb)
        rng = np.random.default_rng([climb.seed, 7, surface.dim])
        starts = rng.normal(size=(_CHAINS, surface.dim))
        keys = jax.random.split(jax.random.key(climb.seed), _CHAINS)
        found = _sample(surface.target, keys, starts, centre, root, self.warmup, self.steps)
        whitened, values, divergent = (np.asarray(leaf) for leaf in found)
        chains = centre + whitened @ root.T
        if not np.isfinite(values).all():
            return Attempt(self.name, Verdict("fail", "the chains left the finite densities"))
        weighted, verdict = _read(climb, chains, values, int(divergent.sum()))
        return climb.with_modes(Attempt(self.name, verdict, weighted))


def _scale(climb: Climb) -> tuple[np.ndarray, np.ndarray]:
    """Where to begin, and in which units: those of the last approximation worth the name."""
    dim, best = climb.surface.dim, climb.best
    if best is not None and best.weighted is not None and best.weighted.size > 3 * dim:
        mean, covariance = best.weighted.moments()
        try:
            return mean, np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            pass
    if climb.search.modes:
        mode = climb.search.modes[0]
        return mode.point, np.linalg.cholesky(mode.covariance)
    return climb.search.origin, 0.5 * np.eye(dim)


def _read(
    climb: Climb, chains: np.ndarray, values: Any, divergent: int
) -> tuple[Weighted, Verdict]:
    points = chains.reshape(-1, chains.shape[-1])
    _, z = climb.surface.evaluate(points)
    mixing, sizes = float(r_hat(chains).max()), float(effective_sizes(chains).min())
    draft = even(points, z, sizes)
    evidence, error = _evidence(climb, draft, values.ravel())
    weighted = draft._replace(log_evidence=evidence, evidence_error=error)
    facts = f"R-hat {mixing:.3f}, {sizes:,.0f} effective draws, {divergent} divergent steps"
    if not mixing < _UNMIXED or sizes < 0.25 * _ENOUGH:
        reason = f"the chains do not agree ({facts}): run them for longer, or reparametrise"
        return weighted, Verdict("fail", reason)
    if mixing > _MIXED or sizes < _ENOUGH or divergent:
        reason = f"the chains may have missed a part of the posterior ({facts})"
        return weighted, Verdict("suspect", reason)
    return weighted, Verdict("pass", f"the chains agree ({facts})")


def _evidence(climb: Climb, draft: Weighted, values: np.ndarray) -> tuple[float, float]:
    try:
        proposal = Proposal.single(*draft.moments())
    except np.linalg.LinAlgError:
        return float("nan"), float("inf")
    drawn = proposal.draw(climb.draws, climb.seed + 3)
    there, _ = climb.surface.evaluate(drawn)
    found = between(log_ratios(proposal, drawn, there), log_ratios(proposal, draft.points, values))
    return found.log, found.error


@eqx.filter_jit
def _sample(
    target: Target, keys: Any, starts: Any, centre: Any, root: Any, warmup: int, steps: int
) -> Any:
    """Positions ``[C, S, n]`` in units of the root, log densities and divergences ``[C, S]``."""
    import blackjax  # pyright: ignore[reportMissingImports]

    def log_density(place: jax.Array) -> jax.Array:
        value = target.log_joint(centre + root @ place)
        return jnp.where(jnp.isnan(value), -jnp.inf, value)

    def chain(key: jax.Array, start: jax.Array) -> Any:
        first, second = jax.random.split(key)
        adaptation = blackjax.window_adaptation(
            blackjax.nuts, log_density, is_mass_matrix_diagonal=False, target_acceptance_rate=0.9
        )
        (state, settings), _ = adaptation.run(first, start, num_steps=warmup)  # pyright: ignore
        kernel = blackjax.nuts(log_density, **settings)

        def step(state: Any, key: jax.Array) -> Any:
            state, facts = kernel.step(key, state)
            divergent = facts.is_divergent  # pyright: ignore[reportAttributeAccessIssue]
            return state, (state.position, state.logdensity, divergent)

        return jax.lax.scan(step, state, jax.random.split(second, steps))[1]

    return jax.vmap(chain)(keys, starts)
