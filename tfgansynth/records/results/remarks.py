"""What may affect the results, of many U-Nets together."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tfgansynth.errors import name_few
from tfgansynth.records.results.grouping import Tables
from tfgansynth.records.runs import DATA, FinishedUNet, Remark
from tfgansynth.segmentation.history import is_lowest_late

_FEW_IN_GROUP = 10
"""Test cases of a group below which its figures have a remark. [choice]"""


def overlap_remarks(unets: Sequence[FinishedUNet]) -> tuple[Remark, ...]:
    """Say if settings were tried on test cases, by any of the runs of some U-Nets."""
    tried = frozenset().union(*(unet.tried for unet in unets))
    rows = [row.case_id for unet in unets for row in unet.cases]
    met = [case_id for case_id in rows if case_id in tried]
    if not met:
        return ()
    text = (
        f"settings were tried on {len({*met})} of the {len({*rows})} test cases, which "
        f"have {100 * len(met) / len(rows):.0f} % of the results: differences may be "
        "too large (--data.n-development)"
    )
    return (Remark(seed=None, fold=None, stage=DATA, kind="overlap", text=text),)


def groups_of(unets: Sequence[FinishedUNet]) -> dict[str, str]:
    """The group of each case that has one."""
    return {k: v for unet in unets for k, v in unet.table.groups.items()}


def group_remarks(unets: Sequence[FinishedUNet]) -> Iterator[Remark]:
    """Name groups of few test cases."""
    groups = groups_of(unets)
    tested = {row.case_id for unet in unets for row in unet.cases}
    counts = Counter(groups[case_id] for case_id in tested if case_id in groups)
    few = [f"{k} ({n})" for k, n in sorted(counts.items()) if n < _FEW_IN_GROUP]
    if few:
        text = (
            f"groups of less than {_FEW_IN_GROUP} test cases: {name_few(few)}: their "
            "figures depend on which cases these are"
        )
        yield Remark(seed=None, fold=None, stage=DATA, kind="small_group", text=text)


def budget_remarks(
    tables: Tables,
) -> Iterator[Remark]:
    """Name the regimes of each budget that may not have converged within it."""
    for title, regimes in tables.items():
        found = []
        for name, unets in regimes.items():
            late = [unet for unet in unets if is_lowest_late(unet.epochs)]
            regime = unets[0].regime
            # The errors on cases that are trained on always fall.
            if late and regime.schedule != "paper" and regime.baseline != "validation":
                found.append(f"{name} ({len(late)} of {len(unets)} U-Nets)")
        if found:
            text = (
                f"{title}: the validation error was lowest in the last tenth of "
                f"{name_few(found, most=12)}: a longer training may do better "
                "(--evaluation.budgets)"
            )
            yield Remark(seed=None, fold=None, stage=DATA, kind="budget", text=text)
