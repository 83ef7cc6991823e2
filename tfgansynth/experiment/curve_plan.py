"""What a learning curve is to hold, as far as the data allow it."""

import dataclasses
from collections.abc import Sequence

from tfgansynth.config import Config
from tfgansynth.data.splits import make_folds
from tfgansynth.errors import InputError


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a learning curve is to hold.

    Attributes:
        counts: Numbers of real cases.
        folds: Numbers of the folds; None for all.
        n_seeds: Seeds, from the configuration's on.
        generator_of: Cases that the one generator of all numbers is trained on; None
            where each number has its own.
    """

    counts: Sequence[int]
    folds: Sequence[int] | None
    n_seeds: int
    generator_of: int | None


def fit(plan: Plan, case_ids: Sequence[str], config: Config) -> Plan:
    """Clip the plan's numbers to the cases that each fold, or the generator, has.

    Prints which it clips.

    Args:
        plan: As asked for.
        case_ids: All cases.
        config: How they are split.

    Returns:
        The plan with ascending numbers, each once.

    Raises:
        InputError: It names what there cannot be, or the cases are too few.
    """
    folds = make_folds(case_ids, config.data, config.seed)
    most = min(len(fold.training) for fold in folds)
    why = f"the {most} training cases that each fold has"
    shown = " ".join(map(str, plan.counts))
    if min(plan.counts, default=0) < 1:
        raise InputError(f"--counts {shown}: expected numbers from 1 on")
    if plan.n_seeds < 1:
        raise InputError(f"--seeds {plan.n_seeds}: expected 1 or more")
    if plan.folds and not all(1 <= number <= len(folds) for number in plan.folds):
        shown = " ".join(map(str, plan.folds))
        raise InputError(f"--folds {shown}: expected 1 to {len(folds)}")
    if min(len(fold.test) for fold in folds) < 2:
        raise InputError(f"{len(case_ids)} cases leave a fold one test case: add cases")
    if plan.generator_of is not None:
        if not 1 <= plan.generator_of <= most:
            raise InputError(
                f"--generator-of {plan.generator_of}: expected 1 to {most}, {why}"
            )
        most = plan.generator_of
        why = f"the {most} that the generator is trained on"
    over = sorted({count for count in plan.counts if count > most})
    if over:
        print(f"COUNTS: {', '.join(map(str, over))} is more than {why}: {most} instead")
    counts = sorted({min(count, most) for count in plan.counts})
    return dataclasses.replace(plan, counts=counts)
