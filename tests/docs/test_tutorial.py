"""The tutorial runs from its first to its last cell, at the smallest scale."""

from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.ipynb"

SMALLEST = """
replace = dataclasses.replace
config = tgs.PRESETS["smoke"]
config = replace(
    config,
    data=replace(config.data, size=32, phantoms=24, n_validation=4),
    gan=replace(
        config.gan,
        z_dim=8,
        generator_maps=(16, 8),
        discriminator_maps=(8, 16),
        batch=8,
        steps=4,
        augment_shift=4,
        augment_cutout=8,
    ),
    synthesis=replace(config.synthesis, count=4, mask_threshold=100),
    unet=replace(config.unet, depth=2, maps=4),
    evaluation=replace(config.evaluation, budgets=(4,)),
)
"""
"""In place of the cell that names the preset."""


@pytest.mark.slow
def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    notebook = nbformat.read(TUTORIAL, as_version=4)
    (chosen,) = (
        cell
        for cell in notebook.cells
        if "configuration" in cell.metadata.get("tags", ())
    )
    chosen.source = SMALLEST

    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()

    texts = [
        output.get("text", output.get("data", {}).get("text/plain", ""))
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    ]
    assert any("mixed minus real: Dice" in text for text in texts)
    assert texts[-1] == "True", "the loaded model gives what the saved one gives"


def test_it_is_kept_without_outputs() -> None:
    """So that a change of it shows what has changed, and no picture is kept twice."""
    notebook = nbformat.read(TUTORIAL, as_version=4)

    assert [cell for cell in notebook.cells if cell.get("outputs")] == []
