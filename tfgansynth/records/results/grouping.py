"""Which regimes stand in a table, and which of their pairs have no verdict."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tfgansynth.errors import name_few
from tfgansynth.evaluation.tables import TrainingSet
from tfgansynth.records.runs import FinishedUNet

Tables = dict[str, dict[str, list[FinishedUNet]]]
"""By title and by the name of the regime."""


def group(
    unets: Iterable[FinishedUNet], title_of: Callable[[FinishedUNet], str]
) -> Tables:
    """Put U-Nets into tables, in their own order, whatever the first fold has."""
    tables: Tables = {}
    ordered = sorted(unets, key=lambda unet: unet.regime.order)
    # An ensemble is trained for no budget, and stands beside each.
    for unet in sorted(ordered, key=lambda unet: unet.regime.baseline == "ensemble"):
        titles = [title_of(unet)]
        if unet.regime.baseline == "ensemble":
            titles += [
                title
                for title, regimes in tables.items()
                if unet.regime.is_beside(next(iter(regimes.values()))[0].regime)
            ]
        for title in dict.fromkeys(titles):
            regimes = tables.setdefault(title, {})
            regimes.setdefault(unet.regime.name, []).append(unet)
    return {
        title: dict(sorted(regimes.items(), key=lambda each: each[1][0].regime.place))
        for title, regimes in tables.items()
    }


def table_title(unet: FinishedUNet) -> str:
    """The heading under which a U-Net's regime stands: the rule it was trained by."""
    steps = unet.regime.budget(unet.config)
    if unet.regime.schedule == "paper":
        until_stopped = "until the paper's rule stops them"
        rule = f"{steps} mini-batches each" if steps else until_stopped
        return f"The paper's regimes: trained {rule}"
    return f"Fixed budget: {steps} mini-batches each"


def withheld_pairs(
    regimes: Mapping[str, Sequence[FinishedUNet]],
) -> Iterator[tuple[tuple[str, str], str]]:
    """Say which pairs of a table's regimes get no verdict, and why.

    A verdict rests on the networks of real pairs alone, where the table has them:
    those of each rule that the two regimes are trained by must have learned in each
    fold. A network that has not learned beside them is a result. Two of them are none.
    """
    by_run = {
        name: {(unet.seed, unet.fold): unet for unet in members}
        for name, members in regimes.items()
    }
    references = {
        members[0].regime.schedule: by_run[name]
        for name, members in regimes.items()
        if members[0].regime.training_set is TrainingSet.REAL
        and not members[0].regime.baseline
    }
    for first, second in itertools.combinations(regimes, 2):
        found: dict[str, None] = {}
        for run in sorted(by_run[first].keys() & by_run[second].keys()):
            pair = by_run[first][run], by_run[second][run]
            behind = [
                references.get(unet.regime.schedule, {}).get(run) for unet in pair
            ]
            failed = [unet for unet in behind if unet and not unet.has_learned]
            if not failed and not any(unet.has_learned for unet in pair):
                failed = [*pair]
            for unet in failed:
                found[
                    f"{unet.regime.name} has not learned in fold {unet.fold} of seed "
                    f"{unet.seed} ({unet.validation})"
                ] = None
        if found:
            yield (first, second), name_few([*found], "; ")
