"""Names of the folders and files below a fold's folder."""

from collections.abc import Mapping
from typing import Literal

PROVENANCE = "provenance.json"
"""The record that seals the folder of a GAN or a U-Net; written last."""
HISTORY, MODEL = "history.csv", "model.keras"
"""Files of every U-Net, besides `PROVENANCE`."""
ASSESSMENT, ARRAYS = "assessment.json", "assessment.npz"
"""Files of an assessment; the first seals it."""
GAN = "gan"
"""Folder of a fold's GAN."""
DEVELOPMENT = "development"
"""Folder of U-Nets that are evaluated on cases that a reduced experiment leaves out."""

SetKind = Literal["plain", "filtered", "control"]
"""The sets of a fold that its U-Nets learn from: pairs as the generator draws them;
those of its pairs whose masks agree with the cross-fitted ensemble; and the control,
drawn in the same way with the fold's training cases in the generator's place."""


def fold_name(number: int) -> str:
    """Folder of a fold."""
    return f"fold-{number}"


def set_name(kind: SetKind) -> str:
    """Folder of a set."""
    return _of_kind("synthetic", kind)


def assessment_name(kind: SetKind) -> str:
    """Folder of a set's assessment."""
    return _of_kind("assessment", kind)


def _of_kind(name: str, kind: SetKind) -> str:
    return name if kind == "plain" else f"{name}-{kind}"


def pseudo_label_name(member: int) -> str:
    """Folder of a member of the pseudo-label ensemble, from 1."""
    return f"pseudo-labels/member-{member}"


def cross_fit_name(member: int) -> str:
    """Folder of a member of the cross-fitted ensemble, from 1."""
    return f"cross-fit/member-{member}"


def set_seconds(seconds: Mapping[str, float], fold: int, members: int) -> float:
    """How long it took to make a fold's synthetic set.

    Args:
        seconds: Of stages and their parts, as `timings.json` has them.
        fold: Number of the fold.
        members: Size of the pseudo-label ensemble.

    Returns:
        Seconds of the training of the GAN and the ensemble and of drawing the pairs.
    """
    ensemble = map(pseudo_label_name, range(1, members + 1))
    names = (GAN, *ensemble, set_name("plain"))
    return sum(seconds.get(f"{fold_name(fold)}/{name}", 0.0) for name in names)
