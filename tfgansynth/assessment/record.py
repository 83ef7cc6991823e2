"""The quality of a synthetic set: all its figures as one record, and as text.

Soundness, fidelity and memorization (the modules of these names) of one set, beside
the same figures of real cases.
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import MaskArray
from tfgansynth.assessment.fidelity import (
    compare_features,
    compare_shapes,
    expected_coverage,
)
from tfgansynth.assessment.memorization import Audit
from tfgansynth.assessment.neighbors import Pairs
from tfgansynth.assessment.quality import (
    ShapeTable,
    agreement,
    plausibility,
    shape_ranges,
    shape_table,
    spread,
)
from tfgansynth.data.lungs import Lungs
from tfgansynth.data.similarity import mean_pairwise_distance, perceptual_hash
from tfgansynth.evaluation.generative_metrics import NEIGHBORS, Features
from tfgansynth.seeds import derive_seed

Record = dict[str, Any]
"""Plain for JSON."""

_FEWEST_SHAPES = 4
_POINTS_A_NEIGHBOR = 5
"""Balls that reach to the k-th neighbor need 5 k points: in halves of a smaller set,
which the intervals are taken from, every ball reaches to nearly all."""


def soundness_record(
    training: MaskArray,
    synthetic: MaskArray,
    held_out: MaskArray,
    *,
    judged_training: MaskArray,
    judged_synthetic: MaskArray,
    lungs: Lungs,
) -> Record:
    """Say whether masks have plausible shapes and agree with their images.

    Args:
        training: Masks of the n training cases, bool (n, S, S).
        synthetic: Masks of the m synthetic pairs, bool (m, S, S).
        held_out: Masks of the l held-out real cases, bool (l, S, S).
        judged_training: What judges that have not seen them find in the training
            images, bool (n, S, S).
        judged_synthetic: The same of the synthetic images, bool (m, S, S).
        lungs: What the masks show.

    Returns:
        `agreement`: the spreads of `synthetic` and `real`. `plausibility`: the shares
        of plausible `synthetic` and `real` (held-out) masks, and by figure how many
        synthetic ones are `misfits`.
    """
    tables = [shape_table(masks, lungs) for masks in (training, synthetic, held_out)]
    return {
        "agreement": {
            "synthetic": dataclasses.asdict(
                spread(agreement(synthetic, judged_synthetic))
            ),
            "real": dataclasses.asdict(spread(agreement(training, judged_training))),
        },
        "plausibility": plausibility_record(*tables),
    }


def plausibility_record(
    training: ShapeTable, synthetic: ShapeTable, held_out: ShapeTable
) -> Record:
    """Say which shapes are within the range of training masks.

    Returns:
        The shares of plausible `synthetic` and `real` (held-out) masks, and by figure
        how many synthetic ones are `misfits`.
    """
    ranges = shape_ranges(training)
    ours, ruler = (plausibility(table, ranges) for table in (synthetic, held_out))
    figures = [misfit.figure for misfit in ours.misfits]
    return {
        "synthetic": ours.share,
        "real": ruler.share,
        "misfits": {name: figures.count(name) for name in dict.fromkeys(figures)},
    }


def fidelity_record(
    training: Pairs,
    synthetic: Pairs,
    held_out: Pairs,
    *,
    features: tuple[Features, Features, Features],
    source: str,
    lungs: Lungs,
    seed: int,
) -> Record:
    """Say how alike the sets are, and how diverse.

    Args:
        training: The training cases.
        synthetic: The synthetic pairs.
        held_out: The held-out real cases.
        features: Of training cases, not necessarily all of them, of synthetic pairs
            and of held-out cases.
        source: Where these features come from, in words.
        lungs: What the masks show.
        seed: Determines the subsets that figures are taken from.

    Returns:
        `features`: their source, and why they were not compared, where they are too
        few or all equal. `neighbors`: k, fewer than usual for small sets. `figures`
        and `shapes`: the comparisons by name; none where there are too few.
        `expected_coverage`: of equal distributions, None without comparisons.
        `hash_diversity`: mean distance of perceptual hashes in bits, of the
        `synthetic` and of the `real` training images.
    """
    compared = features_record(features, seed)
    why = compared.pop("not_compared")
    sets = training, synthetic, held_out
    tables = [shape_table(masks, lungs) for _, masks in sets]
    return {
        "features": f"{source}; not compared: {why}" if why else source,
        **compared,
        "shapes": shapes_record(*tables, seed=seed),
        "hash_diversity": {
            "synthetic": hash_diversity(synthetic[0]),
            "real": hash_diversity(training[0]),
        },
    }


def features_record(features: tuple[Features, Features, Features], seed: int) -> Record:
    """Compare features of training cases, synthetic pairs and held-out cases.

    Returns:
        `neighbors`, `figures` and `expected_coverage` of `fidelity_record`, and
        `not_compared`: why there are no figures; empty if there are.
    """
    fewest = min(map(len, features))
    k = max(1, min(NEIGHBORS, fewest // _POINTS_A_NEIGHBOR))
    why = ""
    try:
        compared = compare_features(*features, seed=derive_seed(seed, "features"), k=k)
    except ValueError as fault:
        compared = {}
        why = str(fault)
    return {
        "neighbors": k,
        "figures": _plain(compared),
        "expected_coverage": expected_coverage(fewest, fewest, k) if compared else None,
        "not_compared": why,
    }


def shapes_record(
    training: ShapeTable, synthetic: ShapeTable, held_out: ShapeTable, *, seed: int
) -> Record:
    """Compare shapes of masks, figure by figure; empty where there are too few."""
    sizes = [len(values) for values in (*training.values(), *synthetic.values())]
    sizes += [len(values) for values in held_out.values()]
    if min(sizes) < _FEWEST_SHAPES:
        return {}
    seed = derive_seed(seed, "shapes")
    return _plain(compare_shapes(training, synthetic, held_out, seed=seed))


def hash_diversity(images: NDArray[Any]) -> float:
    """Return the mean distance of the perceptual hashes of images, in bits.

    Args:
        images: (n, S, S) in [0, 255].
    """
    whole = np.rint(images).astype(np.uint8)
    return mean_pairwise_distance([perceptual_hash(image) for image in whole])


def memorization_record(audit: Audit) -> Record:
    """Say whether the set repeats training cases.

    Returns:
        `passed`, the figures of the three `parts`, and the `offenders`' indices.
    """
    return {
        "passed": audit.passed,
        "parts": {
            name: {
                "n_closer": part.n_closer,
                "share": part.share,
                "threshold": part.threshold,
                "expected_share": part.expected_share,
                "expected_share_interval": list(part.expected_share_interval),
                "copy_bound": part.copy_bound,
                "n_copies": len(part.copies),
                "p_value": part.p_value,
                "binomial_p_value": part.binomial_p_value,
                "passed": part.passed,
            }
            for name, part in audit.parts.items()
        },
        "offenders": audit.offenders.tolist(),
    }


def _plain(comparisons: dict[str, Any]) -> Record:
    return {name: dataclasses.asdict(each) for name, each in comparisons.items()}


def quality_to_text(record: Record) -> str:
    """Render the record of an assessment for a terminal.

    Args:
        record: Of `assessment.json`: the three above, counts, provenance, judges.
    """
    head = (
        f"ASSESSMENT of {record['synthetic_set']['folder']}: "
        f"{record['synthetic_set']['n']} synthetic pairs beside {record['n_training']} "
        f"training and {record['n_held_out']} held-out real cases "
        f"({record['held_out']})"
    )
    return "\n".join(
        [
            head,
            *_soundness_lines(record["soundness"]),
            _judges_line(record["judges"]),
            *_fidelity_lines(record["fidelity"]),
            *_memorization_lines(record["memorization"], record["synthetic_set"]["n"]),
        ]
    )


def _soundness_lines(record: Record) -> list[str]:
    agrees, shapes = record["agreement"], record["plausibility"]
    found = [
        f"{name} mean {each['mean']:.3f}, median {each['quantiles'][2]:.3f}, "
        f"5 % below {each['quantiles'][0]:.3f}"
        for name, each in agrees.items()
    ]
    misfits = [f"{name} {count}" for name, count in shapes["misfits"].items()]
    return [
        f"SOUND? agreement with judges (Dice): {'; '.join(found)}",
        f"  plausible masks: synthetic {shapes['synthetic']:.1%}, held-out "
        f"{shapes['real']:.1%}; out of range: {', '.join(misfits) or 'none'}",
    ]


def _judges_line(record: Record) -> str:
    found = [f"{name} {judge['agreement']:.3f}" for name, judge in record.items()]
    return f"  judges on real cases that they have not seen: {', '.join(found)}"


def _fidelity_lines(record: Record) -> list[str]:
    lines = [
        f"ALIKE? features: {record['features']}; k = {record['neighbors']} neighbors"
    ]
    rows = {
        **record["figures"],
        **{f"{name} [sd]": each for name, each in record["shapes"].items()},
    }
    if rows:
        columns = ("synthetic", "ruler", "difference")
        heads = ("synthetic", "held-out (ruler)", "difference")
        lines.append("".join(f"  {text:<24}" for text in ("", *heads)).rstrip())
    for name, each in rows.items():
        cells = [
            "{value:.3f} [{low:.3f}, {high:.3f}]".format(**each[column])
            for column in columns
        ]
        lines.append("".join(f"  {text:<24}" for text in (name, *cells)).rstrip())
    if record["expected_coverage"] is not None:
        expected = record["expected_coverage"]
        lines.append(f"  coverage of equal distributions: {expected:.3f}")
    diversity = record["hash_diversity"]
    lines.append(
        f"  diversity of perceptual hashes: synthetic {diversity['synthetic']:.1f} "
        f"bits, training {diversity['real']:.1f}"
    )
    return lines


def _memorization_lines(record: Record, n_pairs: int) -> list[str]:
    verdict = "passed" if record["passed"] else "NOT PASSED"
    lines = [f"COPIED? memorization audit: {verdict}"]
    for name, part in record["parts"].items():
        low, high = part["expected_share_interval"]
        lines.append(
            f"  {name}: {part['n_copies']} copies (relative distance below "
            f"{part['copy_bound']:.3f}); {part['n_closer']} of {n_pairs} closer than "
            f"{part['threshold']:.3f}, expected {part['expected_share']:.1%} "
            f"[{low:.1%}, {high:.1%}], p = {part['p_value']:.2g}"
            f"{'' if part['passed'] else ': NOT PASSED'}"
        )
    return lines
