"""What a run has found of a set and its use, as sections of a card."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tfgansynth.evaluation.tables import METRIC_HEADINGS, Summary, mean_sd, span
from tfgansynth.reporting.cards.markdown import bullets, table

Record = Mapping[str, Any]
"""Read from a JSON file that carries its hash."""

NOT_ASSESSED = (
    "**Not assessed.** Nothing has been measured of how sound these pairs are, how "
    "like real ones, or whether they repeat training cases: `tools/assess.py` does."
)
NOT_EVALUATED = (
    "**Not evaluated.** No segmentation network trained on these pairs has been "
    "compared with one trained without them: `tools/run_table.py` does."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Findings:
    """What a card tells of results; each in Markdown.

    Attributes:
        assessment: Soundness, fidelity and the audit for copies.
        evaluation: What segmentation networks gained.
        remarks: What went amiss on the way.
    """

    assessment: str = NOT_ASSESSED
    evaluation: str = NOT_EVALUATED
    remarks: tuple[str, ...] = ()


def assessment_section(record: Record) -> str:
    """Render what an assessment found.

    Args:
        record: Of `assessment.json`.
    """
    n_pairs = record["synthetic_set"]["n"]
    audit = record["memorization"]
    return "\n\n".join(
        [
            f"{n_pairs} synthetic pairs beside {record['n_training']} training cases "
            f"and {record['n_held_out']} held-out real ones ({record['held_out']}).",
            "Audit for copies of training cases: "
            f"**{'passed' if audit['passed'] else 'NOT PASSED'}**. "
            f"Pairs that it objects to: {len(audit['offenders'])}.",
            _audit_table(audit["parts"], n_pairs),
            bullets(_soundness(record["soundness"])),
            *_fidelity(record["fidelity"]),
        ]
    )


def evaluation_section(record: Record) -> str:
    """Render the rows and verdicts of an experiment.

    Args:
        record: Of `evidence.json`.
    """
    headings = ("Trained on", "Real", "Synthetic", "Results", *METRIC_HEADINGS.values())
    parts = [f"{record['context']}; mean ± standard deviation over test cases."]
    for each in record["tables"]:
        parts += [f"{each['title']}:", table(headings, map(_row, each["rows"]))]
    verdicts = [comparison["sentence"] for comparison in record["comparisons"]]
    remarks = [f"REMARK: {remark}" for remark in record["remarks"]]
    return "\n\n".join([*parts, bullets([*verdicts, *remarks])]).rstrip()


def _audit_table(parts: Record, n_pairs: int) -> str:
    headings = (
        "Compared",
        "Copies",
        "Closer than the 1st percentile of real cases",
        "Expected",
        "p",
        "Verdict",
    )
    rows = []
    for name, part in parts.items():
        low, high = part["expected_share_interval"]
        rows.append(
            (
                name,
                part["n_copies"],
                f"{part['n_closer']} of {n_pairs} ({part['share']:.1%})",
                f"{part['expected_share']:.1%} [{low:.1%}, {high:.1%}]",
                f"{part['p_value']:.2g}",
                "passed" if part["passed"] else "NOT PASSED",
            )
        )
    return table(headings, rows)


def _soundness(record: Record) -> list[str]:
    agreement, shapes = record["agreement"], record["plausibility"]
    misfits = [f"{name} {count}" for name, count in shapes["misfits"].items()]
    return [
        "Do masks agree with their images, as judged by U-Nets of real cases (Dice)? "
        f"synthetic {agreement['synthetic']['mean']:.3f} on average, real "
        f"{agreement['real']['mean']:.3f}.",
        "Masks of plausible shape: "
        f"synthetic {shapes['synthetic']:.1%}, held-out real {shapes['real']:.1%}; out "
        f"of range: {', '.join(misfits) or 'none'}.",
    ]


def _fidelity(record: Record) -> list[str]:
    figures = {
        **record["figures"],
        **{f"{name} [sd]": each for name, each in record["shapes"].items()},
    }
    columns = ("synthetic", "ruler", "difference")
    rows = [
        [
            name,
            *(
                "{value:.3f} [{low:.3f}, {high:.3f}]".format(**each[column])
                for column in columns
            ),
        ]
        for name, each in figures.items()
    ]
    headings = ("Likeness", "Synthetic", "Held-out real (ruler)", "Difference")
    diversity = record["hash_diversity"]
    return [
        f"Features: {record['features']}. Values with 95 % intervals; rows in [sd] are "
        "distances between distributions of mask shapes.",
        *([table(headings, rows)] if rows else []),
        "Diversity of perceptual hashes: "
        f"synthetic {diversity['synthetic']:.1f}, training {diversity['real']:.1f} of "
        "64 bits.",
    ]


def _row(row: Record) -> list[object]:
    metrics = [mean_sd(Summary(**row["metrics"][name])) for name in METRIC_HEADINGS]
    counts = [span(row["n_real"]), span(row["n_synthetic"])]
    return [row["name"], *counts, row["n_results"], *metrics]
