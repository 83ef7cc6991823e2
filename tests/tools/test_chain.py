"""The whole chain through the real scripts, from phantoms to a table."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.synthesis.test_nnunet import verify
from tests.tools.conftest import SMALL_NETWORKS, TINY, TOOLS, environment
from tfgansynth.runtime import storage
from tfgansynth.runtime.progress import duration

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def out(tool: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny experiment."""
    folder = tmp_path_factory.mktemp("runs")
    done = tool("run_table", *TINY, "--folds", "1", "--out", folder)
    assert done.returncode == 0, done.stderr
    assert "PHANTOMS: procedural images, not patients" in done.stdout
    assert "synthetic only: 0 real, 6 synthetic; 10 of 10 test cases" in done.stdout
    assert done.stdout.count("GAN: on the ") == 1
    assert done.stdout.count("U-Net: on the ") == 3
    assert done.stdout.count("), float32 throughout (as configured; ") == 4
    assert "\nSECONDS " in done.stdout
    return folder


@pytest.fixture(scope="module")
def run(out: Path) -> Path:
    return out / "phantoms-reduced-smoke-seed0"


def test_the_run_folder_holds_everything(run: Path) -> None:
    fold = run / "fold-1"
    for name in (
        "config.json",
        "splits.json",
        "timings.json",
        "machine.json",
        "table.json",
        "table.csv",
        "table.md",
        "memory.json",
        "fold-1/gan/provenance.json",
        "fold-1/gan/checkpoints/step-000006.safetensors",
        "fold-1/gan/samples/step-000006.png",
        "fold-1/synthetic/manifest.json",
        "fold-1/synthetic/contact_sheet.png",
        "fold-1/synthetic/images/synthetic-00006.png",
        "fold-1/synthetic/masks/synthetic-00006.png",
    ):
        assert (run / name).exists(), name
    for unet in ("unet-r6-s0", "unet-r6-s6", "unet-r0-s6"):
        for name in ("model.keras", "model.safetensors", "history.csv"):
            assert (fold / unet / name).exists(), (unet, name)
        for name in ("cases.csv", "predictions.npz", "predictions.png"):
            assert (fold / unet / name).exists(), (unet, name)
    assert not list(run.rglob("*partial*"))


def test_the_time_of_each_stage_is_split_without_remainder(run: Path) -> None:
    timings = storage.read_record(run / "timings.json")
    unets = [f"fold-1/unet-{regimes}" for regimes in ("r6-s0", "r6-s6", "r0-s6")]
    stages = ["start", "fold-1/gan", "fold-1/synthetic", *unets]

    assert [name for name in timings if name.rpartition("/")[0] not in timings] == (
        stages
    )
    for stage in ("fold-1/gan", *unets):
        parts = {name for name in timings if name.startswith(f"{stage}/")}
        expected = {"start-up", "input", "steps", "records"}
        if "unet" in stage:
            expected |= {"validation", "prediction", "evaluation"}
        assert parts == {f"{stage}/{name}" for name in expected}
        spent = sum(timings[part] for part in parts)
        assert 0.7 * timings[stage] < spent < timings[stage] + 0.1


def test_each_stage_names_its_machine_and_precision(run: Path) -> None:
    record = json.loads((run / "machine.json").read_text())

    (machine,) = record["machines"]
    assert machine["versions"]["tensorflow"]
    assert len(record["stages"]) == 5
    for attempts in record["stages"].values():
        assert attempts == [{"after": 0, "precision": "float32", "machine": 0}]


def test_the_table_names_what_it_is_of(run: Path) -> None:
    table = json.loads((run / "table.json").read_text())
    splits = json.loads((run / "splits.json").read_text())

    assert table["dataset"]["layout"] == "phantom"
    assert table["folds"] == [1]
    assert table["n_test_cases"] == len(splits["folds"][0]["test"]) == 10
    cases = (run / "fold-1/unet-r6-s0/cases.csv").read_text().splitlines()
    tested = {line.split(",")[1] for line in cases[1:]}
    assert tested == set(splits["folds"][0]["test"])


def test_the_synthetic_set_names_its_provenance(run: Path) -> None:
    manifest = json.loads((run / "fold-1/synthetic/manifest.json").read_text())
    fold = json.loads((run / "splits.json").read_text())["folds"][0]

    assert set(manifest["training_cases"]) == set(fold["reduced"])
    assert len(manifest["generator_sha256"]) == 64
    assert len(manifest["pairs"]) == 6
    assert manifest["dataset"]["layout"] == "phantom"


def test_the_run_gets_its_report(tool: Runner, run: Path) -> None:
    done = tool("report", run)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"REPORT: {run / 'report.html'}\n"
    page = (run / "report.html").read_text()
    assert "PHANTOMS: procedural images, not patients" in page
    assert "Does the synthetic set help?" in page
    assert "paper 0.9394 ± 0.0133" in page
    # 6 synthetic pairs, 6 early and 6 last samples, 3 cases of each of 3 rows.
    assert page.count('class="thumbnail"') == 27


def test_the_same_command_again_does_nothing_twice(
    tool: Runner, out: Path, run: Path
) -> None:
    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")}

    before = times()
    table = (run / "table.json").read_bytes()
    timings = (run / "timings.json").read_bytes()

    done = tool("run_table", *TINY, "--folds", "1", "--out", out)

    assert done.returncode == 0, done.stderr
    assert "GAN step" not in done.stdout
    assert done.stdout.count("Table II: ") == 1
    assert (run / "timings.json").read_bytes() == timings
    assert {
        path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")
    } == before
    assert (run / "table.json").read_bytes() == table


def test_settings_of_the_data_in_the_same_folder_are_refused(
    tool: Runner, out: Path
) -> None:
    other = ("--data.n-validation", "5")
    done = tool("train_gan", *TINY, "--fold", "1", *other, "--out", out)

    assert done.returncode == 2
    assert "config.data.n_validation: 5 against 4" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_another_setting_of_the_u_nets_keeps_the_gan_and_its_set(
    tool: Runner, out: Path, run: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / run.name))
    kept = {
        path: path.read_bytes()
        for name in ("gan", "synthetic")
        for path in (copy / "fold-1" / name).rglob("*")
        if path.is_file()
    }
    options = (*TINY, "--folds", "1", "--out", tmp_path)

    done = tool("run_table", *options, "--unet.maps", "3")

    assert done.returncode == 0, done.stderr
    assert "SETTINGS: unet.maps: 3 against 4: finished work" in done.stdout
    assert "training the GAN" not in done.stdout
    assert {path: path.read_bytes() for path in kept} == kept
    (aside,) = (copy / "superseded").iterdir()
    unet = "fold-1/unet-r6-s6"
    for name in ("model.safetensors", "cases.csv", "provenance.json"):
        earlier = (run / unet / name).read_bytes()
        assert (aside / unet / name).read_bytes() == earlier
        assert (copy / unet / name).read_bytes() != earlier
    assert (aside / "table.json").read_bytes() == (run / "table.json").read_bytes()

    again = tool("run_table", *options)

    assert again.returncode == 0, again.stderr
    assert "U-Net: " not in again.stdout
    assert (copy / "table.json").read_bytes() == (run / "table.json").read_bytes()


def test_one_unet_of_other_numbers(cold_tool: Runner, out: Path, run: Path) -> None:
    numbers = ["--fold", "1", "--real", "4", "--synthetic", "3"]
    done = cold_tool("train_unet", *TINY, *numbers, "--out", out)

    assert done.returncode == 0, done.stderr
    assert "TEST: 10 cases, mean Dice" in done.stdout
    assert (run / "fold-1/unet-r4-s3/cases.csv").exists()


def test_more_pairs_than_there_are_are_refused(tool: Runner, out: Path) -> None:
    for numbers, word in (
        (("--real", "7", "--synthetic", "0"), "--real 7"),
        (("--real", "0", "--synthetic", "7"), "--synthetic 7"),
        (("--real", "0", "--synthetic", "0"), "nothing to train on"),
    ):
        done = tool("train_unet", *TINY, "--fold", "1", *numbers, "--out", out)
        assert done.returncode == 2
        assert word in done.stderr


def test_a_generator_is_exported_and_sampled_from(
    tool: Runner, cold_tool: Runner, out: Path, run: Path
) -> None:
    done = cold_tool("export_generator", *TINY, "--fold", "1", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "FROZEN MOMENTS" in done.stdout
    model = run / "fold-1/gan/generator"
    card = (run / "fold-1/gan/model_card.md").read_text()
    seconds = storage.read_record(run / "timings.json")["fold-1/gan"]
    assert f"| Time of training | {duration(seconds)} |" in card
    assert "| Number format | float32 |" in card
    assert "| `gan.steps` | 6 |" in card
    assert "**Not assessed.**" in card
    for comparison in storage.read_record(run / "comparison.json")["comparisons"]:
        assert f"- {comparison['sentence']}" in card

    options = ["--count", "5", "--generator", model, "--out", out]
    done = tool("synthesize", *TINY, "--fold", "1", *options)

    assert done.returncode == 0, done.stderr
    (folder,) = (run / "fold-1").glob("synthetic-5-*")
    assert len(list((folder / "images").glob("*.png"))) == 5
    manifest = json.loads((folder / "manifest.json").read_text())
    own = json.loads((run / "fold-1/synthetic/manifest.json").read_text())
    assert manifest["generator_sha256"] == own["generator_sha256"]


def test_a_set_is_handed_over_once_with_what_was_found(
    tool: Runner, cold_tool: Runner, out: Path, run: Path, tmp_path: Path
) -> None:
    target = tmp_path / "given"
    for start, code in ((cold_tool, 0), (tool, 2)):
        done = start("export_set", *TINY, "--fold", "1", "--out", out, "--to", target)
        assert done.returncode == code, done.stderr

    assert done.stderr.startswith(f"error: {target}: exists already: ")
    assert verify(target / "Dataset501_SyntheticLungs")["numTraining"] == 6
    card = (target / "README.md").read_text()
    assert "> **PHANTOMS: procedural images, not patients." in card
    for comparison in storage.read_record(run / "comparison.json")["comparisons"]:
        assert f"- {comparison['sentence']}" in card


def test_an_untrained_fold_cannot_be_sampled(tool: Runner, out: Path) -> None:
    done = tool("synthesize", *TINY, "--fold", "2", "--out", out)

    assert done.returncode == 2
    assert "run train-gan" in done.stderr


def test_mode_collapse_says_how_many_were_distinct(
    tool: Runner, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run / "fold-1/gan", tmp_path / run.name / "fold-1/gan")

    settings = *TINY, "--synthesis.hash-distance", "31"
    options = "--count", "7", "--fold", "1", "--out", tmp_path
    done = tool("synthesize", *settings, *options)

    assert done.returncode == 2
    assert re.search(r"mode collapse: only \d of", done.stderr)
    assert not list(tmp_path.rglob("synthetic*"))


def test_nothing_of_one_fold_gets_into_another(
    tool: Runner, out: Path, run: Path, tmp_path: Path
) -> None:
    """What fold 1 has learned from is tested in fold 2: the copy would leak."""
    copy = tmp_path / run.name
    shutil.copytree(run, copy)
    shutil.copytree(copy / "fold-1", copy / "fold-2")
    options = [*TINY, "--fold", "2", "--out", tmp_path]
    unet = "train_unet", *options, "--real"

    refusals = {
        "fold-2/gan": tool("train_gan", *options),
        "fold-2/unet-r6-s0": tool(*unet, "6", "--synthetic", "0"),
    }
    drawn = tool(*unet, "0", "--synthetic", "6")

    assert drawn.stderr == refusals["fold-2/gan"].stderr
    for place, done in refusals.items():
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        leak = f"{place}/provenance.json: was trained on test cases of fold 2 (phantom-"
        assert leak in done.stderr


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_goes_on(
    tool: Runner, tmp_path: Path, stop: signal.Signals
) -> None:
    # Enough steps for the signal to come before the last.
    steps = ("--gan.steps", "400", "--gan.sample-every", "100")
    options = [*TINY, *SMALL_NETWORKS, *steps, "--fold", "1", "--out", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, TOOLS / "train_gan.py", *options],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line.startswith("GAN: about"):
                assert "left" not in line
                process.send_signal(stop)
                break
        rest, complaint = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "checkpoint of step" in rest
    assert complaint.splitlines() == [
        "interrupted: what was done is saved; the same command continues from there"
    ]
    (checkpoint, *_) = sorted(tmp_path.rglob("step-*.safetensors"), reverse=True)
    step = int(checkpoint.stem.removeprefix("step-"))
    assert step >= 4

    done = tool("train_gan", *options)
    assert done.returncode == 0, done.stderr
    assert f"resumed after step {step} of 400" in done.stdout
