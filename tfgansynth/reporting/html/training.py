"""The curves of all trainings: the GANs' numbers by kind, the U-Nets' errors."""

import dataclasses
from collections.abc import Mapping

from markupsafe import Markup

from tfgansynth.reporting.html.figures import RegimeStyle, series, validation_errors
from tfgansynth.reporting.html.study import Fold, Study

_EXPLAINED: Mapping[str, tuple[str, str]] = {
    "loss": (
        "Losses",
        "Of generator and discriminator. A discriminator's loss near 0 means that it "
        "has won and no longer teaches.",
    ),
    "probability_real": (
        "Taken for real",
        "The probability that the discriminator gives to real and to synthetic pairs. "
        "Near 1 and 0 it tells them apart with ease; equal, it cannot.",
    ),
    "gradient_norm": (
        "Gradient norms",
        "How strongly each network is pulled. Explosions and silence are both bad.",
    ),
    "health": (
        "Diversity of samples",
        "1 is that of the real images; far below, samples have collapsed.",
    ),
    "fidelity": (
        "Fidelity during training",
        "Samples against validation cases, on features that need no network: a "
        "stopping point may be chosen by it.",
    ),
    "fidelity/kid": (
        "Kernel distance during training",
        "The same comparison: the nearer to 0, the more alike.",
    ),
}
"""The series of a GAN's history: their names, or what stands before the stroke."""


@dataclasses.dataclass(frozen=True, slots=True)
class Curves:
    """One plot with what it shows."""

    title: str
    text: str
    plot: Markup


def gan_curves(folds: tuple[Fold, ...]) -> list[Curves]:
    """Draw each kind of number of all GANs: one line a fold and seed."""
    kinds: dict[str, list[tuple[str, Mapping[int, float]]]] = {}
    for fold in folds:
        for name, points in sorted(fold.history.series.items()):
            kind, _, line = name.partition("/")
            # On a scale of its own.
            kind = name if name in _EXPLAINED else kind
            kinds.setdefault(kind, []).append((line or kind, points))
    ordered = sorted(kinds, key=lambda kind: [*_EXPLAINED, kind].index(kind))
    found = []
    for number, kind in enumerate(ordered):
        title, text = _EXPLAINED.get(kind, (kind.replace("_", " ").capitalize(), ""))
        plot = series(kinds[kind], title, f"gan-{number}")
        found.append(Curves(title, text, plot))
    return found


def unet_curves(study: Study) -> list[Curves]:
    """Draw the validation errors of each table's U-Nets: one line each."""
    found = []
    for number, table in enumerate(study.evidence["tables"]):
        lines = [
            (
                unet.regime,
                RegimeStyle.of(case.n_real, case.n_synthetic, unet.regime),
                unet.errors,
            )
            for unet in study.unets
            if unet.table == table["title"]
            for case in unet.rows[:1]
        ]
        plot = validation_errors(lines, f"unet-{number}")
        found.append(Curves(table["title"], "", plot))
    return found
