"""A run whose sets are made up: no network was trained for it."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tfgansynth.config import Config, DataConfig
from tfgansynth.data.phantoms.phantom import make_phantoms
from tfgansynth.experiment.experiment_data import Experiment, load_experiment_data
from tfgansynth.planning.requests import Request
from tfgansynth.presets import PRESETS
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import Draw, SyntheticSet, write_set

CONFIG = dataclasses.replace(
    PRESETS["smoke"],
    lungs="left",
    data=DataConfig(size=32, phantoms=12, n_validation=2, n_reduced=3),
)


DROPPED = {"name": "x", "part": "mask", "case_id": "a", "distance": 0.1}


def open_experiment(config: Config, data: Path | None, out: Path) -> Experiment:
    return load_experiment_data(config, data).experiment(config, out).open()


def write(experiment: Experiment, folder: Path, n: int, **more: Any) -> None:
    """A set of noise that says it is of fold 1."""
    rng = np.random.default_rng(n)
    gan, planned = experiment.plan([1], lambda _: Request(sets=["plain"])).stages
    provenance = {
        **gan.record,
        "step": CONFIG.gan.steps,
        "generator_sha256": "00ff",
        **planned.record,
    }
    synthetic = SyntheticSet(
        images=rng.integers(0, 256, (n, 32, 32), np.uint8),
        masks=rng.integers(0, 2, (n, 32, 32), np.uint8),
        draws=tuple(Draw(0, index, f"{index:016x}") for index in range(n)),
        n_drawn=n,
        n_similar=0,
        n_empty=0,
    )
    write_set(synthetic, {**provenance, **more}, folder)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds a run whose first fold has a set of six, one of five, an audited one."""
    out = tmp_path_factory.mktemp("runs")
    experiment = open_experiment(CONFIG, None, out)
    fold = experiment.run.fold(1)
    write(experiment, fold / "synthetic", 6)
    write(experiment, fold / "synthetic-5", 5)
    own = storage.hash_file(fold / "synthetic/manifest.json")
    audit = {"audited_manifest_sha256": own, "dropped_by_the_audit": [DROPPED, DROPPED]}
    write(experiment, fold / "synthetic-audited", 4, **audit)
    return out


@pytest.fixture
def experiment(kept: Path, tmp_path: Path) -> Experiment:
    shutil.copytree(kept, tmp_path / "out")
    return open_experiment(CONFIG, None, tmp_path / "out")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Twelve cases; `phantom-003` is `phantom-002` once more, compressed."""
    folder = tmp_path / "copied"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for case in make_phantoms(12, seed=0, size=64):
        name = f"{case.case_id}.png"
        Image.fromarray(case.image.astype(np.uint8)).save(folder / "images" / name)
        Image.fromarray(case.mask).save(folder / "masks" / name)
    (folder / "images/phantom-003.png").unlink()
    with Image.open(folder / "images/phantom-002.png") as image:
        image.save(folder / "images/phantom-003.jpg")
    return folder
