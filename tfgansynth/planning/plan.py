"""The plan: which stages an experiment has, what each needs, what bears on it.

A plan is a pure function of settings, split and request. A stage's identity is a hash
of the settings that bear on it and of the identities of its inputs: change a setting of
the U-Nets, and the GAN and its set keep theirs.
"""

from collections.abc import Collection, Mapping, Sequence

from tfgansynth.config import NETWORK_VERSIONS, Config
from tfgansynth.errors import InputError
from tfgansynth.planning.fold_planner import FoldPlanner
from tfgansynth.planning.graph import Plan, PlannedStage, Splits
from tfgansynth.planning.requests import (
    Request,
    RequestOf,
    drawn_kinds,
    planned_regimes,
    require_possible,
)
from tfgansynth.records.regimes import BASELINES, Regime


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
        require_possible(wanted, config, fold)
        _add(planner, wanted)
        stages += planner.stages.values()
    return Plan(tuple(stages))


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
        tables = planned_regimes(
            config, fold, "all", control=control, baselines=BASELINES
        )
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
