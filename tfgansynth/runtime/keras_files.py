"""Writing `.keras` files: whole or not at all, and equal for equal models.

They are for others to load with Keras. This package reads the same weights from
safetensors files, which need no code to be trusted.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgansynth.runtime import storage

_METADATA, _CONFIG = "metadata.json", "config.json"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The first date that a zip archive can have."""


def save_keras(
    model: Any, path: Path, provenance: Mapping[str, Any] | None = None
) -> None:
    """Save a model by Keras's own `save`, without what differs from run to run.

    Keras writes the time and, as numbers of shared objects, memory addresses. Layers
    must have explicit names, as Keras numbers its automatic ones through a program.

    Args:
        model: A Keras model.
        path: Ends in `.keras`.
        provenance: What the model came from, plain for JSON; goes into its metadata.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Keras writes in place and requires the ending.
    beside = path.with_name(f"{path.name}{storage.PARTIAL}.keras")
    try:
        model.save(beside)
        with zipfile.ZipFile(beside) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    finally:
        beside.unlink(missing_ok=True)
    metadata = json.loads(members[_METADATA])
    del metadata["date_saved"]
    members[_METADATA] = json.dumps({**metadata, "provenance": provenance}).encode()
    members[_CONFIG] = _without_addresses(members[_CONFIG])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), content)
    storage.write_bytes(path, buffer.getvalue())


def _without_addresses(config: bytes) -> bytes:
    """Number shared objects in order of their appearance."""
    numbers: dict[int, int] = {}

    def renumber(entry: dict[str, Any]) -> dict[str, Any]:
        if "shared_object_id" in entry:
            number = numbers.setdefault(entry["shared_object_id"], len(numbers))
            entry["shared_object_id"] = number
        return entry

    return json.dumps(json.loads(config, object_hook=renumber)).encode()
