"""From the test cases' metrics to the paper's tables, ours beside the paper's.

A table has three rows, the training sets of the experiment: U-Nets trained on real
pairs only, on real and synthetic pairs, on synthetic pairs only. Our rows stand beside
the paper's by training set and not by counts, as the counts may differ: 247 cases in
three folds leave one fold with 144 training cases instead of 145.

Mean, standard deviation and median are taken over all test cases of the folds that
are done. The standard deviation is that of a sample (n - 1); the paper does not name
its own, and at 247 cases the two differ by 0.2 %.
"""

import dataclasses
import enum
from collections.abc import Iterable, Mapping, Sequence

from tfgansynth.config import Config
from tfgansynth.data.dataset import Identity
from tfgansynth.evaluation.case_rows import summarize_classes, summarize_rows
from tfgansynth.evaluation.tables import (
    PHANTOM_WARNING,
    Summary,
    TrainingSet,
    require_metrics,
    training_set_of,
)
from tfgansynth.ranges import OPTIONAL
from tfgansynth.records.results.remarks import overlap_remarks
from tfgansynth.records.runs import FinishedUNet, Remark

PAPER_IMAGE_SIZE = 128
"""Side in pixels of the images on which the paper's distances are. Paper: IV-A."""
_MODERN = "The U-Nets are modern ones, not the paper's (--unet.architecture modern)."


class Status(enum.StrEnum):
    """How far a row of a growing table is."""

    PENDING = "pending"
    PARTIAL = "partial"
    DONE = "done"


@dataclasses.dataclass(frozen=True, slots=True)
class PaperRow:
    """One printed row of the paper's Table I or II.

    Attributes:
        hausdorff_px: Hausdorff distance in pixels at 128 x 128; the paper does not
            say which form of it.
    """

    n_real: int
    n_synthetic: int
    dice: Summary
    hausdorff_px: Summary

    @property
    def training_set(self) -> TrainingSet:
        """The training set that the numbers of training pairs make."""
        return training_set_of(self.n_real, self.n_synthetic)


PAPER_TABLE_I = (
    PaperRow(145, 0, Summary(0.9608, 0.0101, None), Summary(6.1229, 5.0183, None)),
    PaperRow(145, 120, Summary(0.9537, 0.0121, None), Summary(6.3147, 4.8708, None)),
    PaperRow(0, 120, Summary(0.9172, 0.0283, None), Summary(9.3564, 6.0651, None)),
)
"""Results with the full training set, on JSRT/SCR. Paper: Table I."""

PAPER_TABLE_II = (
    PaperRow(30, 0, Summary(0.9464, 0.0158, None), Summary(7.6384, 6.0395, None)),
    PaperRow(30, 120, Summary(0.9394, 0.0133, None), Summary(7.2885, 5.1007, None)),
    PaperRow(0, 120, Summary(0.9312, 0.0199, None), Summary(7.6091, 5.5654, None)),
)
"""Results with the reduced training set, on JSRT/SCR. Paper: Table II."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One training set of ours over all test cases of the folds that are done.

    Attributes:
        folds: The folds that are done, ascending.
        n_real: Real training pairs, one number per fold in `folds`.
        n_synthetic: Synthetic training pairs, one number per fold in `folds`.
        n_cases: Test cases of all `folds`.
        by_class: The metrics of each class by name, where there are several; then the
            others are those of the means over classes.
    """

    folds: tuple[int, ...]
    n_real: tuple[int, ...]
    n_synthetic: tuple[int, ...]
    n_cases: int
    dice: Summary
    hausdorff_px: Summary
    hausdorff_95_px: Summary
    mean_surface_distance_px: Summary
    by_class: Mapping[str, Mapping[str, Summary]] = dataclasses.field(
        default_factory=dict, metadata=OPTIONAL
    )

    def require_whole(self) -> None:
        """Refuse one without all metrics of a class; see `require_metrics`."""
        for each in self.by_class.values():
            require_metrics(each)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TableEntry:
    """One training set: our row, None while there is none, and the paper's.

    The paper's is None where its figures are not shown.
    """

    training_set: TrainingSet
    status: Status
    ours: TableRow | None
    paper: PaperRow | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of ours, complete or still growing; all of `table.json`.

    Attributes:
        warning: That the cases are phantoms; None if they are not.
        target: What is segmented, in words: `both lungs`.
        image_size: Side of the images in pixels, which distances depend on.
        reduced: True to stand beside the paper's Table II, False beside Table I.
        folds: The folds that have results, ascending.
        n_test_cases: Test cases in `folds`, that is, in each complete row.
        rows: One for each training set, in the order of the paper's tables.
        notes: What a reader must know of the metrics, and of the paper's figures.
    """

    warning: str | None
    title: str
    dataset: Identity
    target: str
    image_size: int
    reduced: bool
    preset: str
    seed: int
    folds: tuple[int, ...]
    n_test_cases: int
    rows: tuple[TableEntry, ...]
    remarks: tuple[Remark, ...]
    notes: tuple[str, ...]


def make_table(
    config: Config,
    dataset: Identity,
    n_test_cases: Mapping[int, int],
    unets: Sequence[FinishedUNet],
    remarks: Iterable[Remark] = (),
) -> Table:
    """Make the table of the paper's regimes of one run. Paper: IV-C.

    The paper's figures stand beside them where `shows_paper` says so.

    Args:
        config: The run's.
        dataset: Its data set.
        n_test_cases: Those of each fold that has results, ascending.
        unets: The finished U-Nets of the paper's regimes.
        remarks: Problems that may affect the results.

    Raises:
        ValueError: A fold has results but no number of test cases, or more results
            than these; or see `aggregate`.
    """
    ours = aggregate(unets)
    total = sum(n_test_cases.values())
    shown = shows_paper(config, dataset)
    for training_set, row in ours.items():
        if not set(row.folds) <= set(n_test_cases) or row.n_cases > total:
            raise ValueError(
                f"{training_set}: expected at most {total} test cases of folds "
                f"{[*n_test_cases]}, got {row.n_cases} of {row.folds}"
            )
    return Table(
        warning=PHANTOM_WARNING if dataset.is_phantom else None,
        title=(
            "Table II: the reduced training set"
            if config.reduced
            else "Table I: the full training set"
        ),
        dataset=dataset,
        target=dataset.target_words(config.lungs),
        image_size=config.data.size,
        reduced=config.reduced,
        preset=config.preset,
        seed=config.seed,
        folds=tuple(n_test_cases),
        n_test_cases=total,
        rows=tuple(
            TableEntry(
                training_set=paper.training_set,
                status=_status(ours.get(paper.training_set), total),
                ours=ours.get(paper.training_set),
                paper=paper if shown else None,
            )
            for paper in paper_rows(reduced=config.reduced)
        ),
        remarks=(*remarks, *overlap_remarks(unets)),
        notes=(
            *_notes(dataset, config.data.size)[: 2 if shown else 1],
            *([_MODERN] if config.unet.architecture == "modern" else []),
        ),
    )


def paper_rows(*, reduced: bool) -> tuple[PaperRow, ...]:
    """The paper's Table II if reduced, else its Table I."""
    return PAPER_TABLE_II if reduced else PAPER_TABLE_I


def shows_paper(config: Config, dataset: Identity) -> bool:
    """Whether the paper's figures stand beside results: on its data, or if asked.

    The phantoms stand in the place of the paper's data.
    """
    return dataset.is_paper_data or dataset.is_phantom or config.paper_figures


def _status(row: TableRow | None, n_test_cases: int) -> Status:
    if row is None:
        return Status.PENDING
    return Status.DONE if row.n_cases == n_test_cases else Status.PARTIAL


def _notes(dataset: Identity, side: int) -> tuple[str, ...]:
    spacing = dataset.spacing_mm
    width = f", each {spacing:.4g} mm wide" if spacing else ""
    metrics = (
        "Metrics: Dice; Hausdorff distance (HD), its 95th percentile (HD95) and "
        "average symmetric surface distance (ASSD) between 4-neighbor contours, "
        f"in px at {side} x {side}{width}; one empty mask counts as the image "
        "diagonal; over all test cases, sd with n - 1."
    )
    paper = "The paper does not say which form of the Hausdorff distance it used."
    if not dataset.is_paper_data:
        paper = (
            "The paper's figures are on other data (JSRT/SCR at "
            f"{PAPER_IMAGE_SIZE} px): for orientation only. {paper}"
        )
    elif side != PAPER_IMAGE_SIZE:
        paper = (
            f"The paper's distances are in px at {PAPER_IMAGE_SIZE} x "
            f"{PAPER_IMAGE_SIZE}: they do not compare with these. {paper}"
        )
    return metrics, paper


def aggregate(unets: Sequence[FinishedUNet]) -> dict[TrainingSet, TableRow]:
    """Collect the test cases of each training set over its folds. Paper: IV-C.

    Args:
        unets: Any number of folds and training sets, in any order.

    Returns:
        One row for each training set that has U-Nets, in the order of the paper's
        tables.

    Raises:
        ValueError: A training set tests a case twice, or one fold of a training set has
            cases of differently many training pairs (two runs got mixed up).
    """
    return {
        training_set: _row(training_set, members)
        for training_set in TrainingSet
        if (members := [u for u in unets if u.regime.training_set is training_set])
    }


def _row(training_set: TrainingSet, unets: Sequence[FinishedUNet]) -> TableRow:
    pairs_by_fold: dict[int, tuple[int, int]] = {}
    for unet in unets:
        pairs = unet.regime.n_real, unet.regime.n_synthetic
        expected = pairs_by_fold.setdefault(unet.fold, pairs)
        if pairs != expected:
            raise ValueError(
                f"{training_set}, fold {unet.fold}: expected cases of one U-Net, got "
                f"(real, synthetic) training pairs {expected} and {pairs}"
            )
    rows = [row for unet in unets for row in unet.cases]
    seen: set[str] = set()
    for row in rows:
        if row.case_id in seen:
            raise ValueError(
                f"{training_set}: case {row.case_id} is tested more than once"
            )
        seen.add(row.case_id)
    folds = tuple(sorted(pairs_by_fold))
    return TableRow(
        folds=folds,
        n_real=tuple(pairs_by_fold[fold][0] for fold in folds),
        n_synthetic=tuple(pairs_by_fold[fold][1] for fold in folds),
        n_cases=len(rows),
        **summarize_rows(rows),
        by_class=summarize_classes(rows),
    )
