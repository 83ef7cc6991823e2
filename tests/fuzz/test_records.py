"""Readers of JSON, CSV, arrays and synthetic sets take any input without a crash."""

import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fuzz.hostile import (
    Check,
    damage,
    damaged_json,
    distort,
    outcome,
    run,
    sealed,
)
from tests.records.made import finished
from tfgansynth.data.splits import Fold
from tfgansynth.evaluation.case_rows import CaseRow, cases_to_csv, read_cases
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.records import converter
from tfgansynth.records.comparisons import Comparison, make_comparison
from tfgansynth.records.converter import to_json
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import Split
from tfgansynth.records.tables import aggregate
from tfgansynth.reporting.comparisons import comparison_to_markdown, comparison_to_text
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import Draw, SyntheticSet, read_set, write_set

# JSON with the hash of its own content, and the split in it


def record_check(folder: Path) -> Check:
    folds = (
        Fold(1, ("a", "b"), ("a",), ("c",), ("d",)),
        Fold(2, ("c", "d"), ("c",), ("a",), ("b",)),
    )
    content = converter.to_json(Split(folds))
    path = folder / "splits.json"

    def read() -> None:
        found = converter.read(path, Split)
        for fold in found.folds:
            names = (*fold.training, *fold.reduced, *fold.validation, *fold.test)
            assert all(isinstance(name, str) for name in names)
        converter.write(path, found)

    def check(seed: int) -> str:
        rng = random.Random(seed)
        if rng.random() < 0.5:
            path.write_bytes(damaged_json(rng, storage.seal(content)))
        else:
            # The record is whole, its content is not what it should be.
            path.write_text(sealed(distort(rng, content)))
        return outcome(seed, read)

    return check


def test_records(tmp_path: Path, fuzz_inputs: int) -> None:
    run(record_check(tmp_path), range(fuzz_inputs))


# Records of results: strictly typed, so that whoever reads one need not check it


def result_check(folder: Path) -> Check:
    unets = [
        finished(
            Regime(145, n_synthetic),
            [CaseRow(f"c{i}", CaseMetrics(i / 9, 4.5, 2.0, 1.0)) for i in range(4)],
        )
        for n_synthetic in (0, 120)
    ]
    content = json.loads(json.dumps(to_json(make_comparison(unets))))
    path = folder / "comparison.json"

    def read() -> None:
        found = converter.read(path, Comparison)
        comparison_to_text(found)
        comparison_to_markdown(found)
        assert storage.read_record(path) == to_json(found)

    def check(seed: int) -> str:
        rng = random.Random(seed)
        path.write_text(sealed(distort(rng, content)))
        return outcome(seed, read)

    return check


def test_results(tmp_path: Path, fuzz_inputs: int) -> None:
    run(result_check(tmp_path), range(fuzz_inputs))


# Synthetic sets


def set_check(folder: Path) -> Check:
    rng = np.random.default_rng(0)
    original = SyntheticSet(
        images=rng.integers(0, 256, (3, 12, 12), np.uint8),
        masks=rng.integers(0, 2, (3, 12, 12), np.uint8),
        draws=tuple(Draw(0, index, "0" * 16) for index in range(3)),
        n_drawn=3,
        n_similar=0,
        n_empty=0,
    )
    path = folder / "synthetic"
    provenance = {"fold": 1, "training_cases": {"a": "00"}, "dataset": {"name": "x"}}
    write_set(original, provenance, path)
    whole = {file: file.read_bytes() for file in path.rglob("*.*")}
    manifest = storage.read_record(path / "manifest.json")
    files = sorted(file for file in whole if file.suffix == ".png")

    def read() -> None:
        images, masks = read_set(path)
        assert images.dtype == np.float32
        assert masks.dtype == np.uint8
        assert images.shape == masks.shape
        assert images.ndim == 3

    def corrupt(rng: random.Random) -> None:
        place = path / "manifest.json"
        file = rng.choice(files)
        match rng.randrange(6):
            case 0:
                place.write_bytes(damaged_json(rng, storage.seal(manifest)))
            case 1 | 2:
                place.write_text(sealed(distort(rng, manifest)))
            case 3:
                file.write_bytes(damage(rng, whole[file]))
            case 4:
                # The hash agrees: what is damaged gets as far as the decoder.
                file.write_bytes(damage(rng, whole[file]))
                key = {"images": "image_sha256", "masks": "mask_sha256"}.get(
                    file.parent.name, "none"
                )
                changed = json.loads(json.dumps(manifest))
                for entry in changed["pairs"]:
                    if entry["name"] == file.name:
                        entry[key] = storage.hash_file(file)
                place.write_text(sealed(changed))
            case 5:
                file.unlink()
                rng.choice((lambda: None, file.mkdir, lambda: file.symlink_to(place)))()

    def restore() -> None:
        for file, content in whole.items():
            if file.is_dir():
                file.rmdir()
            elif file.is_symlink():
                file.unlink()
            file.write_bytes(content)

    def check(seed: int) -> str:
        corrupt(random.Random(seed))
        try:
            return outcome(seed, read)
        finally:
            restore()

    return check


def test_synthetic_sets(tmp_path: Path, fuzz_inputs: int) -> None:
    run(set_check(tmp_path), range(fuzz_inputs))


# The metrics of test cases

_FIELDS = (
    *("nan", "inf", "-inf", "-1", "-0", "-0.0", "1e400", "1_0", " 1", "0.50", "0,5"),
    *("", "a", "\0", "\n", '"', ";", "=1+1", "9" * 200_000, "9" * 5000, "1e-320"),
    *("1.5", "\u0661", "True", "None", "0x1", "1", "0", "a\u202eb", "\ufeff", "2"),
    "0.5",
)


def csv_check(folder: Path) -> Check:
    rows = [
        CaseRow(f"case{i}", CaseMetrics(0.9 + i / 97, 4.5, 2.0, i / 7))
        for i in range(5)
    ]
    regime, counts = Regime(145, 120), (1, 145, 120)
    text = cases_to_csv(rows, *counts)
    path = folder / "cases.csv"

    def read() -> None:
        found = read_cases(path, *counts)
        aggregate([finished(regime, found)])
        assert cases_to_csv(found, *counts).splitlines()[0] == text.splitlines()[0]

    def corrupt(rng: random.Random) -> bytes:
        lines = [line.split(",") for line in text.splitlines()]
        match rng.randrange(5):
            case 0:
                return damage(rng, text.encode())
            case 1:
                lines[rng.randrange(6)][rng.randrange(8)] = rng.choice(_FIELDS)
            case 2:
                lines.insert(rng.randrange(7), list(rng.choice(lines)))
            case 3:
                rng.shuffle(lines[rng.randrange(6)])
            case 4:
                sep, mark = rng.choice(";\t,"), rng.choice(("\ufeff", "", '"'))
                end = rng.choice(("\n", "\r\n", "\r"))
                code = rng.choice(("utf-8", "utf-16", "latin-1", "utf-32"))
                changed = mark + end.join(sep.join(line) for line in lines)
                return changed.encode(code, "replace")
        return "\n".join(map(",".join, lines)).encode() + b"\n"

    def check(seed: int) -> str:
        path.write_bytes(corrupt(random.Random(seed)))
        return outcome(seed, read)

    return check


def test_cases(tmp_path: Path, fuzz_inputs: int) -> None:
    run(csv_check(tmp_path), range(fuzz_inputs))


# Arrays

_DESCRIPTIONS = (
    *("<f4", ">f8", "|O", "O", "|V8", "<U0", "|S0", "<U99999999", "|b1", "<M8[ns]"),
    *([("a", "<f4")], [("a", "|O")], [("a", "<f4", (2, 2))], None, 3, "<f4,<f4", "|V0"),
    "x",
)
_SHAPES = ((), (3,), (0,), (1 << 40,), (1 << 62, 4), (-1,), (-1, -3), (0, 1 << 70))
_HEADERS = (
    *("", "{}", "(" * 300, "{'descr': '<f4'}", "__import__('os')", "\xff", "{1:2}"),
)


def arrays_check(folder: Path) -> Check:
    path = folder / "arrays.npz"
    arrays = {
        "gan/000": np.arange(12, dtype=np.float32).reshape(3, 4),
        "step": np.array(7),
        "provenance": np.array('{"fold": 1}'),
    }
    storage.write_arrays(path, arrays)
    whole = path.read_bytes()

    def read() -> None:
        for array in storage.read_arrays(path).values():
            assert not array.dtype.hasobject

    def npy(rng: random.Random) -> bytes:
        header: dict[str, Any] = {
            "descr": rng.choice(_DESCRIPTIONS),
            "fortran_order": rng.choice((True, False, 0, None)),
            "shape": rng.choice(_SHAPES),
        }
        text = rng.choice((repr(header), repr(header), rng.choice(_HEADERS)))
        encoded = text.encode("latin-1") + b" " * rng.choice((0, 7, 20_000)) + b"\n"
        version = rng.choice((b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\0\0"))
        n_bytes = 2 if version == b"\1\0" else 4
        length = len(encoded).to_bytes(n_bytes, "little")
        return b"\x93NUMPY" + version + length + encoded + rng.randbytes(12)

    def rebuilt(rng: random.Random) -> bytes:
        buffer = io.BytesIO()
        kind = rng.choice((zipfile.ZIP_STORED,) * 3 + (zipfile.ZIP_DEFLATED,))
        with zipfile.ZipFile(buffer, "w", kind) as archive:
            for index in range(rng.choice((0, 1, 2, 300))):
                names = (f"{index}.npy", "sha256.npy", "../a.npy", f"{index}")
                archive.writestr(rng.choice((*names, "\xff.npy")), npy(rng))
        return buffer.getvalue()

    def rewritten(rng: random.Random) -> bytes:
        kinds = ("<f4", ">i2", "<U3", "|b1", "<c16", "|V2", "<f2")
        found = {
            rng.choice(("", "a/b", "..", "ß", "x" * 200, "step", "\n")): np.zeros(
                rng.choice(((), (2, 3), (0,), (1,) * 32)), rng.choice(kinds)
            )
            for _ in range(3)
        }
        storage.write_arrays(path, found)
        return path.read_bytes()

    def check(seed: int) -> str:
        rng = random.Random(seed)
        make = rng.choice((lambda _: damage(rng, whole), rebuilt, rewritten))
        path.write_bytes(make(rng))
        return outcome(seed, read)

    return check


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_arrays(tmp_path: Path, fuzz_inputs: int) -> None:
    run(arrays_check(tmp_path), range(fuzz_inputs))
