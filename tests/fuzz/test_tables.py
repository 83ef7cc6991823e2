"""Hostile tables of cases: a split in which no patient is divided, or one line."""

import random
from pathlib import Path

from tests.fuzz.reading import read_or_refuse
from tfgansynth.config import Config
from tfgansynth.data.prepare.files.tables import read_cases
from tfgansynth.data.splits import make_folds
from tfgansynth.errors import InputError

CASES = [f"case-{number:02d}" for number in range(24)]
FIELDS = (
    *("", " ", ",", ",,", '"', '""', "\n", "\r", "\r\n", ";", "\t", "\0", "\ufeff"),
    *("case", "patient", "group", "Patient ID", "=1+1", "\u202e", "\udcff", "x" * 999),
    *CASES[:3],
)


def hostile_table(rng: random.Random) -> bytes:
    n_patients, n_groups = rng.randint(1, 24), rng.randint(1, 6)
    names = [
        "case",
        rng.choice(["patient", "subject", "x"]),
        rng.choice(["group", "y"]),
    ]
    rows = [
        [case, f"p{rng.randrange(n_patients)}", f"g{rng.randrange(n_groups)}"]
        for case in rng.sample(CASES, rng.choice([24, 24, 24, 23]))
    ]
    text = "\n".join(",".join(row) for row in [names, *rows])
    for _ in range(rng.choice([0, 0, 1, 1, 3, 9])):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice([0, 0, 1, 5, 50]))
        text = text[:start] + rng.choice(FIELDS) + text[end:]
    return text.encode(errors="surrogateescape")


def test_hostile_tables(tmp_path: Path, fuzz_inputs: int) -> None:
    path = tmp_path / "cases.csv"
    n_split = n_refused = n_unread = 0
    for seed in range(fuzz_inputs):
        path.write_bytes(hostile_table(random.Random(seed)))
        table, _ = read_or_refuse(lambda path: read_cases(path, CASES), path, str(seed))
        if table is None:
            n_unread += 1
            continue
        assert set(table.patients) | set(table.patients.values()) <= set(CASES), seed
        try:
            folds = make_folds(CASES, Config(seed=seed), table)
        except InputError:
            n_refused += 1
            continue
        n_split += 1
        for fold in folds:
            parts = fold.training, fold.validation, fold.test
            assert sorted(case for part in parts for case in part) == CASES, seed
            owners = [{table.patients.get(c, c) for c in part} for part in parts]
            assert all(owners), seed
            assert sum(map(len, owners)) == len(set.union(*owners)), seed
    assert min(n_split, n_refused, n_unread) > fuzz_inputs // 30
