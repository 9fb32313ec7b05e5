"""Doges: what the default variational autoencoder knows of the true factors, after ten minutes.

    python benchmarks/doges.py --minutes 10 --pictures FOLDER

``VariationalAutoencoder()`` is learned on 10,000 doges until all its epochs are over or the CPU
minutes are spent. Then a linear probe predicts the true factors of new doges from their posterior
means, and hidden right halves are completed by the mode of z given the left halves. With a folder
the pictures are written to it: look at them.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import tell

import latentia as lt

GOALS = {
    "turn": 0.8, "tilt": 0.8, "ears": 0.5, "mouth": 0.5, "cos(hue)": 0.8, "sin(hue)": 0.8,
    "size": 0.8, "across": 0.8, "down": 0.8, "light": 0.8,
}  # fmt: skip


def learned(count: int, epochs: int, minutes: float, seed: int) -> tuple[Any, float, int]:
    """The estimator, the CPU seconds of its fit, compilation included, and how many data it saw."""
    images = lt.datasets.doges(count, seed=seed).images
    began = time.process_time()
    vae = lt.VariationalAutoencoder(max_iter=epochs)

    def spent(row: Any) -> bool:
        seconds = time.process_time() - began
        if row.epoch % 10 == 0:
            print(f"epoch {row.epoch}: {row.held_out:.1f}, {seconds:.0f} CPU s", file=sys.stderr)
        return seconds > 60 * minutes

    vae.fit(images, watch=spent)
    return vae, time.process_time() - began, len(images)


def with_hue(factors: np.ndarray) -> np.ndarray:
    """The factors, in the order of ``GOALS``."""
    hue = factors[:, 4]
    return np.column_stack([factors[:, :4], np.cos(hue), np.sin(hue), factors[:, 5:]])


def probed(vae: Any, known: Any, new: Any) -> np.ndarray:
    """R² of each factor of new doges, by least squares on the codes of known ones."""
    inner = [
        np.column_stack([np.ones(len(d.images)), vae.transform(d.images)]) for d in (known, new)
    ]
    truth = with_hue(new.factors)
    weights = np.linalg.lstsq(inner[0], with_hue(known.factors), rcond=None)[0]
    left = ((truth - inner[1] @ weights) ** 2).sum(axis=0)
    return 1 - left / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)


def completed(vae: Any, known: Any, new: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """Doges with a hidden right half, their completions, and how many times smaller the squared
    error of the hidden half is than that of the mean picture."""
    half = new.images.copy()
    half[:, :, half.shape[2] // 2 :] = np.nan
    found = vae.inverse_transform(vae.map_estimate(half))
    hidden = np.isnan(half)
    average = np.broadcast_to(known.images.mean(axis=0), half.shape)
    errors = [float(np.mean((guess - new.images)[hidden] ** 2)) for guess in (found, average)]
    return half, found, errors[1] / errors[0]


def draw(vae: Any, new: Any, half: np.ndarray, found: np.ndarray, folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    plots, images = lt.plots, new.images
    codes = vae.transform(images[:1])[0]
    evaluation = vae.evaluate(images[:200], k=200)
    print(evaluation, file=sys.stderr)
    rows = np.concatenate([half[:10], found[:10], images[:10]])
    displays = {
        "draws": plots.plot_draws(vae, n=32),
        "reconstructions": plots.plot_reconstructions(vae, images[:10]),
        "completions": plots.plot_pictures(rows, columns=10, title="Seen, completed, true"),
        "traversal": plots.plot_traversal(vae, codes),
        "plane": plots.plot_latent_plane(
            vae, images[:200], values=new.factors[:200, 0], name="turn of the head"
        ),
        "rates": plots.plot_rates(evaluation),
        "rate_distortion": plots.plot_rate_distortion(vae.fit_),
    }
    for name, display in displays.items():
        display.figure_.savefig(folder / f"{name}.png", dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000, help="doges to learn from")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=20.0, help="of CPU time: ten of two cores")
    parser.add_argument("--pictures", type=Path, default=None)
    options = parser.parse_args()
    vae, seconds, count = learned(options.count, options.epochs, options.minutes, 0)
    known, new = lt.datasets.doges(4000, seed=0), lt.datasets.doges(1000, seed=1)
    scores = probed(vae, known, new)
    half, found, factor = completed(vae, known, lt.datasets.doges(200, seed=2))
    row: dict[str, object] = {
        "doges": f"{count:,}",
        "epochs": vae.n_iter_,
        "CPU minutes": f"{seconds / 60:.1f}",
    }
    row |= {f"R² of {name}": f"{r2:.2f}" for name, r2 in zip(GOALS, scores, strict=True)}
    row["half-hidden: times better than the mean picture"] = f"{factor:.1f}"
    missed = [name for name, r2 in zip(GOALS, scores, strict=True) if r2 < GOALS[name]]
    row["goals missed"] = ", ".join(missed + ["completion"] * (factor < 3)) or "none"
    if options.pictures is not None:
        draw(vae, lt.datasets.doges(200, seed=2), half, found, options.pictures)
    tell("The default model of doges", [row])


if __name__ == "__main__":
    main()
