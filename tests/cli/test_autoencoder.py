import json

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.image import imsave

from latentia.cli import main
from latentia.datasets import doges


@pytest.mark.slow
def test_a_folder_of_images_is_fitted_asked_and_sampled(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for index, image in enumerate(doges(60, size=8).images):
        imsave(images / f"{index:03d}.png", image)
    out = tmp_path / "result"
    words = ["fit", str(images), "--model", "vae", "--factors", "2", "--epochs", "1", "--json"]
    run = CliRunner().invoke(main, [*words, "--out", str(out)])
    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert told["epochs"] == 1 and np.isfinite(told["log_likelihood"])
    assert {"model.safetensors", "samples.png", "reconstructions.png"} <= set(told["files"])
    model = str(out / "model.safetensors")
    grid = tmp_path / "grid.png"
    assert CliRunner().invoke(main, ["sample", model, "-n", "4", "-o", str(grid)]).exit_code == 0
    assert grid.stat().st_size > 0
    asked = CliRunner().invoke(main, ["score", model, str(images), "--json"])
    assert len(json.loads(asked.stdout)["log_likelihood"]) == 60
