"""One run folder: where things lie, to whom it belongs, who writes in it."""

import dataclasses
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tfgansynth.config import NETWORK_VERSIONS, Config
from tfgansynth.config_checks import differences
from tfgansynth.errors import FULL, InputError, name_few
from tfgansynth.records.regimes import SetKind, assessment_name, set_name
from tfgansynth.runtime import storage


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One experiment on one data set: a folder and the configuration it belongs to.

    Attributes:
        root: The run folder.
        config: Everything that determines its results, but for the data.
        dataset_name: Short name of the data set.
        lock: Held as long as this run is open; None where nothing is written.
    """

    root: Path
    config: Config
    dataset_name: str
    lock: FileLock | None = dataclasses.field(default=None, repr=False, compare=False)

    @staticmethod
    def folder_name(dataset_name: str, config: Config, n_seeds: int = 1) -> str:
        """`<data>-<full|reduced>-<preset>-seed<k>`, and the lung if only one.

        Args:
            dataset_name: Short name of the data set.
            config: The experiment's numbers; of the first seed.
            n_seeds: Seeds of a study; more than one are named `seeds<k>-<l>`.
        """
        first, last = config.seed, config.seed + n_seeds - 1
        seeds = f"seed{first}" if n_seeds == 1 else f"seeds{first}-{last}"
        parts = [dataset_name, "reduced" if config.reduced else "full", config.preset]
        lungs = [] if config.lungs == "both" else [config.lungs]
        return "-".join([*parts, seeds, *lungs])

    @classmethod
    def open(
        cls, out: Path, config: Config, *, dataset_name: str, cases: Mapping[str, str]
    ) -> "Run":
        """Create the run folder, or go on in it, as the only process that does.

        Args:
            out: Takes the run folder.
            config: The experiment's numbers.
            dataset_name: Short name of the data set.
            cases: Hash of each case's content by case id.

        Raises:
            InputError: The folder belongs to other settings, other data or other
                networks, another process works in it, or it cannot be written.
            OSError: There is no room for it.
        """
        root = out / cls.folder_name(dataset_name, config)
        try:
            root.mkdir(parents=True, exist_ok=True)
            lock = _lock(root)
            _claim(root, config, cases)
        except OSError as fault:
            if fault.errno in FULL:
                raise
            raise InputError(
                f"{root}: cannot be written ({fault.strerror}): name another --out"
            ) from fault
        return cls(root, config, dataset_name, lock)

    @property
    def splits_path(self) -> Path:
        """The split of the cases into folds."""
        return self.root / "splits.json"

    def fold(self, number: int) -> Path:
        """Folder of one fold."""
        return self.root / f"fold-{number}"

    def gan(self, number: int) -> Path:
        """Folder of a fold's GAN: checkpoints, samples, tensorboard, generator."""
        return self.fold(number) / "gan"

    def synthetic(self, number: int, kind: SetKind = "plain") -> Path:
        """Folder of one of a fold's sets."""
        return self.fold(number) / set_name(kind)

    def assessment(self, number: int, kind: SetKind = "plain") -> Path:
        """Folder of what was found of one of a fold's sets."""
        return self.fold(number) / assessment_name(kind)

    @property
    def timings_path(self) -> Path:
        """The wall time of each stage and its parts, in seconds."""
        return self.root / "timings.json"

    def seconds(self) -> dict[str, float]:
        """Return the wall times of stages and their parts so far."""
        return _read_notes(self.timings_path) or {}

    def add_seconds(self, seconds: Mapping[str, float]) -> None:
        """Add to the wall times of stages and their parts in `timings.json`.

        A stage that was interrupted collects the time of all its attempts.
        """
        timings = self.seconds()
        for name, spent in seconds.items():
            timings[name] = round(timings.get(name, 0.0) + spent, 2)
        storage.write_record(self.timings_path, timings)

    def machines(self, stage: str) -> list[dict[str, Any]]:
        """Return on what a stage was worked on, attempt by attempt.

        Args:
            stage: Its name, as in `timings.json`.

        Returns:
            The machine of each attempt whose work is in the result, with `precision`
            and `after`, the steps or epochs that were done before it.
        """
        record = _read_notes(self._machines_path) or {"machines": [], "stages": {}}
        return [
            {
                **record["machines"][entry["machine"]],
                "precision": entry["precision"],
                "after": entry["after"],
            }
            for entry in record["stages"].get(stage, [])
        ]

    @property
    def _machines_path(self) -> Path:
        return self.root / "machine.json"

    def add_machine(
        self, stage: str, machine: Mapping[str, Any], *, precision: str, done: int
    ) -> list[dict[str, Any]]:
        """Note in `machine.json` what a stage is worked on with, from here on.

        A record and no identity: a run may go on anywhere. The entries of a stage
        tell of each attempt whose work is still in the result.

        Args:
            stage: Its name, as in `timings.json`.
            machine: The machine, plain for JSON; named once for all stages.
            precision: Number format of the convolutions.
            done: Steps or epochs that earlier attempts of this stage have left.

        Returns:
            The entries of those earlier attempts, oldest first.
        """
        path = self._machines_path
        record = _read_notes(path) or {"machines": [], "stages": {}}
        machines, stages = record["machines"], record["stages"]
        if machine not in machines:
            machines.append(dict(machine))
        entry = {
            "after": done,
            "precision": precision,
            "machine": machines.index(machine),
        }
        # What was done beyond the checkpoint is lost, and done anew here.
        earlier = [old for old in stages.get(stage, []) if old["after"] < done]
        same = earlier and {**entry, "after": earlier[-1]["after"]} == earlier[-1]
        stages[stage] = earlier if same else [*earlier, entry]
        storage.write_record(path, record)
        return earlier


def _read_notes(path: Path) -> dict[str, Any] | None:
    """Read a record that no result depends on; None if there is none to trust."""
    if not path.exists():
        return None
    try:
        return storage.read_record(path)
    except InputError as fault:
        print(f"{fault}: it is begun anew, no result depends on it")
        return None


def _lock(root: Path) -> FileLock:
    """Lock a run folder for this process.

    The system itself releases the lock when a process ends, however it does: there
    is nothing to clean up after a kill.
    """
    path = root / "run.lock"
    # One for each path: whoever opens a run twice in one process may.
    lock = FileLock(path, is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{root}: {_holder(path)} works in this run folder: wait until it is "
            "done, or name another --out"
        ) from None
    path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
    return lock


def _holder(path: Path) -> str:
    """Say who holds a lock, as it has noted itself."""
    try:
        words = path.read_text().strip()
    except (OSError, ValueError):
        words = ""
    return words if words.isprintable() and words else "another process"


def _claim(root: Path, config: Config, cases: Mapping[str, str]) -> None:
    """Make sure that a folder belongs to these settings and cases; note them first."""
    identity = {"networks": NETWORK_VERSIONS, "config": dataclasses.asdict(config)}
    for name, what, record, changes in (
        ("cases.json", "data", {"cases": dict(cases)}, _changed_cases),
        ("config.json", "settings", identity, differences),
    ):
        path = root / name
        if not path.exists():
            storage.write_record(path, record)
            continue
        found = list(changes(record, storage.read_record(path)))
        if found:
            raise InputError(
                f"{root}: holds a run with other {what} "
                f"({name_few(found, '; ', most=12)}): name another --out or --seed"
            )


def _changed_cases(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Say which cases two data sets do not share."""
    now, then = ours["cases"], theirs["cases"]
    changes = {
        "new": now.keys() - then.keys(),
        "missing": then.keys() - now.keys(),
        "changed": {
            name for name in now.keys() & then.keys() if now[name] != then[name]
        },
    }
    return [
        f"{kind}: {name_few(sorted(names))}" for kind, names in changes.items() if names
    ]
