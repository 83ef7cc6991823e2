"""Constant masks are measured again where test cases of other folds have the masks."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from tests.records.made import config_of, finished
from tfgansynth.config import NETWORK_VERSIONS
from tfgansynth.data.dataset import CaseTable
from tfgansynth.data.splits import make_folds
from tfgansynth.evaluation.learning import ValidationDice, constant_dice
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import FinishedUNet, RunRecord, Settings
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.reporting.verification.recompute import Truths, compare_constants

CASES = {f"case-{number}": f"{number:02d}" * 32 for number in range(30)}
CONFIG = dataclasses.replace(
    config_of(),
    data=dataclasses.replace(config_of().data, n_validation=4, n_reduced=8),
)
FOLDS = make_folds(sorted(CASES), CONFIG, CaseTable())
MASKS = {
    name: (np.random.default_rng(number).random((8, 8)) < number / 30).astype(np.uint8)
    for number, name in enumerate(CASES)
}
RIGHT = constant_dice(
    np.stack([MASKS[name] for name in FOLDS[0].reduced]),
    np.stack([MASKS[name] for name in FOLDS[0].validation]),
)
REGIMES = (Regime(8, 0), Regime(8, 30), Regime(0, 30))


def found(
    tmp_path: Path, truths: Truths, changed: dict[str, Any] | None
) -> Differences:
    """What verification says where the mixed U-Net's figures are changed, or gone."""
    settings = Settings(networks=NETWORK_VERSIONS, config=CONFIG)
    run = RunRecord(root=tmp_path, settings=settings, cases=CASES, folds=FOLDS)
    result = Differences(tmp_path)
    compare_constants(
        run, [unet(tmp_path, r, changed) for r in REGIMES], truths, result
    )
    return result


def unet(root: Path, regime: Regime, changed: dict[str, Any] | None) -> FinishedUNet:
    own = changed if regime == REGIMES[1] else {}
    validation = None
    if own is not None:
        validation = ValidationDice(**{"network": 0.9, **RIGHT, **own})
    made = finished(regime, [], validation=validation)
    return dataclasses.replace(made, folder=root / made.stage)


def all_truths() -> Truths:
    return {(CASES[name], name): mask for name, mask in MASKS.items()}


def test_all_true_masks_give_the_figures_again(tmp_path: Path) -> None:
    result = found(tmp_path, all_truths(), {})
    assert result.lines == result.notes == []
    # In all U-Nets alike, which hides it from a comparison of these.
    (line,) = found(tmp_path, all_truths(), {"mean_mask": 0.25}).lines
    stored = f"mean_mask: stored 0.25, recomputed {RIGHT['mean_mask']}"
    assert line == f"fold-1/unet-r8-s30/validation.json: {stored}"


def test_the_empty_mask_is_measured_again_where_a_record_has_it(tmp_path: Path) -> None:
    (line,) = found(tmp_path, all_truths(), {"empty": 0.25}).lines
    stored = f"empty: stored 0.25, recomputed {RIGHT['empty']}"
    assert line == f"fold-1/unet-r8-s30/validation.json: {stored}"
    for truths in (all_truths(), {}):
        assert found(tmp_path, truths, {"empty": None}).lines == []


def test_without_a_true_mask_the_unets_of_a_fold_must_agree(tmp_path: Path) -> None:
    truths = all_truths()
    del truths[CASES[FOLDS[0].validation[0]], FOLDS[0].validation[0]]
    assert found(tmp_path, truths, {}).lines == []
    (line,) = found(tmp_path, truths, {"all_foreground": 0.25}).lines
    stored = f"all_foreground: stored 0.25, recomputed {RIGHT['all_foreground']}"
    assert line == f"fold-1/unet-r8-s30/validation.json: {stored}"


def test_a_network_that_does_not_say_whether_it_has_learned_is_noted(
    tmp_path: Path,
) -> None:
    result = found(tmp_path, {}, None)
    assert result.lines == []
    (note,) = result.notes
    assert note == (
        f"{tmp_path.name}/fold-1/unet-r8-s30: does not say whether it has learned (an "
        "earlier version has trained it)"
    )
