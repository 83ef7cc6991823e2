"""Descriptions and tables of data sets are read, or refused in one line."""

import itertools
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.data.prepare.inputs import disc, noise, save
from tests.fuzz.hostile import damage, damaged_json, outcome, run
from tfgansynth.data.checks.report import check
from tfgansynth.data.importers.canonical import read_description
from tfgansynth.data.loading import load_directory
from tfgansynth.data.prepare.importing import prepare
from tfgansynth.data.prepare.options import Options

SIDE = 16
CASES = "abc"
FIELDS = (
    *("", " ", "case", "image", "mask", "patient", "a", "../a.png", "/etc/passwd", "é"),
    *("images/a.png", "masks/a.png", "images", ".", "\0", "a\nb", "\ufeff", '"', "'"),
    *("x" * 3000, "\u202e", "=1+1", "images\\a.png", "images/a.png;rm", "CON", "NaN"),
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cases as people have them."""
    root = tmp_path_factory.mktemp("source")
    for index, name in enumerate(CASES):
        save(root / f"images/{name}.png", noise(index, (SIDE, SIDE)))
        save(root / f"masks/{name}.png", disc(8, 8, 4, SIDE).astype(np.uint8))
    return root


@pytest.fixture(scope="module")
def prepared(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "set"
    prepare(source, made, Options(), lambda line: None)
    return made


def hostile_table(rng: random.Random, rows: list[list[str]]) -> bytes:
    """Change some fields, rows or bytes of a table."""
    table = [list(row) for row in rows]
    for _ in range(rng.choice((1, 1, 2, 5))):
        row = rng.choice(table)
        match rng.randrange(5):
            case 0 | 1 if row:
                row[rng.randrange(len(row))] = rng.choice(FIELDS)
            case 2:
                row.insert(rng.randrange(len(row) + 1), rng.choice(FIELDS))
            case 3 if len(table) > 1:
                table.remove(row)
            case 4:
                table.insert(rng.randrange(len(table) + 1), list(rng.choice(table)))
    end = rng.choice(("\n", "\n", "\r\n", "\r"))
    content = (
        end.join(rng.choice((",", ",", ",", ";")).join(r) for r in table)
    ).encode()
    return damage(rng, content) if rng.random() < 0.3 else content


def test_descriptions(prepared: Path, fuzz_inputs: int) -> None:
    path = prepared / "dataset.json"
    whole = path.read_bytes()

    def one(seed: int) -> str:
        path.write_bytes(damaged_json(random.Random(seed), json.loads(whole)))
        if seed % 10 == 0:
            report = check(prepared, "both").text()
            assert all(line.isprintable() for line in report.split("\n")), seed
        return outcome(
            seed, lambda: load_directory(prepared, "both", SIDE, soft_masks=False)
        )

    try:
        run(one, range(fuzz_inputs))
    finally:
        path.write_bytes(whole)
    assert read_description(prepared) is not None


def imported(
    root: Path, name: str, content: Callable[[random.Random], bytes], to: Path
) -> Callable[[int], str]:
    """Return a check that imports `root` with a hostile file of that name."""
    numbers = itertools.count()
    source = root / name if name.endswith("index.csv") else root

    def one(seed: int) -> str:
        (root / name).write_bytes(content(random.Random(seed)))
        made = to / f"{next(numbers)}"
        result = outcome(
            seed, lambda: prepare(source, made, Options(), lambda line: None)
        )
        assert made.exists() == (result == "read")
        shutil.rmtree(made, ignore_errors=True)
        assert not list(to.iterdir())
        return result

    return one


@pytest.mark.parametrize("name", ["index.csv", "cases.csv", "dataset.json"])
def test_files_beside_images(
    source: Path, tmp_path: Path, name: str, fuzz_inputs: int
) -> None:
    root, to = tmp_path / "in", tmp_path / "out"
    shutil.copytree(source, root)
    to.mkdir()
    files = [[f"images/{case}.png", f"masks/{case}.png"] for case in CASES]
    tables = {
        "index.csv": [["image", "mask", "patient"], *([*f, "P1"] for f in files)],
        "cases.csv": [
            ["case", "patient", "age"],
            *([case, "P", "7"] for case in CASES),
        ],
    }
    labels = {"labels": {"background": 0, "disc": 1, "ring": [1, 2], "ignore": 3}}

    def content(rng: random.Random) -> bytes:
        if name == "dataset.json":
            plain = dict(labels["labels"])
            if rng.random() < 0.7:
                del plain["ring"]
            return damaged_json(rng, {"labels": plain})
        return hostile_table(rng, tables[name])

    run(imported(root, name, content, to), range(fuzz_inputs))
