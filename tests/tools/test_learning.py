"""A network that has learned nothing gives no verdict, wherever results are shown."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.conftest import SMALL_NETWORKS, TINY
from tests.tools.test_verify import reseal
from tfgansynth.records import converter
from tfgansynth.records.comparisons import Comparison
from tfgansynth.reporting.cards.findings import evaluation_section
from tfgansynth.reporting.html.page import write_report
from tfgansynth.reporting.merging import merge
from tfgansynth.reporting.verification.verify import verify
from tfgansynth.runtime import storage

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow

SETTINGS = (*TINY, *SMALL_NETWORKS, "--folds", "1")
LEARNING = (
    *("--unet.maps", "8", "--unet.learning-rate", "0.02"),
    *("--unet.max-epochs", "75", "--unet.min-steps", "150"),
    *("--unet.average-decay", "0.5"),
)
UNET = "fold-1/unet-r6-s0"


@pytest.fixture(scope="module")
def unlearned(
    tool: Runner, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A run whose U-Nets have a learning rate of 0, and what it printed."""
    out = tmp_path_factory.mktemp("runs")
    done = tool("run_table", *SETTINGS, "--unet.learning-rate", "0", "--out", out)
    assert done.returncode == 0, done.stderr
    return out / "phantoms-reduced-smoke-seed0", done.stdout


@pytest.fixture
def run(unlearned: tuple[Path, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(unlearned[0], tmp_path / unlearned[0].name))


def figures(run: Path) -> str:
    """The figures of the network of real pairs alone, as they are shown."""
    found = json.loads((run / UNET / "validation.json").read_text())
    assert found["network"] < found["mean_mask"]
    assert found["all_foreground"] < found["mean_mask"]
    return (
        f"Dice {found['network']:.4f} on validation cases against "
        f"{found['mean_mask']:.4f} of the best constant mask, the mean training mask"
    )


def test_all_that_is_shown_says_that_it_has_not_learned(
    unlearned: tuple[Path, str], run: Path
) -> None:
    printed, said = unlearned[1], figures(run)
    remark = f"fold 1, 6 real + 0 synthetic: has not learned: {said}"
    _, below = printed.split("  fold 1, U-Net 6 real + 0 synthetic ")
    assert below.splitlines()[1].strip() == f"remark: has not learned: {said}"
    # All are of one rate: the others are like the first.
    assert f"\nRemark: {remark} (and 2 more like it)\n" in printed
    question = "Does the synthetic set help? No verdict: networks have not learned."
    assert f"\n{question}\nNo verdict on mixed against real only: " in printed
    assert f"REMARK: {remark}" in (run / "table.md").read_text()
    assert remark in (run / "table.csv").read_text()
    comparison = converter.read(run / "comparison.json", Comparison)
    assert {pair.verdict for pair in comparison.comparisons} == {None}
    sentence = comparison.comparisons[0].sentence
    assert sentence == (
        "No verdict on mixed against real only: real only has not learned in fold 1 of "
        f"seed 0 ({said})."
    )
    assert sentence in (run / "comparison.md").read_text()
    assert "**withheld**" in (run / "comparison.md").read_text()
    card = evaluation_section(comparison)
    assert sentence in card
    assert remark in card
    page = write_report(run).read_text()
    assert "No verdict: networks have not learned." in page
    assert sentence in page
    assert remark in page
    assert 'class="conclusion harms"' not in page
    assert not verify(run).lines


def test_an_altered_figure_is_named(run: Path) -> None:
    def change(record: Any) -> None:
        record["network"] = 0.99

    reseal(run / UNET / "validation.json", change)

    def seal(record: Any) -> None:
        record["files"] = storage.hash_files(run / UNET, record["files"])

    reseal(run / UNET / "provenance.json", seal)
    lines = verify(run).lines
    assert any(
        line.startswith(f"{UNET}/validation.json: network: stored 0.99, recomputed ")
        for line in lines
    )
    # It would have given a verdict.
    assert any("comparisons[0].verdict: stored null" in line for line in lines)


def test_a_removed_figure_is_named(run: Path) -> None:
    (run / UNET / "validation.json").unlink()

    def seal(record: Any) -> None:
        del record["files"]["validation.json"]

    reseal(run / UNET / "provenance.json", seal)
    found = verify(run)
    assert f"{run.name}/{UNET}: does not say whether it has learned" in found.notes[0]
    assert any("comparisons[0].verdict" in line for line in found.lines)


def test_merged_results_keep_it(run: Path, tmp_path: Path) -> None:
    to = tmp_path / "merged"
    for _ in range(2):
        _, comparison, _ = merge([run], to)
        assert comparison
        assert {pair.verdict for pair in comparison.comparisons} == {None}
    assert merge([], to)[1] == comparison


def test_a_network_that_learns_gives_a_verdict(tool: Runner, run: Path) -> None:
    done = tool("run_table", *SETTINGS, *LEARNING, "--out", run.parent)
    assert done.returncode == 0, done.stderr
    assert re.search(r"synthetic .* Dice 0\.9\d+ on 10 test cases\n", done.stdout)
    comparison = converter.read(run / "comparison.json", Comparison)
    assert comparison.comparisons[0].verdict is not None
    assert "real only has not learned" not in (run / "comparison.md").read_text()
    assert "6 real + 0 synthetic: has not learned" not in done.stdout
    assert not verify(run).lines
