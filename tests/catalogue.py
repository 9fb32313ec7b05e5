"""One instance of everything: what is new is one line here, and all laws run on it."""

import numpy as np

from latentia import (
    NUTS,
    Annealed,
    AtMode,
    Bernoulli,
    BinaryResponse,
    Branching,
    Categorical,
    CountResponse,
    DiagonalGaussian,
    DiagonalStudentT,
    Discrete,
    DrivenGaussianChain,
    DrivenMarkovChain,
    Exponential,
    Flow,
    FullRank,
    Gaussian,
    GaussianChain,
    GaussianLatent,
    GaussianRegression,
    GeneralizedLinear,
    GradedResponse,
    GuessedResponse,
    LatentVariableModel,
    LinearGaussian,
    LinearGaussianRegression,
    LowRank,
    MarkovChain,
    MeanField,
    Mixture,
    MomentMatching,
    PartialCredit,
    Pathfinder,
    PerStep,
    Poisson,
    PoissonRegression,
    Product,
    Scaled,
    SemiMarkovChain,
    SphericalGaussian,
    Stochastic,
    StudentT,
    StudentTLatent,
    Switch,
    Topics,
    WordCounts,
)

MEAN = np.array([1.0, -2.0])
COVARIANCE = np.array([[2.0, -0.7], [-0.7, 0.5]])
# Columns with 2, 3 and 4 levels; the padding is zero.
ITEMS = np.array([[0.3, 0.7, 0, 0], [0.2, 0.5, 0.3, 0], [0.1, 0.2, 0.3, 0.4]])

FAMILIES = {
    "gaussian": Gaussian(MEAN, COVARIANCE),
    "gaussian in 1 column": Gaussian(MEAN[:1], COVARIANCE[:1, :1]),
    "gaussian, tied": Gaussian(MEAN[::-1].copy(), COVARIANCE, tied=True),
    "diagonal gaussian": DiagonalGaussian(MEAN, np.array([0.3, 4.0])),
    "spherical gaussian": SphericalGaussian(MEAN, np.array(0.6)),
    "bernoulli": Bernoulli(np.array([0.2, 0.5, 0.9])),
    "categorical": Categorical(ITEMS, levels=(2, 3, 4)),
    "poisson": Poisson(np.array([0.8, 3.0])),
    "exponential": Exponential(np.array([2.0])),
    "product of gaussian and bernoulli": Product(
        Gaussian(MEAN, COVARIANCE), Bernoulli(np.array([0.3]))
    ),
    "product of three kinds": Product(
        SphericalGaussian(MEAN[:1], np.array(0.6)),
        Poisson(np.array([2.0])),
        Categorical(ITEMS[1:2, :3]),
    ),
    "student t": StudentT(MEAN, COVARIANCE, np.array(4.0)),
    "diagonal student t": DiagonalStudentT(MEAN, np.array([0.3, 4.0]), np.array(4.0)),
    "mixture of gaussians": Mixture(
        [0.4, 0.6], [Gaussian(MEAN, COVARIANCE), Gaussian(0 * MEAN, COVARIANCE)]
    ),
    "mixture of products": Mixture(
        [0.3, 0.7],
        [
            Product(DiagonalStudentT([0.0], [1.0], fixed_df=3.0), Bernoulli([0.1])),
            Product(DiagonalStudentT([1.0], [2.0], fixed_df=3.0), Bernoulli([0.9])),
        ],
    ),
    "gaussian regression": GaussianRegression([[0.8, -0.5]], [1.0], [0.6]),
    "poisson regression": PoissonRegression([[-0.3]], [0.2]),
}
"""Families of distributions, with parameters of ordinary size and few columns."""

WEIGHTS = np.array([0.5, 0.3, 0.2])
CENTRES = np.array([[0.0, 0.0], [4.0, 1.0], [-1.0, 4.0]])
SHAPES = np.array([[[1.0, 0.5], [0.5, 0.8]], [[0.6, -0.2], [-0.2, 1.2]], [[1.5, 0.0], [0.0, 0.4]]])
LOADINGS = np.array([[0.9, 0.0], [0.8, 0.3], [-0.7, 0.6], [0.1, 0.9], [0.4, 0.5]])
NOISE = np.array([0.4, 0.5, 0.3, 0.6, 0.8])
# A move is forbidden.
MOVES = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.0, 0.5]])
BIAS = np.array([1.0, -1.0, 0.5, 0.0, 2.0])


def mixture(parts, weights=WEIGHTS):
    return LatentVariableModel(Discrete(weights), Switch(parts))


def factors(isotropic, latent=2, columns=5):
    noise = np.full(columns, 0.5) if isotropic else NOISE[:columns]
    loadings = LOADINGS[:columns, :latent]
    return LinearGaussian(loadings, BIAS[:columns], noise, isotropic=isotropic)


ANALYSERS = [
    LinearGaussian(LOADINGS[:3, :1], np.zeros(3), NOISE[:3]),
    LinearGaussian(LOADINGS[2:, 1:], np.array([4.0, 0.0, -3.0]), NOISE[2:]),
]
SLOPES = np.array([[1.6], [1.2], [1.9], [0.9], [1.4]])
PLANE = np.array([[0.8, 0.0], [0.7, 0.0], [0.6, 0.5], [0.0, 0.8], [0.0, 0.6]])
INTERCEPTS = np.array([0.5, -0.7, 0.0, 1.1, -0.3])
# The last column has two levels only.
STEPS = np.array([[1.5, -0.5], [0.7, -1.2], [0.3, 0.3]])
EFFECTS = np.array([[0.5, 0.0], [-0.7, 0.3], [0.0, 0.4], [0.9, -0.6], [0.2, 0.2]])
GUESSING = np.array([0.2, 0.1, 0.15, 0.25])


def traits(response, loadings=None, **options):
    latent = 1 if loadings is None else loadings.shape[1]
    likelihood = GeneralizedLinear(response, loadings, **options)
    return LatentVariableModel(GaussianLatent(dim=latent), likelihood)


CHAIN = {
    "mean": MEAN[:1],
    "covariance": np.array([[1.5]]),
    "transition": np.array([[0.6]]),
    "drift": np.array([0.3]),
    "noise": np.array([[1.0]]),
    "length": 3,
    "learned": ("covariance", "transition"),
}
STRONG_ANALYSERS = [
    LinearGaussian(np.array([[0.9], [0.8], [-0.9], [0.8]]), np.zeros(4), NOISE[:4]),
    LinearGaussian(np.array([[0.7], [-0.9], [0.9], [0.8]]), 3 * BIAS[:4], NOISE[:4]),
]

# Methods of approximate inference, each of which can stand alone on a ladder.
RUNGS = {
    "mode": AtMode(),
    "mean-field": MeanField(),
    "full-rank": FullRank(),
    "low-rank": LowRank(),
    "pathfinder": Pathfinder(),
    "flow": Flow(),
    "stochastic": Stochastic(),
}
# Those that begin where another method left off, and keep weighted draws and no density of them.
LATER_RUNGS = {
    "moment matching": MomentMatching(),
    "annealing": Annealed(),
    "NUTS": NUTS(),
}

MODELS = {
    "gaussian mixture": mixture([Gaussian(c, s) for c, s in zip(CENTRES, SHAPES, strict=True)]),
    "tied gaussian mixture": mixture([Gaussian(c, SHAPES[0], tied=True) for c in CENTRES]),
    "diagonal gaussian mixture": mixture(
        [DiagonalGaussian(c, np.diagonal(s)) for c, s in zip(CENTRES, SHAPES, strict=True)]
    ),
    "spherical gaussian mixture": mixture(
        [SphericalGaussian(c, s[0, 0]) for c, s in zip(CENTRES, SHAPES, strict=True)]
    ),
    "latent classes": mixture(
        [
            Categorical(np.roll(ITEMS[1:], 1, axis=1)[:, [1, 2, 3, 0]], levels=(3, 4)),
            Categorical(np.array([[0.8, 0.1, 0.1, 0], [0.7, 0.1, 0.1, 0.1]]), levels=(3, 4)),
        ],
        np.array([0.6, 0.4]),
    ),
    "bernoulli mixture": mixture(
        [Bernoulli(np.array([0.8, 0.9, 0.7, 0.8])), Bernoulli(np.array([0.2, 0.1, 0.3, 0.3]))],
        np.array([0.6, 0.4]),
    ),
    "poisson mixture": mixture(
        [Poisson(np.array([1.0, 9.0])), Poisson(np.array([8.0, 2.0]))], np.array([0.6, 0.4])
    ),
    "mixed mixture": mixture(
        [
            Product(Gaussian(c, s), Poisson(np.array([rate])), Bernoulli(np.array([p])))
            for c, s, rate, p in zip(CENTRES[:2], SHAPES[:2], (1.0, 6.0), (0.3, 0.8), strict=True)
        ],
        np.array([0.6, 0.4]),
    ),
    "student t mixture": mixture(
        [StudentT(2 * c, s, np.array(2.0)) for c, s in zip(CENTRES[:2], SHAPES[:2], strict=True)],
        np.array([0.6, 0.4]),
    ),
    "mixture of mixtures": mixture(
        [
            Mixture([0.6, 0.4], [DiagonalGaussian(c, [0.5, 0.3]), DiagonalGaussian(d, [0.4, 0.6])])
            for c, d in (([0.0, 0.0], [2.0, 2.0]), ([6.0, 0.0], [6.0, 3.0]))
        ],
        np.array([0.6, 0.4]),
    ),
    "factor analysis": LatentVariableModel(GaussianLatent(dim=2), factors(isotropic=False)),
    "student t factor analysis": LatentVariableModel(
        StudentTLatent(1, 3.0), Scaled(factors(isotropic=False, latent=1, columns=4))
    ),
    "mixture of student t factor analysers": LatentVariableModel(
        Branching(Discrete(np.array([0.6, 0.4])), StudentTLatent(1, fixed_df=4.0)),
        Switch([Scaled(part) for part in STRONG_ANALYSERS]),
    ),
    "probabilistic pca": LatentVariableModel(GaussianLatent(dim=2), factors(isotropic=True)),
    "mixture of factor analysers": LatentVariableModel(
        Branching(Discrete(np.array([0.6, 0.4])), GaussianLatent(dim=1)), Switch(ANALYSERS)
    ),
    "gaussian hidden markov model": LatentVariableModel(
        MarkovChain(np.array([0.6, 0.4]), np.array([[0.7, 0.3], [0.2, 0.8]]), length=4),
        PerStep(Switch([Gaussian(c, s) for c, s in zip(CENTRES[:2], SHAPES[:2], strict=True)])),
    ),
    "semi-markov model": LatentVariableModel(
        SemiMarkovChain(
            np.array([0.7, 0.3]),
            np.array([[0.0, 1.0], [1.0, 0.0]]),
            np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]),
            length=4,
        ),
        PerStep(Switch([DiagonalGaussian(c, np.ones(2)) for c in CENTRES[:2]])),
    ),
    "stationary poisson hidden markov model": LatentVariableModel(
        MarkovChain(transitions=MOVES, stationary=True, length=3),
        PerStep(Switch([Poisson(np.array([rate])) for rate in (1.0, 4.0, 10.0)])),
    ),
    "rasch": traits(BinaryResponse(INTERCEPTS), np.full((5, 1), 1.1), slopes="common"),
    "two-parameter logistic": traits(BinaryResponse(INTERCEPTS), SLOPES),
    "guessed answers": traits(
        GuessedResponse(INTERCEPTS[:4], GUESSING), np.full((4, 1), 1.3), slopes="common"
    ),
    "graded response": traits(
        GradedResponse(STEPS, levels=(3, 3, 2)), np.full((3, 1), 1.2), slopes="common"
    ),
    "partial credit": traits(
        PartialCredit(STEPS * [[1, 1], [1, 1], [1, 0]], levels=(3, 3, 2)), SLOPES[:3] * 0.6
    ),
    "poisson factors in the plane": traits(
        CountResponse(INTERCEPTS + 0.5), PLANE, pattern=PLANE != 0
    ),
    "linear dynamical system": LatentVariableModel(
        GaussianChain(**CHAIN), PerStep(LinearGaussian(LOADINGS[:3, :1], BIAS[:3], np.full(3, 0.3)))
    ),
    "mixture of regressions": mixture(
        [
            GaussianRegression([[1.5], [-0.5]], [0.0, 1.0], [0.4, 0.3]),
            GaussianRegression([[-1.0], [0.8]], [1.0, -1.0], [0.3, 0.5]),
        ],
        np.array([0.6, 0.4]),
    ),
    "mixture of poisson regressions": mixture(
        [
            PoissonRegression([[0.5], [-0.3]], [0.2, 1.5]),
            PoissonRegression([[-0.4], [0.2]], [2.0, 0.0]),
        ],
        np.array([0.6, 0.4]),
    ),
    "factor analysis with covariates": LatentVariableModel(
        GaussianLatent(dim=1),
        LinearGaussianRegression(LOADINGS[:4, :1], EFFECTS[:4], BIAS[:4], NOISE[:4]),
    ),
    "regressions along a markov chain": LatentVariableModel(
        MarkovChain(np.array([0.6, 0.4]), np.array([[0.7, 0.3], [0.2, 0.8]]), length=4),
        PerStep(
            Switch(
                [
                    GaussianRegression([[0.9]], [0.0], [0.5]),
                    GaussianRegression([[-0.8]], [2.0], [0.3]),
                ]
            )
        ),
    ),
    "driven markov chain": LatentVariableModel(
        DrivenMarkovChain(
            [0.6, 0.4], [[0.0, -1.0], [-0.5, 0.0]], [[[0.0], [0.9]], [[-0.7], [0.0]]]
        ),
        PerStep(Switch([Gaussian(c, s) for c, s in zip(CENTRES[:2], SHAPES[:2], strict=True)]), 1),
    ),
    "driven gaussian chain": LatentVariableModel(
        DrivenGaussianChain(GaussianChain(**CHAIN), [[0.5]]),
        PerStep(
            LinearGaussianRegression(LOADINGS[:3, :1], EFFECTS[:3, :1], BIAS[:3], np.full(3, 0.3)),
            drivers=1,
        ),
    ),
    "topics": LatentVariableModel(
        Topics(concentration=[0.6, 0.9]),
        WordCounts([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]], length=8),
    ),
}
"""Models whose parameters are set; the laws draw their data from the models themselves."""
