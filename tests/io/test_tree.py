import dataclasses
import enum
import json
import math
from typing import NamedTuple

import equinox as eqx
import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentia.io import ModelFileError, flatten, restore


class Gaussian(eqx.Module):
    mean: jax.Array
    scale: jax.Array

    def __check_init__(self):
        if self.mean.shape != self.scale.shape:
            raise ValueError("mean and scale should have the same shape")


class Model(eqx.Module):
    parts: tuple[Gaussian, ...]
    weights: jax.Array
    name: str = eqx.field(static=True)
    note: str | None

    def __init__(self, *parts, weights, name):
        self.parts, self.weights, self.name, self.note = parts, weights, name.upper(), None


@dataclasses.dataclass(frozen=True)
class Settings:
    tolerance: float
    steps: int


class Moments(NamedTuple):
    zeroth: object
    first: object


class Unknown(eqx.Module):
    value: int = 0


CLASSES = {"Gaussian": Gaussian, "Model": Model, "Settings": Settings, "Moments": Moments}
NAMES = {cls: name for name, cls in CLASSES.items()}


def round_trip(obj):
    structure, tensors = flatten(obj, NAMES)
    return restore(json.loads(json.dumps(structure, allow_nan=False)), tensors, CLASSES)


def assert_same(got, expected):
    """Equal values and equal types, except that JAX arrays become NumPy arrays."""
    if isinstance(expected, np.ndarray | jax.Array):
        assert type(got) is np.ndarray and got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)
        return
    assert type(got) is type(expected)
    if isinstance(expected, eqx.Module):
        names = [field.name for field in dataclasses.fields(expected)]
        assert_same([getattr(got, n) for n in names], [getattr(expected, n) for n in names])
    elif isinstance(expected, dict):
        assert list(got) == list(expected)
        assert_same(list(got.values()), list(expected.values()))
    elif isinstance(expected, list | tuple):
        assert len(got) == len(expected)
        for g, e in zip(got, expected, strict=True):
            assert_same(g, e)
    elif isinstance(expected, float | np.floating):
        assert np.array(got).tobytes() == np.array(expected).tobytes() or got != got
    else:
        assert got == expected


def model():
    gaussian = Gaussian(jnp.arange(3.0), jnp.ones(3))
    return Model(gaussian, gaussian, weights=np.array([0.25, 0.75]), name="two")


def test_nested_modules_come_back_field_by_field_without_their_init():
    got = round_trip(model())
    assert_same(got, model())
    assert got.name == "TWO"
    assert got.note is None
    assert jax.tree.structure(got) == jax.tree.structure(model())


@pytest.mark.parametrize(
    "value",
    [
        Settings(1e-3, 10),
        Moments(np.float32(2), [Moments(1, 2)]),
        {"a": (1, [2.5, None]), "": True, "\ud800 é": ()},
        -0.0,
        [math.nan, math.inf, -math.inf],
        [2**53 - 1, 2**53, -(2**200)],
        [np.int8(-3), np.bool_(True), np.float64(math.nan), np.uint64(2**64 - 1)],
        np.zeros((0, 3), np.float16),
        np.array(7),
        np.array([["a", "bc"], ["é", ""]]),
        np.array(["eruptions", "waiting"], dtype=object),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_and_types_survive(value):
    assert_same(round_trip(value), value)


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | hnp.arrays(
        st.sampled_from(["f8", "f4", "i8", "u1", "bool"]), hnp.array_shapes(min_dims=0, max_side=3)
    )
    | hnp.from_dtype(np.dtype("f8"))
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        | st.builds(Moments, inner, inner)
        | st.builds(Settings, inner, inner)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(trees)
def test_any_nesting_survives(tree):
    got = round_trip(tree)
    # Dataclasses of NumPy arrays have no equality, so both sides are compared as they are stored.
    (left, first), (right, second) = flatten(got, NAMES), flatten(tree, NAMES)
    assert left == right
    assert_same(first, second)


def test_layout_and_byte_order_of_arrays_do_not_matter():
    array = np.arange(6, dtype=">f8").reshape(2, 3)
    _, tensors = flatten([array, np.asfortranarray(array), array[:, ::2]], NAMES)
    assert all(t.dtype == np.float64 and t.flags.c_contiguous for t in tensors.values())
    np.testing.assert_array_equal(tensors["2"], array[:, ::2])


def test_tensors_are_copies_on_the_way_out_and_back():
    array = np.zeros(2)
    structure, tensors = flatten(array, NAMES)
    array[0] = 1
    got = restore(structure, tensors, CLASSES)
    got[1] = 1
    assert tensors["value"].tolist() == [0, 0]


def test_tensors_are_named_after_their_place_and_never_share_a_name():
    assert list(flatten(model(), NAMES)[1])[0] == "parts.0.mean"
    tree = {"__metadata__": np.zeros(1), "a": {"b": np.ones(1)}, "a.b": np.full(1, 2.0)}
    _, tensors = flatten(tree, NAMES)
    assert len(tensors) == 3 and "__metadata__" not in tensors
    assert_same(round_trip(tree), tree)


class Colour(enum.IntEnum):
    RED = 1


def cyclic():
    loop = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"f": [print]}, r"'f\.0' of the model is a builtins\.builtin_function_or_method"),
        (Unknown(), r"Unknown, which a model file cannot hold"),
        (Colour.RED, "Colour"),
        ({1: 2}, "key 1"),
        (1j, "complex"),
        (np.zeros(2, complex), "complex128"),
        (np.zeros(2, np.longdouble), "float128|longdouble"),
        (np.array([1, "a"], dtype=object), "array of object"),
        (np.ma.masked_array([1.0], [True]), "MaskedArray"),
        (np.datetime64("2026-01-01"), "datetime64"),
        (jnp.zeros(2, jnp.bfloat16), "bfloat16"),
        (jax.random.key(0), "key_data"),
        (cyclic(), "more than 100 levels"),
    ],
    ids=str,
)
def test_what_a_file_cannot_hold_is_refused_with_its_place(value, message):
    with pytest.raises(ModelFileError, match=message):
        flatten(value, NAMES)


def test_a_traced_value_is_refused():
    with pytest.raises(ModelFileError, match="outside jit"):
        jax.jit(lambda x: flatten(x, NAMES)[0])(1.0)


def test_a_field_that_was_never_set_is_refused():
    with pytest.raises(ModelFileError, match="'scale' was never set"):
        half = object.__new__(Gaussian)
        object.__setattr__(half, "mean", np.zeros(1))
        flatten(half, NAMES)


TENSORS = {"t": np.zeros(2), "u": np.zeros(3)}
MEAN, SCALE = {"array": "t"}, {"array": "u"}


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        ({"object": ["os.system", {}]}, "class that this latentia does not know"),
        ({"object": ["Gaussian", {"mean": MEAN}]}, "with the fields"),
        ({"object": ["Gaussian", {"mean": MEAN, "scale": MEAN, "x": 1}]}, "with the fields"),
        ({"object": ["Gaussian", {"mean": MEAN, "scale": SCALE}]}, "same shape"),
        ({"object": ["Gaussian", {"mean": 1.0, "scale": "a"}]}, "not a valid Gaussian"),
        ({"object": ["Moments", {"zeroth": 1}]}, "with the fields"),
        ({"object": ["Gaussian", [MEAN, MEAN]]}, "class name and its fields"),
        ({"object": [["Gaussian"], {}]}, "class name and its fields"),
        ({"array": "missing"}, "name of a tensor"),
        ({"array": ["t"]}, "name of a tensor"),
        ({"scalar": "t"}, "single number"),
        ({"tuple": 3}, "a list"),
        ({"dict": {"a": 1}}, "pairs"),
        ({"dict": [["a", 1], ["a", 2]]}, "differ"),
        ({"float": "1"}, "nan, inf"),
        ({"int": "1_0"}, "hexadecimal"),
        ({"text": ["str", [2], ["a"]]}, "strings of this shape"),
        ({"text": ["str", [-1], ["a"]]}, "a shape"),
        ({"text": ["str", [2**62, 0], []]}, "of this shape"),
        ({"text": ["str", [2**14], ["a" * 2**14, *[""] * (2**14 - 1)]]}, "of this shape"),
        ({"text": ["str", [1], [1]]}, "list of strings"),
        ({"text": ["<U999999999", [1], ["a"]]}, "a kind, a shape"),
        ({"eval": "1"}, "known kind"),
        ({}, "known kind"),
        ({"array": "t", "scalar": "t"}, "known kind"),
        ({"a": [{"tuple": [{"array": "x"}]}]}, "known kind"),
        ({"tuple": [1, {"array": "x"}]}, "The part '1' of the model"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_malformed_structure_is_refused(structure, message):
    with pytest.raises(ModelFileError, match=message):
        restore(structure, TENSORS, CLASSES)


def test_a_structure_nested_without_end_is_refused():
    deep = []
    for _ in range(200):
        deep = [deep]
    with pytest.raises(ModelFileError, match="100 levels"):
        restore(deep, {}, CLASSES)
