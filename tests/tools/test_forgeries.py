"""What was made from other settings, cases or networks than the run has is named.

Every forgery is as its forger would leave it: with all hashes up to date.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tools.conftest import SMALL_NETWORKS, TINY
from tfgansynth.evaluation.predictions import read_predictions
from tfgansynth.records.files import MODEL, pseudo_label_name
from tfgansynth.reporting.verification.verify import verify
from tfgansynth.runtime import storage

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

SETTINGS = (
    *TINY,
    *SMALL_NETWORKS,
    *("--synthesis.pseudo-label-members", "1", "--synthesis.pseudo-label-steps", "3"),
    *("--gan.average-decay", "0.9", "--data.folds", "2"),
)
GAN, SET, UNET = "fold-1/gan", "fold-1/synthetic", "fold-1/unet-r6-s6"
MEMBER = f"fold-1/{pseudo_label_name(1)}"


@pytest.fixture(scope="module")
def original(tool: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    done = tool("run_table", *SETTINGS, "--folds", "1", "--out", out)
    assert done.returncode == 0, done.stderr
    return out / "phantoms-reduced-smoke-seed0"


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / original.name))


def reseal(path: Path, change: Callable[[Any], Any]) -> None:
    """Change a record, and its hash with it."""
    record = storage.read_record(path)
    change(record)
    storage.write_record(path, record)


def redo_hashes(run: Path) -> None:
    """Bring the hashes of sets and files up to date."""
    manifest = run / SET / "manifest.json"

    def pairs(record: Any) -> None:
        for entry in record["pairs"]:
            for kind in ("image", "mask"):
                path = manifest.parent / f"{kind}s" / entry["name"]
                entry[f"{kind}_sha256"] = storage.hash_file(path)

    reseal(manifest, pairs)

    def reference(record: Any) -> None:
        if record.get("synthetic_set"):
            made = storage.read_record(manifest)
            record["synthetic_set"] = {
                "manifest_sha256": storage.hash_file(manifest),
                **{k: made[k] for k in ("generator_sha256", "training_cases")},
            }
        record["files"] = storage.hash_files(path.parent, record["files"])

    for path in run.glob("fold-*/**/provenance.json"):
        reseal(path, reference)


def a_test_case(run: Path) -> dict[str, str]:
    name = storage.read_record(run / "splits.json")["folds"][0]["test"][0]
    return {name: storage.read_record(run / "cases.json")["cases"][name]}


def test_a_sound_run_is_verified(run: Path) -> None:
    (run / ".DS_Store").touch()
    (run / "fold-1/report.html.partial").touch()
    found = verify(run)
    assert found.lines == found.notes == []


def of_config(name: str, value: Any) -> Callable[[Path], None]:
    def forge(run: Path) -> None:
        reseal(run / "config.json", lambda r: r["config"]["gan"].update({name: value}))

    return forge


def of_network_version(run: Path) -> None:
    reseal(run / "config.json", lambda record: record["networks"].update(gan=1))


def of_generator_hash(run: Path) -> None:
    reseal(run / SET / "manifest.json", lambda r: r.update(generator_sha256="0" * 64))


def of_gan_in_manifest(run: Path) -> None:
    reseal(run / SET / "manifest.json", lambda record: record["gan"].update(batch=128))


def of_seed_in_manifest(run: Path) -> None:
    reseal(run / SET / "manifest.json", lambda record: record.update(z_seed=1))


def of_pseudo_labels(run: Path) -> None:
    case = a_test_case(run)
    path = run / MEMBER / "provenance.json"
    reseal(path, lambda record: record["training_cases"].update(case))


def of_model(run: Path) -> None:
    shutil.copy(run / MEMBER / MODEL, run / UNET / MODEL)


def of_files(run: Path) -> None:
    reseal(run / UNET / "provenance.json", lambda r: r["files"].pop(MODEL))


def of_history(run: Path) -> None:
    path = run / UNET / "history.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))


def of_gan_history(run: Path) -> None:
    path = run / GAN / "history.csv"
    path.write_text(path.read_text().replace("0.", "1.", 1))


def of_identity(run: Path) -> None:
    reseal(run / UNET / "provenance.json", lambda r: r.update(identity="0" * 64))


def of_invented_remark(run: Path) -> None:
    reseal(run / "comparison.json", lambda r: r["remarks"].append(r["remarks"][0]))


def of_deleted_remarks(run: Path) -> None:
    reseal(run / "comparison.json", lambda record: record.update(remarks=[]))


def of_unsealed_network(run: Path) -> None:
    (run / UNET / "provenance.json").unlink()


def of_gan(run: Path) -> None:
    shutil.rmtree(run / GAN)


def of_data_set(run: Path) -> None:
    paths = [*run.glob("fold-1/unet-*/provenance.json"), run / SET / "manifest.json"]
    for path in paths:
        reseal(path, lambda r: r["dataset"].update(name="jsrt247", layout="jsrt"))


def of_foreign_file(run: Path) -> None:
    (run / UNET / "better.csv").touch()


def of_foreign_network(run: Path) -> None:
    shutil.copytree(run / UNET, run / "fold-1/unet-r5-s6")


@pytest.mark.parametrize(
    ("forge", "line"),
    [
        (of_config("steps", 7), f"{GAN}/provenance.json: gan.steps: stored 6, "),
        (of_network_version, f"{GAN}/provenance.json: network_version: stored 2, "),
        (of_generator_hash, f"{SET}/manifest.json: generator_sha256: stored 000"),
        (of_gan_in_manifest, f"{SET}/manifest.json: gan.batch: stored 128, "),
        (of_seed_in_manifest, f"{SET}/manifest.json: z_seed: stored 1, "),
        (of_pseudo_labels, f"{MEMBER}/provenance.json: training_cases.phantom-"),
        (of_model, f"{UNET}/{MODEL}: provenance.stage: stored pseudo-label"),
        (of_files, f"{UNET}/provenance.json: files.{MODEL}: stored nothing"),
        (of_history, f"{UNET}/history.csv: ends after 1 epochs"),
        (of_gan_history, f"{GAN}/history.csv: line "),
        (of_identity, f"{UNET}/provenance.json: identity: stored 000"),
        (of_invented_remark, "comparison.json: remarks: stored "),
        (of_deleted_remarks, "comparison.json: remarks: stored 0 items"),
        (of_unsealed_network, f"{UNET}: has results but no provenance.json"),
        (of_gan, f"{GAN}: is missing or not finished, and {SET} was made from it"),
        (of_data_set, f"{UNET}/provenance.json: dataset.name: stored jsrt247, "),
        (of_foreign_file, f"{UNET}/better.csv: is no file of this run"),
        (of_foreign_network, "fold-1/unet-r5-s6/cases.csv: is no file of this run"),
    ],
)
def test_a_forgery_is_named(
    run: Path, forge: Callable[[Path], None], line: str
) -> None:
    forge(run)
    redo_hashes(run)
    assert any(found.startswith(line) for found in verify(run).lines)


def put_test_cases_into_set(run: Path, *, masks: bool) -> None:
    tests = read_predictions(run / UNET / "predictions.npz")
    for number, shown in enumerate(tests.shown, start=1):
        name = f"synthetic-{number:05d}.png"
        if masks:
            mask = tests.truths[shown].astype(np.uint8) * np.uint8(255)
            storage.write_png(run / SET / "masks" / name, mask)
        else:
            image = tests.shown_images[number - 1]
            storage.write_png(run / SET / "images" / name, image)
    redo_hashes(run)


@pytest.mark.parametrize("masks", [True, False])
def test_test_cases_in_a_set_are_named(run: Path, masks: bool) -> None:
    put_test_cases_into_set(run, masks=masks)
    lines = verify(run).lines
    for number in (1, 2, 3):
        name = f"{SET}/synthetic-{number:05d}.png"
        assert any(line.startswith(f"{name}: is image or mask of ") for line in lines)


def test_a_network_that_is_gone_is_noted(run: Path) -> None:
    shutil.rmtree(run / UNET)
    assert verify(run).notes == [
        f"{run.name}/{UNET}: is not compared (trained, and gone since)"
    ]


def train_unet(tool: Runner, run: Path) -> "subprocess.CompletedProcess[str]":
    counts = ("--real", "5", "--synthetic", "6")
    options = ("--fold", "1", *counts, "--out", run.parent)
    return tool("train_unet", *SETTINGS, *options)


def test_other_counts_are_noted(run: Path, tool: Runner) -> None:
    done = train_unet(tool, run)
    assert done.returncode == 0, done.stderr
    found = verify(run)
    assert found.lines == []
    (note,) = found.notes
    assert note.endswith("fold-1/unet-r5-s6: is not compared (other counts or budget)")


def test_a_pseudo_label_network_of_test_cases_is_refused(
    run: Path, tool: Runner
) -> None:
    of_pseudo_labels(run)
    for done in (
        train_unet(tool, run),
        tool("run_table", *SETTINGS, "--folds", "1", "--out", run.parent),
    ):
        assert done.returncode == 2
        assert f"{MEMBER}/provenance.json: was trained on test cases" in done.stderr


@pytest.mark.parametrize("damaged", [f"{MEMBER}/{MODEL}", f"{UNET}/predictions.npz"])
def test_a_damaged_file_is_noticed_by_a_rerun(
    run: Path, tool: Runner, damaged: str
) -> None:
    content = bytearray((run / damaged).read_bytes())
    content[-1] ^= 1
    (run / damaged).write_bytes(content)
    done = tool("run_table", *SETTINGS, "--folds", "1", "--out", run.parent)
    assert done.returncode == 2
    assert f"{damaged}: was altered since it was written" in done.stderr


def test_a_set_of_test_images_is_refused(run: Path, tool: Runner) -> None:
    put_test_cases_into_set(run, masks=False)
    done = train_unet(tool, run)
    assert done.returncode == 2
    assert f"{SET}: has images of test cases of fold 1 (phantom-" in done.stderr
    assert json.loads((run / "comparison.json").read_text())
