"""No stored number can be changed without being found, not even if sealed anew."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.tools.conftest import SMALL_NETWORKS, TINY
from tfgansynth.evaluation.predictions import read_predictions, write_predictions
from tfgansynth.experiment.run_folder import LEASES
from tfgansynth.records.files import MODEL, REPORT, cross_fit_name
from tfgansynth.reporting.html.page import write_report
from tfgansynth.reporting.verification.verify import verify
from tfgansynth.runtime import storage
from tfgansynth.runtime.processes import leases

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

SETTINGS = (
    *TINY,
    *SMALL_NETWORKS,
    # As many as features of halves can be compared.
    *("--data.n-reduced", "12", "--evaluation.cross-fit-steps", "4"),
    # Any diversity of samples counts as a mode collapse.
    *("--gan.mode-collapse-share", "9"),
)
UNET = "fold-1/unet-r12-s6"


@pytest.fixture(scope="module")
def original(tool: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny run, with an assessment."""
    out = tmp_path_factory.mktemp("runs")
    done = tool("run_table", *SETTINGS, "--folds", "1", "--assess", "--out", out)
    assert done.returncode == 0, done.stderr
    return out / "phantoms-reduced-smoke-seed0"


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    copied = Path(shutil.copytree(original, tmp_path / original.name))
    # It shows all that the others have, and would be named with each of them.
    (copied / REPORT).unlink()
    return copied


def test_an_untouched_run_is_verified(cold_tool: Runner, original: Path) -> None:
    done = cold_tool("verify", original)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    found = re.fullmatch(
        r"VERIFIED: (\d+) numbers of (\d+) files recomputed, 0 differences", line
    )
    assert found
    assert int(found[1]) > 1000
    assert int(found[2]) > 25


def test_a_renamed_run_is_verified(run: Path) -> None:
    assert not verify(run.rename(run.with_name("mine"))).lines


def test_a_run_is_verified_while_a_command_works_on_it(run: Path) -> None:
    """Or when one was killed, which leaves its lease."""
    with leases.held(run / LEASES / "command-0123"):
        assert not verify(run).lines


def test_only_results_are_verified(tool: Runner, tmp_path: Path) -> None:
    done = tool("verify", tmp_path)
    assert done.returncode == 2
    assert "has no comparison.json and no curve.json" in done.stderr


def reseal(path: Path, change: Callable[[Any], None]) -> None:
    """Change a record, and its hash with it."""
    record = json.loads(path.read_text())
    sealed = record.pop("sha256", None) is not None
    change(record)
    storage.write_json(path, storage.seal(record) if sealed else record)


def reseal_unet(run: Path) -> None:
    """Bring the hashes of a U-Net's files up to date, as a forger would."""

    def change(record: Any) -> None:
        record["files"] = storage.hash_files(run / UNET, record["files"])

    reseal(run / UNET / "provenance.json", change)


def altered(value: float) -> float:
    """The number with another last digit, and so another number."""
    if isinstance(value, int):
        return value + 1
    mantissa, _, exponent = repr(value).partition("e")
    others = (f"{mantissa[:-1]}{digit}e{exponent or 0}" for digit in range(10))
    return next(other for other in map(float, others) if other != value)


def leaves(record: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every number of a record: its place, what holds it, and under which key."""
    items = record.items() if isinstance(record, dict) else enumerate(record)
    for key, value in items:
        name = f"{place}[{key}]" if isinstance(record, list) else f"{place}.{key}"
        if isinstance(value, dict | list):
            yield from leaves(value, name)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name.lstrip("."), record, key


RECORDS = {
    "table.json": ("rows[0].ours.dice.mean", "n_test_cases", "rows[2].paper.dice.sd"),
    "comparison.json": (
        "tables[0].rows[1].metrics.hausdorff_px.median",
        "tables[0].rows[2].dice_by_seed.0",
        "comparisons[0].metrics.dice.low",
        "comparisons[1].metrics.hausdorff_95_px.p_holm",
        "comparisons[2].design.per_run",
        "comparisons[0].margin",
        "unets[0].fold",
    ),
    "fold-1/synthetic/manifest.json": (
        "drawn",
        "dropped_for_an_empty_mask",
        "z_seed",
        "synthesis.mask_threshold",
    ),
    f"{UNET}/provenance.json": ("regime.n_synthetic", "unet.fixed_steps", "seed"),
    "fold-1/assessment/assessment.json": (
        "n_held_out",
        "quality.agreement.synthetic.mean",
        "quality.agreement.real.quantiles[3]",
        "quality.plausibility.synthetic",
        "fidelity.shapes.area_share.difference.low",
        "fidelity.neighbors",
        "cross_fit.cross-fit/member-2.agreement",
        "fidelity.figures.density.synthetic.high",
        "fidelity.figures.kid.real_reference.value",
        "fidelity.expected_coverage",
        "fidelity.hash_diversity.synthetic",
        "memorization.parts.mask.expected_share_interval[1]",
        "memorization.parts.pair.copy_bound",
        "membership.advantage.mask.low",
    ),
}


ELSEWHERE = {
    "dropped_for_an_empty_mask": "fold-1/synthetic/manifest.json: drawn: ",
}
"""Numbers that others are checked against: it is these that are named."""


@pytest.mark.parametrize(
    ("name", "place"),
    [(name, place) for name, places in RECORDS.items() for place in places],
)
def test_one_altered_digit_of_a_record_is_named(
    run: Path, name: str, place: str
) -> None:
    def change(record: Any) -> None:
        found = {where: (holder, key) for where, holder, key in leaves(record)}
        holder, key = found[place]
        holder[key] = altered(holder[key])

    reseal(run / name, change)

    expected = ELSEWHERE.get(place, f"{name}: {place}: stored ")
    assert any(line.startswith(expected) for line in verify(run).lines)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("remarks", ["GAN of 12 cases: all is well"]),
        ("kept_by_hash_alone", 2),
        ("kept_with_an_empty_mask", 1),
    ],
)
def test_other_problems_of_a_set_are_named(run: Path, name: str, value: Any) -> None:
    path = run / "fold-1/synthetic/manifest.json"
    (remark,) = storage.read_record(path)["remarks"]
    assert remark.startswith("GAN of 12 cases: mode collapse: ")
    assert f"REMARK: fold 1, {remark}" in (run / "table.md").read_text()
    reseal(path, lambda record: record.update({name: value}))

    words = f"fold-1/synthetic/manifest.json: {name}"
    assert any(line.startswith(words) for line in verify(run).lines)


@pytest.mark.parametrize("name", ["held_out", "features", "identity"])
def test_other_words_of_an_assessment_are_named(run: Path, name: str) -> None:
    def change(record: Any) -> None:
        (record["fidelity"] if name == "features" else record)[name] = "others"

    reseal(run / "fold-1/assessment/assessment.json", change)
    (line,) = verify(run).lines
    assert f"{name}: stored others, " in line


@pytest.mark.parametrize(
    "name",
    [
        *("table.csv", "table.md", "comparison.md", "other-figures.md"),
        *(f"{UNET}/cases.csv", f"{UNET}/figures.csv"),
    ],
)
def test_one_altered_digit_of_a_text_is_named(run: Path, name: str) -> None:
    path = run / name
    text = path.read_text()
    # The last number with four decimals or more.
    *_, found = re.finditer(r"0\.\d{3,}\d", text)
    number = found[0][:-1] + str((int(found[0][-1]) + 1) % 10)
    path.write_text(text[: found.start()] + number + text[found.end() :])
    reseal_unet(run)
    line = text[: found.start()].count("\n") + 1

    (difference,) = verify(run).lines

    assert difference.startswith(f"{name}: line {line}, ")
    assert "stored" in difference


def test_one_altered_digit_of_the_report_is_named(run: Path) -> None:
    path = write_report(run)
    text = path.read_text()
    dice = storage.read_record(run / "comparison.json")["tables"][0]["rows"][0][
        "metrics"
    ]
    shown = f"{dice['dice']['mean']:.4f}"
    assert shown in text
    path.write_text(text.replace(shown, f"{altered(float(shown)):.4f}", 1))
    (difference,) = verify(run).lines
    assert difference.startswith("report.html: line ")
    assert shown in difference.partition("recomputed ")[2]


def test_a_page_of_other_results_takes_one_line(run: Path) -> None:
    path = write_report(run)
    path.write_text(path.read_text().replace("<p>", "<p> earlier "))
    (difference,) = verify(run).lines
    assert difference.startswith("report.html: differs in ")
    assert difference.endswith("report writes it again")


def test_a_changed_verdict_is_named(run: Path) -> None:
    def change(record: Any) -> None:
        # Withheld, as networks this small have not learned.
        assert record["comparisons"][0]["verdict"] is None
        record["comparisons"][0]["verdict"] = {"direction": "lower", "size": "above"}

    reseal(run / "comparison.json", change)
    (difference,) = verify(run).lines
    assert difference.startswith("comparison.json: comparisons[0].verdict: stored ")


def test_a_flipped_bit_of_a_prediction_is_named(run: Path, tool: Runner) -> None:
    path = run / UNET / "predictions.npz"
    answered = read_predictions(path)
    answered.predictions[3, 10, 10] ^= True
    write_predictions(path, answered)
    reseal_unet(run)

    done = tool("verify", run)

    assert done.returncode == 1
    assert done.stderr == ""
    *lines, summary = done.stdout.splitlines()
    assert lines[0].startswith(f"{UNET}/cases.csv: line 5, dice: stored 0.")
    assert len(lines) == 21
    n_more = int(re.fullmatch(r"\.\.\. and (\d+) more", lines[-1])[1])  # type: ignore[index]
    assert summary.startswith("DIFFERENT: ")
    differences = verify(run).lines
    assert summary.endswith(f", {20 + n_more} differences")
    assert len(differences) == 20 + n_more
    for place in (
        "comparison.json: tables[0].rows[1].metrics.dice.mean",
        "table.json: rows[1].ours.dice.mean",
        "table.csv: line 3, dice_mean",
    ):
        assert any(line.startswith(f"{place}: ") for line in differences)


def test_another_true_mask_for_one_unet_is_named(run: Path) -> None:
    path = run / UNET / "predictions.npz"
    answered = read_predictions(path)
    answered.truths[3] = np.roll(answered.truths[3], 1)
    write_predictions(path, answered)
    assert any(
        line == f"{UNET}/predictions.npz: truths, {answered.case_ids[3]}: not the mask "
        "of other U-Nets"
        for line in verify(run).lines
    )


def test_a_damaged_file_is_named_once(run: Path) -> None:
    path = run / UNET / "predictions.npz"
    path.write_bytes(path.read_bytes()[:-30])
    lines = verify(run).lines
    assert lines[0].startswith(f"{UNET}: cannot be recomputed (")
    assert [line.partition(": ")[0] for line in lines[1:]] == [
        "comparison.json",
        "table.json",
        f"{UNET}/provenance.json",
    ]
    assert "files.predictions.npz: stored " in lines[-1]


def test_a_missing_network_of_an_ensemble_is_named(run: Path) -> None:
    path = run / "fold-1" / cross_fit_name(2) / MODEL
    path.unlink()
    *others, line = verify(run).lines
    assert line == f"fold-1/assessment: cannot be recomputed ({path}: is missing)"
    assert all(other.startswith(f"fold-1/{cross_fit_name(2)}") for other in others)


def test_a_changed_synthetic_image_is_named(run: Path) -> None:
    path = run / "fold-1/synthetic/images/synthetic-00002.png"
    with Image.open(path) as image:
        pixels = np.array(image)
    storage.write_png(path, 255 - pixels)
    (line,) = verify(run).lines
    assert "synthetic-00002.png: was altered since it was written" in line

    def change(record: Any) -> None:
        record["pairs"][1]["image_sha256"] = storage.hash_file(path)

    manifest = path.parents[1] / "manifest.json"
    reseal(manifest, change)
    places = {line.partition(": stored")[0] for line in verify(run).lines}
    assert "fold-1/synthetic/manifest.json: pairs[1].perceptual_hash" in places
    assert f"{UNET}/provenance.json: synthetic_set.manifest_sha256" in places


def test_a_pair_that_is_not_in_the_manifest_is_named(run: Path) -> None:
    images = run / "fold-1/synthetic/images"
    shutil.copy(images / "synthetic-00001.png", images / "synthetic-00007.png")
    assert verify(run).lines == [
        "fold-1/synthetic/images/synthetic-00007.png: is not in the manifest"
    ]


def test_another_split_is_named(run: Path) -> None:
    def change(record: Any) -> None:
        fold = record["folds"][1]
        fold["training"], fold["validation"] = fold["validation"], fold["training"]

    reseal(run / "splits.json", change)
    assert verify(run).lines[0].startswith("splits.json: folds[1].training")


@pytest.mark.parametrize(
    "name",
    ["null_pair", "features_synthetic_1", "segmented_synthetic", "shapes_held_out"],
)
def test_a_changed_array_of_an_assessment_is_found(run: Path, name: str) -> None:
    path = run / "fold-1/assessment/assessment.npz"
    arrays = storage.read_arrays(path)
    changed = arrays[name].copy()
    changed.flat[0] = changed.flat[0] / 2 if changed.dtype.kind == "f" else 85
    storage.write_arrays(path, {**arrays, name: changed})

    def change(record: Any) -> None:
        record["files"] = storage.hash_files(path.parent, record["files"])

    reseal(path.with_name("assessment.json"), change)
    assert verify(run).lines


def test_rounding_is_for_the_last_digits_only(run: Path) -> None:
    def change(record: Any) -> None:
        record["comparisons"][0]["metrics"]["dice"]["low"] *= 1 + 1e-13

    reseal(run / "comparison.json", change)
    assert verify(run).lines
    assert not verify(run, rounding=1e-9).lines
