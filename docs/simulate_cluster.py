"""How a study scales over workers: a recorded plan, played on simulated ones.

The plan is that of `run-table --regimes all --control --assess` with 3 folds and 10
seeds; the times of its stages are those that a seed of
`results/shenzhen247-best-64px` took, one thread each. The rule of the simulation is
that of the cluster: a free worker takes the first stage whose needs are done, in the
order of `experiment.plan.in_order_of_need`.

    python docs/simulate_cluster.py             writes images/cluster-scale.svg
    python docs/simulate_cluster.py --measure   schedules 10,000 empty stages here
"""

import dataclasses
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib
from matplotlib.figure import Figure

from tfgansynth.data.held_out import FoldHashes
from tfgansynth.planning.graph import Kind, PlannedStage, Splits
from tfgansynth.planning.plan import plan
from tfgansynth.planning.requests import table_request
from tfgansynth.planning.schedule import in_order_of_need
from tfgansynth.planning.schedule import play as play_stages
from tfgansynth.reporting.merged import read_merged

RESULTS = Path(__file__).resolve().parents[1] / "results" / "shenzhen247-best-64px"
SEED, N_SEEDS = 1, 10
WORKERS = (1, 2, 4, 16, 64, 256)
N_EMPTY = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class Timed:
    """A stage of a study, by its name in that, with the seconds that it takes."""

    name: str
    needs: tuple[str, ...]
    kind: Kind
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Played:
    """What came of a study; seconds, and when the first seed was done."""

    makespan: float
    busy: float
    first_seed: float


def recorded() -> list[Timed]:
    """The stages of all seeds, in the order of the plan."""
    merged = [each.record for each in read_merged(RESULTS)]
    folds = [fold for fold in merged if fold.config.seed == SEED]
    hashes = [
        FoldHashes(
            fold.fold,
            {f"case-{n:03d}": f"{n:064}" for n in range(fold.config.data.n_reduced)},
            {},
            {},
        )
        for fold in folds
    ]
    config = folds[0].config
    request = table_request(config, "all", control=True, assessed=True)
    stages = plan(config, Splits(folds[0].dataset, tuple(hashes)), None, request).stages
    seconds = {k: v for fold in folds for k, v in fold.seconds.items()}
    ordered = in_order_of_need([stages] * N_SEEDS)
    return [timed(stage, seed, seconds) for seed, stage in ordered]


def timed(stage: PlannedStage, seed: int, seconds: Mapping[str, float]) -> Timed:
    """Give a planned stage its recorded time."""
    return Timed(
        name=f"{seed}/{stage.name}",
        needs=tuple(f"{seed}/{need}" for need in stage.needs),
        kind=stage.kind,
        seconds=seconds[stage.name],
    )


def play(stages: Sequence[Timed], n_workers: int) -> Played:
    """Play a study on so many workers."""
    ends = play_stages(
        {stage.name: stage.needs for stage in stages},
        {stage.name: stage.seconds for stage in stages},
        n_workers,
    )
    first = max(end for name, end in ends.items() if name.startswith("0/"))
    return Played(max(ends.values()), sum(stage.seconds for stage in stages), first)


def critical_path(stages: Sequence[Timed]) -> list[Timed]:
    """The longest chain of stages that need each other."""
    by_name = {stage.name: stage for stage in stages}
    paths: dict[str, list[Timed]] = {}
    for stage in stages:
        before = max((paths[need] for need in stage.needs), key=length, default=[])
        paths[stage.name] = [*before, by_name[stage.name]]
    return max(paths.values(), key=length)


def length(path: Sequence[Timed]) -> float:
    """Seconds of a chain of stages."""
    return sum(stage.seconds for stage in path)


def longest_first(stages: Sequence[Timed]) -> list[Timed]:
    """The stages in the order of what still has to follow them, the longest first."""
    left: dict[str, float] = {}
    for stage in reversed(stages):
        left[stage.name] = left.get(stage.name, 0.0) + stage.seconds
        for need in stage.needs:
            left[need] = max(left.get(need, 0.0), left[stage.name])
    return sorted(stages, key=lambda stage: -left[stage.name])


def faster_gans(stages: Sequence[Timed], factor: float) -> list[Timed]:
    """The same study, each GAN trained on several devices at once."""
    return [
        dataclasses.replace(s, seconds=s.seconds / factor) if s.kind == Kind.GAN else s
        for s in stages
    ]


def minutes(seconds: float) -> str:
    """`12.3`."""
    return f"{seconds / 60:.1f}"


def simulate() -> None:
    """Print tables in Markdown, and write the plot."""
    stages = recorded()
    found = {n: play(stages, n) for n in WORKERS}
    path = critical_path(stages)
    print(f"{len(stages)} stages, {minutes(length(stages))} min of work\n")
    print("| Workers | Minutes | Faster | Workers busy | First seed after, min |")
    print("|---|---|---|---|---|")
    for n, each in found.items():
        faster, share = each.busy / each.makespan, each.busy / each.makespan / n
        print(
            f"| {n} | {minutes(each.makespan)} | {faster:.1f} | {share:.0%} | "
            f"{minutes(each.first_seed)} |"
        )
    chain = ", ".join(f"{s.kind} {minutes(s.seconds)}" for s in path)
    print(f"\nCritical path: {minutes(length(path))} min: {chain}\n")
    other = play(longest_first(stages), 64)
    print(
        f"64 workers, longest path first: {minutes(other.makespan)} min, the first "
        f"seed after {minutes(other.first_seed)} min\n"
    )
    print(
        "| Each GAN faster by | Critical path, min | Minutes on 16 | on 256 workers |"
    )
    print("|---|---|---|---|")
    for factor in (1, 2, 4, 8):
        quick = faster_gans(stages, factor)
        cells = [minutes(length(critical_path(quick)))]
        cells += [minutes(play(quick, n).makespan) for n in (16, 256)]
        print(f"| {factor} | {' | '.join(cells)} |")
    draw(found, length(path))


def draw(found: Mapping[int, Played], shortest: float) -> None:
    """Plot the time over the number of workers."""
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.loglog(
        list(found), [p.makespan / 60 for p in found.values()], "o-", label="simulated"
    )
    ideal = [p.busy / n / 60 for n, p in found.items()]
    axes.loglog(list(found), ideal, ":", color="grey", label="all workers always busy")
    axes.axhline(shortest / 60, color="C3", ls="--", label="critical path of one fold")
    axes.set_xticks(list(found), list(map(str, found)))
    axes.set_xlabel("workers")
    axes.set_ylabel("minutes")
    axes.legend()
    path = Path(__file__).with_name("images") / "cluster-scale.svg"
    # The same bytes each time.
    with matplotlib.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, metadata={"Date": None})


def measure() -> None:
    """Measure what a stage costs beside its computation."""
    from distributed import Client, LocalCluster

    from tfgansynth.cluster.worker import STAGE

    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            resources={STAGE: 1},
            dashboard_address="",
        ) as cluster,
        Client(cluster) as client,
    ):
        start = time.perf_counter()
        futures = [
            client.submit(
                nothing, n, key=f"gan-{n}", priority=-n, resources={STAGE: 1}, retries=2
            )
            for n in range(N_EMPTY)
        ]
        client.gather(futures)
        spent = time.perf_counter() - start
    print(f"{N_EMPTY} empty stages on 2 workers: {spent:.1f} s")
    print(f"a process of its own: {process_seconds(nothing):.2f} s")


def process_seconds(compute: Callable[[int], int]) -> float:
    """Seconds to start a process for a stage, once the libraries are imported."""
    from tfgansynth.runtime.processes.isolation import workers

    preloaded, n = "tfgansynth.cluster.preloaded", 20
    for count in (1, n):
        start = time.perf_counter()
        for _ in range(count):
            with workers(compute, 1, threads=1, preloaded=preloaded) as (process,):
                process.start("nothing", 0)
                process.answer()
    return (time.perf_counter() - start) / n


def nothing(number: int) -> int:
    """An empty stage."""
    return number


if __name__ == "__main__":
    measure() if "--measure" in sys.argv else simulate()
