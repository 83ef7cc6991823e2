"""Assessments of synthetic sets as text, and in one line each."""

from collections.abc import Sequence

from tfgansynth.assessment.fidelity import Figure, ReferencedFigure
from tfgansynth.records.assessments import (
    Assessment,
    Fidelity,
    Memorization,
    Quality,
)
from tfgansynth.records.provenance import DroppedPair
from tfgansynth.reporting import grids
from tfgansynth.reporting.grids import passed

_FIGURES = ("precision", "recall", "coverage")


def assessment_to_text(
    assessment: Assessment, flagged: Sequence[DroppedPair] = ()
) -> str:
    """Render an assessment for a terminal.

    Args:
        assessment: Of a synthetic set.
        flagged: The pairs that its audit objects to.
    """
    n_pairs = assessment.synthetic_set.n
    lines = [
        f"ASSESSMENT of {assessment.synthetic_set.folder}: {n_pairs} synthetic pairs "
        f"beside {assessment.n_training} training and {assessment.n_held_out} held-out "
        f"real cases ({assessment.held_out})",
        *_quality_lines(assessment.quality),
        "  out-of-fold ensemble on real cases that it has not seen: "
        + ", ".join(
            f"{name} {member.agreement:.3f}"
            for name, member in assessment.cross_fit.items()
        ),
        *_fidelity_lines(assessment.fidelity),
        *_memorization_lines(assessment.memorization, n_pairs),
        *(
            f"  flagged: {each.name} ({each.part} near {each.case_id}: "
            f"{each.distance:.3f})"
            for each in flagged
        ),
    ]
    return "\n".join(lines)


def assessment_cells(assessment: Assessment) -> dict[str, str]:
    """Take the figures of an assessment that distinguish sets at a glance.

    Returns:
        Cells by their headings. Shares of pairs that come nearer to a training case
        than 1 % of the held-out real cases, and numbers of copies, stand for images,
        masks and pairs.
    """
    agrees, shapes = assessment.quality.agreement, assessment.quality.plausibility
    figures, audit = assessment.fidelity.figures, assessment.memorization
    parts = audit.parts.values()
    closer = " / ".join(f"{100 * part.share:.1f}" for part in parts)
    return {
        "agreement (real)": f"{agrees.synthetic.mean:.3f} ({agrees.real.mean:.3f})",
        "plausible masks (real)": (
            f"{100 * shapes.synthetic:.0f} % ({100 * shapes.real:.0f} %)"
        ),
        "precision / recall / coverage": _values(
            [figures[name].synthetic for name in _FIGURES if name in figures]
        ),
        "the same of real": _values(
            [figures[name].real_reference for name in _FIGURES if name in figures]
        ),
        "nearer than the null: image / mask / pair": f"{closer} %",
        "copies": " / ".join(str(part.n_copies) for part in parts),
        "audit": passed(audit.passed),
    }


def figure_rows(fidelity: Fidelity) -> list[list[str]]:
    """Render the compared figures and shapes: name, both sides and difference."""
    rows: dict[str, ReferencedFigure] = {
        **fidelity.figures,
        **{f"{name} [sd]": each for name, each in fidelity.shapes.items()},
    }
    return [
        [
            name,
            *map(_interval, (each.synthetic, each.real_reference, each.difference)),
        ]
        for name, each in rows.items()
    ]


def misfits_text(quality: Quality) -> str:
    """Say how many masks have which shape figure out of range."""
    found = [f"{name} {n}" for name, n in quality.plausibility.misfits.items()]
    return ", ".join(found) or "none"


def _values(figures: Sequence[Figure]) -> str:
    return " / ".join(f"{figure.value:.2f}" for figure in figures) or "-"


def _interval(figure: Figure) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _quality_lines(quality: Quality) -> list[str]:
    agrees, shapes = quality.agreement, quality.plausibility
    found = [
        f"{name} mean {each.mean:.3f}, median {each.quantiles[2]:.3f}, "
        f"5 % below {each.quantiles[0]:.3f}"
        for name, each in (("synthetic", agrees.synthetic), ("real", agrees.real))
    ]
    return [
        f"QUALITY: agreement with out-of-fold segmentations (Dice): {'; '.join(found)}",
        f"  plausible masks: synthetic {shapes.synthetic:.1%}, held-out "
        f"{shapes.real:.1%}; out of range: {misfits_text(quality)}",
    ]


def _fidelity_lines(fidelity: Fidelity) -> list[str]:
    lines = [
        f"FIDELITY: features: {fidelity.features}; k = {fidelity.neighbors} neighbors"
    ]
    rows = figure_rows(fidelity)
    if rows:
        headings = ("", "synthetic", "held-out real reference", "difference")
        lines += grids.to_text(headings, rows, indent="  ")
    if fidelity.expected_coverage is not None:
        expected = fidelity.expected_coverage
        lines.append(f"  coverage of equal distributions: {expected:.3f}")
    diversity = fidelity.hash_diversity
    lines.append(
        f"  diversity of perceptual hashes: synthetic {diversity.synthetic:.1f} bits, "
        f"training {diversity.real:.1f}"
    )
    return lines


def _memorization_lines(found: Memorization, n_pairs: int) -> list[str]:
    lines = [f"MEMORIZATION: audit for copies: {passed(found.passed)}"]
    for name, part in found.parts.items():
        low, high = part.expected_share_interval
        lines.append(
            f"  {name}: {part.n_copies} copies (relative distance below "
            f"{part.copy_bound:.3f}); {part.n_closer} of {n_pairs} closer than "
            f"{part.threshold:.3f}, expected {part.expected_share:.1%} "
            f"[{low:.1%}, {high:.1%}], p = {part.p_value:.2g}: {passed(part.passed)}"
        )
    return lines
