"""What tables, evidence and curves are made of: settings and what U-Nets answered.

Whoever writes them and whoever checks them builds them here, so that the same rows
give the same files.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from tfgansynth.config import Config
from tfgansynth.data.dataset import Identity
from tfgansynth.evaluation import tables
from tfgansynth.evaluation.curves import Curve, CurveUNet, Missing, curve_to_json
from tfgansynth.evaluation.evidence import (
    EvaluatedUNet,
    Evidence,
    evidence_to_json,
    weigh,
)
from tfgansynth.experiment.regimes import Regime

EVIDENCE = "evidence.json"
"""All rows and verdicts, in the folder of the run, or of the study of several."""
EVIDENCE_TEXT = "evidence.md"
TABLE, TABLE_TEXT, TABLE_SHEET = "table.json", "table.md", "table.csv"
"""The paper's rows of one run."""
TRIAL = "trial.json"
"""What a trial came to on cases that a reduced experiment leaves out."""
CURVE = "curve"
"""A learning curve's files begin with this."""


@dataclasses.dataclass(frozen=True, slots=True)
class UNetResult:
    """One trained U-Net and what it answered.

    Attributes:
        run: Name of its run's folder.
        config: Its run's.
        fold: Number of its fold.
        regime: What it was trained on.
        rows: Its test cases.
    """

    run: str
    config: Config
    fold: int
    regime: Regime
    rows: Sequence[tables.CaseRow]


def paper_table(
    config: Config,
    data: Identity,
    n_test_cases: Mapping[int, int],
    unets: Sequence[UNetResult],
    remarks: tuple[str, ...],
) -> tables.Table:
    """Put the paper's rows of one run beside the paper's figures.

    Args:
        config: The run's.
        data: Its data set.
        n_test_cases: Those of each fold of the table, ascending.
        unets: What is done of the paper's rows.
        remarks: What went amiss on the way.
    """
    return tables.Table(
        title=(
            "Table II: the reduced training set"
            if config.reduced
            else "Table I: the full training set"
        ),
        dataset_name=data.name,
        is_phantom=data.is_phantom,
        is_paper_data=data.is_paper_data,
        target=target(config),
        image_size=config.data.size,
        reduced=config.reduced,
        preset=config.preset,
        seed=config.seed,
        folds=tuple(n_test_cases),
        n_test_cases=sum(n_test_cases.values()),
        rows=tables.aggregate(row for unet in unets for row in unet.rows),
        remarks=remarks,
    )


def table_record(table: tables.Table, data: Identity) -> dict[str, object]:
    """The content of `table.json`."""
    return {**tables.to_json(table), "dataset": data.record()}


def weigh_results(
    unets: Sequence[UNetResult], data: Identity, remarks: tuple[str, ...]
) -> Evidence:
    """Judge each pair of rows, over all folds and seeds.

    Args:
        unets: One at least; all of one data set and one configuration but for the
            seed.
        data: The data set.
        remarks: What went amiss on the way.
    """
    config = unets[0].config
    return weigh(
        (
            EvaluatedUNet(
                seed=unet.config.seed,
                table=table_title(unet),
                regime=unet.regime.name,
                rows=unet.rows,
                is_control=unet.regime.kind == "control",
            )
            for unet in unets
        ),
        context=context(unets, data),
        is_phantom=data.is_phantom,
        margin=config.evaluation.equivalence_margin,
        remarks=remarks,
    )


def evidence_record(
    evidence: Evidence, unets: Sequence[UNetResult], data: Identity
) -> dict[str, object]:
    """The content of `evidence.json`: also which U-Nets it comes from."""
    return {
        **evidence_to_json(evidence),
        "runs": list(dict.fromkeys(unet.run for unet in unets)),
        "folds": sorted({unet.fold for unet in unets}),
        "dataset": data.record(),
        "unets": [
            {
                "run": unet.run,
                "fold": unet.fold,
                "folder": unet.regime.folder_name,
                "table": table_title(unet),
                "regime": unet.regime.name,
            }
            for unet in unets
        ],
    }


def context(unets: Sequence[UNetResult], data: Identity) -> str:
    """Say in one line which data, settings, seeds and folds results are of."""
    config = unets[0].config
    seeds = ", ".join(map(str, dict.fromkeys(unet.config.seed for unet in unets)))
    folds = ", ".join(map(str, sorted({unet.fold for unet in unets})))
    size = config.data.size
    return (
        f"{data.name}, {target(config)}, {size} x {size} px, "
        f"{'reduced' if config.reduced else 'full'} training set; preset "
        f"{config.preset}; seeds {seeds}; folds {folds}"
    )


def curve_of(
    unets: Sequence[UNetResult],
    data: Identity,
    generator_of: int | None,
    missing: Sequence[Missing],
    remarks: tuple[str, ...],
) -> Curve:
    """Make a learning curve of U-Nets of several numbers of real cases.

    Args:
        unets: One at least; `run` is their run's folder relative to the curve's.
        data: The data set.
        generator_of: Cases that the one generator of all was trained on; None where
            each number of cases has a generator of its own.
        missing: What could not be done.
        remarks: What went amiss on the way.
    """
    words = "each number of real cases has its own generator, trained on those alone"
    if generator_of:
        words = (
            f"one generator, trained on {generator_of} real cases, serves all: it has "
            f"seen more real cases than the U-Nets of fewer than {generator_of}"
        )
    steps = unets[0].config.evaluation.budget_steps
    return Curve(
        context=f"{context(unets, data)}; {steps} mini-batches each",
        is_phantom=data.is_phantom,
        generator=f"Generators: {words}.",
        unets=tuple(
            CurveUNet(
                run=unet.run,
                folder=unet.regime.folder_name,
                n_real=unet.regime.n_real,
                n_synthetic=unet.regime.n_synthetic,
                seed=unet.config.seed,
                fold=unet.fold,
                regime=unet.regime.name,
                dice={row.case_id: row.metrics.dice for row in unet.rows},
            )
            for unet in unets
        ),
        missing=tuple(missing),
        remarks=remarks,
    )


def curve_record(
    curve: Curve, data: Identity, generator_of: int | None
) -> dict[str, object]:
    """The content of `curve.json`."""
    return {
        **curve_to_json(curve),
        "generator_of": generator_of,
        "dataset": data.record(),
    }


def target(config: Config) -> str:
    """What is segmented, in words."""
    return {"both": "both lungs"}.get(config.lungs, f"{config.lungs} lung")


def table_title(unet: UNetResult) -> str:
    """The heading under which a U-Net's row stands: the rule it was trained by."""
    if unet.regime.schedule == "paper":
        return "The paper's rows: trained until its rule ends it"
    steps = unet.config.evaluation.budget_steps
    return f"Fixed budget: {steps} mini-batches each"
