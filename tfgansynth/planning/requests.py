"""What can be wanted of a fold: tables, learning curves, trials."""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Literal

from tfgansynth.config import Config
from tfgansynth.data.held_out import FoldHashes
from tfgansynth.errors import InputError
from tfgansynth.records.regimes import (
    AUGMENTED,
    BASELINES,
    OFF_CURVE,
    Baseline,
    Regime,
    Schedule,
    SetKind,
    budget_names,
    is_on_curve,
    most_real,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is wanted of one fold; what that needs is planned with it.

    `baselines` are those that can be wanted at all.
    """

    gan: bool = False
    sets: Sequence[SetKind] = ()
    regimes: Sequence[Regime] = ()
    assessments: Sequence[SetKind] = ()
    baselines: Sequence[Baseline] = BASELINES


RegimeSet = Literal["paper", "fixed_budget", "augmented", "all"]
"""The paper's three regimes, the fixed-budget ones, those of them that augment, or the
first two."""

RequestOf = Callable[[FoldHashes], Request]
"""What is wanted of each fold."""


def table_request(
    config: Config,
    which: RegimeSet,
    *,
    control: bool,
    assessed: bool,
    baselines: Collection[Baseline] = (),
) -> RequestOf:
    """What the tables need, with what is wanted beside their own regimes.

    Raises:
        InputError: There can be no control of such a set, or of the paper's regimes;
            or no baselines beside these; or a setting bears on none of the regimes.
    """
    if which not in ("paper", "all") and config.unet.augment != "none":
        raise InputError(
            f"--unet.augment {config.unet.augment}: bears on the paper's regimes only: "
            "leave it out, as each fixed-budget regime has its own augmentation or none"
        )
    if baselines and which == "paper":
        raise InputError(
            "--baselines: stand beside the fixed-budget regimes: expected --regimes "
            "fixed_budget, augmented or all"
        )
    if control and which == "paper":
        raise InputError(
            "--control: adds to the fixed-budget regimes: expected --regimes "
            "fixed_budget, augmented or all"
        )
    if control and config.synthesis.augment == "none":
        raise InputError(
            "--control: expected --synthesis.augment: training cases that are not "
            "augmented are the same pairs that the real regimes train on"
        )

    def request(fold: FoldHashes) -> Request:
        tables = planned_regimes(
            config, fold, which, control=control, baselines=baselines
        )
        regimes = [regime for table in tables for regime in table]
        return Request(
            gan=True,
            sets=list(dict.fromkeys(regime.kind for regime in regimes)),
            regimes=regimes,
            assessments=drawn_kinds(config) if assessed else (),
        )

    return request


CURVE_BASELINES = tuple(each for each in BASELINES if each not in OFF_CURVE)
"""Those that a learning curve can have."""


def curve_request(
    config: Config,
    count: int,
    *,
    augmented: bool = False,
    baselines: Collection[Baseline] = (),
) -> RequestOf:
    """The U-Nets of one number of real cases, without and with synthetic pairs.

    The options add both with classical augmentation, and other ways to use the same
    cases.

    Raises:
        InputError: An ensemble would have learned from more cases.
    """
    for each in baselines if count < config.data.n_reduced else ():
        if Regime(count, 0, "fixed_budget", baseline=each).uses_ensemble:
            raise InputError(
                f"--baselines {each}: takes an ensemble that has learned from as many "
                f"cases as its U-Nets: leave out --generator-of {config.data.n_reduced}"
            )

    def request(fold: FoldHashes) -> Request:
        tables = planned_regimes(config, fold, "fixed_budget", baselines=baselines)
        regimes = [
            dataclasses.replace(regime, n_real=count)
            for table in tables
            for regime in table
            if is_on_curve(regime, config)
            and (augmented or regime.baseline or regime.schedule != "augmented")
        ]
        return Request(regimes=regimes, baselines=CURVE_BASELINES)

    return request


def trial_request(
    config: Config,
    *,
    augmented: bool,
    control: bool,
    assessed: bool,
    baselines: Collection[Baseline] = (),
) -> RequestOf:
    """The fixed-budget regimes.

    The options add regimes with classical augmentation, regimes of the control, an
    assessment of the set, and baselines.
    """
    whole = table_request(
        config, "fixed_budget", control=control, assessed=False, baselines=baselines
    )

    def request(fold: FoldHashes) -> Request:
        found = whole(fold)
        return dataclasses.replace(
            found,
            regimes=[
                regime
                for regime in found.regimes
                if augmented or regime.baseline or regime.schedule != "augmented"
            ],
            assessments=["plain"] if assessed else (),
        )

    return request


def drawn_kinds(config: Config) -> list[SetKind]:
    """The kinds of sets that a fold's generator draws."""
    return ["plain", "filtered"] if config.synthesis.min_agreement else ["plain"]


def planned_regimes(
    config: Config,
    fold: FoldHashes,
    which: RegimeSet,
    *,
    control: bool = False,
    baselines: Collection[Baseline] = (),
) -> list[list[Regime]]:
    """The regimes of each table of a fold, in the order in which they are trained.

    Regimes of one table are comparable: trained by one rule, and each budget is a rule.
    With a control, each fixed-budget regime with synthetic pairs is preceded by its
    like with as many pairs of the control. Paper: IV-C.
    """
    n_real, n_synthetic = len(fold.training), config.synthesis.count
    counts = [(n_real, 0), (n_real, n_synthetic), (0, n_synthetic)]
    paper = [Regime(*each) for each in counts]
    fixed_budget = [Regime(*each, "augmented") for each in counts[:2]]
    if which != "augmented":
        fixed_budget = [
            *(Regime(*each, "fixed_budget") for each in counts),
            *fixed_budget,
        ]
    if control:
        fixed_budget = [
            each for regime in fixed_budget for each in _after_its_control(regime)
        ]
    by_budget = [
        [dataclasses.replace(regime, steps=steps) for regime in fixed_budget]
        for steps in budget_names(config)
    ]
    tables = {
        "paper": [paper],
        "fixed_budget": by_budget,
        "augmented": by_budget,
        "all": [paper, *by_budget],
    }[which]
    if config.synthesis.min_agreement:
        for table in tables:
            table += [
                dataclasses.replace(regime, kind="filtered")
                for regime in table
                if regime.n_synthetic and regime.kind == "plain"
            ]
    for table in by_budget if which != "paper" else ():
        for each in baselines:
            own = [*_of_baseline(each, config, fold, table[0].steps)]
            augmented = [r for r in own if r.schedule == "augmented"]
            table += augmented if which == "augmented" and augmented else own
    return tables


def _of_baseline(
    baseline: Baseline, config: Config, fold: FoldHashes, steps: int
) -> Iterator[Regime]:
    """The regimes of a baseline: one, or several, without and with synthetic pairs."""
    parts, count = (fold.training, fold.validation, fold.unused), config.synthesis.count
    found: list[tuple[int, Schedule]] = [
        (count if baseline == "pretrained" else 0, "fixed_budget")
    ]
    if baseline in AUGMENTED:
        found.append((count, "fixed_budget"))
    elif baseline == "unlabelled":
        # What a set adds to augmented pairs, these images may add as well.
        found += [(0, "augmented"), (count, "augmented")]
    for n_synthetic, schedule in found:
        yield Regime(
            most_real(baseline, *map(len, parts)),
            n_synthetic,
            schedule,
            # One ensemble is beside all budgets.
            steps=0 if baseline == "ensemble" else steps,
            baseline=baseline,
        )


def require_possible(wanted: Request, config: Config, fold: FoldHashes) -> None:
    """Refuse a baseline that lacks what it needs, and name those that do not."""
    for regime in wanted.regimes:
        if regime.baseline and (fault := _fault(regime, config, fold)):
            possible = [
                each
                for each in wanted.baselines
                if not any(
                    _fault(own, config, fold)
                    for steps in budget_names(config)
                    for own in _of_baseline(each, config, fold, steps)
                )
            ]
            raise InputError(
                f"--baselines {regime.baseline}: {fault}; possible with these "
                f"settings: --baselines {' '.join(possible)}"
            )


def _fault(regime: Regime, config: Config, fold: FoldHashes) -> str | None:
    """What the baseline of a regime needs and has not."""
    others = "the training cases that --reduced leaves out"
    if regime.baseline == "ceiling" and not fold.unused:
        return f"takes {others}, and fold {fold.number} has none"
    if regime.baseline == "unlabelled" and not fold.unlabelled:
        return (
            f"takes the images in unlabelled/ of the data set, and {others}, and fold "
            f"{fold.number} has none"
        )
    if regime.uses_ensemble and not config.synthesis.pseudo_label_members:
        return (
            "takes the pseudo-label ensemble: expected --synthesis.pseudo-label-members"
            " 1 or more"
        )
    steps, epoch = regime.budget(config), config.evaluation.budget_epoch
    if regime.baseline == "pretrained" and steps < 2 * epoch:
        return (
            f"{steps} mini-batches have no half of whole epochs: expected "
            f"--evaluation.budgets of twice --evaluation.budget-epoch {epoch} or more"
        )
    return None


def _after_its_control(regime: Regime) -> Iterator[Regime]:
    if regime.n_synthetic:
        yield dataclasses.replace(regime, kind="control")
    yield regime
