"""One run folder: where things lie, to whom it belongs, who writes in it."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgansynth import storage
from tfgansynth.config import Config, differences
from tfgansynth.errors import InputError


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One experiment on one data set: a folder and the configuration it belongs to.

    Attributes:
        root: The run folder.
        config: Everything that determines its results, but for the data.
        dataset_name: Short name of the data set.
    """

    root: Path
    config: Config
    dataset_name: str

    @staticmethod
    def folder_name(dataset_name: str, config: Config) -> str:
        """`<data>-<full|reduced>-<preset>-seed<k>`, and the lung if only one."""
        parts = [dataset_name, "reduced" if config.reduced else "full", config.preset]
        lungs = [] if config.lungs == "both" else [config.lungs]
        return "-".join([*parts, f"seed{config.seed}", *lungs])

    @classmethod
    def open(
        cls, out: Path, config: Config, *, dataset_name: str, dataset_hash: str
    ) -> "Run":
        """Create the run folder, or go on in it.

        Raises:
            InputError: The folder belongs to another configuration or other data.
        """
        root = out / cls.folder_name(dataset_name, config)
        record = {
            "dataset": {"name": dataset_name, "hash": dataset_hash},
            "config": dataclasses.asdict(config),
        }
        path = root / "config.json"
        try:
            if path.exists():
                found = list(differences(record, storage.read_json(path)))
                if found:
                    raise InputError(
                        f"{root}: holds a run with other settings "
                        f"({'; '.join(found)}): name another --out or --seed"
                    )
            else:
                storage.write_json(path, record)
        except OSError as fault:
            raise InputError(
                f"{root}: cannot be written ({fault.strerror}): name another --out"
            ) from fault
        return cls(root=root, config=config, dataset_name=dataset_name)

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

    def synthetic(self, number: int) -> Path:
        """Folder of a fold's synthetic set."""
        return self.fold(number) / "synthetic"

    def unet(self, number: int, n_real: int, n_synthetic: int) -> Path:
        """Folder of one U-Net of a fold."""
        return self.fold(number) / f"unet-r{n_real}-s{n_synthetic}"

    @property
    def timings_path(self) -> Path:
        """The wall time of each stage and its parts, in seconds."""
        return self.root / "timings.json"

    def add_seconds(self, seconds: Mapping[str, float]) -> None:
        """Add to the wall times of stages and their parts in `timings.json`.

        A stage that was interrupted collects the time of all its attempts.
        """
        timings = (
            storage.read_json(self.timings_path) if self.timings_path.exists() else {}
        )
        for name, spent in seconds.items():
            timings[name] = round(timings.get(name, 0.0) + spent, 2)
        storage.write_json(self.timings_path, timings)

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
        path = self.root / "machine.json"
        record = (
            storage.read_json(path) if path.exists() else {"machines": [], "stages": {}}
        )
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
        storage.write_json(path, record)
        return earlier
