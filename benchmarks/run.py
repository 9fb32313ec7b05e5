"""Run the benchmarks, each in a process of its own, and write docs/benchmarks.md."""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
CACHE = "JAX_COMPILATION_CACHE_DIR"
SCRIPTS = (
    "em_iteration",
    "large_k",
    "factor_analysis",
    "hidden_markov",
    "topics",
    "state_space",
    "posteriordb",
    "evidence",
    "calibration",
    "small_data",
    "missing",
    "parquet_stream",
    "vae",
    "binarised_mnist",
    "doges",
    "engines",
    "scale",
    "faults",
)


def table(rows: list[dict[str, object]]) -> str:
    keys = list(rows[0])
    lines = ["| " + " | ".join(keys) + " |", "|" + "---|" * len(keys)]
    lines += ["| " + " | ".join(str(row[key]) for key in keys) + " |" for row in rows]
    return "\n".join(lines)


def sections(text: str) -> dict[str, str]:
    """The sections that the page has, by script."""
    found = re.findall(r"<!-- (\w+) -->\n(.*?)(?=\n<!-- |\Z)", text, re.S)
    return {name: body.strip() for name, body in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SCRIPTS, []], default=[])
    parser.add_argument("--gb", nargs="+", default=["0.2"], help="size of Parquet files in GB")
    options = parser.parse_args()
    kept = sections(PAGE.read_text()) if PAGE.exists() else {}
    for name in options.names or SCRIPTS:
        words = ["--gb", *options.gb] if name == "parquet_stream" else []
        print(f"{name} ...", flush=True)
        # First calls compile, which a cache on disk would hide.
        clean = {key: value for key, value in os.environ.items() if key != CACHE}
        run = subprocess.run(
            [sys.executable, str(HERE / f"{name}.py"), *words],
            stdout=subprocess.PIPE, text=True, check=True, env=clean,
        )  # fmt: skip
        result = json.loads(run.stdout[run.stdout.index("{") :])
        kept[name] = f"## {result['title']}\n\n{table(result['rows'])}"
        print(kept[name], flush=True)
    body = "\n\n".join(f"<!-- {name} -->\n{kept[name]}" for name in SCRIPTS if name in kept)
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    tools = ", ".join(f"{name} {version(name)}" for name in ("jax", "scikit-learn", "numpy"))
    PAGE.write_text(
        "# Benchmarks\n\n"
        "Written by `python benchmarks/run.py`; peers run in the same process, in turn, and the "
        f"least time of each counts. This run: {machine}, {tools}.\n\n{body}\n"
    )


if __name__ == "__main__":
    main()
