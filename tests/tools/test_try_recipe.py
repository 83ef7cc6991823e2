"""Recipes beyond the paper's, tried on development cases, by the real scripts."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tools.conftest import SMALL_NETWORKS, TINY
from tfgansynth.data.dataset import CaseTable
from tfgansynth.data.splits import development_cases
from tfgansynth.records.reading.run import read_identity
from tfgansynth.reporting.html.page import write_report
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.reporting.verification.recompute import recount
from tfgansynth.reporting.verification.stages import plan_again
from tfgansynth.reporting.verification.verify import verify
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import read_set

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

SHORT = (
    *(*TINY, *SMALL_NETWORKS),
    *("--evaluation.budgets", "4", "--evaluation.budget-epoch", "2"),
    *("--data.phantoms", "36", "--data.n-development", "18"),
    # Any diversity of samples counts as a mode collapse.
    *("--evaluation.cross-fit-steps", "4", "--gan.mode-collapse-share", "9"),
)
RECIPE = (
    *("--gan.augment-real", "elastic", "--synthesis.augment", "elastic"),
    *("--gan.latent-codes", "--gan.minibatch-stddev", "2"),
    *("--gan.loss", "wgan_gp", "--gan.upsampling", "resize"),
    *("--synthesis.pseudo-label-members", "2", "--synthesis.pseudo-label-steps", "3"),
    *("--unet.real-share", "0.5"),
)
BESIDE = "--augmented", "--control", "--assess", "--baselines", "learned"
RUN = "phantoms-development-reduced-smoke-seed0"
TABLE = "phantoms-reduced-smoke-seed0"
TRIAL = f"{RUN}/fold-1/trial.json"


def tried(tool: Runner, out: Path, *options: str | Path) -> str:
    done = tool("try_recipe", *SHORT, *options, "--fold", "1", "--out", out)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def out(tool: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trial")
    told = tried(tool, folder, *RECIPE, *BESIDE)
    title, heading, _, line = told.strip().splitlines()[-4:]
    assert title == "Trial:"
    assert line.startswith("| smoke data.n_reduced: 6, ")  # what the preset has not
    for setting in ("gan.augment_real: elastic", "synthesis.pseudo_label_members: 2"):
        assert setting in line
    # Regime, time, eight cells about the set, five rows and five augmented ones.
    assert line.count("|") == heading.count("|") == 21
    return folder


@pytest.fixture(scope="module")
def trial(out: Path) -> dict[str, Any]:
    return storage.read_record(out / TRIAL)


def test_a_trial_compares_fair_rows(trial: dict[str, Any]) -> None:
    comparison = trial["comparison"]
    plain, augmented = comparison["tables"]

    assert [row["name"] for row in plain["rows"]] == [
        "real (fixed budget)",
        *("real + control (fixed budget)", "real + synthetic (fixed budget)"),
        *("control (fixed budget)", "synthetic (fixed budget)"),
    ]
    assert [row["name"] for row in augmented["rows"]] == [
        *("real (learned, fixed budget)", "real + synthetic (learned, fixed budget)"),
        "real (augmented)",
        *("real + control (augmented)", "real + synthetic (augmented)"),
    ]
    # Four pairs of rows without a control, nine with one, and the rest with a baseline.
    assert sorted(pair["n_pairs"] for pair in comparison["comparisons"]) == [
        *([4] * 4 + [5] * 5 + [9] * 9)
    ]
    # After a few steps the generator draws noise, which copies no training case.
    audit = trial["assessment"]["memorization"]
    assert audit["passed"] is True
    assert [part["n_closer"] for part in audit["parts"].values()] == [0, 0, 0]
    parts = ("gan", "pseudo-labels/member-1", "pseudo-labels/member-2", "synthetic")
    seconds = [trial["seconds"][f"fold-1/{part}"] for part in parts]
    assert trial["set_seconds"] == pytest.approx(sum(seconds))


def test_a_trial_says_what_was_wrong_in_the_training_of_the_gan(
    out: Path, trial: dict[str, Any]
) -> None:
    remarks = trial["comparison"]["remarks"]
    (remark,) = (each for each in remarks if each["stage"] == "fold-1/gan")
    assert remark["text"].startswith("GAN of 6 cases: mode collapse: the samples are ")
    manifest = storage.read_record(out / RUN / "fold-1/synthetic/manifest.json")
    assert manifest["remarks"] == [remark["text"]]


def test_a_trial_uses_development_cases_alone(out: Path, trial: dict[str, Any]) -> None:
    run = out / RUN
    (fold, *_) = json.loads((run / "splits.json").read_text())["folds"]
    table = (run / "fold-1/unet-r6-s6-fixed-budget/cases.csv").read_text()
    tested = {line.split(",")[1] for line in table.splitlines()[1:]}
    drawn = development_cases(
        [f"phantom-{number:03d}" for number in range(1, 37)], 18, CaseTable()
    )

    assert tested == {*fold["test"]}
    assert len(tested) == 6
    assert tuple(trial["cases"]) == drawn
    for path in run.rglob("provenance.json"):
        record = storage.read_record(path)
        for part in ("training_cases", "validation_cases"):
            assert record.get(part, {}).keys() <= {*drawn}
    assert trial["comparison"]["context"] == "6 of 18 development cases"


def test_a_trial_is_verified(out: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(out, tmp_path / "out")) / RUN
    assert verify(run).lines == []
    path = tmp_path / "out" / TRIAL
    record = storage.read_record(path)
    storage.write_record(path, {**record, "cases": {}})
    assert "fold-1/trial.json: cases" in verify(run).lines[0]


def test_a_run_goes_on_with_the_development_cases(
    tool: Runner, out: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(out, tmp_path / "out")) / RUN
    shutil.rmtree(run / "fold-1/assessment")
    done = tool("assess", run, "--fold", "1")
    assert done.returncode == 0, done.stderr
    assert verify(run).lines == []


def test_cases_that_are_tried_on_and_tested_are_named(
    tool: Runner, out: Path, tmp_path: Path
) -> None:
    shutil.copytree(out, tmp_path / "out")
    options = "--regimes", "fixed_budget", "--folds", "1", "--out", tmp_path / "out"
    done = tool("run_table", *SHORT, "--data.n-development", "0", *options)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "out" / TABLE
    (fold, *_) = json.loads((run / "splits.json").read_text())["folds"]
    trial = storage.read_record(out / TRIAL)
    met = {*fold["test"]} & trial["cases"].keys()
    assert 0 < len(met) < 12
    words = (
        f"settings were tried on {len(met)} of the 12 test cases, which have "
        f"{100 * len(met) / 12:.0f} % of the results: "
    )
    assert f"Remark: {words}" in done.stdout
    assert verify(run).lines == []
    # Merged results name them without the trial.
    shutil.rmtree(tmp_path / "out" / RUN)
    done = tool("merge_results", run, "--to", tmp_path / "merged")
    assert done.returncode == 0, done.stderr
    assert words in (tmp_path / "merged/comparison.md").read_text()
    assert words in tool("merge_results", "--to", tmp_path / "merged").stdout


def test_old_trials_in_the_run_itself_are_named(out: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(out, tmp_path / "out")) / RUN
    old = run / "fold-1/development/unet-r6-s0-fixed-budget"
    old.mkdir(parents=True)
    shutil.copy(run / "fold-1/unet-r6-s0-fixed-budget/provenance.json", old)
    found = read_identity(run)
    fold = found.fold(1)
    assert found.tried == {*fold.training} - {*fold.reduced}
    assert found.tried


def test_masks_are_the_pseudo_labels_and_earlier_rows_are_taken(
    tool: Runner, out: Path, tmp_path: Path
) -> None:
    fold = out / RUN / "fold-1"
    manifest = storage.read_record(fold / "synthetic/manifest.json")
    assert manifest["pseudo_labels"] == {
        f"pseudo-labels/member-{number}": storage.hash_file(
            fold / f"pseudo-labels/member-{number}/model.safetensors"
        )
        for number in (1, 2)
    }
    for number in (1, 2):
        provenance = storage.read_record(
            fold / f"pseudo-labels/member-{number}/provenance.json"
        )
        assert provenance["training_cases"] == manifest["training_cases"]
        assert (provenance["unet"]["augment"], provenance["unet"]["keep"]) == (
            *("elastic", "last"),
        )
    # The same generator's own masks, not augmented: other masks and other images.
    settings = [*RECIPE[:2], *RECIPE[4:11]]
    shutil.copytree(out / RUN / "fold-1/gan", tmp_path / RUN / "fold-1/gan")
    told = tried(tool, tmp_path, *settings, "--baseline", out / RUN)
    plain = read_set(tmp_path / RUN / "fold-1/synthetic")
    taught = read_set(fold / "synthetic")
    for part in (0, 1):
        assert not np.array_equal(plain[part], taught[part])
    # Rows of an earlier trial are taken, if of real pairs alone: these do not depend on
    # their share in a mini-batch either.
    row = f"{RUN}/fold-1/unet-r6-s0-fixed-budget/provenance.json"
    assert (tmp_path / row).read_bytes() == (out / row).read_bytes()
    assert " U-Net 6 real + 6 synthetic (fixed budget) " in told
    assert " U-Net 6 real + 0 synthetic (fixed budget) " not in told


def test_the_control_has_the_training_cases_for_images(out: Path) -> None:
    fold = out / RUN / "fold-1"
    control, drawn = (
        storage.read_record(fold / name / "manifest.json")
        for name in ("synthetic-control", "synthetic")
    )
    assert (control["kind"], drawn["kind"]) == ("control", "plain")
    assert control["generator_sha256"] is None
    # Drawn in the same way in all else.
    for name in ("z_seed", "synthesis", "pseudo_labels", "training_cases", "gan"):
        assert control[name] == drawn[name]
    assert len(control["pairs"]) == len(drawn["pairs"]) == 6
    images, _ = read_set(fold / "synthetic-control")
    generated, _ = read_set(fold / "synthetic")
    assert not np.array_equal(images, generated)
    provenance = storage.read_record(
        fold / "unet-r6-s6-control-fixed-budget/provenance.json"
    )
    assert provenance["regime"]["set"] == "control"
    assert provenance["synthetic_set"]["manifest_sha256"] == storage.hash_file(
        fold / "synthetic-control/manifest.json"
    )


def test_a_control_is_not_exported(tool: Runner, out: Path, tmp_path: Path) -> None:
    fold = Path(shutil.copytree(out, tmp_path / "out")) / RUN / "fold-1"
    control = fold / "synthetic-control"
    done = tool("export_set", fold.parent, "--fold", "1", "--set", control)

    assert done.returncode == 2
    assert "is a control, made of the training" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            ["--unet.maps", "3"],
            "unet-r6-s0-fixed-budget/provenance.json: is of another run",
        ),
        (["--data.n-development", "0"], "--data.n-development 0: settings are tried"),
        (["--data.n-development", "5"], "--data.n-development 5: 5 cases are too few"),
        (["--unet.batch", "1"], "--unet.batch 1: expected 2 or more"),
        (
            ["--gan.latent-codes", "--gan.z-dim", "5"],
            "--gan.z-dim 5: expected 6 or more",
        ),
        (["--gan.minibatch-stddev", "3"], "expected a divisor of --gan.batch 4"),
        (["--control"], "--control: expected --synthesis.augment: training cases"),
    ],
)
def test_what_cannot_be_tried_is_said(
    tool: Runner, out: Path, tmp_path: Path, options: list[str], complaint: str
) -> None:
    where = *("--fold", "1", "--out", tmp_path), *("--baseline", out / RUN)
    done = tool("try_recipe", *SHORT, *RECIPE[-2:], *where, *options)

    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_generator_that_knows_its_cases_by_code_is_not_handed_on(
    tool: Runner, out: Path, tmp_path: Path
) -> None:
    shutil.copytree(out, tmp_path / "out")
    done = tool("export_generator", tmp_path / "out", "--fold", "1")

    assert done.returncode == 2
    assert "has a generator with latent codes, which can give its" in done.stderr


def test_the_table_of_a_recipe_is_verified(
    tool: Runner, out: Path, tmp_path: Path
) -> None:
    shutil.copytree(out, tmp_path / "out")
    options = *("--folds", "1"), *("--regimes", "all"), *("--out", tmp_path / "out")
    done = tool("run_table", *SHORT, *RECIPE, "--control", *options)
    assert done.returncode == 0, done.stderr
    assert "; 18 development cases in no fold" in done.stdout
    assert "settings were tried" not in done.stdout
    run = tmp_path / "out" / TABLE
    found = storage.read_record(run / "comparison.json")["comparisons"]
    # The primary pair is tested alone.
    numbers = sorted(pair["n_pairs"] for pair in found)
    assert numbers == [1] + [12] * 12 + [18] * 18
    page = write_report(run).read_text()
    assert page.count("Is it due to the generator?") == 1
    assert verify(run).lines == []

    member = run / "fold-1/pseudo-labels/member-2/model.safetensors"
    own = member.read_bytes()
    shutil.copy(run / "fold-1/pseudo-labels/member-1/model.safetensors", member)
    named = {line.split(": stored ")[0] for line in verify(run).lines}
    expected = {
        f"fold-1/{name}/manifest.json: pseudo_labels.pseudo-labels/member-2"
        for name in ("synthetic", "synthetic-control")
    }
    expected.add("fold-1/pseudo-labels/member-2/model.safetensors: provenance.member")
    assert expected <= named
    member.write_bytes(own)

    # A control is not taken for a synthetic set.
    fold = run / "fold-1"
    shutil.rmtree(fold / "synthetic")
    shutil.copytree(fold / "synthetic-control", fold / "synthetic")
    where = "--fold", "1", "--out", tmp_path / "out", "--real", "6", "--synthetic", "6"
    done = tool("train_unet", *SHORT, *RECIPE, *where)
    assert done.returncode == 2
    assert "(kind: plain against control)" in done.stderr


def test_a_synthetic_set_in_the_control_s_place_is_found(
    out: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(out, tmp_path / "out")) / RUN
    control = run / "fold-1/synthetic-control"
    differences = Differences(run)
    record = read_identity(run)
    stages = plan_again(record)
    again = record, stages, stages["fold-1/synthetic-control"], differences
    recount(*again)
    assert differences.lines == []
    shutil.rmtree(control)
    shutil.copytree(run / "fold-1/synthetic", control)

    recount(*again)

    manifest = "fold-1/synthetic-control/manifest.json"
    assert f"{manifest}: kind: stored plain, recomputed control" in differences.lines
