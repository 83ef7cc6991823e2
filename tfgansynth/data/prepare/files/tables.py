"""Files of a data set that describe it: a CSV of image and mask files, labels."""

import csv
import dataclasses
import io
import re
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tfgansynth.data.dataset import CaseTable
from tfgansynth.data.prepare.files.layouts import Files, Found, Mask, case_ids
from tfgansynth.errors import FileError, InputError, name_few
from tfgansynth.runtime.storage import parse_json, read_bytes

_MOST_BYTES = 16 << 20
_SHOWN_VALUES = 8
_MOST_ROWS = 50_000

_COLUMNS = {
    "image": ("image", "img", "image_path", "image_file", "image_name"),
    "mask": ("mask", "label", "mask_path", "mask_file", "mask_name", "segmentation"),
    "case": ("case", "case_id", "id"),
    "patient": ("patient", "patient_id", "patientid", "subject", "subject_id"),
    "group": ("group", "class", "site"),
}


def read_table(path: Path) -> Found:
    """Read a CSV that names image and mask files, relative to its own folder.

    Several lines with the same image name several masks of it, one an object.

    Raises:
        InputError: It cannot be read, has no such columns, or names files outside
            its folder.
    """
    header, places, rows = _rows(path)
    if places["image"] is None or places["mask"] is None:
        raise InputError(
            f"{path}: needs columns named image and mask, with the files; it has "
            f"{', '.join(header)[:300]}"
        )
    found: dict[PurePosixPath, Files] = {}
    for number, row in enumerate(rows, start=2):
        values, columns = _fields(header, places, row)
        image = _inside(path, number, values["image"])
        mask = Mask(_inside(path, number, values["mask"]))
        if image in found:
            masks = (*found[image].masks, Mask(mask.path, str(number)))
            found[image] = dataclasses.replace(found[image], masks=masks)
            continue
        found[image] = Files(
            values["case"] or _case(image),
            image,
            (mask,),
            values["patient"],
            values["group"],
            columns,
        )
    keys = [(each.case,) for each in found.values()]
    files = [
        dataclasses.replace(each, case=case)
        for each, case in zip(found.values(), case_ids(keys), strict=True)
    ]
    several = "object" if any(len(each.masks) > 1 for each in files) else ""
    named = [f"{role}: {header[p]}" for role, p in places.items() if p is not None]
    lines_said = (f"columns of the table: {', '.join(named)}",)
    return Found("a table", tuple(files), several, lines_said)


def add_cases(found: Found, path: Path) -> Found:
    """Add what a table of cases says: patient, group and more columns.

    Raises:
        InputError: The table cannot be read, or has no column of cases.
    """
    header, places, rows = _rows(path)
    if places["case"] is None:
        raise InputError(f"{path}: needs a column named case")
    said = {
        known["case"]: (known, others)
        for known, others in (_fields(header, places, row) for row in rows)
    }
    files = []
    for each in found.files:
        known, others = said.get(each.case, ({}, {}))
        files.append(
            dataclasses.replace(
                each,
                patient=known.get("patient") or each.patient,
                is_guess=each.is_guess and not known.get("patient"),
                group=known.get("group") or each.group,
                columns=others,
            )
        )
    n_known = sum(each.case in said for each in found.files)
    line = f"{path.name}: has {n_known} of {len(files)} cases"
    return dataclasses.replace(found, files=tuple(files), lines=(*found.lines, line))


def read_cases(
    path: Path, cases: Sequence[str], unlabelled: Sequence[str] = ()
) -> CaseTable:
    """Read patients and groups of the cases of a data set from its table.

    Of unlabelled images it has the patients, if it has those of cases.

    Raises:
        InputError: The table cannot be read, or is not one row a case.
    """
    header, places, rows = _rows(path)
    if places["patient"] is places["group"] is None:
        return CaseTable()
    if places["case"] is None:
        raise FileError(path, "needs a column named case")
    said: dict[str, Mapping[str, str]] = {}
    for number, row in enumerate(rows, start=2):
        known, _ = _fields(header, places, row)
        case = unicodedata.normalize("NFC", known["case"])
        if case in said:
            raise FileError(path, f"row {number}: the case {case} has a row already")
        said[case] = known
    owned = [*cases, *(unlabelled if places["patient"] is not None else ())]
    missing = [case for case in owned if case not in said]
    if missing:
        raise FileError(
            path,
            f"has no row for {name_few(missing)}: add it, or remove the columns of "
            "patients and groups",
        )
    patients, groups = (
        {case: said[case][role] for case in part if said[case][role]}
        for role, part in (("patient", owned), ("group", cases))
    )
    return CaseTable.of(patients, groups, {*unlabelled})


def read_labels(path: Path) -> dict[str, int]:
    """Read the names of values from a `dataset.json`, of nnU-Net or canonical.

    Both forms of nnU-Net are read: name to value, and value to name.

    Raises:
        InputError: It is no JSON object, or its labels are none.
    """
    try:
        content = parse_json(read_bytes(path, _MOST_BYTES))
    except ValueError as fault:
        raise InputError(f"{path}: cannot be read as JSON ({fault})") from fault
    labels = content.get("labels", content.get("classes"))
    if labels is None:
        return {}
    if isinstance(labels, dict) and labels:
        named = [_label(key, value) for key, value in labels.items()]
        if None not in named:
            pairs = [pair for pair in named if pair is not None]
            names, values = zip(*pairs, strict=True)
            if len(set(names)) == len(set(values)) == len(pairs):
                return dict(pairs)
        regions = {
            name: values for name, values in labels.items() if isinstance(values, list)
        }
        if regions:
            name, first = next(iter(regions.items()))
            listed = ",".join(str(value) for value in first[:_SHOWN_VALUES])
            raise InputError(
                f"{path}: {name_few(list(regions))} are regions of several values, "
                "which may overlap: take each value once with --classes NAME=VALUE "
                f"..., for example --classes {shlex.quote(f'{name}={listed}')} with "
                "--ignore VALUE for others, or all values as one with --foreground any"
            )
    raise InputError(
        f"{path}: its labels are not one name for each value; state them with "
        "--classes NAME=VALUE ..."
    )


def _rows(path: Path) -> tuple[list[str], dict[str, int | None], list[list[str]]]:
    """Read a CSV: its header, where known columns are, and its rows."""
    try:
        text = read_bytes(path, _MOST_BYTES).decode("utf-8-sig")
        # Some programs write a CSV with semicolons or tabs.
        between = max(",;\t", key=text.partition("\n")[0].count)
        lines = list(csv.reader(io.StringIO(text), delimiter=between, strict=True))
    except (ValueError, csv.Error) as fault:
        raise FileError(path, f"cannot be read as a CSV ({fault})") from fault
    if not lines:
        raise FileError(path, "is an empty table")
    header = [name.strip() for name in lines[0]]
    if len(set(header)) < len(header):
        raise FileError(path, "has two columns of the same name")
    places = {
        role: next((i for i, h in enumerate(header) if _plain(h) in names), None)
        for role, names in _COLUMNS.items()
    }
    rows = [line for line in lines[1:] if any(field.strip() for field in line)]
    if not 0 < len(rows) <= _MOST_ROWS:
        raise FileError(path, f"has {len(rows)} rows, expected 1 to {_MOST_ROWS}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise FileError(
                path, f"row {number} has {len(row)} fields, the header {len(header)}"
            )
    return header, places, rows


def _fields(
    header: list[str], places: Mapping[str, int | None], row: list[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the fields of known columns, and those of all others."""
    known = {
        role: "" if place is None else row[place].strip()
        for role, place in places.items()
    }
    others = {
        name: row[index].strip()
        for index, name in enumerate(header)
        if index not in places.values()
    }
    return known, others


def _label(key: str, value: Any) -> tuple[str, int] | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return key, value
    if isinstance(value, list) and len(value) == 1:
        return _label(key, value[0])
    if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", key):
        return value, int(key)
    if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
        return key, int(value)
    return None


def _plain(name: str) -> str:
    return re.sub(r"[ -]", "_", name).lower()


def _case(image: PurePosixPath) -> str:
    name = image.name
    return name.removesuffix(".gz")[: -len(image.suffix)] if image.suffix else name


def _inside(table: Path, number: int, value: str) -> PurePosixPath:
    path = PurePosixPath(value.replace("\\", "/"))
    if not value or "\0" in value or path.is_absolute() or ".." in path.parts:
        raise InputError(
            f"{table}: row {number}: {value or 'an empty field'} is not a file below "
            "the table's folder"
        )
    return path
