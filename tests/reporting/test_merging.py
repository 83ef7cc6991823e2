"""What a merge makes of results that someone else has sent."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reporting.html.conftest import run
from tests.reporting.html.made import CONFIG, REGIMES, write_run
from tfgansynth.errors import InputError
from tfgansynth.records import converter
from tfgansynth.records.curves import LearningCurve, MissingPoint, curve_settings
from tfgansynth.records.reading.run import read_run
from tfgansynth.records.runs import RunRecord, StudyPlan
from tfgansynth.reporting import merging
from tfgansynth.reporting.merged import write_fold
from tfgansynth.reporting.merging import merge, verify_merged
from tfgansynth.reporting.outputs import read_curve_runs, write_curve, write_outputs
from tfgansynth.runtime import storage
from tfgansynth.runtime.processes import leases

__all__ = ["run"]


@pytest.fixture(autouse=True)
def _believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the numbers of runs as they are: these have been made up."""
    monkeypatch.setattr(merging, "verified_runs", lambda root: [read_run(root)])


@pytest.fixture
def merged(run: Path, tmp_path: Path) -> Path:
    merge([run], tmp_path / "shared" / "merged")
    return tmp_path / "shared" / "merged"


def reseal(path: Path, change: Callable[[Any], None]) -> None:
    record = json.loads(path.read_text())
    del record["sha256"]
    change(record)
    storage.write_record(path, record)


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


NAMES = ["../outside", "../../outside", "/outside", "a/b", "Phantoms", "", "phantoms\n"]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_cannot_name_another_place(run: Path, tmp_path: Path, name: str) -> None:
    sent = Path(shutil.copytree(run, tmp_path / "sent"))
    for path in sent.glob("fold-1/unet*/provenance.json"):
        reseal(path, lambda record: record["dataset"].update(name=name))
    to = tmp_path / "shared" / "merged"
    before = tree(tmp_path)

    with pytest.raises(InputError, match=r"provenance\.json: .*expected \[a-z0-9-\]"):
        merge([sent], to)

    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_merged_fold_cannot_name_another_place(merged: Path, name: str) -> None:
    (path,) = merged.glob("*/fold-1/fold.json")
    reseal(path, lambda record: record["dataset"].update(name=name))
    before = tree(merged.parents[1])

    with pytest.raises(InputError, match=r"fold\.json: .*expected \[a-z0-9-\]"):
        merge([], merged)

    assert tree(merged.parents[1]) == before


def test_histories_are_kept(merged: Path, run: Path) -> None:
    (fold,) = merged.glob("*/fold-1")
    for folder in run.glob("fold-1/unet-*"):
        kept = fold / f"{folder.name}-history.csv"
        assert kept.read_bytes() == (folder / "history.csv").read_bytes()
    assert not verify_merged(merged).lines
    before = tree(merged)

    # As an earlier version has merged it; the same run adds them.
    for path in fold.glob("*-history.csv"):
        path.unlink()

    def forget(record: Any) -> None:
        for entry in record["unets"]:
            del entry["history_sha256"]

    reseal(fold / "fold.json", forget)
    assert not any("history" in line for line in verify_merged(merged).lines)
    merge([run], merged)
    assert tree(merged) == before

    (fold / "unet-r6-s0-history.csv").write_text("altered")
    with pytest.raises(InputError, match=r"unet-r6-s0-history\.csv"):
        verify_merged(merged)


@pytest.mark.parametrize("use", [verify_merged, lambda to: merge([], to)])
def test_a_fold_is_where_its_record_says(
    merged: Path, use: Callable[[Path], Any]
) -> None:
    """A second copy would count twice, or instead of the first."""
    (path,) = merged.glob("*/fold-1")
    shutil.copytree(path, merged / "again" / "fold-1")

    with pytest.raises(InputError, match=r"again/fold-1/fold\.json: is of phantoms-"):
        use(merged)


@pytest.mark.parametrize("use", [verify_merged, lambda to: merge([], to)])
def test_merged_results_with_a_link_are_refused(
    merged: Path, tmp_path: Path, use: Callable[[Path], Any]
) -> None:
    (path,) = merged.glob("*/fold-1")
    path.rename(tmp_path / "victim")
    path.symlink_to(tmp_path / "victim")

    with pytest.raises(InputError, match="fold-1: is a link or"):
        use(merged)


def test_two_merges_at_once_do_not_lose_each_others_folds(
    merged: Path, run: Path
) -> None:
    before = tree(merged)
    # As another process has it.
    lease = leases.take(merged / "leases" / "folder")
    assert lease

    words = f"merged: process {os.getpid()} on .* works in this folder"
    with pytest.raises(InputError, match=words):
        merge([run], merged)

    lease.release()
    merge([run], merged)
    assert tree(merged) == before


def test_a_merge_holds_its_folder(
    merged: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, seen = write_fold, []

    def look(*arguments: Any) -> None:
        seen.append(leases.take(merged / "leases" / "folder"))
        write(*arguments)

    monkeypatch.setattr(merging, "write_fold", look)
    merge([run], merged)

    assert seen
    assert not any(seen)
    assert not (merged / "leases").exists()


def test_other_figures_are_merged_and_older_results_go_without(
    run: Path, tmp_path: Path
) -> None:
    sent = Path(shutil.copytree(run, tmp_path / "sent"))
    for path in sent.glob("fold-1/*/figures.csv"):
        path.unlink()
    to = tmp_path / "merged"
    _, before, _ = merge([sent], to)
    assert before
    assert before.other_figures is None
    assert not [*to.rglob("*-figures.csv"), *to.glob("other-figures.md")]
    assert verify_merged(to).lines == []
    (to / "other-figures.md").write_text("Surface Dice: 1.0000\n")
    assert verify_merged(to).lines == [
        "other-figures.md: shows figures that no U-Net has: remove it"
    ]

    write_outputs([sent], sent)
    _, found, _ = merge([sent], to)
    assert found

    names = {path.name for path in to.rglob("*-figures.csv")}
    assert names == {f"{unet.folder}-figures.csv" for unet in found.unets}
    assert found.other_figures
    assert verify_merged(to).lines == []
    path = to / "other-figures.md"
    path.write_text(path.read_text().replace("left lung", "left leg"))
    assert "stored leg, recomputed lung" in verify_merged(to).lines[0]
    first = min(to.rglob("*-figures.csv"))
    first.write_text(first.read_text().replace(",whole,", ",all,"))
    with pytest.raises(InputError, match=f"{first.name}: "):
        verify_merged(to)


def curve_of_a_machine(root: Path, seed: int) -> Path:
    """A curve of one number of real cases; another is missing."""
    regimes = [each for each in REGIMES if each.schedule == "fixed_budget"]
    data = dataclasses.replace(CONFIG.data, n_reduced=6)
    write_run(root / "n006", dataclasses.replace(CONFIG, data=data, seed=seed), regimes)
    gone = MissingPoint(
        n_real=3, seed=seed, fold=1, regime=regimes[1].name, why="mode collapse"
    )
    first, second = (regime.label for regime in regimes)
    plan = StudyPlan(
        first=first,
        second=second,
        regimes=(first, second),
        seeds=(seed,),
        folds=(1,),
        margin=CONFIG.evaluation.equivalence_margin,
        settings=curve_settings(CONFIG),
    )
    converter.write(root / "plan.json", plan)
    assert write_curve(root, None, [gone], plot=False)
    return root


def as_of_an_earlier_version(record: dict[str, Any]) -> None:
    del record["comparisons"], record["plan_note"], record["plans"]
    record["differences"] = []


def test_learning_curves_are_merged_and_verified(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def believed(root: Path) -> list[RunRecord]:
        is_curve = (root / "curve.json").exists()
        return read_curve_runs(root, read_run) if is_curve else [read_run(root)]

    def draw(_: LearningCurve, folder: Path, stem: str) -> None:
        (folder / f"{stem}.svg").touch()

    monkeypatch.setattr(merging, "verified_runs", believed)
    monkeypatch.setattr(merging, "write_plot", draw)
    one, two = (curve_of_a_machine(tmp_path / name, n) for n, name in enumerate("ab"))
    to = tmp_path / "merged"

    folds, comparison, (curve,) = merge([one], to)
    assert (len(folds), comparison) == (1, None)
    assert dataclasses.replace(curve, remarks=()) == dataclasses.replace(
        converter.read(one / "curve.json", LearningCurve), remarks=()
    )
    folds, _, (curve,) = merge([two], to)
    assert [fold.place.split("/")[0] for fold in folds] == ["n006"] * 2
    assert {point.seed for point in curve.points} == {0, 1}
    assert [each.seed for each in curve.missing] == [0, 1]
    assert curve.lines[0].n_runs == 2
    # Each machine has declared the pair for its own seed.
    (each,) = curve.comparisons
    assert (each.n_real, each.pair.is_primary, each.pair.n_seeds) == (6, True, 2)
    assert [plan.seeds for plan in curve.plans] == [(0,), (1,)]
    assert merge([], to)[2] == [curve]

    assert verify_merged(to).lines == []
    assert (to / "curve.svg").exists()
    text = (to / "curve.md").read_text()
    (to / "curve.md").write_text(text.replace("6 real + ", "7 real + ", 1))
    assert "curve.md: " in verify_merged(to).lines[0]
    # Of an earlier version, which had a difference and no verdicts.
    (to / "curve.md").unlink()
    record = (to / "curve.json").read_bytes()
    reseal(to / "curve.json", as_of_an_earlier_version)
    found = verify_merged(to)
    assert (found.lines, len(found.notes)) == ([], 1)
    assert found.notes[0].startswith("curve.json: is of an earlier version")
    (to / "curve.json").write_bytes(record)
    (to / "curve.md").write_text(text)
    # A curve of which there are no U-Nets.
    shutil.copy(to / "curve.json", to / "curve-n099.json")
    reseal(to / "curve-n099.json", lambda record: record.update(generator_of=99))
    assert verify_merged(to).lines[0].startswith("curve-n099.json: ")
    (to / "curve-n099.json").unlink()
    reseal(to / "curve.json", lambda record: record["lines"][0].update(low=0.5))
    assert "curve.json: lines[0].low: stored 0.5, " in verify_merged(to).lines[0]
    with pytest.raises(InputError, match="learning curves and other results"):
        merge([run], to)
    moved = (to / "n006").rename(to / "n007")
    with pytest.raises(InputError, match=r"n007/.*fold\.json: is of n006/phantoms-"):
        verify_merged(to)
    moved.rename(to / "n006")
    path = min(to.glob("n006/*/fold-1/*fixed-budget.csv"))
    path.write_text("altered\n")
    with pytest.raises(InputError, match=f"{path.name}: "):
        verify_merged(to)
