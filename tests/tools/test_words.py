"""What the whole chain says of a folder whose masks show discs, not lungs."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.data.prepare.inputs import disc, noise, save
from tests.tools.conftest import SMALL_NETWORKS, TINY, Runner
from tfgansynth.runtime import storage

pytestmark = pytest.mark.slow

SIDE = 48
OPTIONS = (
    *(*TINY, *SMALL_NETWORKS),
    *("--evaluation.cross-fit-steps", "4", "--evaluation.budgets", "4"),
    *("--evaluation.budget-epoch", "2", "--unet.min-steps", "0"),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty bright discs on noise."""
    root = tmp_path_factory.mktemp("data") / "discs"
    for index in range(30):
        mask = disc(14 + index % 7, 16 + index % 11, 6 + index % 5, SIDE)
        image = noise(index, (SIDE, SIDE)) // 2 + 120 * mask.astype(np.uint8)
        save(root / f"images/d{index:02d}.png", image)
        save(root / f"masks/d{index:02d}.png", mask)
    return root


@pytest.fixture(scope="module")
def chain(
    tool: Runner, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The run folder of the whole chain, and all that was said on screen."""
    out = tmp_path_factory.mktemp("out")
    run = out / "discs-reduced-smoke-seed0"
    run_options = (*OPTIONS, "--data", data, "--out", out)
    said = []
    for name, *arguments in (
        ("check_data", data),
        ("run_table", *run_options, "--dry-run"),
        ("run_table", *run_options, "--folds", "1", "--assess"),
        ("report", run),
        ("verify", run),
        ("export_generator", run, "--fold", "1"),
        ("export_set", run, "--fold", "1"),
    ):
        done = tool(name, *arguments)
        assert (done.returncode, done.stderr) == (0, ""), (name, done.stderr)
        said.append(done.stdout)
    return run, "".join(said)


def test_no_lungs_are_spoken_of(chain: tuple[Path, str]) -> None:
    run, said = chain
    texts = {
        path.relative_to(run).as_posix(): path.read_text()
        for path in run.rglob("*")
        if path.suffix in {".md", ".html", ".csv", ".json", ".txt"}
    }

    # The settings of a run have all settings, `lungs` too.
    assert '"lungs": "both"' in texts.pop("config.json")
    assert {"report.html", "table.md", "comparison.md"} < texts.keys()
    handover = "fold-1/handover/synthetic/"
    assert f"{handover}Dataset501_SyntheticTarget/dataset.json" in texts
    for name, text in {**texts, "screen": said}.items():
        assert "lung" not in text.lower(), name
    assert not [path for path in run.rglob("*") if "lung" in path.name.lower()]


def test_the_papers_figures_do_not_stand_beside_discs(chain: tuple[Path, str]) -> None:
    run, said = chain
    tables = ((run / f"table.{end}").read_text() for end in ("md", "csv"))
    for text in (said, *tables):
        assert "0.9464" not in text
    assert "0.9464" not in (run / "report.html").read_text()


def test_the_target_is_named(chain: tuple[Path, str]) -> None:
    run, said = chain

    assert "discs, target, 32 x 32 px" in said
    with (run / "table.csv").open() as file:
        assert {row["target"] for row in csv.DictReader(file)} == {"target"}
    manifest = storage.read_record(run / "fold-1/synthetic/manifest.json")
    assert manifest["dataset"]["target"] == "target"
    assert "An outline should follow the target" in (run / "report.html").read_text()
    found = storage.read_record(run / "fold-1/assessment/assessment.json")
    assert list(found["fidelity"]["shapes"]) == [
        *("area_share", "solidity", "centroid_row", "centroid_column"),
        *("components", "holes"),
    ]
    nnunet = run / "fold-1/handover/synthetic/Dataset501_SyntheticTarget/dataset.json"
    assert json.loads(nnunet.read_text())["labels"] == {"background": 0, "target": 1}


def test_another_target_does_not_take_over_the_run(
    tool: Runner, data: Path, chain: tuple[Path, str]
) -> None:
    run, _ = chain
    before = storage.hash_folder(run)

    named = *OPTIONS, "--data", data, "--out", run.parent, "--target", "optic disc"
    done = tool("run_table", *named, "--folds", "1")

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "target" in done.stderr
    assert storage.hash_folder(run).items() >= before.items()
