"""Which entries of the catalogue are special: how often their laws run, and which laws."""

LATENT = {
    "student t",
    "diagonal student t",
    "mixture of gaussians",
    "mixture of products",
    "student t mixture",
    "mixture of mixtures",
    "topics",
}
"""What has a latent variable of its own, beside the z of a model."""

STEPPING = {"poisson regression", "mixture of poisson regressions", "driven markov chain"}
"""What learns by one step of Newton's method at a time."""

EVERYDAY = (
    "gaussian mixture",
    "factor analysis",
    "gaussian",
    "diagonal gaussian",
    "categorical",
    "poisson",
)
"""What the laws run on by default; all else takes long to compile."""

RARE = (
    "diagonal gaussian mixture",
    "spherical gaussian mixture",
    "poisson mixture",
    "student t mixture",
    "mixture of mixtures",
    "student t factor analysis",
    "mixture of student t factor analysers",
    "probabilistic pca",
    "stationary poisson hidden markov model",
    "rasch",
    "guessed answers",
    "graded response",
    "partial credit",
    "poisson factors in the plane",
    "gaussian, tied",
    "gaussian in 1 column",
    "product of gaussian and bernoulli",
    "mixture of poisson regressions",
    "factor analysis with covariates",
    "regressions along a markov chain",
    "driven markov chain",
    "driven gaussian chain",
    "bernoulli mixture",
    "mixed mixture",
    "gaussian regression",
    "mixture of products",
)
"""What shares nearly all of its code with others: its laws run with `pytest -m exhaustive`."""
