"""What is asked for is clipped to the cases, and the impossible is refused."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tfgansynth.config import DataConfig
from tfgansynth.data.dataset import CaseTable
from tfgansynth.data.splits import make_folds
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import ExperimentData, load_experiment_data
from tfgansynth.experiment.studies import (
    adopt_baseline,
    declare,
    fit_counts,
    plan_verdicts,
    prepare_curve,
)
from tfgansynth.experiment.study import Study, each_seed, prepare
from tfgansynth.planning.requests import CURVE_BASELINES, Request, table_request
from tfgansynth.presets import PRESETS
from tfgansynth.records.curves import curve_settings
from tfgansynth.runtime import storage

CONFIG = PRESETS["paper"]
IDS = [f"case-{number:03d}" for number in range(247)]


def fitted(
    counts: Sequence[int] = (145, 5, 30, 145),
    folds: Sequence[int] | None = None,
    generator_of: int | None = None,
) -> list[int]:
    split = make_folds(IDS, CONFIG, CaseTable())
    return fit_counts(counts, split, folds=folds, generator_of=generator_of)


def test_numbers_are_clipped_to_the_smallest_fold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fitted() == [5, 30, 144]
    assert capsys.readouterr().out == (
        "Counts: 145 is more than the 144 training cases that each fold has: 144 "
        "instead\n"
    )


def test_numbers_are_clipped_to_the_one_generators_cases(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fitted((5, 30, 60), generator_of=30) == [5, 30]
    assert "60 is more than the 30 that the generator" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"folds": (1, 4)}, "--folds 1 4: expected 1 to 3"),
        ({"generator_of": 145}, "--generator-of 145: expected 1 to 144"),
    ],
)
def test_what_there_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        fitted(**changes)


def test_the_last_seed_can_be_read_back() -> None:
    config = dataclasses.replace(CONFIG, seed=2**63 - 2)
    assert [each.seed for each in each_seed(config, 2)] == [2**63 - 2, 2**63 - 1]
    with pytest.raises(InputError, match=f"--seed {2**63}: expected 0 or more"):
        each_seed(config, 3)


def test_an_interval_needs_two_test_cases() -> None:
    config = dataclasses.replace(CONFIG, data=DataConfig(folds=10))
    split = make_folds(IDS[:19], config, CaseTable())
    with pytest.raises(InputError, match="19 cases leave a fold one test case"):
        fit_counts([1], split, folds=None, generator_of=None)


SMALL = dataclasses.replace(
    PRESETS["smoke"], data=DataConfig(phantoms=12, n_validation=1, folds=2)
)


def prepared(data: ExperimentData, out: Path, seed: int, n_seeds: int) -> Study:
    return prepare(
        data,
        dataclasses.replace(SMALL, seed=seed),
        out,
        n_seeds=n_seeds,
        folds=None,
        request=lambda _: Request(gan=True),
    )


def test_all_seeds_are_checked_before_any_run_folder(
    copied: Path, tmp_path: Path
) -> None:
    """Two cases are copies; a seed keeps them together and the next one does not."""
    data = load_experiment_data(SMALL, copied)

    def is_refused(seed: int) -> bool:
        try:
            return not prepared(data, tmp_path, seed, 1)
        except InputError:
            return True

    refused = [is_refused(seed) for seed in range(40)]
    seed = next(s for s in range(39) if (refused[s], refused[s + 1]) == (False, True))
    with pytest.raises(InputError, match=rf"phantom-003.*--seed {seed + 1}\)"):
        prepared(data, tmp_path / "out", seed, 2)
    assert not (tmp_path / "out").exists()


def test_the_seeds_of_a_study_share_the_cases(tmp_path: Path) -> None:
    data = load_experiment_data(SMALL, None)
    study = prepared(data, tmp_path, 3, 2)
    assert study.folder == tmp_path / "phantoms-full-smoke-seeds3-4"
    assert [part.name for part in study.parts] == [
        "phantoms-full-smoke-seed3",
        "phantoms-full-smoke-seed4",
    ]
    arrays = {
        id(case.image)
        for part in study.parts
        for fold in part.experiment.folds
        for case in (*fold.training, *fold.validation)
    }
    assert len(arrays) == 12
    assert not list(tmp_path.iterdir())
    assert prepared(data, tmp_path, 3, 1).folder.name == "phantoms-full-smoke-seed3"


def table_study(out: Path, which: Any = "paper", **changes: Any) -> Study:
    """A study of two seeds, planned; `changes` are settings of the evaluation."""
    evaluation = dataclasses.replace(SMALL.evaluation, **changes)
    config = dataclasses.replace(SMALL, evaluation=evaluation)
    return prepare(
        load_experiment_data(config, None),
        config,
        out,
        n_seeds=2,
        folds=[1],
        request=table_request(config, which, control=False, assessed=False),
    )


def test_the_primary_pair_is_declared_once(tmp_path: Path) -> None:
    study = table_study(tmp_path)

    plan = plan_verdicts(study, None)

    assert plan is not None
    assert (plan.first, plan.second) == ("real only", "mixed")
    assert plan.regimes == ("real only", "mixed", "synthetic only")
    assert (plan.seeds, plan.folds, plan.margin) == ((0, 1), (1,), 0.005)
    assert not list(tmp_path.iterdir())
    declare(study, plan)
    path = study.folder / "plan.json"
    before = path.read_bytes()
    # A command with other settings, or more regimes, changes nothing of it.
    later = table_study(tmp_path, "all", equivalence_margin=0.1)
    assert plan_verdicts(later, None) == plan
    declare(later, dataclasses.replace(plan, first="other"))
    assert path.read_bytes() == before
    with pytest.raises(InputError, match=r"plan\.json: another primary pair was"):
        plan_verdicts(study, ("real only", "synthetic only"))
    path.write_text(path.read_text().replace('"mixed"', '"other"'))
    with pytest.raises(InputError, match=r"plan\.json"):
        plan_verdicts(study, None)


def test_another_primary_pair_may_be_named(tmp_path: Path) -> None:
    fixed = table_study(tmp_path, "fixed_budget")

    default = plan_verdicts(fixed, None)
    named = plan_verdicts(fixed, ("real + synthetic (augmented)", "real (augmented)"))

    assert default is not None
    assert default.second == "real + synthetic (fixed budget)"
    # In the order of the tables, whatever that of the names.
    assert named is not None
    assert (named.first, named.second) == (
        "real (augmented)",
        "real + synthetic (augmented)",
    )
    for names in (("real only", "mixed"), ("real (augmented)", "real (augmented)")):
        with pytest.raises(
            InputError, match=r"--primary .* expected two that are compared"
        ):
            plan_verdicts(fixed, names)


def test_of_several_budgets_the_largest_has_the_primary_pair(tmp_path: Path) -> None:
    study = table_study(tmp_path, "fixed_budget", budgets=(40, 80, 120))

    found = plan_verdicts(study, None)

    assert found is not None
    assert (found.first, found.second) == (
        "real (fixed budget, 120 steps)",
        "real + synthetic (fixed budget, 120 steps)",
    )
    names = "real (fixed budget, 80 steps)", "real + synthetic (fixed budget, 80 steps)"
    found = plan_verdicts(study, names)
    assert found is not None
    assert (found.first, found.second) == names
    # They are in two tables, and never compared.
    with pytest.raises(InputError, match="expected two that are compared"):
        plan_verdicts(study, ("real (fixed budget)", names[1]))


def test_a_curve_has_one_budget(tmp_path: Path) -> None:
    evaluation = dataclasses.replace(SMALL.evaluation, budgets=(40, 80))
    config = dataclasses.replace(SMALL, evaluation=evaluation)
    data = load_experiment_data(config, None)
    with pytest.raises(InputError, match=r"budgets 40 80: a curve has one"):
        prepare_curve(
            data, config, tmp_path, counts=[2], n_seeds=1, folds=[1], generator_of=None
        )


@pytest.mark.parametrize("place", [".", "superseded/0123"])
def test_nothing_is_declared_once_there_are_results(tmp_path: Path, place: str) -> None:
    study = table_study(tmp_path)
    root = study.parts[1].experiment.run.root
    folder = root / place / "fold-1/unet-r1-s0"
    folder.mkdir(parents=True)
    storage.write_record(folder / "provenance.json", {"regime": {}})

    assert plan_verdicts(study, None) is None
    with pytest.raises(InputError, match=r"--primary: .* has results already"):
        plan_verdicts(study, ("real only", "mixed"))


def test_each_number_of_a_curve_has_its_run(tmp_path: Path) -> None:
    data = load_experiment_data(SMALL, None)

    def curve(generator_of: int | None) -> Study:
        return prepare_curve(
            data,
            SMALL,
            tmp_path,
            counts=[2, 4],
            n_seeds=1,
            folds=[1],
            generator_of=generator_of,
        )

    study = curve(None)
    run = "phantoms-reduced-smoke-seed0"
    assert [part.name for part in study.parts] == [f"n002/{run}", f"n004/{run}"]
    assert [stage.name for stage in study.parts[0].plan.stages] == [
        "fold-1/unet-r2-s0-fixed-budget",
        "fold-1/gan",
        "fold-1/synthetic",
        "fold-1/unet-r2-s30-fixed-budget",
    ]
    names = [part.name for part in curve(4).parts]
    assert names == [f"n004/{run}"] * 2


def a_curve(out: Path, **options: Any) -> Study:
    synthesis = dataclasses.replace(SMALL.synthesis, pseudo_label_members=1)
    config = dataclasses.replace(SMALL, synthesis=synthesis)
    asked: dict[str, Any] = {"counts": [2, 145], "n_seeds": 2, "folds": [1]}
    asked = {"generator_of": None, **asked, **options}
    return prepare_curve(load_experiment_data(config, None), config, out, **asked)


def test_a_curve_has_the_regimes_that_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = a_curve(tmp_path, augmented=True, baselines=CURVE_BASELINES)

    few, most, *_ = (
        [stage.regime for stage in part.plan.stages if stage.regime]
        for part in study.parts
    )
    n_most = len(study.parts[1].experiment.splits.folds[0].training)
    for regimes, n, baselines in (
        (
            few,
            2,
            {"ensemble", "pretrained", "unlabelled", "strong", "cutmix", "learned"},
        ),
        # No case is left out whose image could go without its mask.
        (most, n_most, {"ensemble", "pretrained", "strong", "cutmix", "learned"}),
    ):
        assert {regime.n_real for regime in regimes} == {n}
        assert {regime.baseline for regime in regimes} == {None, *baselines}
        own = [r.folder_name for r in regimes if not r.baseline]
        assert own == [
            f"unet-r{n}-s{n_synthetic}-{schedule}"
            for schedule in ("fixed-budget", "augmented")
            for n_synthetic in (0, 30)
        ]
    assert f"unlabelled: {n_most} real cases leave out none" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"unlabelled: .* name smaller --counts"):
        a_curve(tmp_path, counts=[145], baselines=["unlabelled"])
    with pytest.raises(InputError, match=r"ensemble: .* leave out --generator-of 4"):
        a_curve(tmp_path, counts=[2], generator_of=4, baselines=["ensemble"])


def test_a_baseline_that_a_curve_lacks_is_refused_with_those_it_can_have(
    tmp_path: Path,
) -> None:
    asked: dict[str, Any] = {"n_seeds": 1, "folds": [1], "generator_of": None}
    with pytest.raises(InputError) as refused:
        prepare_curve(
            load_experiment_data(SMALL, None),
            SMALL,
            tmp_path,
            counts=[2],
            baselines=["ensemble"],
            **asked,
        )
    assert str(refused.value).endswith("--baselines pretrained strong cutmix learned")


def test_the_primary_pair_of_a_curve_is_of_one_number(tmp_path: Path) -> None:
    study = a_curve(tmp_path)
    assert plan_verdicts(study, None, is_curve=True) is None
    names = (
        "2 real + 30 synthetic (fixed budget)",
        "2 real + 0 synthetic (fixed budget)",
    )

    plan = plan_verdicts(study, names, is_curve=True)

    assert plan
    assert (plan.second, plan.first) == names
    assert (plan.seeds, plan.folds, len(plan.regimes)) == ((0, 1), (1,), 4)
    assert plan.settings == curve_settings(study.parts[1].experiment.config)
    study.parts[0].experiment.run.root.parent.mkdir(parents=True)
    declare(study, plan)
    assert plan_verdicts(study, None, is_curve=True) == plan
    for other in (
        (names[0], plan.regimes[-1]),
        ("real (fixed budget)", "real + synthetic (fixed budget)"),
    ):
        with pytest.raises(InputError, match="expected two that are compared"):
            plan_verdicts(study, other, is_curve=True)


def test_a_baseline_with_a_link_is_refused(tmp_path: Path) -> None:
    """Its target would be copied into the run."""
    root = tmp_path / "runs"
    root.mkdir()
    (root / "fold-1").symlink_to(tmp_path)
    nothing: Any = None
    with pytest.raises(InputError, match="fold-1: is a link or"):
        adopt_baseline(nothing, root)
