"""The whole chain through the real scripts, from phantoms to a table."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from tests.runtime.test_progress import plain, screen_of
from tests.synthesis.test_nnunet import verify
from tests.tools.conftest import SMALL_NETWORKS, TINY, TOOLS, environment
from tfgansynth.records.reading.run import read_run
from tfgansynth.runtime import progress, storage
from tfgansynth.runtime.progress import duration

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

SETTINGS = (*TINY, *SMALL_NETWORKS)


@pytest.fixture(scope="module")
def done(
    tool: Runner, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """Where a finished tiny experiment lies, and the lines that it printed."""
    folder = tmp_path_factory.mktemp("runs")
    ended = tool("run_table", *SETTINGS, "--folds", "1", "--out", folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    return folder, ended.stdout.splitlines()


@pytest.fixture(scope="module")
def out(done: tuple[Path, list[str]]) -> Path:
    return done[0]


@pytest.fixture(scope="module")
def run(out: Path) -> Path:
    return out / "phantoms-reduced-smoke-seed0"


def test_a_log_has_a_line_for_each_stage_and_the_results_once(
    done: tuple[Path, list[str]], run: Path
) -> None:
    lines = done[1]
    stages = [line for line in lines if re.match(r"\d/5  ", line)]
    remarks = [line for line in lines if re.match(r" {5}remark: ", line)]

    time = r"(\d+ min )?\d+ s"
    expected = [
        rf"GAN  +{time}  6 steps, diversity \d+\.\d\d \(real 1\)",
        rf"synthetic set  +{time}  6 pairs of \d+ drawn( \(dropped: .*\))?",
        rf"U-Net 6 real \+ 0 synthetic  +{time}  2 epochs, Dice (.*) on 10 test cases",
        rf"U-Net 6 real \+ 6 synthetic  +{time}  2 epochs, Dice (.*) on 10 test cases",
        rf"U-Net 0 real \+ 6 synthetic  +{time}  2 epochs, Dice (.*) on 10 test cases",
    ]
    for number, (line, words) in enumerate(zip(stages, expected, strict=True), 1):
        assert re.fullmatch(rf"{number}/5  fold 1, {words}", line), line
    # A machine under load may be too slow for none of them.
    slow = [line for line in lines if re.match(r"fold 1, .* \d+/\d+", line)]
    assert len(lines) - len(slow) < 40
    # Where it runs is said once; what it came to once, at the end.
    assert [line.split(": ")[0] for line in lines[:3]] == ["Data", "Split", "Few cases"]
    assert lines[3] == f"Run: {run}"
    (machine,) = (line for line in lines if line.startswith("Machine: on the "))
    assert "), float32 throughout (as configured; " in machine
    table = lines.index(
        "The paper's regimes: trained until the paper's rule stops them"
    )
    assert lines[table - 3] == "PHANTOMS: procedural images, not patients"
    found = storage.read_record(run / "comparison.json")
    names = "real only", "mixed", "synthetic only"
    for line, name in zip(lines[table + 2 : table + 5], names, strict=True):
        (row,) = (r for r in found["tables"][0]["rows"] if r["name"] == name)
        dice, distance = row["metrics"]["dice"], row["metrics"]["hausdorff_px"]
        shown = [f"{each['mean']:.4f} ± {each['sd']:.4f}" for each in (dice, distance)]
        assert re.fullmatch(rf"  {name} +10  +{shown[0]}  +{shown[1]}", line)
        stage = stages[2 + names.index(name)]
        assert f", Dice {dice['mean']:.4f} on " in stage
    answers = [
        line for line in lines if line.startswith("Does the synthetic set help?")
    ]
    assert len(answers) == 1
    sentence = found["comparisons"][0]["sentence"]
    assert " ".join(lines).count(sentence) == 1
    assert sum(line.startswith("Remark: ") for line in lines) <= 4
    assert all(
        line.strip() in {f"remark: {text}" for text in told(run)} for line in remarks
    )
    assert lines[-1] == f"Report: {run / 'report.html'}"


def told(run: Path) -> set[str]:
    """What the records of a run say of its stages."""
    texts = set()
    for remark in read_run(run).remarks:
        texts |= {remark.text.split(": ", 1)[-1]}
    return texts


def test_a_terminal_shows_bars_and_keeps_the_lines_of_a_log(
    tool: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(
        progress, "_console", lambda: Console(force_terminal=True, width=100)
    )

    ended = tool("train_gan", *SETTINGS, "--fold", "1", "--out", tmp_path)

    assert ended.returncode == 0, ended.stderr
    # A bar that the fast steps of such networks need not move.
    assert "━ fold 1, GAN step" in plain(ended.stdout)
    assert "fold 1, GAN ...\r" in ended.stdout
    *_, machine, stage, gan = [
        line for line in screen_of(ended.stdout) if "remark: " not in line
    ]
    assert machine.startswith("Machine: ")
    assert re.fullmatch(r"1/1  fold 1, GAN +\d+ s  6 steps, diversity .*", stage)
    assert gan == f"GAN: {tmp_path / 'phantoms-reduced-smoke-seed0/fold-1/gan'}"


def test_more_is_printed_if_asked(tool: Runner, out: Path, run: Path) -> None:
    ended = tool("run_table", *SETTINGS, "--folds", "1", "--out", out, "--verbose")

    assert ended.returncode == 0, ended.stderr
    assert "synthetic only: 0 real, 6 synthetic; 10 of 10 test cases" in ended.stdout
    assert "\nSECONDS " in ended.stdout
    assert "p (Holm)" in ended.stdout
    assert ended.stdout.endswith(f"\nReport: {run / 'report.html'}\n")


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
    spent = 0.0
    for stage in ("fold-1/gan", *unets):
        parts = {name for name in timings if name.startswith(f"{stage}/")}
        expected = {"start-up", "input", "steps", "records"}
        if "unet" in stage:
            expected |= {"validation", "prediction", "evaluation"}
        assert parts == {f"{stage}/{name}" for name in expected}
        own = sum(timings[part] for part in parts)
        assert own < timings[stage] + 0.1
        spent += own
    # Of all together: a busy machine may hold up one of such short ones anywhere.
    assert spent > 0.7 * sum(timings[stage] for stage in ("fold-1/gan", *unets))


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


def test_the_run_gets_its_report(tool: Runner, out: Path, run: Path) -> None:
    done = tool("report", out)  # the folder has this run alone

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Report: {run / 'report.html'}\n"
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

    done = tool("run_table", *SETTINGS, "--folds", "1", "--out", out)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "5 of 5 stages are done already" in lines
    assert not [line for line in lines if "fold 1, GAN " in line]
    assert done.stdout.count("Mean ± sd of the test cases") == 1
    assert len(lines) < 30
    assert (run / "timings.json").read_bytes() == timings
    assert {
        path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")
    } == before
    assert (run / "table.json").read_bytes() == table


def test_settings_of_the_data_in_the_same_folder_are_refused(
    tool: Runner, out: Path
) -> None:
    other = ("--data.n-validation", "5")
    done = tool("train_gan", *SETTINGS, "--fold", "1", *other, "--out", out)

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
    options = (*SETTINGS, "--folds", "1", "--out", tmp_path)

    done = tool("run_table", *options, "--unet.maps", "3")

    assert done.returncode == 0, done.stderr
    assert "Settings: unet.maps: 3 against 4: finished work" in done.stdout
    assert "2 of 5 stages are done already\n" in done.stdout
    assert "fold 1, GAN " not in done.stdout
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
    assert "5 of 5 stages are done already\n" in again.stdout
    assert (copy / "table.json").read_bytes() == (run / "table.json").read_bytes()


def test_one_unet_of_other_numbers(tool: Runner, out: Path, run: Path) -> None:
    numbers = ["--fold", "1", "--real", "4", "--synthetic", "3"]
    done = tool("train_unet", *SETTINGS, *numbers, "--out", out)

    assert done.returncode == 0, done.stderr
    assert "Test cases: 10, mean Dice" in done.stdout
    assert (run / "fold-1/unet-r4-s3/cases.csv").exists()


def test_more_pairs_than_there_are_are_refused(tool: Runner, out: Path) -> None:
    for numbers, word in (
        (("--real", "7", "--synthetic", "0"), "--real 7"),
        (("--real", "0", "--synthetic", "7"), "--synthetic 7"),
        (("--real", "0", "--synthetic", "0"), "nothing to train on"),
    ):
        done = tool("train_unet", *SETTINGS, "--fold", "1", *numbers, "--out", out)
        assert done.returncode == 2
        assert word in done.stderr


def test_a_generator_is_exported_and_sampled_from(
    tool: Runner, cold_tool: Runner, run: Path
) -> None:
    done = cold_tool("export_generator", run, "--fold", "1")
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

    options = ["--count", "5", "--generator", model]
    done = tool("synthesize", run, "--fold", "1", *options)

    assert done.returncode == 0, done.stderr
    (folder,) = (run / "fold-1").glob("synthetic-5-*")
    assert len(list((folder / "images").glob("*.png"))) == 5
    manifest = json.loads((folder / "manifest.json").read_text())
    own = json.loads((run / "fold-1/synthetic/manifest.json").read_text())
    assert manifest["generator_sha256"] == own["generator_sha256"]


def test_a_set_is_handed_over_once_with_what_was_found(
    tool: Runner, run: Path, tmp_path: Path
) -> None:
    target = tmp_path / "given"
    for code in (0, 2):
        done = tool("export_set", run, "--fold", "1", "--to", target)
        assert done.returncode == code, done.stderr

    assert done.stderr.startswith(f"error: {target}: exists already: ")
    assert verify(target / "Dataset501_SyntheticLungs")["numTraining"] == 6
    card = (target / "README.md").read_text()
    assert "> **PHANTOMS: procedural images, not patients." in card
    for comparison in storage.read_record(run / "comparison.json")["comparisons"]:
        assert f"- {comparison['sentence']}" in card


def test_an_untrained_fold_cannot_be_sampled(tool: Runner, run: Path) -> None:
    done = tool("synthesize", run, "--fold", "2")

    assert done.returncode == 2
    assert "run train-gan" in done.stderr


def test_mode_collapse_says_how_many_were_distinct(
    tool: Runner, run: Path, tmp_path: Path
) -> None:
    other = tmp_path / run.name
    shutil.copytree(run / "fold-1/gan", other / "fold-1/gan")
    for name in ("config.json", "cases.json", "splits.json", "source.json"):
        shutil.copy(run / name, other)

    options = "--fold", "1", "--count", "7", "--synthesis.hash-distance", "31"
    done = tool("synthesize", other, *options)

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
    options = [*SETTINGS, "--fold", "2", "--out", tmp_path]
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


def test_a_training_that_is_asked_to_end_goes_on(tool: Runner, tmp_path: Path) -> None:
    """Other signals are in tests/reliability/test_signals.py."""
    # Enough steps for the signal to come before the last.
    steps = ("--gan.steps", "400", "--gan.sample-every", "100")
    options = [*SETTINGS, *steps, "--fold", "1", "--out", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, TOOLS / "train_gan.py", *options],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while not any(tmp_path.rglob("step-000100.safetensors")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=120)
    assert process.returncode == 130
    assert complaint.splitlines() == [
        "interrupted: what was done is saved; the same command continues from there"
    ]
    (checkpoint, *_) = sorted(tmp_path.rglob("step-*.safetensors"), reverse=True)
    step = int(checkpoint.stem.removeprefix("step-"))
    assert 100 <= step < 400

    done = tool("train_gan", *options)
    assert done.returncode == 0, done.stderr
    assert f"\n     remark: resumed after step {step} of 400\n" in done.stdout
