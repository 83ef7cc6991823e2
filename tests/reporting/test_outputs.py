"""What a folder shows is all that its runs have, whatever command came last."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.reporting.html.made import (
    CONFIG,
    N_SYNTHETIC,
    REGIMES,
    write_run,
    write_unet,
)
from tfgansynth.cli.tables import _run_and_show
from tfgansynth.data.splits import Fold
from tfgansynth.evaluation.tables import TrainingSet
from tfgansynth.experiment.run_folder import Run
from tfgansynth.planning.graph import Kind
from tfgansynth.records import converter
from tfgansynth.records.comparisons import Comparison
from tfgansynth.records.curves import MissingPoint
from tfgansynth.records.reading.run import read_run
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import Settings, Split
from tfgansynth.records.tables import Status, Table
from tfgansynth.reporting.outputs import write_comparison, write_curve, write_outputs
from tfgansynth.runtime import storage

PAPER = [regime for regime in REGIMES if regime.schedule == "paper"]


def opened(root: Path) -> Run:
    return Run(root, CONFIG)


def comparison(folder: Path) -> Comparison:
    return converter.read(folder / "comparison.json", Comparison)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A run whose split has a second fold, with all regimes of the first."""
    root = write_run(tmp_path, CONFIG)
    first = converter.read(root / "splits.json", Split).folds[0]
    second = Fold(2, first.training, first.reduced, first.test[:1], first.test)
    converter.write(root / "splits.json", Split((first, second)))
    return root


def test_all_regimes_are_compared_and_the_papers_are_tabled(root: Path) -> None:
    outputs = write_outputs([root], root)

    found = comparison(root)
    assert [unet.folder for unet in found.unets] == [r.folder_name for r in REGIMES]
    table = converter.read(root / "table.json", Table)
    assert [entry.status for entry in table.rows] == [Status.DONE] * 3
    assert outputs == (table, found)
    texts = {"comparison.md", "other-figures.md", "table.md"}
    assert {path.name for path in root.glob("*.md")} == texts


def test_other_figures_are_made_where_they_are_missing_or_of_other_settings(
    root: Path,
) -> None:
    write_outputs([root], root)
    before = (root / "other-figures.md").read_text()
    paths = sorted(root.glob("fold-1/*/figures.csv"))
    assert len(paths) == len(REGIMES)
    assert "left lung" in before
    assert "within 2 px of the other" in before
    first = {path: path.read_bytes() for path in paths}
    # As earlier versions left it, and with a figure of something else.
    paths[0].unlink()
    paths[1].write_bytes(first[paths[1]].replace(b",0.9", b",0.8"))

    write_outputs([root], root)

    assert {path: path.read_bytes() for path in paths} == first
    changed = dataclasses.replace(CONFIG.evaluation, surface_tolerance=1.0)
    settings = converter.read(root / "config.json", Settings)
    config = dataclasses.replace(settings.config, evaluation=changed)
    converter.write(root / "config.json", dataclasses.replace(settings, config=config))
    _, found = write_outputs([root], root)

    assert found
    assert found.other_figures
    assert found.other_figures.tolerance_px == 1
    assert "within 1 px of the other" in (root / "other-figures.md").read_text()
    assert all(path.read_bytes() != first[path] for path in paths)


def test_other_figures_show_in_what_every_run_of_a_study_shows(root: Path) -> None:
    write_outputs([root], root)
    other = write_run(root.parent, dataclasses.replace(CONFIG, seed=1), PAPER)
    # As an earlier version left it.
    for path in root.glob("fold-1/*/figures.csv"):
        path.unlink()
    converter.write(
        root / "comparison.json",
        dataclasses.replace(comparison(root), other_figures=None),
    )

    write_outputs([root, other], root.with_name("study"))

    assert comparison(root).other_figures
    # Where not all U-Nets have any, none of an earlier comparison stay.
    without = dataclasses.replace(comparison(root), other_figures=None)
    assert (root / "other-figures.md").exists()
    write_comparison(root, without)
    assert not (root / "other-figures.md").exists()


def test_a_narrower_command_leaves_no_less(root: Path) -> None:
    """After all regimes, a command for the paper's three finds them done already."""
    write_outputs([root], root)
    before = (root / "comparison.json").read_bytes()

    write_outputs([root], root)

    assert (root / "comparison.json").read_bytes() == before
    assert len(comparison(root).unets) == len(REGIMES)


def test_folds_that_come_one_after_the_other_are_both_shown(root: Path) -> None:
    write_outputs([root], root)
    # As another split of the same cases would have it.
    for regime in PAPER[:2]:
        write_unet(opened(root), regime, fold=2)
        path = root / f"fold-2/{regime.folder_name}/cases.csv"
        text = path.read_text().replace(",case-", ",other-").replace(",case <", ",o <")
        path.write_text(text.replace(',"case <', ',"other <'))
        provenance = path.with_name("provenance.json")
        record = storage.read_record(provenance)
        record["files"]["cases.csv"] = storage.hash_file(path)
        storage.write_record(provenance, record)

    table, _ = write_outputs([root], root)

    assert table
    assert comparison(root).folds == (1, 2)
    assert table.folds == (1, 2)
    status = {entry.training_set: entry.status for entry in table.rows}
    assert status == {
        TrainingSet.REAL: Status.DONE,
        TrainingSet.MIXED: Status.DONE,
        TrainingSet.SYNTHETIC: Status.PARTIAL,
    }


def test_unets_of_other_counts_are_in_no_table(root: Path) -> None:
    """They are `tools/train_unet.py`'s, and learning curves'."""
    for regime in (Regime(3, 0), Regime(6, 2), Regime(3, N_SYNTHETIC, "fixed_budget")):
        write_unet(opened(root), regime)

    write_outputs([root], root)

    assert len(read_run(root).unets) == len(REGIMES) + 3
    assert len(comparison(root).unets) == len(REGIMES)


def test_a_study_shows_what_each_of_its_runs_has(root: Path) -> None:
    more = dataclasses.replace(CONFIG, seed=1)
    other = write_run(root.parent, more, PAPER)
    folder = root.with_name("study")

    outputs = write_outputs([root, other], folder)

    found = comparison(folder)
    assert outputs == (converter.read(other / "table.json", Table), found)
    assert (root / "table.json").exists()
    assert found.seeds == (0, 1)
    paper, fixed_budget = found.tables
    assert [row.n_unets for row in paper.rows] == [2, 2, 2]
    assert [row.n_unets for row in fixed_budget.rows] == [1, 1, 1]
    assert not (root / "comparison.json").exists()


def test_a_run_without_results_shows_nothing(tmp_path: Path) -> None:
    root = write_run(tmp_path, CONFIG, [])

    assert write_outputs([root], root) == (None, None)
    assert not list(root.glob("comparison*"))


def test_a_curve_has_the_points_of_all_runs_below_it(tmp_path: Path) -> None:
    regimes = [r for r in REGIMES if r.schedule == "fixed_budget"]
    data = dataclasses.replace(CONFIG.data, n_reduced=6)
    write_run(tmp_path / "n006", dataclasses.replace(CONFIG, data=data), regimes)
    name = regimes[1].name
    gone = [
        MissingPoint(n_real=n, seed=0, fold=1, regime=name, why="mode collapse")
        for n in (3, 6)
    ]

    curve = write_curve(tmp_path, None, gone, plot=False)

    assert curve
    assert [point.folder for point in curve.points] == [r.folder_name for r in regimes]
    # What is missing stays so until it is made, and no longer.
    assert curve.missing == (gone[0],)
    assert write_curve(tmp_path, None, plot=False) == curve
    assert write_curve(tmp_path, 3, plot=False) is None
    of_six = write_curve(tmp_path, 6, plot=False)
    assert of_six
    assert (of_six.generator_of, len(of_six.points)) == (6, 2)


def test_a_rerun_that_is_ended_early_leaves_no_less(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study of two seeds is finished; its rerun is ended in the second."""
    other = write_run(root.parent, dataclasses.replace(CONFIG, seed=1), PAPER)
    folder = root.with_name("study")
    write_outputs([root, other], folder)
    paths = [*folder.glob("comparison*"), *root.glob("table*"), *other.glob("table*")]
    before = {path: path.read_bytes() for path in paths}
    stage = SimpleNamespace(kind=Kind.SEGMENTATION, fold=1)
    parts: Any = [
        SimpleNamespace(
            name=each.name,
            experiment=SimpleNamespace(run=opened(each)),
            plan=SimpleNamespace(stages=[stage]),
        )
        for each in (root, other)
    ]

    def outcomes(parts: Any) -> Iterator[tuple[Any, Any]]:
        yield parts[0], SimpleNamespace(stage=stage, computed=True, failure=None)
        raise KeyboardInterrupt

    loaded: Any = SimpleNamespace(outcomes=outcomes)
    study: Any = SimpleNamespace(folder=folder, parts=parts)

    with pytest.raises(KeyboardInterrupt):
        _run_and_show(loaded, study, verbose=False)

    assert len(before) == 8
    assert {path: path.read_bytes() for path in paths} == before
