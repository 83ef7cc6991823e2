"""A dry run shows the plan, what is done, and what earlier runs let expect."""

import dataclasses
from pathlib import Path

import pytest

from tfgansynth.cli import dry_run
from tfgansynth.config import Config, DataConfig
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import (
    Study,
    load_experiment_data,
    prepare,
)
from tfgansynth.experiment.plan import table_request
from tfgansynth.presets import PRESETS
from tfgansynth.runtime import storage

CONFIG = dataclasses.replace(
    PRESETS["smoke"],
    reduced=True,
    data=DataConfig(size=32, phantoms=12, n_validation=2, n_reduced=4),
)
DATA = load_experiment_data(CONFIG, None)


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "processor_name", lambda: "this")


def study(out: Path, config: Config = CONFIG, n_seeds: int = 1) -> Study:
    return prepare(
        DATA,
        config,
        out,
        n_seeds=n_seeds,
        folds=None,
        request=table_request(config, "paper", control=False, assessed=False),
    )


def finish_fold(out: Path, *, processor: str = "this") -> None:
    """Make up all stages of fold 1: the GAN took 100 s, all else 10 s."""
    (part,) = study(out).open().parts
    run = part.experiment.run
    for stage in part.plan.stages:
        if stage.fold != 1:
            continue
        seal = "manifest.json" if "synthetic" in stage.name else "provenance.json"
        storage.write_record(run.root / stage.name / seal, stage.record)
        run.add_seconds({stage.name: 100.0 if stage.name.endswith("gan") else 10.0})
        run.add_machine(
            stage.name, {"processor": processor}, precision="float32", done=0
        )
        run.add_memory(stage.name, 2048)


def test_without_earlier_runs_the_time_is_unknown(tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = dry_run.describe(study(out), out)
    assert text.startswith("PLAN: 15 stages, 0 of them done\n")
    assert text.endswith("TIME: unknown: no run below --out has done such stages here")
    assert not out.exists()


def test_finished_stages_tell_what_the_others_take(tmp_path: Path) -> None:
    finish_fold(tmp_path)
    lines = dry_run.describe(study(tmp_path), tmp_path).splitlines()
    assert lines[0] == "PLAN: 15 stages, 5 of them done"
    assert lines[1].split() == ["fold-1/gan", "done"]
    assert lines[6].split(maxsplit=1) == ["fold-2/gan", "about 1 min 40 s  2.0 GiB"]
    assert lines[-1] == (
        "TIME: about 4 min 40 s, at most 2.0 GiB of memory, as runs below --out took "
        "on this kind of processor"
    )


def test_a_gans_time_goes_with_its_steps(tmp_path: Path) -> None:
    finish_fold(tmp_path)
    gan = dataclasses.replace(CONFIG.gan, steps=3 * CONFIG.gan.steps)
    config = dataclasses.replace(CONFIG, gan=gan, seed=1)
    lines = dry_run.describe(study(tmp_path, config), tmp_path).splitlines()
    assert lines[1].split(maxsplit=1) == ["fold-1/gan", "about 5 min 00 s  2.0 GiB"]


def test_another_processor_tells_nothing(tmp_path: Path) -> None:
    finish_fold(tmp_path, processor="another")
    text = dry_run.describe(study(tmp_path), tmp_path)
    assert text.endswith("TIME: unknown: no run below --out has done such stages here")


def test_other_settings_are_told_before_anything_is_moved(tmp_path: Path) -> None:
    finish_fold(tmp_path)
    unet = dataclasses.replace(CONFIG.unet, maps=4)
    other = study(tmp_path, dataclasses.replace(CONFIG, unet=unet))
    text = dry_run.describe(other, tmp_path)
    assert "PLAN: 15 stages, 2 of them done" in text
    assert "(unet.maps: 4 against 8): 3 of its stages would be kept aside" in text
    assert not list(tmp_path.rglob("superseded"))


def test_a_folder_of_other_data_is_refused(tmp_path: Path) -> None:
    (part,) = study(tmp_path).open().parts
    path = part.experiment.run.root / "cases.json"
    record = storage.read_record(path)
    record["cases"]["phantom-003"] = "0" * 64
    storage.write_record(path, record)
    with pytest.raises(InputError, match=r"other data \(changed: phantom-003\)"):
        dry_run.describe(study(tmp_path), tmp_path)


def test_several_runs_are_named(tmp_path: Path) -> None:
    lines = dry_run.describe(study(tmp_path, n_seeds=2), tmp_path).splitlines()
    assert lines[0] == "PLAN: 30 stages, 0 of them done"
    assert lines[1].split()[:2] == ["phantoms-reduced-smoke-seed0", "fold-1/gan"]
    assert lines[-2].split()[0] == "phantoms-reduced-smoke-seed1"
