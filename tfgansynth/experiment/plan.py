"""The plan: which stages an experiment has, what each needs, what bears on it.

A plan is a pure function of settings, split and request. A stage's identity is a hash
of the settings that bear on it and of the identities of its inputs: change a setting of
the U-Nets, and the GAN and its set keep theirs.
"""

import dataclasses
import heapq
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Literal, TypeVar

from tfgansynth.config import NETWORK_VERSIONS, Config
from tfgansynth.data.held_out import FoldHashes
from tfgansynth.errors import InputError
from tfgansynth.experiment.graph import FoldPlanner, Plan, PlannedStage, Splits
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

Name = TypeVar("Name")
"""Names a stage."""


@dataclasses.dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of one stage that is not done.

    Attributes:
        seconds: About; where it may end early, at its earliest end. None if nothing is
            known.
        latest: Seconds at its latest end; `seconds` where its length is fixed.
        mib: Memory; 0 if nothing is known.
        is_recorded: Whether runs below --out tell.
        like: The same for all stages of which a step takes as long.
        steps: Of such; 1 for a stage whose length is not fixed by them.
    """

    seconds: float | None
    latest: float
    mib: float
    is_recorded: bool
    like: str
    steps: int


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


def plan(
    config: Config, splits: Splits, numbers: Sequence[int] | None, request: RequestOf
) -> Plan:
    """Plan what is wanted of some folds, by number; of all for None.

    Raises:
        InputError: Something of it is impossible with these settings and cases.
    """
    stages: list[PlannedStage] = []
    for fold in splits.some(numbers):
        planner, wanted = FoldPlanner(config, splits, fold), request(fold)
        _require_possible(wanted, config, fold)
        _add(planner, wanted)
        stages += planner.stages.values()
    return Plan(tuple(stages))


def in_order_of_need(
    plans: Sequence[Sequence[PlannedStage]],
) -> list[tuple[int, PlannedStage]]:
    """Order the stages of several plans for many workers.

    The first plan's come first, as they are, for a first verdict. Then those with the
    longest chain of stages behind them: a GAN that begins last ends last.

    Returns:
        Number of the plan and stage; each stage after those that it needs.
    """
    found: list[tuple[int, PlannedStage, int]] = []
    for number, stages in enumerate(plans):
        behind = dict.fromkeys((stage.name for stage in stages), 0)
        for stage in reversed(stages):
            for need in behind.keys() & {*stage.needs}:
                behind[need] = max(behind[need], behind[stage.name] + 1)
        found += [(number, s, behind[s.name] if number else 0) for s in stages]
    found.sort(key=lambda each: (each[0] > 0, -each[2]))
    return [(number, stage) for number, stage, _ in found]


def play(
    stages: Mapping[Name, Collection[Name]],
    seconds: Mapping[Name, float],
    n_workers: int,
    running: Collection[Name] = (),
) -> dict[Name, float]:
    """Play stages on workers: a free one takes the first whose needs are done.

    Args:
        stages: What each needs, in the order in which they are taken; others are done.
        seconds: Of each stage; of those that run, what they still take.
        n_workers: Stages at a time, >= 1.
        running: Stages that run already.

    Returns:
        Seconds until each stage is done.
    """
    number = {name: index for index, name in enumerate(stages)}
    open_needs = {name: {*needs} & stages.keys() for name, needs in stages.items()}
    behind: dict[Name, list[Name]] = {name: [] for name in stages}
    for name, open_ones in open_needs.items():
        for need in open_ones:
            behind[need].append(name)
    ends = {name: seconds[name] for name in stages if name in running}
    at_work = [(end, number[name], name) for name, end in ends.items()]
    heapq.heapify(at_work)
    ready = [
        (number[name], name)
        for name, open_ones in open_needs.items()
        if not open_ones and name not in running
    ]
    now = 0.0
    while ready or at_work:
        while ready and len(at_work) < n_workers:
            first, name = heapq.heappop(ready)
            ends[name] = now + seconds[name]
            heapq.heappush(at_work, (ends[name], first, name))
        now = at_work[0][0]
        while at_work and at_work[0][0] == now:
            *_, name = heapq.heappop(at_work)
            for each in behind[name]:
                open_needs[each].remove(name)
                if not open_needs[each]:
                    heapq.heappush(ready, (number[each], each))
    return ends


def possible_stages(
    config: Config,
    splits: Splits,
    others: Mapping[int, Collection[Regime]],
    networks: Mapping[str, int] = NETWORK_VERSIONS,
) -> Plan:
    """Plan all stages that a run folder of these settings may have.

    `others` are, by fold, U-Nets beside the tables' own; `networks` the networks'
    versions.
    """
    stages: list[PlannedStage] = []
    for fold in splits.folds:
        planner = FoldPlanner(config, splits, fold, networks)
        control = config.synthesis.augment != "none"
        tables = planned_regimes(config, fold, "all", control=control)
        regimes = [regime for table in tables for regime in table]
        requests = [Request(gan=True, sets=drawn_kinds(config))]
        requests += [
            Request(regimes=[regime])
            for regime in [*regimes, *others.get(fold.number, ())]
        ]
        requests += [Request(assessments=[kind]) for kind in drawn_kinds(config)]
        for each in requests:
            try:
                _add(planner, each)
            except InputError:
                # Impossible with these settings: then there is none in the folder.
                continue
        stages += planner.stages.values()
    return Plan(tuple(stages))


def _add(planner: FoldPlanner, request: Request) -> None:
    """Plan what is wanted of a fold."""
    if request.gan:
        planner.gan()
    for kind in request.sets:
        planner.set(kind)
    for regime in request.regimes:
        planner.segmentation(regime)
    for kind in request.assessments:
        planner.assessment(kind)


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


def _require_possible(wanted: Request, config: Config, fold: FoldHashes) -> None:
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
