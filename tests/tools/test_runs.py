"""Tools that look at a run take its folder, and all else from what it has recorded."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from tests.records.made import finished
from tests.tools.conftest import SMALL_NETWORKS, TINY, Runner, write_phantoms
from tfgansynth.cli.options import Options, parse
from tfgansynth.cli.stages import Assess, Synthesize
from tfgansynth.config import NETWORK_VERSIONS
from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.experiment.experiment_data import load_experiment_data
from tfgansynth.records import converter
from tfgansynth.records.comparisons import make_comparison
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import Source
from tfgansynth.runtime import storage
from tfgansynth.runtime.processes import leases

SMALL = (*TINY, *SMALL_NETWORKS, "--seed", "3", "--gan.steps", "5")
PATTERN = "phantom-0*(?=[1-3]$)|phantom-[0-9]+"
"""Three cases are of one patient."""
FOLD = ("--fold", "1")
TAKE_A_FOLD = ("synthesize", "assess", "export_set", "export_generator")


def begin(data: Path | None, out: Path, *more: str) -> Path:
    """Open a run as train-gan and run-table do, and train nothing."""
    options = parse(Options, (*SMALL, *more), program="test")
    loaded = load_experiment_data(options.config, data, options.patient_pattern)
    return loaded.experiment(options.config, out).open().run.root


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data set `chests` and one run of it."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "chests").mkdir()
    data = write_phantoms(folder / "chests", 30, 32)
    begin(data, folder / "runs", "--patient-pattern", PATTERN)
    return folder


@pytest.fixture
def folder(begun: Path, tmp_path: Path) -> Path:
    """A copy of it, whose record names the copy of the data set."""
    copy = shutil.copytree(begun, tmp_path / "begun")
    record(run_of(copy), folder=str(copy / "chests"))
    return copy


def run_of(folder: Path) -> Path:
    return folder / "runs/chests-reduced-smoke-seed3"


def record(run: Path, **changes: str | None) -> None:
    path = run / "source.json"
    found = converter.read(path, Source)
    converter.write(path, dataclasses.replace(found, **changes))  # type: ignore[arg-type]


def refused(tool: Runner, *command: str | Path) -> str:
    done = tool(*command)
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("error: ").strip()


@pytest.mark.parametrize("named", ["runs", "runs/chests-reduced-smoke-seed3"])
def test_data_patients_and_settings_come_from_the_run(
    tool: Runner, folder: Path, named: str
) -> None:
    before = storage.hash_folder(run_of(folder))

    done = tool("assess", folder / named, *FOLD, "--dry-run")

    assert (done.returncode, done.stderr) == (0, "")
    assert f"Data: 30 cases in {folder / 'chests'}\n" in done.stdout
    assert "each with 10 test, 4 validation" in done.stdout
    assert "Plan: 3 stages, 0 of them done\n  fold-1/cross-fit/m" in done.stdout
    assert storage.hash_folder(run_of(folder)) == before

    record(run_of(folder), patient_pattern=None)
    line = refused(tool, "assess", folder / named, *FOLD, "--dry-run")
    assert "holds a run with other data (other patients: phantom-" in line


def test_a_section_of_settings_starts_from_the_runs(folder: Path) -> None:
    root = run_of(folder)
    found = parse(
        Synthesize, [str(root), *FOLD, "--synthesis.count=9"], program="synthesize"
    )
    # The preset has 30 pairs and a threshold of 150.
    assert (found.config.synthesis.count, found.config.synthesis.batch) == (9, 8)
    assert found.config.synthesis.mask_threshold == 100
    assert (found.config.seed, found.config.gan.steps) == (3, 5)
    same = parse(Assess, [str(root.parent), *FOLD], program="assess")
    assert same.run == root
    assert same.config.synthesis.count == 6


def test_a_data_set_that_has_moved_is_named_once(tool: Runner, folder: Path) -> None:
    moved = (folder / "chests").rename(folder / "elsewhere")
    assess = "assess", run_of(folder), *FOLD

    line = refused(tool, *assess)
    assert line == (
        f"{folder / 'chests'}: the data set of {run_of(folder)} is not there any more: "
        "name its folder with --data"
    )
    # It goes as far as what is missing in the run, and has the folder from now on.
    for arguments in (("--data", moved), ()):
        assert "there is no synthetic set yet" in refused(tool, *assess, *arguments)
    found = converter.read(run_of(folder) / "source.json", Source)
    assert (found.name, found.folder) == ("chests", str(moved))
    assert found.patient_pattern == PATTERN


def test_a_data_folder_whose_name_is_no_text_is_asked_for(
    tool: Runner, begun: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(begun / "chests", tmp_path / "chests\udcff"))
    run = begin(data, tmp_path / "runs")
    assess = "assess", run, *FOLD, "--dry-run"

    line = refused(tool, *assess)
    assert line.startswith(
        f"{tmp_path}/chests\\xff: the data set of {run} is not there"
    )
    assert tool(*assess, "--data", data).returncode == 0


def test_other_data_are_refused(tool: Runner, folder: Path) -> None:
    (folder / "other").mkdir()
    other = write_phantoms(folder / "other", 30, 40)

    line = refused(tool, "assess", run_of(folder), *FOLD, "--data", other)

    assert line.startswith(f"{run_of(folder)}: holds a run with other data (changed: ")
    assert line.endswith("): name the data set that it was made of with --data")


def test_phantoms_are_made_whatever_the_environment_names(
    tool: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = begin(None, tmp_path)
    monkeypatch.setenv("TFGANSYNTH_DATA", str(tmp_path / "nowhere"))

    done = tool("assess", root, *FOLD, "--dry-run")

    assert (done.returncode, done.stderr) == (0, "")
    assert "Data: 30 built-in PHANTOMS" in done.stdout


@pytest.mark.parametrize("name", TAKE_A_FOLD)
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("runs/nowhere", "there is no such folder"),
        ("chests", "is no run folder, as it has no cases.json: name the one that"),
        ("runs/chests-reduced-smoke-seed3", "--fold 9: expected 1 to 3"),
    ],
)
def test_what_is_no_run_or_has_no_such_fold_is_refused(
    tool: Runner, begun: Path, name: str, place: str, words: str
) -> None:
    line = refused(tool, name, begun / place, "--fold", "9")

    assert words in line
    assert "seed3" in place or line.startswith(f"{begun / place}: ")


def damage(path: Path) -> None:
    path.write_text(path.read_text().replace('"sha256": "', '"sha256": "0'))


@pytest.mark.parametrize("name", ["config", "cases", "splits", "source"])
def test_a_damaged_run_is_refused(tool: Runner, folder: Path, name: str) -> None:
    path = run_of(folder) / f"{name}.json"
    damage(path)

    line = refused(tool, "assess", folder / "runs", *FOLD)

    assert line.startswith(f"{path}: was altered since it was written")


def test_a_run_of_another_version_is_refused(tool: Runner, folder: Path) -> None:
    path = run_of(folder) / "config.json"
    settings = storage.read_record(path)
    settings["networks"]["gan"] -= 1
    storage.write_record(path, settings)

    version = NETWORK_VERSIONS["gan"]
    words = f"(gan: {version} against {version - 1}): it can be shown, but not gone on"
    line = refused(tool, "assess", run_of(folder), *FOLD)
    assert f"was made by another version of this program {words}" in line
    storage.write_record(path, {**settings, "colour": 1})
    line = refused(tool, "assess", run_of(folder), *FOLD)
    assert line.startswith(f"{path}: is not of the form that this version writes (")


def test_a_run_that_another_process_works_in_with_other_settings_is_refused(
    tool: Runner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = leases.take(run_of(folder) / "leases/command-1", "other settings")
    assert lease
    # This process is to count as another.
    real = leases._process
    monkeypatch.setattr(leases, "_process", lambda: [*real(), "another"])

    line = refused(tool, "assess", run_of(folder), *FOLD)

    lease.release()
    assert line.startswith(f"{run_of(folder)}: process ")
    # No other --out, which this command does not take.
    assert line.endswith(
        "works in this folder with other settings: wait until it is done"
    )


def test_several_runs_are_named_to_choose_from(tool: Runner, folder: Path) -> None:
    root = run_of(folder)
    other = Path(shutil.copytree(root, root.with_name("copied")))

    line = refused(tool, "export_set", folder / "runs", *FOLD)

    assert line == f"{folder / 'runs'}: has 2 of them: name one: {root}, {other}"


@pytest.mark.parametrize("others", [[], ["chests-reduced-smoke-seed4"]])
def test_a_study_has_the_runs_beside_it(
    tool: Runner, folder: Path, others: list[str]
) -> None:
    study = folder / "runs/chests-reduced-smoke-seeds3-4"
    study.mkdir()
    rows = [CaseRow(f"c{i}", CaseMetrics(i / 9, 4.5, 2.0, 1.0)) for i in range(4)]
    made = make_comparison([finished(Regime(5, 0), rows), finished(Regime(0, 5), rows)])
    runs = (run_of(folder).name, *others)
    converter.write(study / "comparison.json", dataclasses.replace(made, runs=runs))

    line = refused(tool, "export_set", study, *FOLD)

    paths = ", ".join(str(study.parent / name) for name in runs)
    assert line.startswith(
        f"{study}: has 2 of them: name one: {paths}"
        if others
        else f"{run_of(folder) / 'fold-1/synthetic'}: there is no synthetic set yet"
    )


def test_merged_numbers_are_refused(tool: Runner, tmp_path: Path) -> None:
    (tmp_path / "run/fold-1").mkdir(parents=True)
    storage.write_record(tmp_path / "run/fold-1/fold.json", {})

    line = refused(tool, "export_set", tmp_path, *FOLD)

    assert line.startswith(f"{tmp_path}: has merged numbers, no networks and sets: ")
