"""No synthetic set whose generator has seen held-out cases gets into training."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.experiment.made_sets import open_experiment
from tfgansynth.api import draw_set
from tfgansynth.arrays import ByteArray, FloatArray, Labels
from tfgansynth.config import DataConfig, SynthesisConfig
from tfgansynth.data.dataset import case_hashes, images_and_labels
from tfgansynth.data.held_out import FoldCases
from tfgansynth.data.pipelines import LabelledImages
from tfgansynth.errors import InputError
from tfgansynth.experiment import stage_runs
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.stages import compute, synthetic_sets
from tfgansynth.experiment.stages.compute import seen_cases
from tfgansynth.experiment.stages.fold_networks import planned_gan
from tfgansynth.experiment.stages.fold_sets import require_fold_set
from tfgansynth.gan.health import DIVERSITY, History
from tfgansynth.planning.graph import Kind
from tfgansynth.planning.requests import Request
from tfgansynth.presets import PRESETS
from tfgansynth.records.regimes import Regime
from tfgansynth.runtime import checkpoints, storage
from tfgansynth.synthesis.failures import EmptyMasksError
from tfgansynth.synthesis.sampling import MANIFEST

SMALL = dataclasses.replace(
    PRESETS["smoke"],
    data=DataConfig(size=64, phantoms=12, n_validation=2, n_reduced=3),
)
SET = Path("fold-1/synthetic")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return open_experiment(SMALL, None, tmp_path_factory.mktemp("out"))


def gan_record(experiment: Experiment, number: int) -> dict[str, Any]:
    return dict(planned_gan(experiment, experiment.fold(number)).record)


@pytest.fixture
def fold(experiment: Experiment) -> FoldCases:
    return experiment.fold(1)


def test_the_folds_own_set_is_taken(experiment: Experiment, fold: FoldCases) -> None:
    manifest = {**gan_record(experiment, 1), "step": 9, "generator_sha256": "0"}
    require_fold_set(experiment, fold, manifest, SET)


@pytest.mark.parametrize("part", ["test", "validation"])
@pytest.mark.parametrize("by", ["id", "content"])
def test_set_that_has_seen_held_out_cases_is_refused(
    experiment: Experiment, fold: FoldCases, part: str, by: str
) -> None:
    held_out = fold.test.hashes if part == "test" else case_hashes(fold.validation)
    name, content = next(iter(held_out.items()))
    seen = {name: "0"} if by == "id" else {"another": content}
    manifest = gan_record(experiment, 1)
    manifest["training_cases"] = {**manifest["training_cases"], **seen}
    with pytest.raises(InputError, match=rf"on {part} cases of fold 1 \({name}\)"):
        require_fold_set(experiment, fold, manifest, SET)


def test_set_of_another_fold_is_refused(
    experiment: Experiment, fold: FoldCases
) -> None:
    with pytest.raises(InputError, match="was trained on test cases of fold 1"):
        require_fold_set(experiment, fold, gan_record(experiment, 2), SET)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"training_cases": None}, "does not say which cases"),
        ({"training_cases": {}}, "is not of this fold and run"),
        ({"fold": 2}, r"\(fold: 1 against 2\)"),
        ({"seed": 7}, r"\(seed: 0 against 7\)"),
        ({"dataset": {"name": "other"}}, r"dataset\.name: phantoms against other"),
        ({"network_version": 0}, r"network_version: \d against 0"),
    ],
)
def test_set_from_elsewhere_is_refused(
    experiment: Experiment, fold: FoldCases, changes: dict[str, Any], named: str
) -> None:
    manifest = {**gan_record(experiment, 1), **changes}
    with pytest.raises(InputError, match=named) as refusal:
        require_fold_set(experiment, fold, manifest, SET)
    assert str(refusal.value).startswith("fold-1/synthetic: ")
    assert "remove it and run synthesize" in str(refusal.value)


def test_all_that_a_unet_has_seen(experiment: Experiment, fold: FoldCases) -> None:
    request = Request(regimes=[Regime(1, 0)])
    record = dict(experiment.plan([1], lambda _: request).stages[0].record)
    validation = case_hashes(fold.validation)
    alone = {**record, "synthetic_set": None}
    (learned,) = record["training_cases"].items()
    assert learned in case_hashes(fold.training).items()
    assert seen_cases(alone) == {learned[0]: learned[1], **validation}
    synthetic = {"training_cases": {"of the generator": "1"}}
    mixed = {**record, "synthetic_set": synthetic}
    assert seen_cases(mixed) == {**seen_cases(alone), "of the generator": "1"}


LEFT = dataclasses.replace(
    PRESETS["smoke"],
    lungs="left",
    data=DataConfig(size=32, phantoms=12, n_validation=2, n_reduced=3),
    synthesis=SynthesisConfig(count=4, batch=4, max_draws=2, mask_threshold=100),
)
COLLAPSE = (
    "GAN of 6 cases: mode collapse: the samples are 0.10 times as diverse as the real "
    "images, less than 0.4 (--gan.mode-collapse-share)"
)


def blocks(z: FloatArray) -> tuple[ByteArray, ByteArray]:
    """Distinct images, whose masks have a square, or none where z begins below 0."""
    rng = np.random.default_rng(abs(int(z.view(np.int32)[0, 0])))
    images = np.kron(
        rng.integers(0, 256, (len(z), 8, 8), np.uint8), np.ones((1, 4, 4), np.uint8)
    )
    masks = np.full_like(images, 60)
    masks[z[:, 0] >= 0, 8:16, 8:16] = 200
    return images, masks[..., None]


@pytest.fixture
def drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """A run whose generator is made up, and whose training has ended in a collapse."""
    opened = open_experiment(LEFT, None, tmp_path)
    history = History({DIVERSITY: {0: 0.9, 100: 0.1}})
    folder = opened.run.gan(1) / "checkpoints"
    checkpoints.save(folder, 100, history.arrays(), gan_record(opened, 1))

    def made_up(experiment: Experiment, fold: FoldCases) -> tuple[Any, dict[str, Any]]:
        own = ("stage", "inputs", "identity")
        record = planned_gan(experiment, fold).record
        record = {name: value for name, value in record.items() if name not in own}
        record |= {"step": LEFT.gan.steps, "generator_sha256": "00ff"}
        return SimpleNamespace(sample=blocks), record

    monkeypatch.setattr(synthetic_sets, "trained_generator", made_up)
    return opened


def drawn(experiment: Experiment) -> dict[str, Any]:
    """Draw the set of the first fold; return its manifest."""
    *_, planned = experiment.plan([1], lambda _: Request(sets=["plain"])).stages
    stage_runs.run_stage(experiment, planned)
    return storage.read_record(experiment.run.synthetic(1) / MANIFEST)


def with_negatives(experiment: Experiment, n_cases: int) -> Experiment:
    """The same run, with training cases in the first fold that have no target."""
    first, *others = experiment.folds
    training = [
        dataclasses.replace(case, coverage=0 * case.coverage)
        for case in first.training[:n_cases]
    ]
    first = dataclasses.replace(first, training=(*training, *first.training[n_cases:]))
    return dataclasses.replace(experiment, folds=(first, *others))


def test_a_collapse_in_training_is_repeated_in_the_manifest(
    drawing: Experiment,
) -> None:
    manifest = drawn(drawing)
    assert manifest["remarks"] == [COLLAPSE]
    assert manifest["dropped_for_an_empty_mask"] > 0
    assert "kept_with_an_empty_mask" not in manifest


def test_a_sound_training_leaves_no_remark(drawing: Experiment) -> None:
    folder = drawing.run.gan(1) / "checkpoints"
    history = History({DIVERSITY: {0: 0.9, 200: 0.8}})
    checkpoints.save(folder, 200, history.arrays(), gan_record(drawing, 1))
    assert "remarks" not in drawn(drawing)


def test_as_many_masks_are_empty_as_the_training_cases_let_expect(
    drawing: Experiment,
) -> None:
    # One in six, of four pairs.
    manifest = drawn(with_negatives(drawing, 1))
    assert manifest["dropped_for_an_empty_mask"] > 0
    assert manifest["kept_with_an_empty_mask"] == 1


def test_the_python_api_keeps_as_many(drawing: Experiment) -> None:
    gan: Any = SimpleNamespace(
        sampling_generator=lambda: SimpleNamespace(sample=blocks)
    )
    found = draw_set(gan, LEFT, with_negatives(drawing, 1).fold(1))
    assert found.n_kept_empty == 1


def test_a_set_of_empty_masks_names_the_area_of_the_real_ones(
    drawing: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = blocks

    def grey(z: FloatArray) -> tuple[ByteArray, ByteArray]:
        images, masks = source(z)
        return images, np.minimum(masks, 60)

    area = np.mean([case.coverage.mean() for case in drawing.fold(1).training])
    monkeypatch.setattr(f"{__name__}.blocks", grey)
    with pytest.raises(EmptyMasksError) as empty:
        drawn(drawing)
    assert f"the target covers {area:.2%} of the training masks" in str(empty.value)
    assert not drawing.run.synthetic(1).exists()


def test_deformations_are_learned_from_a_networks_own_real_masks(
    experiment: Experiment, fold: FoldCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a cross-fitted member too: it may not know its out-of-fold cases."""
    given: list[Labels] = []
    monkeypatch.setattr(
        compute, "batch_augmentation", lambda _, __, masks: given.append(masks)
    )
    monkeypatch.setattr(compute, "train_unet", lambda *_, **__: 1 / 0)
    (member, *_) = (
        experiment.plan([1], lambda _: Request(assessments=["plain"]))
        .only({Kind.CROSS_FIT})
        .stages
    )
    stage: Any = SimpleNamespace()
    with pytest.raises(ZeroDivisionError):
        compute.compute_member(experiment, member, stage)
    own = [c for c in fold.training if c.case_id in member.record["training_cases"]]
    assert 0 < len(own) < len(fold.training)
    np.testing.assert_array_equal(given.pop(), images_and_labels(own)[1])

    images, masks = images_and_labels([*fold.training, *fold.validation])
    for n_real, learned in ((3, masks[:3]), (0, masks)):
        pairs = LabelledImages(images, masks, n_real)
        unet = experiment.config.unet
        with pytest.raises(ZeroDivisionError):
            compute.train_in_folder(experiment, fold, pairs, unet, stage)
        np.testing.assert_array_equal(given.pop(), learned)
