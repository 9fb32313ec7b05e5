"""The array shapes, named once.

``N`` data (``B`` of them in a block), ``T`` steps, ``K`` states, ``L`` latent dimensions, ``D``
observed ones.
"""

from typing import Any, TypeAlias

from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from latentia.form import Form as Form

Key: TypeAlias = PRNGKeyArray
Scalar: TypeAlias = Float[Array, ""]
Datum: TypeAlias = Float[Array, "D"]
Rows: TypeAlias = Float[Array, "N D"]
Weights: TypeAlias = Float[Array, "N"]
Probabilities: TypeAlias = Float[Array, "K"]
Matrix: TypeAlias = Float[Array, "D D"]
Loadings: TypeAlias = Float[Array, "D L"]
LatentVector: TypeAlias = Float[Array, "L"]
LatentMatrix: TypeAlias = Float[Array, "L L"]
Observed: TypeAlias = Bool[Array, "..."]
Code: TypeAlias = Int[Array, ""]
States: TypeAlias = Int[Array, "T"]

# Statistics and moments are pytrees whose shape is the business of the part that made them.
Statistics: TypeAlias = PyTree[Any]
Moments: TypeAlias = PyTree[Any]
