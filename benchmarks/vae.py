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
from typing import Any

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


def vae(hidden: tuple[int, ...], latent: int, prior: str, activation: str, offset: Any = None):
    priors = {
        "normal": lambda: lt.GaussianLatent(latent),
        "vamp": lambda: lt.VampPrior(500, latent, 784),
        "flow": lambda: lt.FlowLatent(latent),
        "mixture": lambda: lt.MixtureLatent(50, latent),
    }
    decoder = MLP(latent, 784, hidden, activation=activation, key=0)
    encoder = MLP(784, 2 * latent, hidden, activation=activation, key=1)
    likelihood = lt.Neural(decoder, lt.BernoulliOutput(), 784, latent, offset=offset, unit=1.0)
    return lt.LatentVariableModel(priors[prior](), likelihood, lt.Amortized(encoder))


class Ours:
    """Epochs of latentia; programs are compiled in the first call and kept for the others."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x

    def __call__(self, epochs: int) -> None:
        learner = lt.StochasticGradient(epochs=epochs, batch=BATCH, held_out=0.0, start="given")
        model = vae((HIDDEN,), LATENT, "normal", "relu", offset=0.0)
        lt.fit(model, self.x, learner=learner)


class Theirs:
    """The same network, losses and optimizer in PyTorch, in the plain manner of its examples."""

    def __init__(self, x: np.ndarray) -> None:
        import torch
        from torch import nn

        torch.manual_seed(0)
        self.encoder = nn.Sequential(
            nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * LATENT)
        )
        self.decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 784))
        weights = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(weights, lr=1e-3)
        self.x = torch.from_numpy(x)

    def __call__(self, epochs: int) -> None:
        import torch

        for _ in range(epochs):
            for chosen in torch.randperm(len(self.x)).split(BATCH):
                self.step(self.x[chosen])

    def step(self, batch: Any) -> None:
        import torch

        mean, log_variance = self.encoder(batch).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        distortion = torch.nn.functional.binary_cross_entropy_with_logits(
            self.decoder(z), batch, reduction="sum"
        )
        rate = -0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp())
        self.optimizer.zero_grad()
        ((distortion + rate) / len(batch)).backward()
        self.optimizer.step()


def speed(count: int, epochs: int) -> None:
    x = pictures("train", count)
    runs: dict[str, Any] = {"latentia": Ours(x)}
    try:
        runs["PyTorch"] = Theirs(x)
    except ImportError:
        print("PyTorch is not installed, so latentia runs alone.", file=sys.stderr)
    wall, cpu = {name: [] for name in runs}, {name: [] for name in runs}
    # The first round compiles, and does not count.
    for _ in range(4):
        for name, run in runs.items():
            start, busy = time.perf_counter(), time.process_time()
            run(epochs)
            wall[name].append((time.perf_counter() - start) / epochs)
            cpu[name].append((time.process_time() - busy) / epochs)
    row: dict[str, object] = {
        "network, batch, pictures": f"784-{HIDDEN}-{LATENT}, {BATCH}, {len(x):,}"
    }
    for name in runs:
        row[f"{name}, s an epoch"] = f"{min(wall[name][1:]):.2f}"
        row[f"{name}, CPU s"] = f"{min(cpu[name][1:]):.2f}"
    if len(runs) == 2:
        row["times faster"] = f"{min(wall['PyTorch'][1:]) / min(wall['latentia'][1:]):.2f}"
        row["times less CPU"] = f"{min(cpu['PyTorch'][1:]) / min(cpu['latentia'][1:]):.2f}"
    tell("A variational autoencoder beside PyTorch (eager)", [row])


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
