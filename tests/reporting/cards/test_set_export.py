"""Handing over made-up sets of a real split; `tests/tools` does it by the script."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.prepare.inputs import disc, write_pairs
from tests.experiment.made_sets import CONFIG, open_experiment, write
from tests.reporting.made import assessment, comparison
from tests.synthesis.test_nnunet import verify
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.records import converter
from tfgansynth.reporting.cards.set_export import export_set
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import read_set


def exported(experiment: Experiment, set_name: str | None = None) -> tuple[Path, str]:
    """The folder handed over, and its card."""
    source = set_name and experiment.run.fold(1) / set_name
    folder = export_set(experiment, experiment.fold(1), source or None, None)
    return folder, (folder / "README.md").read_text()


def test_a_set_is_handed_over_for_nnunet_and_plain(experiment: Experiment) -> None:
    folder, card = exported(experiment)

    fold = experiment.run.fold(1)
    assert folder == fold / "handover/synthetic"
    nnunet = folder / "Dataset501_SyntheticLungs"
    assert {path.name for path in folder.iterdir()} == {
        *("README.md", "manifest.json", "images", "masks", nnunet.name)
    }
    # The plain part is the set, unaltered: its own reader takes it.
    images, masks = read_set(folder)
    for ours, theirs in zip((images, masks), read_set(fold / "synthetic"), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    content = verify(nnunet)
    assert content["numTraining"] == 6
    assert content["labels"] == {"background": 0, "left lung": 1}
    for index in range(6):
        case = f"synthetic-{index + 1:05d}"
        with Image.open(nnunet / f"imagesTr/{case}_0000.png") as image:
            np.testing.assert_array_equal(np.asarray(image), images[index])
        with Image.open(nnunet / f"labelsTr/{case}.png") as label:
            np.testing.assert_array_equal(np.asarray(label), masks[index])
    assert "> **PHANTOMS: procedural images, not patients." in card
    assert f"`{storage.hash_file(folder / 'manifest.json')}`" in card
    for learned in experiment.fold(1).training:
        assert f"| {learned.case_id} | `{learned.content_hash}` |" in card


@pytest.mark.parametrize(
    ("target", "name", "shown"),
    [("", "Target", "target"), ("optic disc", "OpticDisc", "optic disc")],
)
def test_another_target_is_named_after_the_data(
    tmp_path: Path, target: str, name: str, shown: str
) -> None:
    masks = [disc(40, 20 + 3 * index, 12) for index in range(12)]
    data = write_pairs(tmp_path / "data", lambda index: masks[index])
    config = dataclasses.replace(CONFIG, lungs="both", target=target)
    experiment = open_experiment(config, data, tmp_path / "out")
    write(experiment, experiment.run.fold(1) / "synthetic", 6)

    folder, card = exported(experiment)

    content = verify(folder / f"Dataset501_Synthetic{name}")
    assert content["labels"] == {"background": 0, shown: 1}
    assert f"and a mask of the {shown}, " in card
    assert f"| Target | {shown} |" in card
    for path in folder.rglob("*"):
        assert "lung" not in path.name.lower()
        assert path.suffix not in (".md", ".json") or "lung" not in path.read_text()


def test_phantoms_are_said_on_screen(
    experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    folder, _ = exported(experiment)

    assert capsys.readouterr().out.splitlines() == [
        "PHANTOMS: procedural images, not patients",
        f"HANDED OVER: 6 pairs in {folder}; Dataset501_SyntheticLungs, README.md",
    ]


def test_the_same_set_gives_the_same_bytes_anywhere(
    experiment: Experiment, tmp_path: Path
) -> None:
    folder, _ = exported(experiment)
    other = export_set(experiment, experiment.fold(1), None, tmp_path / "new/place")

    assert other == tmp_path / "new/place"
    first, second = map(storage.hash_folder, (folder, other))
    assert len(first) == 6 * 4 + 3
    assert first == second


def test_nothing_is_written_over(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to("nowhere")

    for name in ("mine", "link"):
        target = tmp_path / name
        with pytest.raises(InputError, match=f"{name}: exists already.*--to"):
            export_set(experiment, experiment.fold(1), None, target)
    assert not list((tmp_path / "mine").iterdir())


def test_what_ends_an_export_leaves_nothing_to_take_for_one(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            exported(experiment)
    assert not (experiment.run.fold(1) / "handover/synthetic").exists()

    exported(experiment)
    assert not list(experiment.run.root.rglob("*partial*"))


def test_without_results_the_card_says_so(experiment: Experiment) -> None:
    _, card = exported(experiment)

    assert "## Assessment\n\n**Not assessed.**" in card
    assert "## Evaluation\n\n**Not evaluated.**" in card


def test_a_card_tells_what_was_found_of_its_very_set(experiment: Experiment) -> None:
    fold = experiment.run.fold(1)
    own = storage.hash_file(fold / "synthetic/manifest.json")
    found = assessment(own, passed=False)
    converter.write(fold / "assessment/assessment.json", found)
    name = experiment.run.root.name
    converter.write(experiment.run.root / "comparison.json", comparison(name))

    _, own_card = exported(experiment)
    _, other = exported(experiment, "synthetic-5")
    _, audited = exported(experiment, "synthetic-audited")

    assert "**NOT PASSED**" in own_card
    assert "before the pairs that the audit" not in own_card
    assert "**Not assessed.**" in other
    assert "assessment of the set before the pairs that the audit" in audited
    assert "**NOT PASSED**" in audited
    assert "| Dropped by the audit for copies | 2 |" in audited
    for card, its_own in ((own_card, True), (other, False), (audited, False)):
        assert "mixed against real only: a lot" in card
        assert ("These networks were trained on the run's own" in card) is not its_own


def test_of_several_studies_the_largest_with_this_fold_is_told(
    experiment: Experiment,
) -> None:
    root = experiment.run.root
    name = root.name
    for folder, runs, folds in (
        (name, [name], (1,)),
        (name.replace("seed0", "seeds0-1"), [name, "other"], (1, 2)),
        (name.replace("seed0", "seeds0-2"), [name, "other", "third"], (2,)),
        (name.replace("seed0", "seeds4-9"), ["a", "b", "c", "d"], (1,)),
    ):
        path = root.with_name(folder) / "comparison.json"
        converter.write(path, comparison(*runs, folds=folds))

    _, card = exported(experiment)

    assert "phantoms, preset smoke, 2 seeds;" in card
    assert card.count("preset smoke, ") == 1


def altered(fold: Path) -> None:
    with (fold / "synthetic/images/synthetic-00002.png").open("ab") as file:
        file.write(b"x")


def missing(fold: Path) -> None:
    shutil.rmtree(fold / "synthetic")


def of_another_run(fold: Path) -> None:
    path = fold / "synthetic/manifest.json"
    storage.write_record(path, {**storage.read_record(path), "seed": 5})


def of_test_cases(fold: Path) -> None:
    path = fold / "synthetic/manifest.json"
    tested = storage.read_record(fold.parent / "splits.json")["folds"][0]["test"]
    cases = {tested[0]: "00"}
    storage.write_record(path, {**storage.read_record(path), "training_cases": cases})


def half_an_assessment(fold: Path) -> None:
    storage.write_record(fold / "assessment/assessment.json", {"fold": 1})


def altered_comparison(fold: Path) -> None:
    (fold.parent / "comparison.json").write_text('{"context": "all is well"}')


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (altered, "synthetic-00002.png: was altered since it was written"),
        (missing, "synthetic: there is no synthetic set yet: run synthesize"),
        (of_another_run, "synthetic: is not of this fold and run"),
        (of_test_cases, "synthetic: its generator was trained on test cases"),
        (half_an_assessment, "assessment.json: is not of the form"),
        (altered_comparison, "comparison.json: was altered since it was written"),
    ],
)
def test_what_is_not_sound_is_not_handed_over(
    spoil: Callable[[Path], None], words: str, experiment: Experiment
) -> None:
    spoil(experiment.run.fold(1))

    with pytest.raises(InputError, match=words):
        exported(experiment)
    assert not (experiment.run.fold(1) / "handover").exists()
