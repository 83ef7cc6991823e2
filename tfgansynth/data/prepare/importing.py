"""Makes a canonical data set: understands all files, then writes all cases."""

import dataclasses
import os
import re
import shutil
from pathlib import Path, PurePosixPath

from tfgansynth.data.importers.canonical import CASES_NAME, FILE_NAME, Description
from tfgansynth.data.importers.sources import walk
from tfgansynth.data.prepare.files.layouts import Found, find
from tfgansynth.data.prepare.files.tables import add_cases, read_labels, read_table
from tfgansynth.data.prepare.options import Options
from tfgansynth.data.prepare.planning import Say, empty_cases, first_of, make_plan
from tfgansynth.data.prepare.writing import write
from tfgansynth.errors import Fault, FileError, InputError, printable
from tfgansynth.runtime.storage import PARTIAL, hash_folder, whole_folder, write_json

_IGNORED = "ignore"
"""nnU-Net's name for the value of pixels that nobody has labelled."""


def prepare(source: Path, destination: Path, options: Options, say: Say) -> Description:
    """Make a canonical data set from images and masks as people have them.

    Args:
        source: A folder, or a CSV that names image and mask files.
        destination: The folder to make. It must not exist, or be empty.
        options: What the files leave open.
        say: Takes what was understood, line by line.

    Returns:
        What was written to `dataset.json`.

    Raises:
        InputError: Something is wrong or ambiguous; the message says what to do.
    """
    _require_free(source, destination)
    _require_pattern(options)
    understood: list[str] = []

    def note(line: str) -> None:
        understood.append(printable(line))
        say(understood[-1])

    root, found, options = _find(source, options)
    note(f"layout: {found.layout}; {len(found.files)} images")
    for line in found.lines:
        note(line)
    plan = make_plan(root, found, options, note)
    try:
        with whole_folder(destination) as folder:
            written = write(folder, root, plan, options)
            _, negatives = empty_cases(
                written.empty, written.empty_slices, options, note
            )
            for line in written.lines(plan.classes):
                note(line)
            described = Description(
                target=plan.target,
                classes=plan.classes,
                channels=plan.scale.channels,
                spacing_mm=_common(written.spacings),
                negatives=(*plan.negatives, *negatives),
                made={
                    "source": source.resolve().name,
                    "layout": found.layout,
                    "window": [plan.scale.low, plan.scale.high],
                    "options": {
                        field.name: getattr(options, field.name)
                        for field in dataclasses.fields(Options)
                    },
                    "understood": understood,
                },
                files=hash_folder(folder),
            )
            write_json(folder / FILE_NAME, described.record())
    except BaseException:
        beside = destination.with_name(destination.name + PARTIAL)
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return described


def _require_free(source: Path, destination: Path) -> None:
    if not os.path.exists(source):
        raise FileError(source, "no such file or folder")
    if os.path.lexists(destination) and not (
        os.path.isdir(destination) and not os.listdir(destination)
    ):
        raise FileError(destination, "exists already; name a new folder")
    root = source if os.path.isdir(source) else source.parent
    if os.path.isdir(source) and destination.resolve().is_relative_to(root.resolve()):
        raise FileError(destination, "lies in the source; name a folder elsewhere")


def _require_pattern(options: Options) -> None:
    try:
        re.compile(options.patient_pattern or "")
    except re.error as fault:
        raise InputError(
            f"--patient-pattern {options.patient_pattern}: is no regular expression "
            f"({fault})"
        ) from fault


def _find(source: Path, options: Options) -> tuple[Path, Found, Options]:
    """Return the folder of the data set, its cases, and what is stated by now."""
    if not os.path.isdir(source):
        if source.suffix.lower() != ".csv":
            raise FileError(source, "is neither a folder nor a CSV file")
        return source.parent, read_table(source), options
    faults: list[Fault] = []
    paths = [PurePosixPath(path.relative_to(source)) for path in walk(source, faults)]
    if faults:
        raise InputError(first_of([str(fault) for fault in faults]))
    found = find(paths, options)
    if os.path.isfile(source / CASES_NAME):
        found = add_cases(found, source / CASES_NAME)
    described = source / FILE_NAME
    if not os.path.isfile(described) or options.classes or options.foreground:
        return source, found, options
    labels = read_labels(described)
    if found.is_nnunet and (ignored := labels.pop(_IGNORED, None)) is not None:
        options = dataclasses.replace(options, ignore=(*options.ignore, str(ignored)))
    return source, dataclasses.replace(found, labels=labels), options


def _common(
    spacings: set[tuple[float, float] | None],
) -> tuple[float, float] | None:
    return next(iter(spacings)) if len(spacings) == 1 else None
