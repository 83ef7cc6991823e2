"""What assessments found of synthetic sets, in one line each."""

from collections.abc import Mapping
from typing import Any

_FIGURES = ("precision", "recall", "coverage")


def quality_cells(record: Mapping[str, Any]) -> dict[str, str]:
    """Take the figures of an assessment that tell sets apart at a glance.

    Args:
        record: Of `assessment.json`.

    Returns:
        Cells by their headings. Shares of pairs that come nearer to a training case
        than 1 % of the held-out real cases, and numbers of copies, stand for images,
        masks and pairs.
    """
    agrees, shapes = (record["soundness"][n] for n in ("agreement", "plausibility"))
    figures, audit = record["fidelity"]["figures"], record["memorization"]
    parts = audit["parts"].values()
    closer = " / ".join(f"{100 * part['share']:.1f}" for part in parts)
    return {
        "agreement (real)": (
            f"{agrees['synthetic']['mean']:.3f} ({agrees['real']['mean']:.3f})"
        ),
        "plausible masks (real)": (
            f"{100 * shapes['synthetic']:.0f} % ({100 * shapes['real']:.0f} %)"
        ),
        "precision / recall / coverage": _shares(figures, "synthetic"),
        "the same of real": _shares(figures, "ruler"),
        "nearer than the null: image / mask / pair": f"{closer} %",
        "copies": " / ".join(str(part["n_copies"]) for part in parts),
        "audit": "passed" if audit["passed"] else "NOT PASSED",
    }


def _shares(figures: Mapping[str, Any], whose: str) -> str:
    if not figures:
        return "-"
    return " / ".join(f"{figures[name][whose]['value']:.2f}" for name in _FIGURES)
