"""Static binarised MNIST: the test log-likelihood of variational autoencoders, by the protocol.

    python benchmarks/binarised_mnist.py train iwae5 --draws 5 --epochs 200 --batch 20
    python benchmarks/binarised_mnist.py           the table of all logs, for run.py

The protocol is that of Burda, Grosse and Salakhutdinov (2016), with the binarisation of
Larochelle and Murray (2011): one stochastic layer of 50 units between two layers of 200 (theirs
are tanh, which learns slowly), learned on 50,000 pictures, the weights of the best bound on 10,000
others kept, and the importance-weighted bound with k = 5000 on the 10,000 of the test set. Data
are found in the folder LATENTIA_DATA, by default ../shared/data beside the checkout.

A run can be stopped at any moment and started again with the same words: it goes on from its
checkpoint, in the folder for temporary files, with the same bits, and its log
benchmarks/logs/NAME.jsonl grows by a line for each epoch and for each part of the test set, with
the CPU seconds that it took.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import tell
from vae import STATIC, pictures

import latentia as lt
from latentia.networks import MLP

LOGS = Path(__file__).parent / "logs"
# Test pictures are evaluated, and logged, so many at once.
PART = 500
# Burda, Grosse and Salakhutdinov (2016): table 1 (dynamic) and appendix D (static).
PUBLISHED = (
    ("ELBO", "static, published", "-88.71"),
    ("importance-weighted bound with k = 5", "static, published", "-87.63"),
    ("importance-weighted bound with k = 50", "static, published", "-87.10"),
    ("ELBO", "dynamic, published", "-86.76"),
    ("importance-weighted bound with k = 5", "dynamic, published", "-85.54"),
    ("importance-weighted bound with k = 50", "dynamic, published", "-84.78"),
)


def vae(prior: str, activation: str) -> Any:
    """One stochastic layer of 50 units between two layers of 200."""
    priors = {
        "normal": lambda: lt.GaussianLatent(50),
        "vamp": lambda: lt.VampPrior(500, 50, 784),
        "flow": lambda: lt.FlowLatent(50),
        "mixture": lambda: lt.MixtureLatent(50, 50),
    }
    decoder = MLP(50, 784, (200, 200), activation=activation, key=0)
    encoder = MLP(784, 100, (200, 200), activation=activation, key=1)
    likelihood = lt.Neural(decoder, lt.BernoulliOutput(), 784, 50, unit=1.0)
    return lt.LatentVariableModel(priors[prior](), likelihood, lt.Amortized(encoder))


class Log:
    """Lines of a run, kept over its stops; each has the CPU and wall seconds since the last one."""

    def __init__(self, name: str) -> None:
        self.path = LOGS / f"{name}.jsonl"
        self.path.parent.mkdir(exist_ok=True)
        self.cpu, self.wall = 0.0, time.perf_counter()

    def lines(self, kind: str) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [line for line in lines if line["kind"] == kind]

    def add(self, kind: str, **facts: Any) -> None:
        cpu, wall = time.process_time(), time.perf_counter()
        spent = {"cpu": round(cpu - self.cpu, 2), "wall": round(wall - self.wall, 2)}
        self.cpu, self.wall = cpu, wall
        line = json.dumps({"kind": kind, **facts, **spent})
        print(line, flush=True)
        with self.path.open("a") as file:
            file.write(line + "\n")


def train(options: argparse.Namespace) -> None:
    if not STATIC.exists():
        sys.exit(f"{STATIC} does not exist: set LATENTIA_DATA to the folder that holds images/.")
    log = Log(options.name)
    checkpoint = Path(tempfile.gettempdir()) / f"latentia-{options.name}.checkpoint"
    if log.lines("epoch") and not checkpoint.exists():
        sys.exit(
            f"{log.path} is the log of a run whose checkpoint {checkpoint} is gone: remove it, or "
            "give another name."
        )
    objective = lt.ELBO() if options.draws == 1 else lt.ImportanceBound(options.draws)
    learner = lt.StochasticGradient(
        objective, epochs=options.epochs, batch=options.batch, learning_rate=options.rate,
        held_out=pictures("valid", options.count), patience=options.epochs,
        checkpoint=str(checkpoint),
    )  # fmt: skip
    log.add(
        "start", command=" ".join(sys.argv), objective=objective.describe(), prior=options.prior,
        batch=options.batch, rate=options.rate, epochs=options.epochs,
        activation=options.activation,
    )  # fmt: skip

    def watch(row: Any) -> None:
        log.add(
            "epoch", epoch=row.epoch, bound=round(row.bound, 3), rate=round(row.rate, 3),
            held_out=round(row.held_out, 3), active=row.active,
        )  # fmt: skip

    fit = learner.fit(
        vae(options.prior, options.activation),
        pictures("train", 5 * options.count),
        None,
        options.seed,
        watch=watch,
    )
    log.add("trained", best=fit.best, held_out=fit.bound, verdict=str(fit.verdict))
    # The test part is sorted by class, so that its first pictures are no fair sample.
    order = np.random.default_rng(0).permutation(10_000)[: options.test]
    test = pictures("test", 10_000)[order]
    for first in range(PART * len(log.lines("test")), len(test), PART):
        part = test[first : first + PART]
        found = lt.evaluate(fit.model, part, k=options.k, key=first, refine=0)
        log.add(
            "test", first=first, count=len(part), k=options.k, sum=float(found.each.sum()),
            square=float((found.each**2).sum()), elbo=found.elbo, active=found.active,
            few=int((found.effective < 10).sum()),
        )  # fmt: skip


COLUMNS = (
    "objective", "prior", "activation", "binarisation", "epochs", "training, CPU minutes",
    "test log-likelihood", "k, pictures", "ELBO", "active of 50",
)  # fmt: skip


def measured(path: Path) -> dict[str, object] | None:
    """The row of a run, from its log; none if it has not come to the test set."""
    log = Log(path.stem)
    epochs, parts, start = log.lines("epoch"), log.lines("test"), log.lines("start")[0]
    if not parts:
        return None
    count = sum(part["count"] for part in parts)
    mean = sum(part["sum"] for part in parts) / count
    error = (sum(part["square"] for part in parts) / count - mean**2) ** 0.5 / count**0.5
    return {
        "objective": start["objective"], "prior": start["prior"],
        "activation": start["activation"],
        "binarisation": "static, measured",
        "epochs": f"{len(epochs):,}",
        "training, CPU minutes": f"{sum(row['cpu'] for row in epochs) / 60:.1f}",
        "test log-likelihood": f"{mean:.2f} ± {error:.2f}",
        "k, pictures": f"{parts[0]['k']:,}, {count:,}",
        "ELBO": f"{sum(part['elbo'] * part['count'] for part in parts) / count:.2f}",
        "active of 50": parts[0]["active"],
    }  # fmt: skip


def table() -> None:
    found = [measured(path) for path in sorted(LOGS.glob("*.jsonl"))]
    rows = [row for row in found if row is not None]
    for objective, binarisation, log_likelihood in PUBLISHED:
        row: dict[str, object] = dict.fromkeys(COLUMNS, "")
        row |= {"objective": objective, "prior": "normal", "activation": "tanh"}
        row |= {"binarisation": binarisation}
        row |= {"epochs": "3,280", "test log-likelihood": log_likelihood}
        rows.append(row)
    tell("Binarised MNIST, one stochastic layer of 50 units", rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["train", "table"], default="table")
    parser.add_argument("name", nargs="?", default="elbo", help="of the log")
    parser.add_argument("--epochs", type=int, default=280)
    parser.add_argument("--draws", type=int, default=1, help="1 for the ELBO, more for its k")
    parser.add_argument("--prior", choices=["normal", "vamp", "flow", "mixture"], default="normal")
    parser.add_argument("--activation", choices=["tanh", "silu", "relu"], default="silu")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--k", type=int, default=5000)
    parser.add_argument("--count", type=int, default=10_000, help="validation pictures; a fifth "
                        "of those that are learned from")  # fmt: skip
    parser.add_argument("--test", type=int, default=10_000, help="how many test pictures")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.what == "train":
        train(options)
    else:
        table()


if __name__ == "__main__":
    main()
