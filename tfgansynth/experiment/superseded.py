"""Keeping finished work of other settings aside, and bringing it back.

A run folder holds the results of one configuration, that of its `config.json`, so that
no table mixes two. Where a command comes with other settings, the stages on which these
bear are moved to `superseded/<hash of the earlier settings>/`; all others stay. With
the earlier settings they come back. Nothing is removed.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tfgansynth.config import Config
from tfgansynth.config_checks import differences
from tfgansynth.errors import InputError, name_few
from tfgansynth.experiment.run_folder import Run
from tfgansynth.planning.graph import Plan, Splits
from tfgansynth.planning.plan import possible_stages
from tfgansynth.records import converter, files
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import Settings
from tfgansynth.runtime import storage
from tfgansynth.runtime.progress import remark

FOLDER = "superseded"
_INDEX = "stages.json"
OWN_FILES = {
    *(files.CASE_LIST, files.CONFIG, files.SPLITS, files.TIMINGS, files.MACHINES),
    *(files.SOURCE, files.PLAN, files.TRIED, "memory.json"),
    # Of earlier versions.
    *("run.lock", "run.holder"),
}
"""Files of a run folder that show no results."""
_RECORDS = (files.PROVENANCE, "manifest.json", files.ASSESSMENT)
"""Files that seal a stage."""


@dataclasses.dataclass(frozen=True, slots=True)
class Changes:
    """Settings that changed, `unet.maps: 8 against 64`, and stages they bear on."""

    settings: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()


def changes(run: Run, splits: Splits) -> Changes:
    """Compare a run's settings with those that its folder holds results of.

    Raises:
        InputError: The folder's record was altered, or is of another version.
    """
    if not run.config_path.exists():
        return Changes()
    earlier = converter.read(run.config_path, Settings).config
    if earlier == run.config:
        return Changes()
    others = other_unets([run.root, *_asides(run)], splits)
    old = possible_stages(earlier, splits, others)
    new = possible_stages(run.config, splits, others)
    settings = differences(*map(dataclasses.asdict, (run.config, earlier)))
    return Changes(tuple(settings), tuple(_stale(run, old, new)))


def bring_up_to_date(run: Run, splits: Splits) -> None:
    """Keep aside what other settings made, bring back what these settings made.

    Whatever interrupts this, the same command completes it. The run is opened.

    Raises:
        InputError: A record was altered.
    """
    found = changes(run, splits)
    if found.settings:
        earlier = converter.read(run.config_path, Settings).config
        if found.stages:
            _keep_aside(run, found.stages, earlier)
            remark(
                f"Settings: {name_few(found.settings, '; ', most=12)}: finished work "
                f"of the earlier settings ({len(found.stages)} stages) is kept in "
                f"{run.root / FOLDER / _short(earlier)}"
            )
        converter.write(run.config_path, run.settings)
    _bring_back(run, splits)


def _short(config: Config) -> str:
    text = json.dumps(dataclasses.asdict(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def other_unets(roots: Sequence[Path], splits: Splits) -> dict[int, list[Regime]]:
    """Find the regimes of U-Nets in some folders, whichever command made them.

    Returns:
        They by fold.

    Raises:
        InputError: A record of provenance was altered.
    """
    found: dict[int, list[Regime]] = {}
    for fold in splits.folds:
        for root in roots:
            base = root / files.fold_name(fold.number)
            for path in sorted(base.glob(f"unet-*/{files.PROVENANCE}")):
                record = storage.read_record(path)
                regime = converter.from_json(Regime, record.get("regime"), path)
                found.setdefault(fold.number, []).append(regime)
    return found


def _asides(run: Run) -> list[Path]:
    return sorted(path.parent for path in (run.root / FOLDER).glob(f"*/{_INDEX}"))


def _stale(run: Run, old: Plan, new: Plan) -> Iterator[str]:
    """Yield the names of folders that the old plan made and the new one would not."""
    now, then = new.identities(), old.identities()
    for name, identity in then.items():
        folder = run.root / name
        if now.get(name) == identity or not folder.exists():
            continue
        # Whatever else is there is not ours to move: it is refused where it is used.
        sealed = sealed_record(folder)
        if sealed is None or str(sealed.get("identity")) == identity:
            yield name
    for path in sorted(run.root.glob("fold-*/synthetic*/manifest.json")):
        name = path.parent.relative_to(run.root).as_posix()
        inputs = storage.read_record(path).get("inputs", {})
        if name not in then and any(now.get(each) != inputs[each] for each in inputs):
            yield name


def sealed_record(folder: Path) -> dict[str, Any] | None:
    """Read the record that seals a stage's folder; None if it is not finished.

    Raises:
        InputError: It was altered.
    """
    path = next((folder / n for n in _RECORDS if (folder / n).exists()), None)
    return storage.read_record(path) if path else None


def _keep_aside(run: Run, names: tuple[str, ...], earlier: Config) -> None:
    target = run.root / FOLDER / _short(earlier)
    index_path = target / _INDEX
    index = storage.read_record(index_path)["stages"] if index_path.exists() else {}
    old = dataclasses.replace(run, config=earlier)
    converter.write(target / files.CONFIG, old.settings)
    for name in names:
        if (target / name).exists():
            raise InputError(f"{target / name}: exists already: remove or rename it")
        index[name] = run.take_records(name)
        storage.write_record(index_path, {"stages": index})
        _move(run.root / name, target / name)
    for path in sorted(run.root.iterdir()):
        if path.is_file() and path.name not in OWN_FILES:
            path.replace(target / path.name)


def _bring_back(run: Run, splits: Splits) -> None:
    asides = _asides(run)
    if not asides:
        return
    others = other_unets([run.root, *_asides(run)], splits)
    planned = possible_stages(run.config, splits, others)
    for aside in asides:
        index = storage.read_record(aside / _INDEX)["stages"]
        config = converter.read(aside / files.CONFIG, Settings).config
        then = possible_stages(config, splits, others).identities()
        for stage in planned.stages:
            source, target = aside / stage.name, run.root / stage.name
            same = then.get(stage.name) == stage.identity
            if not (same and source.exists() and not target.exists()):
                continue
            _move(source, target)
            nothing: dict[str, Any] = {"seconds": {}, "attempts": []}
            run.put_records(stage.name, index.pop(stage.name, nothing))
            storage.write_record(aside / _INDEX, {"stages": index})
            remark(f"Settings: {target} is restored from {aside}")


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
