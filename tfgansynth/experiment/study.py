"""A study: experiments that differ in a seed or a number of cases, and their plans."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from tfgansynth.config import Config
from tfgansynth.config_checks import check_ranges, expected_mib
from tfgansynth.experiment.experiment_data import Experiment, ExperimentData
from tfgansynth.experiment.run_folder import Run
from tfgansynth.planning.graph import Kind, Plan, PlannedStage
from tfgansynth.planning.requests import RequestOf
from tfgansynth.planning.schedule import Expected


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One experiment of a study, its stages, and how records name its run.

    `expected` has the stages that are not done, where a command runs them.
    """

    experiment: Experiment
    plan: Plan
    name: str
    expected: Mapping[str, Expected] = dataclasses.field(default_factory=dict)

    def expected_mib(self, stage: PlannedStage) -> float:
        """Expect the memory of a stage's process, in MiB; 0 if nothing is known."""
        experiment = self.experiment
        cases = experiment.cases
        n_cases = len(cases.cases) + len(cases.unlabelled)
        shapes = expected_mib(experiment.config, n_cases)
        return shapes.get("unet" if "unet" in stage.record else stage.kind, 0.0)


@dataclasses.dataclass(frozen=True, slots=True)
class Study:
    """Planned experiments on one data set; `folder` takes what they show together."""

    folder: Path
    parts: tuple[Part, ...]

    def open(self) -> "Study":
        """Open all run folders.

        Raises:
            InputError: One belongs to other data, or another process with other
                settings works in it.
        """
        parts = [
            dataclasses.replace(part, experiment=part.experiment.open())
            for part in self.parts
        ]
        return dataclasses.replace(self, parts=tuple(parts))


def prepare(
    data: ExperimentData,
    config: Config,
    out: Path,
    *,
    n_seeds: int,
    folds: Sequence[int] | None,
    request: RequestOf,
    kinds: Collection[Kind] | None = None,
) -> Study:
    """Plan the same request for one seed or several; touches no file.

    Args:
        data: The data set.
        config: The experiment's numbers, with the first seed.
        out: Holds the run folders.
        n_seeds: Seeds.
        folds: Numbers of the folds; None for all.
        request: What is wanted of each fold.
        kinds: Stages of all other kinds are left to other commands; None for none.

    Raises:
        InputError: Something of it is impossible with these settings and cases.
    """
    parts = []
    for each in each_seed(config, n_seeds):
        experiment = data.experiment(each, out)
        plan = experiment.plan(folds, request)
        plan = plan.only(kinds) if kinds else plan
        parts.append(Part(experiment, plan, experiment.run.root.name))
    name = Run.folder_name(data.dataset.name, config, n_seeds)
    return Study(out / name, tuple(parts))


def each_seed(config: Config, n_seeds: int) -> list[Config]:
    """Repeat settings with several seeds, their own being the first.

    Raises:
        InputError: The last is too large.
    """
    seeds = range(config.seed, config.seed + n_seeds)
    check_ranges(dataclasses.replace(config, seed=seeds[-1]))
    return [dataclasses.replace(config, seed=seed) for seed in seeds]
