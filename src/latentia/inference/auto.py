"""The method that a model's structure asks for. The one place that asks what kind a thing is."""

from typing import Any

from latentia.latents import AbstractPosterior
from latentia.model import POINT_DIMENSIONS, LatentVariableModel, Route
from latentia.potentials import AbstractSmoothPotential, smooth_part
from latentia.typing import Datum, Key, Moments, Scalar
from latentia.verdict import Exactness

from .coordinate_ascent import CoordinateAscent
from .exact import Exact
from .interface import AbstractInference
from .ladder import Ladder
from .laplace import Laplace
from .quadrature import Quadrature


def choose(model: LatentVariableModel) -> AbstractInference:
    """The inference method that ``infer`` and ``score`` will use for a model.

    ``Exact`` if the prior is conjugate to the likelihood, and ``CoordinateAscent`` if it climbs a
    bound; otherwise, for a smooth likelihood of a Gaussian vector, ``Quadrature`` in up to six
    dimensions and ``Laplace`` beyond, also in chains and branches; and the ``Ladder`` for what the
    user wrote.

    Raises:
        ValueError: if no method of this version can take the model.
    """
    route = model.route
    if route is Route.NONE:
        raise ValueError(
            "The prior and the likelihood of the model should be conjugate, or the likelihood a "
            "smooth function of a Gaussian vector, but are neither: use a prior that accepts the "
            "likelihood's potential."
        )
    if route is Route.AMORTIZED:
        return model.inference
    if route is Route.EXACT:
        return Exact()
    if route is Route.BOUND:
        return CoordinateAscent()
    if route in (Route.SURROGATE, Route.SITES):
        return Laplace()
    if route is Route.LADDER:
        return Ladder()
    return Quadrature.of(model.prior.dim)  # pyright: ignore[reportAttributeAccessIssue]


def choose_for_fit(model: LatentVariableModel) -> AbstractInference:
    """The inference method by which a model is learned.

    As ``choose`` says, but where that is ``Laplace``: EM climbs only on an objective whose
    expectations are its own, so z is summed over quasi-random points.
    """
    if model.route is Route.SITES:
        raise ValueError(
            "The model to fit should have a likelihood that is conjugate to its chain or branches, "
            "since EM for others is not there yet: give the model its parameters and use infer, or "
            "put what is unknown into a Continuous prior."
        )
    if model.route is Route.SURROGATE:
        return Quadrature.of(model.prior.dim)  # pyright: ignore[reportAttributeAccessIssue]
    return choose(model)


class Auto(AbstractInference):
    """Choose the method by the structure of the model."""

    @property
    def exactness(self) -> Exactness:
        return Exactness.APPROXIMATION

    def infer(
        self, model: LatentVariableModel, x: Datum, key: Key | None = None
    ) -> AbstractPosterior:
        return choose(model).infer(model, x, key)

    def condition(self, prior: Any, potential: Any) -> AbstractPosterior:
        return _fitting(potential).condition(prior, potential)

    def expect(self, prior: Any, potential: Any) -> tuple[Moments, Scalar]:
        return _fitting(potential).expect(prior, potential)

    def describe(self, model: LatentVariableModel) -> str:
        return choose(model).describe(model)


def _fitting(potential: Any) -> AbstractInference:
    if smooth_part(potential) is None:
        return Exact()
    if not isinstance(potential, AbstractSmoothPotential):
        return Laplace()
    dim = potential.latent_dim
    return Quadrature.of(dim) if dim <= POINT_DIMENSIONS else Laplace()
