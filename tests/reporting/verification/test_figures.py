"""Other figures follow from predictions, and a forged one is found."""

from pathlib import Path

from tests.reporting.html.made import CONFIG, write_run
from tfgansynth.evaluation.other_figures import CaseFigures
from tfgansynth.evaluation.predictions import read_predictions
from tfgansynth.records import converter
from tfgansynth.records.provenance import UNetProvenance
from tfgansynth.records.reading.run import read_run
from tfgansynth.reporting.outputs import write_outputs
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.reporting.verification.figures import figures_again


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
