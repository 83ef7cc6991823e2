"""Assessments of synthetic sets as text and Markdown, and in one line each."""

from collections.abc import Sequence

from tfgansynth.assessment.fidelity import Figure, ReferencedFigure
from tfgansynth.records.assessments import Assessment, Fidelity
from tfgansynth.records.provenance import DroppedPair
from tfgansynth.reporting.grids import interval, passed
from tfgansynth.reporting.rendering import render

_FIGURES = ("precision", "recall", "coverage")


def assessment_to_text(
    assessment: Assessment, flagged: Sequence[DroppedPair] = ()
) -> str:
    """Render an assessment for a terminal, and the pairs that its audit objects to."""
    rows = _figure_rows(assessment.fidelity)
    return render(
        "assessment.txt.jinja", assessment=assessment, figures=rows, flagged=flagged
    )


def assessment_to_markdown(assessment: Assessment) -> str:
    """Render an assessment for a card."""
    rows = _figure_rows(assessment.fidelity)
    return render("assessment.md.jinja", assessment=assessment, figures=rows)


def assessment_cells(assessment: Assessment) -> dict[str, str]:
    """Take the figures of an assessment that distinguish sets at a glance.

    Returns:
        Cells by their headings. Shares of pairs that come nearer to a training case
        than 1 % of the held-out real cases, and numbers of copies, stand for images,
        masks and pairs.
    """
    agrees, shapes = assessment.quality.agreement, assessment.quality.plausibility
    figures, audit = assessment.fidelity.figures, assessment.memorization
    parts, search = audit.parts.values(), audit.search
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
        "most copies": f"{100 * search.most_copies:.1f} %" if search else "-",
        "audit": passed(audit.passed),
    }


def _figure_rows(fidelity: Fidelity) -> list[list[str]]:
    """Render the compared figures and shapes: name, n, both sides and difference."""
    rows: dict[str, ReferencedFigure] = {
        **fidelity.figures,
        **{f"{name} [sd]": each for name, each in fidelity.shapes.items()},
    }
    return [
        [
            *(name, str(each.size)),
            *map(interval, (each.synthetic, each.real_reference, each.difference)),
        ]
        for name, each in rows.items()
    ]


def _values(figures: Sequence[Figure]) -> str:
    return " / ".join(f"{figure.value:.2f}" for figure in figures) or "-"
