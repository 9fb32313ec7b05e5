"""Variational autoencoders beside the same ones in PyTorch: epochs per second, in turn, in one run.

    python benchmarks/vae.py --count 10000 --epochs 5

One network is a perceptron 784-400-32, the other the default convolutional one; batches are of 128.
Pictures are those of static binarised MNIST, found in the folder LATENTIA_DATA, by default
../shared/data beside the checkout; without them they are random. The likelihood of such models is
measured by ``binarised_mnist.py``.
"""

import argparse
import os
import sys
import time
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from measure import tell

import latentia as lt
from latentia.networks import MLP, ConvDecoder, ConvEncoder

DATA = Path(os.environ.get("LATENTIA_DATA", Path(__file__).parents[2] / "shared" / "data"))
STATIC = DATA / "images" / "mnist_static" / "binarized_mnist_larochelle.npz"
HIDDEN, LATENT, BATCH = 400, 32, 128
SHAPES = {"perceptron 784-400-32": (784,), "convolutions 32-64-64": (28, 28, 1)}


def pictures(part: str, count: int) -> np.ndarray:
    if not STATIC.exists():
        return (np.random.default_rng(0).random((count, 784)) < 0.13).astype(np.float32)
    with np.load(STATIC) as file:
        return file[part][:count].astype(np.float32)


def networks(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """A decoder and an encoder of latentia."""
    if len(shape) == 1:
        options: Any = {"activation": "relu"}
        return MLP(LATENT, 784, (HIDDEN,), **options, key=0), MLP(
            784, 2 * LATENT, (HIDDEN,), **options, key=1
        )
    widths = (32, 64, 64)
    return ConvDecoder(LATENT, shape, widths[::-1], key=0), ConvEncoder(  # pyright: ignore[reportArgumentType]
        shape, 2 * LATENT, widths, key=1
    )


class Ours:
    """Epochs of latentia; programs are compiled in the first call and kept for the others."""

    def __init__(self, x: np.ndarray, shape: tuple[int, ...]) -> None:
        self.x, self.shape = x.reshape(-1, *shape), shape

    def __call__(self, epochs: int) -> None:
        learner = lt.StochasticGradient(epochs=epochs, batch=BATCH, held_out=0.0, start="given")
        decoder, encoder = networks(self.shape)
        likelihood = lt.Neural(decoder, lt.BernoulliOutput(), self.shape, LATENT, offset=0.0,
                               unit=1.0)  # fmt: skip
        model = lt.LatentVariableModel(lt.GaussianLatent(LATENT), likelihood, lt.Amortized(encoder))
        lt.fit(model, self.x, learner=learner)


class Theirs:
    """The same network, losses and optimizer in PyTorch, in the plain manner of its examples."""

    def __init__(self, x: np.ndarray, shape: tuple[int, ...]) -> None:
        import torch

        torch.manual_seed(0)
        make = self._perceptron if len(shape) == 1 else self._convolutions
        self.encoder, self.decoder = make(torch.nn)
        weights = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(weights, lr=1e-3)
        # Channels come first here.
        self.x = torch.from_numpy(x.reshape(-1, *shape[::-1] if len(shape) > 1 else shape))

    @staticmethod
    def _perceptron(nn: Any) -> tuple[Any, Any]:
        encoder = nn.Sequential(nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * LATENT))
        return encoder, nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 784))

    @staticmethod
    def _convolutions(nn: Any) -> tuple[Any, Any]:
        halve = {"stride": 2, "padding": 1}
        encoder = nn.Sequential(
            nn.Conv2d(1, 32, 3, **halve), nn.SiLU(), nn.Conv2d(32, 64, 3, **halve), nn.SiLU(),
            nn.Conv2d(64, 64, 3, **halve), nn.SiLU(), nn.Flatten(), nn.Linear(1024, 2 * LATENT),
        )  # fmt: skip
        layers = [nn.Linear(LATENT, 1024), nn.Unflatten(1, (64, 4, 4))]
        for before, after in ((64, 64), (64, 32), (32, 1)):
            layers += [nn.SiLU(), nn.Conv2d(before, 4 * after, 3, padding=1), nn.PixelShuffle(2)]
        return encoder, nn.Sequential(*layers, nn.ZeroPad2d(-2))

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


def compared(name: str, count: int, epochs: int, rounds: int) -> dict[str, object]:
    """A row of the table: both libraries on one network."""
    shape = SHAPES[name]
    x = pictures("train", count)
    runs: dict[str, Any] = {"latentia": Ours(x, shape)}
    try:
        runs["PyTorch"] = Theirs(x, shape)
    except ImportError:
        print("PyTorch is not installed, so latentia runs alone.", file=sys.stderr)
    wall, cpu = {name: [] for name in runs}, {name: [] for name in runs}
    # The first round compiles, and does not count but for that.
    for _ in range(1 + rounds):
        for which, run in runs.items():
            start, busy = time.perf_counter(), time.process_time()
            run(epochs)
            wall[which].append((time.perf_counter() - start) / epochs)
            cpu[which].append((time.process_time() - busy) / epochs)
    least = [{which: min(times[which][1:]) for which in runs} for times in (wall, cpu)]
    row: dict[str, object] = {"network": name, "pictures": f"{count:,}"}
    for which in runs:
        row[f"{which}, s an epoch"] = f"{least[0][which]:.2f}"
        row[f"{which}, CPU s"] = f"{least[1][which]:.2f}"
    compiling = [epochs * (t["latentia"][0] - m["latentia"])
                 for t, m in zip((wall, cpu), least, strict=True)]  # fmt: skip
    row["compilation, s (CPU s)"] = f"{compiling[0]:.1f} ({compiling[1]:.1f})"
    if len(runs) == 2:
        row["times faster"] = f"{least[0]['PyTorch'] / least[0]['latentia']:.2f}"
        row["times less CPU"] = f"{least[1]['PyTorch'] / least[1]['latentia']:.2f}"
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000, help="how many pictures")
    parser.add_argument("--epochs", type=int, default=5, help="of the perceptron, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for name, shape in SHAPES.items():
        # Convolutions take ten times as long.
        share = 1 if prod(shape) == shape[0] else 5
        epochs = max(1, options.epochs // share)
        rows.append(compared(name, options.count // share, epochs, options.rounds))
    tell("Variational autoencoders beside PyTorch (eager), batches of 128", rows)


if __name__ == "__main__":
    main()
