"""The whole chain over folds, and the tables that grow from it. Paper: IV-C."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tfgansynth.data.held_out import FoldCases
from tfgansynth.evaluation import tables
from tfgansynth.evaluation.evidence import (
    Evidence,
    evidence_to_markdown,
    evidence_to_text,
)
from tfgansynth.experiment.assessment import assess_fold
from tfgansynth.experiment.evaluated import Evaluated, evaluated, remarks
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.gan_stage import ensure_gan
from tfgansynth.experiment.regimes import (
    Regime,
    RegimeSet,
    paper_regimes,
    planned_regimes,
)
from tfgansynth.experiment.results import (
    EVIDENCE,
    EVIDENCE_TEXT,
    TABLE,
    TABLE_SHEET,
    TABLE_TEXT,
    evidence_record,
    paper_table,
    table_record,
    weigh_results,
)
from tfgansynth.experiment.run_folder import Run
from tfgansynth.experiment.synthesis_stage import ensure_set
from tfgansynth.runtime import storage
from tfgansynth.runtime.timing import stages_table


def run_study(
    experiments: Iterable[Experiment],
    fold_numbers: Sequence[int] | None,
    regimes: RegimeSet,
    n_seeds: int,
    *,
    control: bool = False,
    assessed: bool = False,
) -> Path:
    """Run the whole chain over folds and seeds; print and write results as they come.

    Args:
        experiments: One run a seed, ascending.
        fold_numbers: The folds; None for all.
        regimes: Which rows.
        n_seeds: How many runs there will be.
        control: Also the rows of the control.
        assessed: Also assess each fold's synthetic set, after its rows.

    Returns:
        The folder that has the evidence: the run's own if there is only one.

    Raises:
        InputError: There can be no control.
    """
    tested: list[Evaluated] = []
    for experiment in experiments:
        folds = experiment.some_folds(fold_numbers)
        own: list[Evaluated] = []
        chain = _chain(experiment, folds, regimes, control=control, assessed=assessed)
        for unet in chain:
            own.append(unet)
            if unet.result.regime in _paper_rows(unet):
                print(f"\n{tables.to_text(_write_table(experiment, folds, own))}")
        tested += own
        folder = study_folder(tested[0].experiment.run, n_seeds)
        print(f"\n{evidence_to_text(_write_evidence(tested, folder))}")
        print(stages_table(experiment.run.seconds()))
    return folder


def study_folder(run: Run, n_seeds: int) -> Path:
    """The folder of what several seeds have shown together: `...-seeds0-1`.

    Args:
        run: That of the first seed.
        n_seeds: How many seeds; one needs no folder but the run's.
    """
    if n_seeds == 1:
        return run.root
    seed = run.config.seed
    name = run.root.name.replace(f"-seed{seed}", f"-seeds{seed}-{seed + n_seeds - 1}")
    return run.root.with_name(name)


def _chain(
    experiment: Experiment,
    folds: Sequence[FoldCases],
    regimes: RegimeSet,
    *,
    control: bool,
    assessed: bool,
) -> Iterator[Evaluated]:
    """Do what is not done yet, U-Net after U-Net."""
    config = experiment.config
    for fold in folds:
        rows = list(
            itertools.chain(
                *planned_regimes(config, len(fold.training), regimes, control=control)
            )
        )
        ensure_gan(experiment, fold)
        for kind in dict.fromkeys(regime.kind for regime in rows):
            ensure_set(experiment, fold, kind)
        for regime in rows:
            yield evaluated(experiment, fold, regime)
        if assessed:
            assess_fold(experiment, fold)


def _paper_rows(unet: Evaluated) -> list[Regime]:
    n_synthetic = unet.experiment.config.synthesis.count
    return paper_regimes(len(unet.fold.training), n_synthetic)


def _write_table(
    experiment: Experiment, folds: Sequence[FoldCases], tested: Sequence[Evaluated]
) -> tables.Table:
    """Write the paper's rows of one run beside the paper's figures."""
    root = experiment.run.root
    of_paper = [unet for unet in tested if unet.result.regime in _paper_rows(unet)]
    table = paper_table(
        experiment.config,
        experiment.data,
        {fold.number: len(fold.test) for fold in folds},
        [unet.result for unet in of_paper],
        remarks(of_paper),
    )
    storage.write_json(root / TABLE, table_record(table, experiment.data))
    storage.write_text(root / TABLE_SHEET, tables.to_csv(table))
    storage.write_text(root / TABLE_TEXT, tables.to_markdown(table))
    return table


def _write_evidence(tested: Sequence[Evaluated], folder: Path) -> Evidence:
    data = tested[0].experiment.data
    results = [unet.result for unet in tested]
    evidence = weigh_results(results, data, remarks(tested))
    folder.mkdir(exist_ok=True)
    record = evidence_record(evidence, results, data)
    storage.write_record(folder / EVIDENCE, record)
    storage.write_text(folder / EVIDENCE_TEXT, evidence_to_markdown(evidence))
    return evidence


def summary(rows: Sequence[tables.CaseRow]) -> str:
    """Say in one line how a U-Net did on its test cases."""
    (row,) = tables.aggregate(rows)
    means = [
        f"{heading} {getattr(row, name).mean:.4f}"
        for name, heading in tables.METRIC_HEADINGS.items()
    ]
    return f"TEST: {row.n_cases} cases, mean {', '.join(means)}"
