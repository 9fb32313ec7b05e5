"""A variational autoencoder on binarised MNIST: epochs per second, and test log-likelihood.

    python benchmarks/vae.py                       speed beside PyTorch, if it is installed
    python benchmarks/vae.py likelihood --epochs 60 --draws 5 --prior normal

The speed is that of the network 784-400-32 with batches of 128, both libraries in turn in one run;
without the data the pictures are random. The likelihood follows the protocol of Burda, Grosse and
Salakhutdinov (2016): static binarisation (Larochelle and Murray 2011), one stochastic layer of 50
units between two tanh layers of 200, and the importance-weighted bound with k = 5000 on the test
set. The data are found in the folder LATENTIA_DATA, by default ../shared/data beside the checkout.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
from measure import tell

import latentia as lt
from latentia.networks import MLP

DATA = Path(os.environ.get("LATENTIA_DATA", Path(__file__).parents[2] / "shared" / "data"))
STATIC = DATA / "images" / "mnist_static" / "binarized_mnist_larochelle.npz"
HIDDEN, LATENT, BATCH = 400, 32, 128


def pictures(part: str, count: int) -> np.ndarray:
    if not STATIC.exists():
        return (np.random.default_rng(0).random((count, 784)) < 0.13).astype(np.float32)
    with np.load(STATIC) as file:
        return file[part][:count].astype(np.float32)


def vae(
    hidden: tuple[int, ...], latent: int, prior: str, activation: str
) -> lt.LatentVariableModel:
    priors = {
        "normal": lambda: lt.GaussianLatent(latent),
        "vamp": lambda: lt.VampPrior(500, latent, 784),
        "flow": lambda: lt.FlowLatent(latent),
        "mixture": lambda: lt.MixtureLatent(50, latent),
    }
    decoder = MLP(latent, 784, hidden, activation=activation, key=0)
    encoder = MLP(784, 2 * latent, hidden, activation=activation, key=1)
    likelihood = lt.Neural(decoder, lt.BernoulliOutput(), 784, latent)
    return lt.LatentVariableModel(priors[prior](), likelihood, lt.Amortized(encoder))


def latentia_seconds(x: np.ndarray, epochs: int) -> list[float]:
    learner = lt.StochasticGradient(epochs=epochs, batch=BATCH, held_out=0.0)
    fit = lt.fit(vae((HIDDEN,), LATENT, "normal", "relu"), x, learner=learner)
    return [row.seconds for row in fit.epochs]


def torch_seconds(x: np.ndarray, epochs: int) -> list[float]:
    """The same network, losses and optimizer in PyTorch, in the plain manner of its examples."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * LATENT))
    decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 784))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    data, seconds = torch.from_numpy(x), []
    for _ in range(epochs):
        start = time.perf_counter()
        for chosen in torch.randperm(len(data)).split(BATCH):
            batch = data[chosen]
            mean, log_variance = encoder(batch).chunk(2, dim=1)
            z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            distortion = nn.functional.binary_cross_entropy_with_logits(
                decoder(z), batch, reduction="sum"
            )
            rate = -0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp())
            optimizer.zero_grad()
            ((distortion + rate) / len(batch)).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - start)
    return seconds


def speed(count: int, epochs: int) -> None:
    x = pictures("train", count)
    ours = latentia_seconds(x, epochs)
    row: dict[str, object] = {
        "network, batch, data": f"784-{HIDDEN}-{LATENT}, {BATCH}, {len(x):,}",
        "latentia, s an epoch": f"{min(ours):.2f}",
        "first epoch, with compilation": f"{ours[0]:.2f}",
    }
    try:
        peer = min(torch_seconds(x, epochs))
        row |= {"PyTorch, s an epoch": f"{peer:.2f}", "times faster": f"{peer / min(ours):.2f}"}
    except ImportError:
        row |= {"PyTorch, s an epoch": "not installed", "times faster": ""}
    tell("A variational autoencoder beside PyTorch", [row])


def likelihood(options: argparse.Namespace) -> None:
    if not STATIC.exists():
        sys.exit(f"{STATIC} does not exist: set LATENTIA_DATA to the folder that holds images/.")
    train, valid = pictures("train", 50_000), pictures("valid", 10_000)
    # The test part is sorted by class, so that its first pictures are no fair sample.
    order = np.random.default_rng(0).permutation(10_000)[: options.test]
    test = pictures("test", 10_000)[order]
    objective = lt.ELBO() if options.draws == 1 else lt.ImportanceBound(options.draws)
    learner = lt.StochasticGradient(
        objective, epochs=options.epochs, batch=options.batch, learning_rate=options.rate,
        held_out=valid, patience=options.epochs, checkpoint=options.checkpoint,
    )  # fmt: skip
    start = time.perf_counter()
    model = vae((200, 200), 50, options.prior, "tanh")
    fit = learner.fit(model, train, None, options.seed, watch=lambda row: print(row, flush=True))
    trained = time.perf_counter() - start
    found = lt.evaluate(fit.model, test, k=options.k)
    print(found)
    row = {
        "objective": fit.objective, "prior": options.prior, "epochs": len(fit.epochs),
        "training, s": f"{trained:.0f}", "test log-likelihood": f"{found.log_likelihood:.2f}",
        "k": options.k, "test pictures": len(test), "active": found.active,
    }  # fmt: skip
    tell("Static binarised MNIST", [row])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["speed", "likelihood"], default="speed")
    parser.add_argument("--count", type=int, default=10_000, help="pictures in the speed run")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--draws", type=int, default=1, help="1 for the ELBO, more for its k")
    parser.add_argument("--prior", choices=["normal", "vamp", "flow", "mixture"], default="normal")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--k", type=int, default=5000)
    parser.add_argument("--test", type=int, default=10_000, help="how many test pictures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", default=None)
    options = parser.parse_args()
    if options.what == "speed":
        speed(options.count, options.epochs)
    else:
        likelihood(options)


if __name__ == "__main__":
    main()
