"""All baselines through the real script: trained, shown, verified and merged."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.conftest import SMALL_NETWORKS, TINY, write_phantoms
from tfgansynth.records.regimes import AUGMENTED, BASELINES
from tfgansynth.reporting.merging import merge, verify_merged
from tfgansynth.reporting.verification.verify import verify
from tfgansynth.runtime import storage

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

PRIMARY = (
    "real (unlabelled, augmented)",
    "real + synthetic (unlabelled, augmented)",
)
ALL = (
    *(*TINY, *SMALL_NETWORKS, "--folds", "1", "--regimes", "fixed_budget"),
    *("--baselines", "all", "--primary", *PRIMARY),
    *("--synthesis.pseudo-label-members", "1", "--synthesis.pseudo-label-steps", "1"),
    *("--evaluation.budgets", "2", "--evaluation.budget-epoch", "1"),
    # The generator learns from the same images.
    *("--gan.unlabelled", "--assess", "--evaluation.cross-fit-steps", "1"),
)


@pytest.mark.slow
def test_every_baseline_is_trained_shown_verified_and_merged(
    tool: Runner, tmp_path: Path
) -> None:
    (data := tmp_path / "phantoms").mkdir()
    (write_phantoms(data, 33, 64) / "unlabelled").mkdir()
    for number in (1, 2, 3):
        film = data / f"images/phantom-{number:03}.png"
        film.rename(data / f"unlabelled/film-{number}.png")
        (data / "masks" / film.name).unlink()
    arguments = *ALL, "--target", "lungs", "--data", data, "--out", tmp_path
    done = tool("run_table", *arguments)

    assert done.returncode == 0, done.stderr
    assert f"Primary pair: {PRIMARY[1]} against {PRIMARY[0]}, on" in done.stdout
    run = tmp_path / "phantoms-reduced-smoke-seed0"
    record = storage.read_record(run / "comparison.json")
    (table,) = record["tables"]
    assert {row.get("baseline") for row in table["rows"]} == {None, *BASELINES}
    # Those that augment otherwise are two each, of unlabelled three.
    assert len(table["rows"]) == 5 + len(BASELINES) + len(AUGMENTED) + 2
    (primary,) = (pair for pair in record["comparisons"] if pair["is_primary"])
    assert (primary["first"], primary["second"]) == PRIMARY
    names = {path.name for path in run.glob("fold-1/unet-*/*")}
    assert {"model.safetensors", "history.csv"} <= names
    ensemble = run / "fold-1/unet-r6-s0-pseudo-label-ensemble"
    assert sorted(path.name for path in ensemble.iterdir()) == [
        *("cases.csv", "figures.csv", "predictions.npz", "predictions.png"),
        *("provenance.json", "validation.json"),
    ]
    for shown in (run / "report.html", run / "comparison.md"):
        assert "real (unlabelled, fixed budget)" in shown.read_text()
    assert "Does it do more than other ways" in (run / "report.html").read_text()
    assert not verify(run).lines
    merge([run], tmp_path / "merged")
    merged = tmp_path / "merged/comparison.md"
    assert merged.read_text() == (run / "comparison.md").read_text()
    assert not verify_merged(tmp_path / "merged").lines

    # What was made by another ensemble than the one that is there is named.
    path = run / "fold-1/unet-r6-s0-unlabelled-fixed-budget/provenance.json"
    provenance = storage.read_record(path)
    known = storage.read_record(run / "cases.json")
    split = storage.read_record(run / "splits.json")["folds"][0]
    left_out = {*split["training"]} - {*split["reduced"]}
    films = {"film-1", "film-2", "film-3"}
    assert (
        {*provenance["unlabelled_cases"]}
        == left_out | films
        == left_out | {*known["unlabelled"]}
    )
    assert provenance["dataset"]["n_unlabelled"] == 3
    manifest = storage.read_record(run / "fold-1/synthetic/manifest.json")
    gan = storage.read_record(run / "fold-1/gan/provenance.json")
    for made in (gan, manifest):
        assert made["unlabelled_cases"] == provenance["unlabelled_cases"]
        assert {*made["training_cases"]} == {*split["reduced"]} | left_out | films
    assessed = storage.read_record(run / "fold-1/assessment/assessment.json")
    assert assessed["n_unlabelled"] == len(left_out | films)
    assert assessed["membership"]["n_others"] == len(split["validation"])
    provenance["pseudo_labels"] = {"pseudo-labels/member-1": "0" * 64}
    storage.write_record(path, provenance)
    assert any("pseudo_labels" in line for line in verify(run).lines)
    again = tool("run_table", *arguments)
    assert again.returncode == 2
    assert "pseudo_labels.pseudo-labels/member-1" in again.stderr
