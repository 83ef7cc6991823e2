"""What the command makes of a cluster's answers, and which workers it refuses."""

import asyncio
import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("distributed")

from tests.experiment.made_sets import experiment, kept
from tfgansynth.cluster import artifacts, client, connection, worker
from tfgansynth.cluster.worker import Answer, Order, StageWorker, own_versions
from tfgansynth.errors import InputError, RunError
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.stage_runs import Outcome
from tfgansynth.experiment.study import Part
from tfgansynth.planning.graph import Kind, PlannedStage
from tfgansynth.planning.requests import table_request
from tfgansynth.runtime import storage
from tfgansynth.synthesis.failures import ModeCollapseError

__all__ = ["experiment", "kept"]


class Future:
    def __init__(self, answer: Answer | Exception) -> None:
        self._answer = answer
        self.status = "error" if isinstance(answer, Exception) else "finished"

    def result(self) -> Any:
        return self._answer

    def exception(self) -> Any:
        return self._answer

    def cancel(self) -> None:
        self.status = "cancelled"


class Cluster:
    """Computes each stage at once; those of some kind fail in fold 2.

    They fail `times` times, at the first worker that they may be computed by. `lost`
    are workers that are gone as soon as a stage is kept for them.
    """

    status = "running"
    lost: frozenset[str] = frozenset()

    def __init__(
        self, kind: Kind, fault: Exception, times: int = 9, **resources: float
    ) -> None:
        self._kind, self._fault, self._times = kind, fault, times
        self._resources = resources
        self.begun: list[PlannedStage] = []
        self.orders: list[dict[str, Any]] = []
        self._workers = ["tcp://1", "tcp://2"]
        self._kept: list[Future] = []

    def submit(self, function: object, *arguments: Any, **options: Any) -> Future:
        order = arguments[-1]
        if not isinstance(order, Order):
            return Future(ValueError())
        stage = order.stage
        self.begun.append(stage)
        if (stage.kind, stage.fold) != (self._kind, 2):
            return Future(Answer(Outcome(stage, computed=True), "tcp://1"))
        self.orders.append(options)
        if self.lost.issuperset(options["workers"] or ["tcp://1"]):
            self._workers = [each for each in self._workers if each not in self.lost]
            self._kept.append(Future(ValueError()))
            self._kept[-1].status = "pending"
            return self._kept[-1]
        if len(self.orders) > self._times:
            return Future(Answer(Outcome(stage, computed=True), "tcp://2"))
        at = (options["workers"] or ["tcp://1"])[0]
        return Future(Answer(Outcome(stage, False, self._fault, "node7"), at))

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        worker = {"resources": self._resources, "metrics": {}}
        workers = dict.fromkeys(self._workers, worker)
        return {"address": "tcp://here", "workers": workers}

    @property
    def dashboard_link(self) -> str:
        raise KeyError("dashboard")


def run(
    cluster: Cluster,
    experiment: Experiment,
    monkeypatch: pytest.MonkeyPatch,
    *,
    tolerant: bool = False,
) -> tuple[dict[str, Outcome], Exception | None]:
    @contextlib.contextmanager
    def connected(address: str) -> Iterator[Cluster]:
        yield cluster

    monkeypatch.setattr(client, "connected", connected)
    request = table_request(experiment.config, "paper", control=False, assessed=True)
    part = Part(experiment, experiment.plan(None, request), "run")
    found: dict[str, Outcome] = {}
    try:
        for _, outcome in client.execute(
            [part],
            "here",
            tolerant=tolerant,
            collect=False,
            running=lambda names, n_workers: None,
        ):
            found[outcome.stage.name] = outcome
    except (InputError, RunError) as fault:
        return found, fault
    return found, None


def test_a_stage_that_fails_is_named_and_all_that_does_not_need_it_is_run(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/shared/run/step-2")
    cluster = Cluster(Kind.GAN, full)

    found, fault = run(cluster, experiment, monkeypatch)

    failed = {name for name, outcome in found.items() if outcome.failure}
    assert {"fold-2/gan", "fold-2/synthetic"} < failed
    assert all(name.startswith("fold-2/") for name in failed)
    # Real pairs alone need no set.
    (real,) = [s for s in cluster.begun if s.fold == 2 and s.regime]
    assert not real.needs
    assert isinstance(fault, RunError)
    assert f"{len(failed)} stages have no result (run/fold-2/" in str(fault)
    assert (
        "run/fold-2/gan: failed 3 times, the last time on node7 (1): "
        "/shared/run/step-2: the disk is full: "
    ) in str(fault)
    # Elsewhere the second time; there is no third worker.
    assert [each["workers"] for each in cluster.orders] == [None, ["tcp://2"], None]
    assert len({each["key"] for each in cluster.orders}) == 3
    assert "the same command continues from there" in str(fault)


def test_a_stage_that_fails_once_is_run_elsewhere_and_that_is_told(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(Kind.GAN, MemoryError("of 9 GiB"), times=1)

    found, fault = run(cluster, experiment, monkeypatch)

    assert fault is None
    assert found["fold-2/gan"].computed
    assert found["fold-2/gan"].remarks == (
        "failed on node7 (1): MemoryError: of 9 GiB; was run again",
    )
    assert [each["workers"] for each in cluster.orders] == [None, ["tcp://2"]]


def test_a_stage_is_not_kept_for_a_worker_that_is_gone(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(Kind.GAN, MemoryError("of 9 GiB"), times=1)
    cluster.lost = frozenset({"tcp://2"})

    found, fault = run(cluster, experiment, monkeypatch)

    assert fault is None
    assert found["fold-2/gan"].computed
    orders = cluster.orders
    assert [each["workers"] for each in orders] == [None, ["tcp://2"], None]
    assert len({each["key"] for each in orders}) == 3
    assert [each.status for each in cluster._kept] == ["cancelled"]


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"MEMORY": 2.0**30}, None),
        ({"MEMORY": 2.0**30, "GPU": 1.0}, None),
        ({"MEMORY": 2.0**29, "GPU": 1.0}, "one GPU and 0.7 GiB of MEMORY"),
        ({"MEMORY": 2.0**29}, "0.7 GiB of MEMORY"),
        ({"GPU": 0.5}, "one GPU"),
    ],
)
def test_a_stage_that_no_worker_is_large_enough_for_is_named_and_does_not_wait(
    resources: dict[str, float],
    words: str | None,
    experiment: Experiment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(Kind.GAN, OSError(), times=0, **resources)
    found, fault = run(cluster, experiment, monkeypatch)
    if words is None:
        assert fault is None
        return
    failed = {name for name, outcome in found.items() if outcome.failure}
    assert {"fold-1/gan", "fold-2/gan"} <= failed
    assert f"run/fold-1/gan: takes {words}, which no worker states in its " in str(
        fault
    )
    assert not [stage for stage in cluster.begun if stage.name in failed]


@pytest.mark.parametrize("tolerant", [False, True])
def test_an_unusable_generator_is_what_it_is_in_one_process(
    tolerant: bool, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    collapse = ModeCollapseError("only 1 of 9 pairs")
    cluster = Cluster(Kind.SET, collapse)
    found, fault = run(cluster, experiment, monkeypatch, tolerant=tolerant)
    assert found["fold-2/synthetic"].is_unusable
    assert fault is (None if tolerant else collapse)


def test_a_full_disk_is_named_and_not_what_it_has_broken() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "checkpoint")
    broken = ValueError("the file is closed")
    assert worker._first_fault(broken) is broken
    broken.__context__ = full
    assert worker._first_fault(broken) is full


def test_a_worker_of_another_version_is_refused_with_what_differs() -> None:
    there: Any = SimpleNamespace(address="tcp://there:1")
    other = {**own_versions(), "tensorflow": "1.15.0"}
    with pytest.raises(InputError, match=r"tcp://there:1 on .*tensorflow: .*1\.15\.0"):
        asyncio.run(StageWorker(other).setup(there))


def test_no_scheduler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_SECONDS_TO_CONNECT", 0.2)
    with (
        pytest.raises(InputError, match=r"--scheduler tcp:.*: no Dask"),
        connection.connected("tcp://127.0.0.1:1"),
    ):
        pass


def test_what_a_stage_needs_has_no_pictures_and_no_old_checkpoints(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "fold-1/gan"
    newest = "checkpoints/step-000006.safetensors"
    for name in (newest, "checkpoints/step-000004.safetensors", "samples/step-0.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"content")
    storage.write_record(folder / "provenance.json", {"files": {newest: "hash"}})

    found = artifacts.pack_needed(tmp_path, ["fold-1/gan"])

    assert {*found} == {f"fold-1/gan/{newest}", "fold-1/gan/provenance.json"}
    assert len(artifacts.pack_folder(folder)) == 4


def test_files_for_elsewhere_and_unfinished_stages_are_refused(
    experiment: Experiment, tmp_path: Path
) -> None:
    for name in ("../victim", "/victim", "a/../../victim"):
        with pytest.raises(RunError, match="a file for elsewhere"):
            artifacts.unpack(tmp_path / "run", {name: b""})
    assert not [*tmp_path.rglob("victim")]
    request = table_request(experiment.config, "paper", control=False, assessed=False)
    stage = experiment.plan([1], request).stages[0]
    with pytest.raises(RunError, match="came back from its worker unfinished"):
        artifacts.unpack_stage(tmp_path, stage, {"history.csv": b"step"})
    assert not (tmp_path / stage.name).exists()
