"""The curves of all trainings: the GANs' numbers by kind, the U-Nets' errors."""

from collections.abc import Mapping

from markupsafe import Markup

from tfgansynth.records.runs import FinishedUNet
from tfgansynth.reporting.html.figures import regime_style, series, validation_errors
from tfgansynth.reporting.html.study import ShownFold, Study
from tfgansynth.segmentation.history import steps_per_epoch

_EXPLAINED: Mapping[str, tuple[str, str]] = {
    "loss": (
        "Losses",
        "Of generator and discriminator. A discriminator's loss near 0 means that it "
        "is saturated and no longer teaches the generator, but for the loss wgan_gp.",
    ),
    "wasserstein": (
        "Wasserstein distance",
        "Between real and synthetic pairs, as the discriminator estimates it from what "
        "it learns from. It holds as long as the gradient penalty is small.",
    ),
    "probability_real": (
        "Taken for real",
        "The probability that the discriminator gives to real and to synthetic pairs. "
        "Near 1 and 0 it distinguishes them easily; if equal, it cannot.",
    ),
    "gradient_norm": (
        "Gradient norms",
        "How strongly each network is pulled. Very large and very small norms are bad.",
    ),
    "health": (
        "Diversity of samples",
        "1 is that of the real images; far below, there is mode collapse.",
    ),
    "fidelity": (
        "Fidelity during training",
        "Samples against validation cases, on features that need no network: a "
        "stopping point may be chosen by it.",
    ),
    "fidelity/kid": (
        "Kernel distance during training",
        "The same comparison: the nearer to 0, the more similar.",
    ),
}
"""The series of a GAN's history: their names, or what stands before the stroke."""


def gan_curves(folds: tuple[ShownFold, ...]) -> list[tuple[str, str, Markup]]:
    """Draw each kind of number of all GANs: one line a fold and seed.

    Returns:
        Title, explanation and plot of each.
    """
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
        found.append((title, text, plot))
    return found


def unet_curves(study: Study) -> list[tuple[str, Markup]]:
    """Draw the validation errors of each table's U-Nets: one line each.

    Returns:
        Title and plot of each table.
    """
    found = []
    for number, table in enumerate(study.comparison.tables):
        names = [row.name for row in table.rows]
        lines = [
            (
                each.unet.regime.name,
                regime_style(each.unet.regime),
                errors_by_step(each.unet),
            )
            for each in study.unets
            if each.unet.regime.name in names and each.unet.epochs
        ]
        plot = validation_errors(lines, f"unet-{number}")
        found.append((table.title, plot))
    return found


def errors_by_step(unet: FinishedUNet) -> dict[int, float]:
    """Validation errors by mini-batch, from a history that counts epochs."""
    regime = unet.regime
    n_pairs = regime.n_real + regime.n_synthetic
    steps = steps_per_epoch(regime.unet_config(unet.config), n_pairs)
    return {each.epoch * steps: each.validation_error for each in unet.epochs}
