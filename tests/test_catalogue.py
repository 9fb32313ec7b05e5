"""Every public part has an entry in the catalogue, so that all laws run on it."""

import dataclasses
import inspect
from pathlib import Path

import equinox as eqx
import pytest

import latentia.distributions
import latentia.latents
import latentia.likelihoods
from catalogue import FAMILIES, MODELS
from latentia.distributions import AbstractDistribution
from latentia.latents import AbstractPrior
from latentia.likelihoods import AbstractLikelihood, AbstractOutput

ELSEWHERE = {
    # Free parameters of a density that the user writes: nothing is learned by EM.
    "Continuous": "inference/test_ladder.py",
    "Custom": "inference/test_ladder.py",
    "Enumerated": "likelihoods/test_enumerated.py",
    # Learned by stochastic gradients, with an encoder in place of exact posteriors.
    "Neural": "inference/test_amortized.py",
    "FlowLatent": "latents/test_vector_priors.py",
    "LayeredLatent": "latents/test_vector_priors.py",
    "Coded": "likelihoods/test_coded.py",
    "MixtureLatent": "latents/test_vector_priors.py",
    "VampPrior": "latents/test_vector_priors.py",
    "BernoulliOutput": "likelihoods/test_outputs.py",
    "CategoricalOutput": "likelihoods/test_outputs.py",
    "ContinuousBernoulliOutput": "likelihoods/test_outputs.py",
    "GaussianOutput": "likelihoods/test_outputs.py",
    "LogisticOutput": "likelihoods/test_outputs.py",
    "NegativeBinomialOutput": "likelihoods/test_outputs.py",
    "PoissonOutput": "likelihoods/test_outputs.py",
    "VaryingGaussianOutput": "likelihoods/test_outputs.py",
}
"""Parts that no model of the catalogue can hold, since EM learns all of those; and what tests them.
"""

PACKAGES = (latentia.distributions, latentia.latents, latentia.likelihoods)
CONTRACTS = (AbstractDistribution, AbstractPrior, AbstractLikelihood, AbstractOutput)


def public_parts():
    """The names of all concrete parts, the responses of ``GeneralizedLinear`` among them."""
    names = {name for package in PACKAGES for name in dir(package) if not name.startswith("_")}
    found = set()
    for package in PACKAGES:
        for name in names & set(dir(package)):
            part = getattr(package, name)
            if not inspect.isclass(part) or inspect.isabstract(part):
                continue
            if issubclass(part, CONTRACTS) or name.endswith(("Response", "Credit")):
                found.add(name)
    return found


def parts_of(tree):
    """The names of the classes of a model and of all that it is made of."""
    if isinstance(tree, eqx.Module):
        yield type(tree).__name__
        tree = tuple(getattr(tree, field.name) for field in dataclasses.fields(tree))
    if isinstance(tree, tuple | list):
        for one in tree:
            yield from parts_of(one)


COVERED = {name for entry in [*FAMILIES.values(), *MODELS.values()] for name in parts_of(entry)}


@pytest.mark.parametrize("name", sorted(public_parts()))
def test_every_part_is_in_the_catalogue_or_tested_elsewhere(name):
    if name not in ELSEWHERE:
        assert name in COVERED, f"{name} needs a line in tests/catalogue.py."
        return
    assert name not in COVERED, f"{name} is in the catalogue: take it out of ELSEWHERE."
    assert name in (Path(__file__).parent / ELSEWHERE[name]).read_text()


def test_there_is_something_to_cover():
    assert len(public_parts()) > 40 and set(ELSEWHERE) <= public_parts()
