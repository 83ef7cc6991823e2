"""Sets of any target have masks like the real ones, and say how they were cleaned."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.experiment.made_sets import open_experiment
from tfgansynth.cli.main import main
from tfgansynth.config import Config, DataConfig, SynthesisConfig
from tfgansynth.data.dataset import Case, Dataset, case_hashes
from tfgansynth.experiment.experiment_data import Experiment, ExperimentData
from tfgansynth.experiment.stages.synthetic_sets import draw_fold_set
from tfgansynth.planning.fold_planner import FoldPlanner
from tfgansynth.planning.graph import PlannedStage
from tfgansynth.presets import PRESETS
from tfgansynth.records import converter
from tfgansynth.records.provenance import SetManifest
from tfgansynth.records.reading.run import read_identity
from tfgansynth.records.runs import Source
from tfgansynth.reporting.verification import recompute
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.reporting.verification.recompute import recount
from tfgansynth.runtime import storage
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.timing import Timer
from tfgansynth.synthesis.masks import ClassRule
from tfgansynth.synthesis.rules import learn_rules
from tfgansynth.synthesis.sampling import MANIFEST, read_set

SMALL = dataclasses.replace(
    PRESETS["smoke"],
    data=DataConfig(size=32, phantoms=12, n_validation=2, n_reduced=3),
    synthesis=SynthesisConfig(count=4, batch=8, hash_distance=0),
)


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve cases of noise, each with nine squares; some of these have holes."""
    folder = tmp_path_factory.mktemp("data") / "squares"
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(12):
        image = rng.integers(0, 256, (32, 32), np.uint8)
        mask = np.zeros((32, 32), np.uint8)
        for row in (1, 11, 21):
            for column in (1, 11, 21):
                height, width = rng.integers(5, 9, 2)
                mask[row : row + height, column : column + width] = 255
                mask[row + 2, column + 2] = 255 * (number % 2)
        Image.fromarray(image).save(folder / f"images/{number:02d}.png")
        Image.fromarray(mask).save(folder / f"masks/{number:02d}.png")
    return folder


def draw_control(experiment: Experiment) -> tuple[PlannedStage, str]:
    """Draw a set of training cases, which needs no network, and clean their masks."""
    planner = FoldPlanner(
        experiment.config, experiment.splits, experiment.splits.folds[0]
    )
    planned = planner.stages[planner.set("control")]
    folder = experiment.run.root / planned.name
    record = dict(planned.record)
    stage = Stage(folder, record, 0, Timer(), "control")
    (masks,) = draw_fold_set(experiment, planned, stage).details
    return planned, masks


def verified(experiment: Experiment, planned: PlannedStage) -> list[str]:
    differences = Differences(experiment.run.root)
    run = read_identity(experiment.run.root)
    recount(run, {planned.name: planned}, planned, differences)
    return differences.lines


def reseal(path: Path, **changes: Any) -> None:
    record = storage.read_record(path)
    storage.write_record(path, {**record, **changes})


def with_synthesis(**changes: Any) -> Config:
    synthesis = dataclasses.replace(SMALL.synthesis, **changes)
    return dataclasses.replace(SMALL, synthesis=synthesis)


def test_real_masks_come_out_as_they_went_in(squares: Path, tmp_path: Path) -> None:
    experiment = open_experiment(SMALL, squares, tmp_path)
    planned, said = draw_control(experiment)

    folder = experiment.run.root / planned.name
    manifest = converter.read(folder / MANIFEST, SetManifest)
    fold = experiment.fold(1)
    masks = np.stack([case.mask for case in fold.training]).astype(np.uint8)
    (rule,) = manifest.mask_rules
    assert manifest.mask_components is None
    assert (rule,) == manifest.rules == learn_rules(masks, 1)
    assert (rule.components, rule.fill_holes) == (9, False)
    assert said.startswith(
        f"masks: keep the 9 largest components of {rule.least_px} px"
    )
    real = {np.rint(case.image).tobytes(): case.mask for case in fold.training}
    for image, mask in zip(*read_set(folder), strict=True):
        np.testing.assert_array_equal(mask, real[image.tobytes()])
    assert verified(experiment, planned) == []


def test_a_set_that_was_drawn_before_alike_pixels_were_counted_is_sound(
    squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recompute, "count_alike", lambda _: 2)
    experiment = open_experiment(SMALL, squares, tmp_path)
    planned, _ = draw_control(experiment)
    assert verified(experiment, planned) == []
    path = experiment.run.root / planned.name / MANIFEST
    reseal(path, kept_by_hash_alone=1)
    (line,) = verified(experiment, planned)
    assert line.endswith("kept_by_hash_alone: stored 1, recomputed 2")


def test_each_class_comes_out_as_it_went_in(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(1)
    cases = []
    for number in range(12):
        ring, dots = np.zeros((2, 32, 32), np.float32)
        row, column = rng.integers(1, 8, 2)
        ring[row : row + 16, column : column + 18] = 1
        ring[row + 4 : row + 12, column + 4 : column + 13] = 0
        # They lie in the hole of the ring too, and outside.
        dots[row + 6 : row + 9, column + 6 : column + 8] = 1
        dots[28:31, 2:30:6] = dots[28:31, 3:30:6] = 1
        image = rng.uniform(0, 255, (32, 32)).astype(np.float32)
        cases.append(Case(f"{number:02d}", image, np.stack([ring, dots], axis=-1)))
    dataset = Dataset(
        "made", "folder", tuple(cases), classes=("ring", "dots"), target="made"
    )
    source = Source(name=dataset.name)
    data = ExperimentData(dataset, case_hashes(cases), (), source)
    experiment = data.experiment(SMALL, tmp_path).open()
    planned, said = draw_control(experiment)

    folder = experiment.run.root / planned.name
    of_rings, of_dots = converter.read(folder / MANIFEST, SetManifest).rules
    assert (of_rings.components, of_rings.fill_holes) == (1, False)
    assert of_dots == ClassRule(6, 3, fill_holes=True)
    assert said.endswith(
        "; dots: keep the 6 largest components of 3 px or more, fill holes"
    )
    real = {np.rint(each.image).tobytes(): each.labels for each in cases}
    for image, labels in zip(*read_set(folder), strict=True):
        np.testing.assert_array_equal(labels, real[image.tobytes()])
    assert verified(experiment, planned) == []


def test_a_rule_of_other_settings_and_masks_it_would_not_leave_are_named(
    squares: Path, tmp_path: Path
) -> None:
    experiment = open_experiment(with_synthesis(fill_holes="no"), squares, tmp_path)
    planned, _ = draw_control(experiment)
    folder = experiment.run.root / planned.name
    rules = storage.read_record(folder / MANIFEST)["mask_rules"]
    assert verified(experiment, planned) == []

    reseal(folder / MANIFEST, mask_rules=[{**rules[0], "fill_holes": True}])
    found = verified(experiment, planned)
    assert any("mask_rules[0].fill_holes: stored true, rec" in line for line in found)

    reseal(folder / MANIFEST, mask_rules=[{**rules[0], "components": 8}])
    found = verified(experiment, planned)
    assert len(found) == 4
    assert "synthetic-00001.png: is no mask that was cleaned (keep the 8" in found[0]

    reseal(folder / MANIFEST, mask_rules=[])
    found = verified(experiment, planned)
    assert any("mask_rules: stored nothing" in line for line in found)


def test_lungs_keep_plan_and_manifest_of_earlier_versions(tmp_path: Path) -> None:
    experiment = open_experiment(SMALL, None, tmp_path)
    planned, _ = draw_control(experiment)

    path = experiment.run.root / planned.name / MANIFEST
    stored = storage.read_record(path)
    assert planned.record["mask_components"] == stored["mask_components"] == 2
    assert "mask_rules" not in stored
    assert {"components", "fill_holes"}.isdisjoint(stored["synthesis"])
    assert converter.read(path, SetManifest).rules == (ClassRule(2),)
    assert verified(experiment, planned) == []


def test_a_learned_rule_is_no_part_of_the_plan_and_settings_are(
    squares: Path, tmp_path: Path
) -> None:
    def planned(config: Config) -> PlannedStage:
        experiment = open_experiment(config, squares, tmp_path)
        planner = FoldPlanner(config, experiment.splits, experiment.splits.folds[0])
        return planner.stages[planner.set("plain")]

    auto, explicit = planned(SMALL), planned(with_synthesis(components="all"))
    assert not {"mask_components", "mask_rules"} & auto.record.keys()
    assert explicit.record["synthesis"]["components"] == "all"
    assert auto.identity != explicit.identity


def test_a_rule_that_harms_real_masks_is_refused_before_anything_is_made(
    squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run-table", "--data", str(squares), "--out", str(tmp_path / "out")]
    command += ["--preset", "smoke", "--data.size", "32", "--data.n-validation", "2"]
    command += ["--unet.depth", "2", "--gan.augment-cutout", "8"]
    with pytest.raises(SystemExit) as end:
        main([*command, "--synthesis.components", "2"])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "error: --synthesis.components 2 --synthesis.fill-holes auto"
    )
    assert line.endswith("less than 0.98: set --synthesis.components all")
    assert not (tmp_path / "out").exists()

    for value in ("0", "-1", "02", "1.5", "many", "9" * 30):
        with pytest.raises(SystemExit) as end:
            main([*command, f"--synthesis.components={value}"])
        assert end.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        expected = "`auto`, `all`, or a number, 1 or more"
        assert f"--synthesis.components {value}: expected {expected}" in line


def test_the_settings_of_a_run_folder_may_change(squares: Path, tmp_path: Path) -> None:
    """`config.json` leaves them out where they have their default."""
    first = open_experiment(SMALL, squares, tmp_path)
    stored = storage.read_record(first.run.config_path)["config"]["synthesis"]
    assert {"components", "fill_holes"}.isdisjoint(stored)
    del first
    for config in (with_synthesis(components="9"), SMALL):
        again = open_experiment(config, squares, tmp_path)
        assert again.config.synthesis == config.synthesis
        del again
