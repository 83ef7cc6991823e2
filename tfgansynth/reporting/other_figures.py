"""The figures beside the paper's: made where they are missing, and as Markdown."""

import dataclasses

from tfgansynth.config import Config
from tfgansynth.data.dataset import Identity
from tfgansynth.evaluation.other_figures import (
    FIGURES,
    CaseFigures,
    FigureSummary,
    OtherFigures,
    figures_to_csv,
    measure_figures,
)
from tfgansynth.evaluation.predictions import (
    PREDICTIONS,
    Predictions,
    read_predictions,
)
from tfgansynth.records.comparisons import Comparison
from tfgansynth.records.runs import FinishedUNet, RunRecord
from tfgansynth.reporting import grids
from tfgansynth.runtime import storage


def with_other_figures(run: RunRecord) -> RunRecord:
    """Make the other figures of the U-Nets of a run that have none, and write them.

    Raises:
        InputError: Predictions are missing, altered or damaged.
    """
    unets = tuple(each if each.figures else _with_figures(each) for each in run.unets)
    return dataclasses.replace(run, unets=unets)


def measure_again(
    found: Predictions, config: Config, dataset: Identity
) -> tuple[CaseFigures, ...]:
    """Measure the predictions of a U-Net by the settings of its run."""
    tolerance, lungs = config.evaluation.surface_tolerance, dataset.lungs(config.lungs)
    return measure_figures(found, tolerance, dataset.classes, lungs)


def _with_figures(unet: FinishedUNet) -> FinishedUNet:
    folder, config = unet.folder, unet.config
    assert folder is not None, "merged results have no predictions"
    predictions = read_predictions(folder / PREDICTIONS)
    figures = measure_again(predictions, config, unet.dataset)
    counts = unet.fold, unet.regime.n_real, unet.regime.n_synthetic
    text = figures_to_csv(figures, *counts, config.evaluation.surface_tolerance)
    storage.write_text(folder / FIGURES, text)
    return dataclasses.replace(unet, figures=figures)


def other_figures_to_markdown(comparison: Comparison) -> str:
    """Render the other figures of all regimes; empty where there are none.

    The first line warns of phantoms, in bold.
    """
    found = comparison.other_figures
    if found is None:
        return ""
    headings, rows = figure_rows(comparison, found)
    parts = [f"**{comparison.warning}**"] if comparison.warning else []
    parts += ["### Other figures", comparison.context]
    parts += [grids.to_markdown(headings, rows), figure_notes(comparison, found)]
    return "\n\n".join(parts) + "\n"


def figure_rows(
    comparison: Comparison, found: OtherFigures
) -> tuple[list[str], list[list[str]]]:
    """Return the headings of the other figures, and a row for each structure."""
    spacing = comparison.dataset.spacing_mm
    distance = "HD [mm]" if spacing else "HD [px]"
    headings = ["", "Structure", "Results", "Failed", "Surface Dice", "Area error"]
    rows = []
    for name, structures in found.regimes.items():
        for structure, each in structures.items():
            cells = [str(each.n_results), _failed(each), *_shares(each)]
            hausdorff = each.hausdorff_px.times(spacing or 1)
            last = [f"{each.dice.mean:.4f}", f"{hausdorff.mean:.2f}"]
            rows.append([name, structure, *cells, *last])
            name = ""
    return [*headings, "Dice", distance], rows


def figure_notes(comparison: Comparison, found: OtherFigures) -> str:
    """Say what the columns mean."""
    tolerance, spacing = found.tolerance_px, comparison.dataset.spacing_mm
    in_mm = f" ({tolerance * spacing:.3g} mm)" if spacing else ""
    return (
        f"Failed: results with a Dice below {found.failure_dice:g}. Surface Dice: the "
        f"share of both contours that is within {tolerance:g} px{in_mm} of the other. "
        "Area error: area of the prediction over that of the truth, less 1, of the "
        "results whose truth is not empty. Mean ± sd over the results. There are no "
        "verdicts on these figures."
    )


def _failed(found: FigureSummary) -> str:
    share = 100 * found.n_failed / found.n_results
    return f"{found.n_failed} ({share:.1f} %)"


def _shares(found: FigureSummary) -> list[str]:
    surface, area = found.surface_dice, found.area_error
    shown = f"{surface.mean:.4f}", "" if surface.sd is None else f" ± {surface.sd:.4f}"
    if area is None:
        return ["".join(shown), "-"]
    spread = "" if area.sd is None else f" ± {100 * area.sd:.1f}"
    return ["".join(shown), f"{100 * area.mean:+.1f}{spread} %"]
