"""What a run, an assessment and an experiment leave, made up."""

import dataclasses
from typing import Any

from tests.evaluation.made import difference
from tests.gan.small import SMALL
from tfgansynth.assessment.fidelity import Figure, ReferencedFigure
from tfgansynth.assessment.quality import Spread
from tfgansynth.config import SynthesisConfig
from tfgansynth.data.dataset import Identity
from tfgansynth.evaluation.mixed_effects import Design
from tfgansynth.evaluation.tables import METRIC_HEADINGS, Summary, TrainingSet
from tfgansynth.evaluation.verdicts import Direction, PairComparison, Size, Verdict
from tfgansynth.presets import PRESETS
from tfgansynth.records.assessments import (
    Agreement,
    AssessedSet,
    Assessment,
    AuditFigures,
    Diversity,
    Fidelity,
    Memorization,
    PlausibleShares,
    Quality,
)
from tfgansynth.records.comparisons import Comparison, RegimeRow, RegimeTable
from tfgansynth.records.provenance import GeneratorProvenance, SetManifest
from tfgansynth.records.runs import Remark

_MADE: dict[str, Any] = {
    "dataset": Identity("phantoms-60", "phantom", 60, "0123abcd"),
    "preset": "smoke",
    "reduced": True,
    "lungs": "left",
    "fold": 2,
    "seed": 17,
    "duplicates": (),
    "network_version": 1,
    "data": PRESETS["smoke"].data,
    "augmentation": PRESETS["smoke"].augmentation,
    "gan": SMALL,
    "training_cases": {"a": "00aa", "b": "00bb", "c": "00cc"},
    "generator_sha256": "feedbeef" * 8,
    "step": 4321,
}
GENERATOR = GeneratorProvenance(**_MADE)
MANIFEST = SetManifest(
    **_MADE,
    z_seed=77,
    mask_components=1,
    synthesis=SynthesisConfig(mask_threshold=150, hash_distance=2, augment="none"),
    drawn=130,
    dropped_as_almost_identical=7,
    dropped_for_an_empty_mask=3,
    pairs=(),
    kind="plain",
    z_dim=32,
    stage="synthetic set",
    inputs={"fold-2/gan": "ab" * 32},
    identity="cd" * 32,
)

SPREAD = Spread(6, 0.911, (0.8, 0.85, 0.9, 0.95, 0.99))
FIGURE = Figure(value=0.5, low=0.25, high=0.75)
REFERENCED = ReferencedFigure(
    synthetic=FIGURE,
    real_reference=dataclasses.replace(FIGURE, value=0.625),
    difference=Figure(value=-0.125, low=-0.5, high=0.25),
    size=12,
)
PART = AuditFigures(
    n_closer=1,
    share=1 / 6,
    threshold=0.5,
    expected_share=0.01,
    expected_share_interval=(0.0, 0.04),
    copy_bound=0.3,
    n_copies=0,
    p_value=0.0321,
    passed=True,
)


def assessment(manifest_sha256: str, *, passed: bool = True) -> Assessment:
    n_copies = 0 if passed else 3
    return Assessment(
        fold=1,
        synthetic_set=AssessedSet(
            folder="fold-1/synthetic", manifest_sha256=manifest_sha256, n=6
        ),
        n_training=6,
        n_held_out=14,
        held_out="4 validation cases and 10 that the reduced set leaves out",
        cross_fit={},
        quality=Quality(
            agreement=Agreement(
                synthetic=SPREAD, real=dataclasses.replace(SPREAD, mean=0.944)
            ),
            plausibility=PlausibleShares(
                synthetic=0.5, real=0.75, misfits={"area": 2, "solidity": 1}
            ),
        ),
        fidelity=Fidelity(
            features="bottleneck of member-1",
            neighbors=3,
            figures={"precision": REFERENCED, "kid": REFERENCED},
            shapes={"area": REFERENCED},
            expected_coverage=0.97,
            hash_diversity=Diversity(synthetic=20.25, real=24.75),
        ),
        memorization=Memorization(
            passed=passed,
            parts={
                "image": PART,
                "mask": dataclasses.replace(PART, n_closer=2, share=2 / 6),
                "pair": dataclasses.replace(PART, n_copies=n_copies, passed=passed),
            },
            flagged=() if passed else (1, 4, 5),
        ),
        files={},
    )


def comparison(*runs: str, folds: tuple[int, ...] = (1,)) -> Comparison:
    summary = Summary(0.9472, 0.0254, 0.95)
    row = RegimeRow(
        name="mixed",
        training_set=TrainingSet.MIXED,
        schedule="paper",
        set="plain",
        n_real=(144, 145),
        n_synthetic=(120,),
        n_unets=len(runs),
        n_results=83,
        metrics=dict.fromkeys(METRIC_HEADINGS, summary),
        dice_by_seed={"0": 0.9472},
    )
    pair = PairComparison(
        first="real only",
        second="mixed",
        is_primary=False,
        n_pairs=1,
        n_seeds=1,
        design=Design(cells=83, cases=83, runs=1, per_case=1, per_run=83),
        margin=0.005,
        verdict=Verdict(Direction.HIGHER, Size.ABOVE),
        outlook=(),
        outlying=None,
        sentence="mixed against real only: a lot.",
        metrics=dict.fromkeys(METRIC_HEADINGS, difference(0.01, 0.006, 0.014)),
    )
    remark = Remark(seed=0, fold=1, stage="fold-1/gan", kind="x", text="mode collapse")
    return Comparison(
        warning=None,
        context=f"phantoms, preset smoke, {len(runs)} seeds",
        dataset=GENERATOR.dataset,
        runs=runs,
        seeds=(0,),
        folds=folds,
        remarks=(remark,),
        tables=(RegimeTable(title="The paper's regimes", rows=(row,)),),
        confidence=0.95,
        plans=(),
        plan_note="No plan.",
        comparisons=(pair,),
        unets=(),
    )
