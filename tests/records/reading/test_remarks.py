"""Remarks on what is behind a run's results."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.records.made import config_of, finished
from tfgansynth.config import NETWORK_VERSIONS
from tfgansynth.records.reading.remarks import pseudo_label_remarks, remarks_behind
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import RunRecord, Settings
from tfgansynth.segmentation.history import Epoch, history_to_csv


def run_of(folder: Path, errors: Sequence[Sequence[float]]) -> RunRecord:
    """A run with as many pseudo-label networks, and their validation errors."""
    config = config_of(seed=3)
    synthesis = dataclasses.replace(config.synthesis, pseudo_label_members=len(errors))
    unet = dataclasses.replace(config.unet, validation_error="dice")
    config = dataclasses.replace(config, synthesis=synthesis, unet=unet)
    for number, of_member in enumerate(errors, start=1):
        member = folder / f"fold-2/pseudo-labels/member-{number}"
        member.mkdir(parents=True)
        epochs = [Epoch(n, 0.5, error) for n, error in enumerate(of_member, start=1)]
        (member / "history.csv").write_text(history_to_csv(epochs))
    settings = Settings(networks=NETWORK_VERSIONS, config=config)
    return RunRecord(root=folder, settings=settings, cases={}, folds=())


def test_a_weak_pseudo_label_ensemble_is_told(tmp_path: Path) -> None:
    run = run_of(tmp_path, [[0.9, 0.6], [0.7, 0.8]])

    (remark,) = pseudo_label_remarks(run, 2)

    assert (remark.seed, remark.fold) == (3, 2)
    assert (remark.stage, remark.kind) == ("fold-2/pseudo-labels", "weak_labels")
    # Of the weights that are kept: the last ones.
    assert remark.text.startswith("pseudo-label ensemble: mean Dice 0.3000 of its ")


@pytest.mark.parametrize("errors", [[[0.2, 0.1], [0.4, 0.3]], []])
def test_a_good_one_and_none_are_not(
    tmp_path: Path, errors: Sequence[Sequence[float]]
) -> None:
    assert pseudo_label_remarks(run_of(tmp_path, errors), 2) == ()
    # Of another fold nothing is trained.
    assert pseudo_label_remarks(run_of(tmp_path / "other", errors), 1) == ()


def test_it_goes_with_the_results_of_its_fold(tmp_path: Path) -> None:
    run = run_of(tmp_path, [[0.9, 0.6]])
    run = dataclasses.replace(run, remarks=pseudo_label_remarks(run, 2))
    first, second = (finished(Regime(30, 0), [], fold=fold) for fold in (1, 2))

    assert remarks_behind(run, [first]) == ()
    assert remarks_behind(run, [first, second]) == run.remarks != ()
