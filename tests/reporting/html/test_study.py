"""A run is read from its files alone, and a missing or damaged one is named."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reporting.html.made import (
    HOSTILE,
    N_CASES,
    N_SYNTHETIC,
    REGIMES,
    SIZE,
    write_run,
)
from tfgansynth.errors import InputError
from tfgansynth.presets import PRESETS
from tfgansynth.records.regimes import Regime
from tfgansynth.reporting.html.page import write_report
from tfgansynth.reporting.html.study import read_study
from tfgansynth.reporting.html.training import errors_by_step
from tfgansynth.reporting.outputs import write_outputs
from tfgansynth.runtime import storage

FOLD = "../phantoms-reduced-smoke-seed1/fold-1"
FILES = [
    "comparison.json",
    "curve.json",
    "../phantoms-reduced-smoke-seed0/config.json",
    "../phantoms-reduced-smoke-seed1/machine.json",
    "../phantoms-reduced-smoke-seed1/timings.json",
    f"{FOLD}/unet-r6-s0/cases.csv",
    f"{FOLD}/unet-r6-s0/history.csv",
    f"{FOLD}/unet-r6-s0/provenance.json",
    f"{FOLD}/unet-r6-s0/predictions.npz",
    f"{FOLD}/synthetic/manifest.json",
    f"{FOLD}/synthetic/images/synthetic-00003.png",
    f"{FOLD}/gan/checkpoints/step-000020.safetensors",
    f"{FOLD}/assessment/assessment.json",
    f"{FOLD}/assessment/assessment.npz",
]


def test_all_of_a_study_is_read(study: Path) -> None:
    found = read_study(study)

    assert [run.config.seed for run in found.runs] == [0, 1]
    unets = [each.unet for each in found.unets]
    assert [(unet.seed, unet.regime) for unet in unets] == [
        (seed, regime) for seed in (0, 1) for regime in REGIMES
    ]
    assert all(len(unet.cases) == N_CASES for unet in unets)
    assert unets[0].cases[0].case_id == HOSTILE
    # 6 pairs at 16 a mini-batch are one a epoch, 6 + 14 are two.
    assert list(errors_by_step(unets[0])) == [1, 2, 3, 4, 5]
    assert list(errors_by_step(unets[1])) == [2, 4, 6, 8, 10]
    assert errors_by_step(unets[0])[4] == 0.25
    first, second = found.folds
    assert (first.name, second.name) == ("seed 0, fold 1", "seed 1, fold 1")
    assert len(first.synthetic.images) == N_SYNTHETIC
    assert list(first.samples) == [0, 2, 10, 20]
    assert first.history.series["loss/generator"][20] == 21
    assert first.synthetic.assessment
    assert first.synthetic.assessment.arrays["gallery_distances"][0] == 0
    assert first.synthetic.assessment.arrays["gallery_synthetic"][0] == 2
    assert not first.synthetic.assessment.record.memorization.passed
    assert found.curve
    assert found.curve.points[0].n_real == 5


def test_a_run_needs_no_assessment_and_no_curve(run: Path) -> None:
    found = read_study(run)

    assert found.curve is None
    assert [fold.synthetic.assessment for fold in found.folds] == [None]
    assert found.comparison.runs == (run.name,)


def test_a_fold_without_a_generator_is_no_fault(tmp_path: Path) -> None:
    """As after `train-unet --real 6 --synthetic 0` alone."""
    config = dataclasses.replace(PRESETS["smoke"], reduced=True)
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, size=SIZE)
    )
    root = write_run(tmp_path, config, [Regime(6, 0)])
    for name in ("gan", "synthetic"):
        shutil.rmtree(root / "fold-1" / name)
    write_outputs([root], root)

    page = write_report(root)

    assert read_study(root).folds == ()
    assert "real only" in page.read_text()


def test_a_curve_beside_the_run_is_found_if_it_is_of_its_data(own_study: Path) -> None:
    beside = own_study.with_name("curve-phantoms-smoke") / "curve.json"
    record = storage.read_record(own_study / "curve.json")
    (own_study / "curve.json").unlink()

    other = {**record["dataset"], "sha256": "cd" * 32}
    for dataset, is_shown in ((record["dataset"], True), (other, False)):
        storage.write_record(beside, {**record, "dataset": dataset})
        assert (read_study(own_study).curve is not None) is is_shown


def test_a_run_that_was_moved_is_read(run: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(run)

    assert len(read_study(tmp_path / "elsewhere").unets) == len(REGIMES)


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(
            InputError, match=r"is no run .* comparison.json"
        ) as refusal:
            read_study(folder)
        assert str(refusal.value).startswith(f"{folder}: ")


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [Path.unlink, shorten, alter])
def test_a_damaged_file_is_named(
    own_study: Path, name: str, damage: Callable[[Path], None]
) -> None:
    path = own_study / name
    damage(path)
    if damage is Path.unlink and name == "curve.json":
        return

    with pytest.raises(InputError) as refusal:
        read_study(own_study)

    expected = path.parent if name.endswith("step-000020.safetensors") else path
    assert (own_study / expected).resolve().name in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["comparison.json", "curve.json", FILES[12], FILES[7]])
def test_a_record_of_another_form_is_named(own_study: Path, name: str) -> None:
    path = own_study / name
    storage.write_record(path, {"unets": 3})

    with pytest.raises(InputError, match=r"is not of the form") as refusal:
        read_study(own_study)

    assert path.name in str(refusal.value)


@pytest.mark.parametrize("name", ["..", "../..", "/etc", "a/b", ""])
def test_no_name_leads_to_other_folders(own_study: Path, name: str) -> None:
    path = own_study / "comparison.json"
    record = storage.read_record(path)
    record["runs"] = [name]
    storage.write_record(path, record)

    with pytest.raises(InputError, match=r"comparison.json: .* is no name of a folder"):
        read_study(own_study)
