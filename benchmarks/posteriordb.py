"""Nine posteriors with trusted reference draws: errors, times and verdicts, beside its peers'.

The data are found under LATENTIA_DATA, by default ../shared/data beside the checkout. NumPyro's
variational inference and NUTS run too if it is installed, and so does PyMC's ADVI; `--no-peers`
leaves them out.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from measure import tell, timed
from posteriordb_models import MODELS, load, school_effects

import latentia as lt

ROOT = Path(__file__).parents[2] / "shared" / "data"
DATA = Path(os.environ.get("LATENTIA_DATA", ROOT)) / "posteriordb"
REPEATS = 3


def flat(tree, order):
    return np.concatenate([np.ravel(tree[name]) for name in order])


def errors(mean, sd, reference):
    """Of the mean in posterior standard deviations, and of the standard deviation in percent."""
    true_mean, true_sd = np.array(reference["mean"]), np.array(reference["sd"])
    return np.abs(mean - true_mean) / true_sd, 100 * np.abs(sd / true_sd - 1)


def show(values, digits):
    return " / ".join(f"{v:.{digits}f}" for v in (*np.quantile(values, [0.5, 0.9]), values.max()))


def mine(name):
    model, x, order, reference = load(DATA, name)
    posterior, first = timed(lambda: lt.infer(model, x))
    warm = min(timed(lambda: lt.infer(model, x))[1] for _ in range(REPEATS))
    told = posterior.derive(school_effects) if "t" in posterior.draws else posterior
    mean, sd = flat(told.mean, order), flat(told.standard_deviation, order)
    return posterior, first, warm, errors(mean, sd, reference)


def case(name, peers):
    posterior, first, warm, (means, sds) = mine(name)
    row = {
        "posterior": name.split("-")[0],
        "verdict": posterior.verdict.level,
        "by": posterior.rung.replace(" with linear response", ""),
        "k-hat": f"{posterior.k_hat:.2f}",
        "mean error, sd (median / 90 % / worst)": show(means, 3),
        "sd error, % (the same)": show(sds, 1),
        "first, s": f"{first:.1f}",
        "warm, ms": f"{1e3 * warm:.0f}",
    }
    if peers:
        from posteriordb_peers import PEERS

        model, x, order, reference = load(DATA, name)
        for title, method in PEERS.items():
            moments, first_peer, warm_peer = method(model, x, order)
            theirs = [float(np.median(error)) for error in errors(*moments, reference)]
            row[f"{title}: median errors"] = f"{theirs[0]:.3f} sd, {theirs[1]:.1f} %"
            row[f"{title}: first s, warm s"] = f"{first_peer:.1f}, {warm_peer:.2f}"
    return row, means, sds


def total(means, sds):
    means, sds = np.concatenate(means), np.concatenate(sds)
    return {
        "posterior": f"all {len(means)} parameters",
        "mean error, sd (median / 90 % / worst)": show(means, 3),
        "sd error, % (the same)": show(sds, 1),
    }


if __name__ == "__main__":
    if not DATA.exists():
        tell("Nine posteriors with reference draws", [{"not run": f"no data at {DATA.name}"}])
        sys.exit()
    chosen = [name for name in MODELS if not sys.argv[1:] or name.split("-")[0] in sys.argv[1:]]
    peers = find_spec("numpyro") is not None and "--no-peers" not in sys.argv
    rows, means, sds = zip(*(case(name, peers) for name in chosen or MODELS), strict=True)
    last = dict.fromkeys(rows[0], "") | total(means, sds)
    tell("Nine posteriors with reference draws", [*rows, last])
