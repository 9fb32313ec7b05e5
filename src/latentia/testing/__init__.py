"""The laws of probability that every part keeps, runnable on parts of your own.

    from latentia.testing import check_family, check_model

    check_family(MyFamily(...))              # all laws of a family, or an AssertionError
    check_model(LatentVariableModel(...))    # all laws of a model, EM included

Each law is a function of a part whose parameters are set, and of a seed. It draws its data from the
part itself and compares with sums and integrals that share no code with the part. Give parameters
of ordinary size, and few columns: sums and integrals go over all of them together.
"""

from collections.abc import Callable
from typing import Any

from latentia.distributions import AbstractExponentialFamily, AbstractFamily
from latentia.latents import AbstractLabelledPrior
from latentia.model import LatentVariableModel

from . import densities, exponential, families, fitting, inference, iteration
from .latent_grids import LatentGrid as LatentGrid
from .latent_grids import latent_grid as latent_grid
from .support import Grid as Grid
from .support import cast as cast
from .support import grid_of as grid_of

Law = Callable[..., None]

DENSITY_LAWS: tuple[Law, ...] = (
    densities.density_integrates_to_one,
    densities.sampler_matches_density,
    densities.missing_entries_are_integrated_out,
    densities.nothing_observed_says_nothing,
    densities.impossible_values_have_probability_zero,
    densities.affine_changes_variables,
    densities.prepared_forms_agree,
    densities.free_coordinates_round_trip,
    densities.gradients_are_right,
    densities.precisions_agree,
)

LEARNING_LAWS: tuple[Law, ...] = (
    families.statistics_add_over_data,
    families.weights_are_repetitions,
    families.missing_data_are_learned_from,
    families.guesses_are_usable,
)

COMPLETE_FAMILY_LAWS: tuple[Law, ...] = (
    families.maximize_finds_the_maximum,
    families.imagined_data_are_its_own,
    families.imagined_data_are_expected_data,
    families.expected_log_prob_is_the_mean,
)

LATENT_FAMILY_LAWS: tuple[Law, ...] = (
    families.steps_end_at_the_maximum,
    families.imagined_data_are_its_own,
    families.its_own_imagined_data_are_expected_data,
    families.expected_log_prob_is_highest_for_itself,
)

STEPPING_FAMILY_LAWS: tuple[Law, ...] = (
    families.steps_end_at_the_maximum,
    families.steps_find_imagined_data_again,
    families.imagined_data_are_expected_data,
    families.expected_log_prob_is_the_mean,
    families.expected_log_prob_is_highest_for_itself,
)

EXPONENTIAL_FAMILY_LAWS: tuple[Law, ...] = (
    exponential.log_prob_is_a_product,
    exponential.natural_parameters_round_trip,
    exponential.feature_totals_are_statistics,
)

INFERENCE_LAWS: tuple[Law, ...] = (
    inference.posterior_follows_bayes,
    inference.potentials_are_evidence,
    inference.posterior_draws_match,
    inference.modes_are_stationary,
    inference.draws_have_the_shape_asked,
)

LABEL_LAWS: tuple[Law, ...] = (inference.labels_are_evidence,)

ITERATION_LAWS: tuple[Law, ...] = (
    iteration.em_never_falls,
    iteration.forms_agree,
    iteration.weights_are_repeated_rows,
    iteration.known_labels_decide,
)

COMPLETE_MODEL_LAWS: tuple[Law, ...] = (
    iteration.em_step_is_the_maximum,
    iteration.known_labels_are_enough,
)

FITTING_LAWS: tuple[Law, ...] = (
    fitting.fits_end_at_a_maximum,
    fitting.acceleration_changes_the_way_only,
    fitting.units_do_not_matter,
    fitting.empty_rows_change_nothing,
    fitting.a_prior_is_part_of_the_objective,
    fitting.precisions_fit_alike,
)


def check_family(
    family: AbstractFamily, seed: int = 0, *, latent: bool = False, stepping: bool = False
) -> None:
    """Run every law of a family of distributions.

    Args:
        family: its parameters are set, to values of ordinary size; at most about 3 columns.
        seed: of the data that the laws draw.
        latent: whether the family has a latent variable of its own, such as the part of a mixture.
            One ``maximize`` then climbs and need not reach the maximum, and imaginary data are
            those of x and that variable.
        stepping: whether one ``maximize`` is a step towards the maximum, such as Newton's.

    Raises:
        AssertionError: naming what does not hold, and by how much.
    """
    own = LATENT_FAMILY_LAWS if latent else COMPLETE_FAMILY_LAWS
    own = STEPPING_FAMILY_LAWS if stepping else own
    _run(DENSITY_LAWS + LEARNING_LAWS + own, family, seed)
    if isinstance(family, AbstractExponentialFamily):
        _run(EXPONENTIAL_FAMILY_LAWS, family, seed)


def check_model(
    model: LatentVariableModel, seed: int = 0, *, latent: bool = False, stepping: bool = False
) -> None:
    """Run every law of a model that is learned by EM; args and errors as for ``check_family``.

    Covariates are drawn with the data, standard normal. The evidence of a model that bounds it is
    tested as a bound, which it says in ``exactness``. The oracles enumerate states and integrate
    over at most about 2 Gaussian latent dimensions.
    """
    own = () if latent or stepping else COMPLETE_MODEL_LAWS
    _run(INFERENCE_LAWS + ITERATION_LAWS + own + FITTING_LAWS, model, seed)
    if isinstance(model.prior, AbstractLabelledPrior):
        _run(LABEL_LAWS, model, seed)


def _run(laws: tuple[Law, ...], part: Any, seed: int) -> None:
    for law in laws:
        try:
            law(part, seed)
        except AssertionError as error:
            error.add_note(f"The law is latentia.testing's {law.__name__}, for {part!r}.")
            raise
