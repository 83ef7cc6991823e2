"""The best, the median and the worst answers of each row's U-Nets, as pictures."""

import dataclasses
import statistics

from tfgansynth.reporting.html.study import Study, UNet
from tfgansynth.reporting.html.tiles import Tile, tile

_BEST, _MEDIAN, _WORST = range(3)
"""Places in `Predictions.shown`."""


@dataclasses.dataclass(frozen=True, slots=True)
class ShownRow:
    """Three test cases of a row, over all folds and seeds."""

    table: str
    regime: str
    tiles: tuple[Tile, ...]


def shown_rows(study: Study) -> list[ShownRow]:
    """Pick each row's best, median and worst case among those that have pictures.

    Each U-Net keeps its own three. The best and the worst of the row are among
    them; its median is that of the U-Net which comes nearest to it.
    """
    by_row: dict[tuple[str, str], list[UNet]] = {}
    for unet in study.unets:
        by_row.setdefault((unet.table, unet.regime), []).append(unet)
    return [
        ShownRow(table, regime, _three(unets))
        for (table, regime), unets in by_row.items()
    ]


def _three(unets: list[UNet]) -> tuple[Tile, ...]:
    middle = statistics.median(row.metrics.dice for unet in unets for row in unet.rows)
    chosen = (
        ("best", _BEST, max(unets, key=lambda unet: _dice(unet, _BEST))),
        (
            "median",
            _MEDIAN,
            min(unets, key=lambda unet: abs(_dice(unet, _MEDIAN) - middle)),
        ),
        ("worst", _WORST, min(unets, key=lambda unet: _dice(unet, _WORST))),
    )
    return tuple(_tile(unet, place, word) for word, place, unet in chosen)


def _dice(unet: UNet, place: int) -> float:
    return unet.rows[unet.predictions.shown[place]].metrics.dice


def _tile(unet: UNet, place: int, word: str) -> Tile:
    answered = unet.predictions
    index = answered.shown[place]
    found = unet.rows[index].metrics
    case = answered.case_ids[index]
    figures = f"Dice {found.dice:.4f}, HD {found.hausdorff_px:.1f} px"
    return tile(
        answered.shown_images[place],
        alt=f"{unet.regime}, {word} case {case}: {figures}; truth and answer outlined",
        caption=f"{word}: {case}, {figures} (seed {unet.seed}, fold {unet.fold})",
        truth=answered.truths[index],
        answer=answered.predictions[index],
    )
