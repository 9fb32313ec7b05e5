import csv
import json

import numpy as np
import pytest

from cli.test_cli import ask


@pytest.mark.slow
def test_topics_from_a_table_of_counts(tmp_path):
    rng = np.random.default_rng(0)
    topics = np.array([[0.45, 0.45, 0.05, 0.05], [0.05, 0.05, 0.45, 0.45]])
    shares = rng.dirichlet([0.2, 0.2], 60)
    counts = [rng.multinomial(30, share @ topics).tolist() for share in shares]
    with (tmp_path / "d.csv").open("w") as file:
        csv.writer(file).writerows([["star", "moon", "goal", "team"], *counts])
    told = ask("fit", tmp_path / "d.csv", "--model", "topics", "--components", "1:2", "--criterion",
               "held_out", "--out", tmp_path / "out", "--json", "--max-iter", 50)  # fmt: skip
    told = json.loads(told.stdout)
    assert told["best"]["components"] == 2 and told["candidates"][0]["held_out"] < 0
    assert {"topics.png", "selection.png", "trace.png", "summary.txt"} <= set(told["files"])
    summary = (tmp_path / "out" / "summary.txt").read_text()
    assert "lower bound of the log-likelihood" in summary and "star" in summary
    model = tmp_path / "out" / "model.safetensors"
    scores = json.loads(ask("score", model, tmp_path / "d.csv", "--json").stdout)["log_likelihood"]
    assert len(scores) == 60 and max(scores) < 0
    soft = json.loads(ask("infer", model, tmp_path / "d.csv", "--json").stdout)
    found = np.array([soft["probability_0"], soft["probability_1"]]).T
    best = min(abs(found - shares).mean(), abs(found[:, ::-1] - shares).mean())
    assert best < 0.1
    ask("fit", tmp_path / "d.csv", "--model", "topics", "--criterion", "icl", code=1)
