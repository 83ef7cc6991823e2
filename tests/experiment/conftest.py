"""A run whose sets are made up: no network was trained for it."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfgansynth.config import DataConfig
from tfgansynth.experiment.experiment_data import Experiment, open_experiment
from tfgansynth.experiment.provenance import gan_provenance
from tfgansynth.presets import PRESETS
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import Draw, SyntheticSet, write_set

CONFIG = dataclasses.replace(
    PRESETS["smoke"],
    lungs="left",
    data=DataConfig(size=32, phantoms=12, n_validation=2, n_reduced=3),
)


DROPPED = {"name": "x", "part": "mask", "case_id": "a", "distance": 0.1}


def write(experiment: Experiment, folder: Path, n: int, **more: Any) -> None:
    """A set of noise that says it is of fold 1."""
    rng = np.random.default_rng(n)
    provenance = {
        **gan_provenance(experiment, experiment.fold(1)),
        "step": CONFIG.gan.steps,
        "generator_sha256": "00ff",
        "z_seed": 7,
        "mask_components": 1,
        "synthesis": dataclasses.asdict(CONFIG.synthesis),
    }
    synthetic = SyntheticSet(
        images=rng.integers(0, 256, (n, 32, 32), np.uint8),
        masks=rng.random((n, 32, 32)) < 0.5,
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
