"""Other figures follow from predictions, and a forged one is found."""

import dataclasses
from pathlib import Path

from tests.reporting.html.made import N_SYNTHETIC, SIZE, write_run
from tfgansynth.evaluation.other_figures import CaseFigures
from tfgansynth.evaluation.predictions import read_predictions
from tfgansynth.presets import PRESETS
from tfgansynth.records import converter
from tfgansynth.records.provenance import UNetProvenance
from tfgansynth.records.reading import read_run
from tfgansynth.reporting.outputs import write_outputs
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.reporting.verification.figures import figures_again

SMOKE = PRESETS["smoke"]
CONFIG = dataclasses.replace(
    SMOKE,
    reduced=True,
    data=dataclasses.replace(SMOKE.data, size=SIZE),
    synthesis=dataclasses.replace(SMOKE.synthesis, count=N_SYNTHETIC),
)


def test_other_figures_are_made_again(tmp_path: Path) -> None:
    root = write_run(tmp_path, CONFIG)
    write_outputs([root], root)
    unet = read_run(root).unets[0]
    assert unet.folder
    folder = unet.folder

    def again() -> tuple[tuple[CaseFigures, ...], list[str]]:
        found = Differences(root)
        provenance = converter.read(folder / "provenance.json", UNetProvenance)
        predictions = read_predictions(folder / "predictions.npz")
        made = figures_again(read_run(root), folder, provenance, predictions, found)
        return made, found.lines

    assert again() == (unet.figures, [])
    path = folder / "figures.csv"
    text = path.read_text()
    surface = unet.figures[0].structures["whole"].surface_dice
    header, line, *others = text.splitlines(keepends=True)
    *first, _, error = line.split(",")
    path.write_text("".join([header, ",".join([*first, "0.5", error]), *others]))
    made, lines = again()
    assert made == unet.figures
    assert len(lines) == 1
    assert f"line 2, surface_dice: stored 0.5, recomputed {surface!r}" in lines[0]
    path.unlink()
    assert again() == ((), [])
