"""One run folder: its files, whose results it holds, and which process writes in it."""

import contextlib
import dataclasses
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tfgansynth.config import NETWORK_VERSIONS, Config
from tfgansynth.config_checks import differences
from tfgansynth.data.dataset import CaseTable
from tfgansynth.errors import FULL, InputError, name_few
from tfgansynth.records import converter, files
from tfgansynth.records.regimes import SetKind, set_name
from tfgansynth.records.runs import CaseList, Settings, settings_hash
from tfgansynth.runtime import storage
from tfgansynth.runtime.processes import leases
from tfgansynth.runtime.progress import remark

_MIXABLE = (
    *("config.gan.", "config.augmentation.", "config.synthesis.", "config.unet."),
    *("config.evaluation.", "config.allow_duplicates", "config.paper_figures"),
)
"""Settings that bear on some stages, or tables, and not on others."""

LEASES = "leases"
"""Folder of leases: which process works on what in a run folder."""
_COMMAND, _OPENING, _NOTES, _OUTPUTS = "command-", "opening", "notes", "outputs"

_WHERE_ELSE = (
    ", or name another --out: a second GPU can run other --folds there, or another "
    "--seed (merge-results joins the results)"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One experiment on one data set: a folder and the configuration it belongs to.

    Attributes:
        root: The run folder.
        config: Everything that determines its results, but for the data.
        is_named: Whether the user has named the folder itself, and not where it lies
            and what it is of; what can be done instead differs.
        lease: Held as long as this run is open; None where nothing is written.
    """

    root: Path
    config: Config
    is_named: bool = dataclasses.field(default=False, repr=False, compare=False)
    lease: leases.Lease | None = dataclasses.field(
        default=None, repr=False, compare=False
    )

    @staticmethod
    def folder_name(dataset_name: str, config: Config, n_seeds: int = 1) -> str:
        """`<data>-<full|reduced>-<preset>-seed<k>`, and the lung if only one.

        A study of several seeds, from the configuration's on, has `seeds<k>-<l>`.
        """
        first, last = config.seed, config.seed + n_seeds - 1
        seeds = f"seed{first}" if n_seeds == 1 else f"seeds{first}-{last}"
        parts = [dataset_name, "reduced" if config.reduced else "full", config.preset]
        lungs = [] if config.lungs == "both" else [config.lungs]
        return "-".join([*parts, seeds, *lungs])

    def open(self, cases: CaseList) -> "Run":
        """Create the run folder, or continue in it, beside others of these settings.

        Returns:
            The run, with a lease that tells others of it.

        Raises:
            InputError: The folder belongs to other data or other networks, another
                process with other settings works in it, or it cannot be written.
            OSError: The disk is full.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with self.opening():
                about = settings_hash(self.config)
                for other in leases.living(self.root / LEASES, _COMMAND, but=about):
                    instead = "" if self.is_named else _WHERE_ELSE
                    raise InputError(
                        f"{self.root}: {other} works in this folder with "
                        f"other settings: wait until it is done{instead}"
                    )
                self.check(cases)
                if not (path := self.root / files.CASE_LIST).exists():
                    converter.write(path, cases)
                if not self.config_path.exists():
                    converter.write(self.config_path, self.settings)
                name = f"{_COMMAND}{secrets.token_hex(4)}"
                lease = leases.take(self.root / LEASES / name, about)
        except OSError as fault:
            if fault.errno in FULL:
                raise
            raise InputError(
                f"{self.root}: cannot be written ({fault.strerror}): name another --out"
            ) from fault
        return dataclasses.replace(self, lease=lease)

    def opening(self) -> contextlib.AbstractContextManager[leases.Lease]:
        """Let no other process change whose results the folder holds."""
        return leases.held(self.root / LEASES / _OPENING)

    def writing(self) -> contextlib.AbstractContextManager[leases.Lease]:
        """Let no other process write what the folder shows."""
        return leases.held(self.root / LEASES / _OUTPUTS)

    def stage_lease(self, stage: str) -> Path:
        """The lease of the process that computes a stage."""
        return self.root / LEASES / stage.replace("/", "+")

    def check(self, cases: CaseList) -> None:
        """Make sure that the folder, as far as it exists, is of these cases.

        Raises:
            InputError: It is of other data, of settings that it cannot hold beside
                its own, or of other networks; or has links.
        """
        storage.require_own_files(self.root)
        found: dict[str, list[str]] = {}
        path = self.root / files.CASE_LIST
        if path.exists():
            found["data"] = _changed_cases(cases, converter.read(path, CaseList))
        if self.config_path.exists():
            ours = converter.to_json(self.settings)
            found["settings"] = _unmixable(ours, storage.read_record(self.config_path))
        for what, changes in found.items():
            if changes:
                instead = "name another --out or --seed"
                if self.is_named:
                    instead = "name the data set that it was made of with --data"
                raise InputError(
                    f"{self.root}: holds a run with other {what} "
                    f"({name_few(changes, '; ', most=12)}): {instead}"
                )

    @property
    def settings(self) -> Settings:
        """The content of `config.json`."""
        return Settings(networks=NETWORK_VERSIONS, config=self.config)

    @property
    def config_path(self) -> Path:
        """The settings whose results the folder holds."""
        return self.root / files.CONFIG

    @property
    def splits_path(self) -> Path:
        """The split of the cases into folds."""
        return self.root / files.SPLITS

    def fold(self, number: int) -> Path:
        """Folder of one fold."""
        return self.root / files.fold_name(number)

    def gan(self, number: int) -> Path:
        """Folder of a fold's GAN: checkpoints, samples, tensorboard, generator."""
        return self.fold(number) / files.GAN

    def synthetic(self, number: int, kind: SetKind = "plain") -> Path:
        """Folder of one of a fold's sets."""
        return self.fold(number) / set_name(kind)

    def seconds(self) -> dict[str, float]:
        """Return the wall times of stages and their parts so far."""
        return _read_notes(self.root / files.TIMINGS) or {}

    def add_seconds(self, seconds: Mapping[str, float]) -> None:
        """Add to the wall times of stages and their parts in `timings.json`.

        A stage that was interrupted collects the time of all its attempts.
        """
        with self._noting():
            timings = self.seconds()
            for name, spent in seconds.items():
                timings[name] = round(timings.get(name, 0.0) + spent, 2)
            storage.write_record(self.root / files.TIMINGS, timings)

    def add_memory(self, stage: str, mib: float) -> None:
        """Note in `memory.json` the largest memory of the process of a stage, in MiB.

        Of several attempts the largest counts; a process that ran other stages before
        has their memory too, so that this is an upper bound.
        """
        path = self.root / "memory.json"
        with self._noting():
            record = self.memory()
            record[stage] = max(record.get(stage, 0.0), round(mib))
            storage.write_record(path, record)

    def memory(self) -> dict[str, float]:
        """Return the largest memory of each stage's process, in MiB."""
        return _read_notes(self.root / "memory.json") or {}

    def _noting(self) -> contextlib.AbstractContextManager[leases.Lease]:
        """Let stages that run side by side add to the run's notes one at a time."""
        return leases.held(self.root / LEASES / _NOTES)

    def take_records(self, stage: str) -> dict[str, Any]:
        """Take a stage's times and machines out of the run's records.

        Returns:
            What `put_records` takes; empty where nothing is recorded.
        """
        times, machines = self.seconds(), self._machines_record()
        own = [name for name in times if name == stage or name.startswith(f"{stage}/")]
        seconds = {name: times.pop(name) for name in own}
        attempts = machines["stages"].pop(stage, [])
        if seconds:
            storage.write_record(self.root / files.TIMINGS, times)
        if attempts:
            storage.write_record(self.root / files.MACHINES, machines)
        named = [{**e, "machine": machines["machines"][e["machine"]]} for e in attempts]
        return {"seconds": seconds, "attempts": named}

    def put_records(self, stage: str, records: Mapping[str, Any]) -> None:
        """Put back what `take_records` gave, in place of what is recorded since."""
        self.take_records(stage)
        self.add_seconds(records["seconds"])
        for attempt in records["attempts"]:
            machine, done = attempt["machine"], attempt["after"]
            self.add_machine(stage, machine, precision=attempt["precision"], done=done)

    def _machines_record(self) -> dict[str, Any]:
        return _read_notes(self.root / files.MACHINES) or {"machines": [], "stages": {}}

    def add_machine(
        self, stage: str, machine: Mapping[str, Any], *, precision: str, done: int
    ) -> list[dict[str, Any]]:
        """Note in `machine.json` what a stage is computed on, from here on.

        It is no part of a stage's identity: a run may continue on any machine. A stage
        has an entry for each attempt whose work is still in the result.

        Args:
            stage: Its name, as in `timings.json`.
            machine: The machine, plain for JSON.
            precision: Number format of the convolutions.
            done: Steps or epochs that earlier attempts of this stage have left.

        Returns:
            The entries of those earlier attempts, oldest first.
        """
        with self._noting():
            record = self._machines_record()
            machines, stages = record["machines"], record["stages"]
            if machine not in machines:
                machines.append(dict(machine))
            number = machines.index(machine)
            entry = {"after": done, "precision": precision, "machine": number}
            # What was done after the checkpoint is lost, and done again here.
            earlier = [old for old in stages.get(stage, []) if old["after"] < done]
            same = earlier and {**entry, "after": earlier[-1]["after"]} == earlier[-1]
            stages[stage] = earlier if same else [*earlier, entry]
            storage.write_record(self.root / files.MACHINES, record)
        return earlier


def _read_notes(path: Path) -> dict[str, Any] | None:
    """Read a record that no result depends on; None if there is none to trust."""
    if not path.exists():
        return None
    try:
        return storage.read_record(path)
    except InputError as fault:
        remark(f"{fault}: it is started again, no result depends on it")
        return None


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Work in a folder as the only process, and leave no trace of that in it.

    Raises:
        InputError: Another process works in it.
    """
    path = folder / LEASES / "folder"
    lease = leases.take(path)
    if lease is None:
        raise InputError(
            f"{folder}: {leases.owner(path)} works in this folder: wait until it is "
            "done"
        )
    try:
        yield
    finally:
        lease.release()


def _unmixable(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Name the settings that no stage of a run folder can differ in.

    These are the data's, those of the folder's name, network versions, and settings
    that only one of two versions of this program has. Others bear on some stages only.
    """
    ours, theirs = _flat(ours), _flat(theirs)
    for name in (ours.keys() & theirs.keys()) | _LEFT_OUT:
        if name.startswith(_MIXABLE):
            ours.pop(name, None)
            theirs.pop(name, None)
    return list(differences(ours, theirs))


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name each setting of nested ones by its path: `config.gan.steps`."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


_LEFT_OUT = frozenset(
    f"config.{name}"
    for name in _flat(dataclasses.asdict(Config())).keys()
    - _flat(converter.to_json(Config())).keys()
)
"""Settings that `config.json` leaves out where they have their default."""


def _changed_cases(now: CaseList, then: CaseList) -> list[str]:
    """Say which cases two data sets do not share, or know other things of."""
    ours, theirs = ({**each.unlabelled, **each.cases} for each in (now, then))
    both = ours.keys() & theirs.keys()
    changes = {
        "new": ours.keys() - both,
        "missing": theirs.keys() - both,
        "changed": {name for name in both if ours[name] != theirs[name]},
    }
    for field in dataclasses.fields(CaseTable):
        known, known_then = (
            value if isinstance(value, Mapping) else dict.fromkeys(value, True)
            for value in (getattr(each.table, field.name) for each in (now, then))
        )
        changes[f"other {field.name}"] = {
            name for name in both if known.get(name) != known_then.get(name)
        }
    return [
        f"{kind}: {name_few(sorted(names))}" for kind, names in changes.items() if names
    ]
