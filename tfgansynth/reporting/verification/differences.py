"""Every place where something else is stored than is made again."""

import contextlib
import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.errors import one_line
from tfgansynth.runtime import storage

_ABSENT = "nothing"
_MOST_TEXT_BYTES = 256 << 20
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?")
_MOST_LETTERS = 60
_MOST_OF_A_PAGE = 5
"""A page that differs in more places was written for other results."""


class Differences:
    """Compares what is stored with what was recomputed, and keeps count."""

    def __init__(self, root: Path, rounding: float = 0.0) -> None:
        """Name paths relative to `root`; allow relative differences of `rounding`."""
        self._root = root
        self._rounding = rounding
        self.lines: list[str] = []
        """One line for each difference."""
        self.notes: list[str] = []
        """What to know beside: a line for each network that is not compared."""
        self.n_numbers = 0
        """Numbers that were recomputed, equal or not."""
        self.files: set[Path] = set()
        """Files that were compared."""

    def differ(self, path: Path, place: str, stored: Any, recomputed: Any) -> None:
        """Note a difference."""
        words = f"stored {_short(stored)}, recomputed {_short(recomputed)}"
        self.fault(path, f"{place}: {words}")

    def fault(self, path: Path, words: str) -> None:
        """Note what is wrong with a file otherwise."""
        inside = path.is_relative_to(self._root)
        named = path.relative_to(self._root) if inside else path
        self.lines.append(one_line(f"{named}: {words}"))

    @contextlib.contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """Note what cannot be read, or has a form that cannot be made again."""
        try:
            yield
        except OSError as fault:
            self.fault(path, f"cannot be recomputed ({fault.filename}: is missing)")
        except (LookupError, TypeError, ValueError, AttributeError) as fault:
            words = str(fault).removeprefix(f"{path}: ")
            kind = "" if isinstance(fault, ValueError) else f"{type(fault).__name__} "
            self.fault(path, f"cannot be recomputed ({kind}{words})")

    def compare(self, path: Path, place: str, stored: Any, recomputed: Any) -> None:
        """Compare values as JSON has them, where tuples are lists, all the way down.

        `place` names them in the file: `rows[1].dice.mean`; it is empty for all of it.
        """
        self.files.add(path)
        self._compare(path, place, _plain(stored), _plain(recomputed))

    def _compare(self, path: Path, place: str, stored: Any, recomputed: Any) -> None:
        if isinstance(stored, Mapping) and isinstance(recomputed, Mapping):
            for name in dict.fromkeys([*recomputed, *stored]):
                pair = stored.get(name, _ABSENT), recomputed.get(name, _ABSENT)
                self._compare(path, f"{place}.{name}".lstrip("."), *pair)
        elif isinstance(stored, list) and isinstance(recomputed, list):
            if len(stored) != len(recomputed):
                counts = f"{len(stored)} items", f"{len(recomputed)} items"
                self.differ(path, place, *counts)
            for index, pair in enumerate(zip(stored, recomputed, strict=False)):
                self._compare(path, f"{place}[{index}]", *pair)
        else:
            self.n_numbers += _is_number(recomputed)
            if not self._same(stored, recomputed):
                self.differ(path, place, stored, recomputed)

    def compare_array(
        self, path: Path, name: str, stored: NDArray[Any], recomputed: NDArray[Any]
    ) -> None:
        """Compare an array of a file with what it should be."""
        self.files.add(path)
        self.n_numbers += recomputed.size
        if stored.shape != recomputed.shape:
            self.differ(path, name, stored.shape, recomputed.shape)
            return
        for index in zip(*np.nonzero(stored != recomputed), strict=True):
            pair = stored[index].item(), recomputed[index].item()
            if not self._same(*pair):
                place = ", ".join(map(str, index))
                self.differ(path, f"{name}[{place}]", *pair)

    def compare_csv(self, path: Path, recomputed: str) -> None:
        """Compare a file of comma-separated values, cell by cell."""
        try:
            stored = list(csv.reader(io.StringIO(_text(path))))
        except csv.Error as fault:
            raise ValueError(f"{path}: is no table ({fault})") from fault
        rows = list(csv.reader(io.StringIO(recomputed)))
        self._compare_lines(path, stored, rows, headings=rows[0] if rows else ())

    def compare_text(self, path: Path, recomputed: str) -> None:
        """Compare a file of text, word by word."""
        stored, ours = (
            [line.split() for line in text.splitlines()]
            for text in (_text(path), recomputed)
        )
        self._compare_lines(path, stored, ours)

    def compare_page(self, path: Path, recomputed: str) -> None:
        """Compare a page word by word; the numbers of its drawings do not count."""
        counted, known = self.n_numbers, len(self.lines)
        self.compare_text(path, recomputed)
        self.n_numbers = counted
        n_found = len(self.lines) - known
        if n_found > _MOST_OF_A_PAGE:
            del self.lines[known:]
            self.fault(
                path,
                f"differs in {n_found} places from what the results give now: if they "
                "are newer than the page, report writes it again",
            )

    def _compare_lines(
        self,
        path: Path,
        stored: Sequence[Sequence[str]],
        recomputed: Sequence[Sequence[str]],
        headings: Sequence[str] = (),
    ) -> None:
        self.files.add(path)
        if len(stored) != len(recomputed):
            counts = f"{len(stored)} lines", f"{len(recomputed)} lines"
            self.differ(path, "length", *counts)
        pairs = zip(stored, recomputed, strict=False)
        for number, (ours, theirs) in enumerate(pairs, start=1):
            self.n_numbers += sum(_number(word) is not None for word in theirs)
            if len(ours) != len(theirs):
                self.differ(path, f"line {number}", " ".join(ours), " ".join(theirs))
                continue
            for index, pair in enumerate(zip(ours, theirs, strict=True)):
                if not self._same_words(*pair):
                    at = headings[index] if headings else f"word {index + 1}"
                    self.differ(path, f"line {number}, {at}", *pair)

    def _same_words(self, stored: str, recomputed: str) -> bool:
        numbers = _number(stored), _number(recomputed)
        if stored == recomputed or None in numbers or not self._rounding:
            return stored == recomputed
        return self._same(*numbers)

    def _same(self, stored: Any, recomputed: Any) -> bool:
        if type(stored) is not type(recomputed):
            return False
        if isinstance(stored, float) and self._rounding:
            return math.isclose(
                stored, recomputed, rel_tol=self._rounding, abs_tol=self._rounding
            )
        return bool(stored == recomputed)


def _text(path: Path) -> str:
    return storage.read_bytes(path, _MOST_TEXT_BYTES).decode()


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(word: str) -> float | None:
    """Read a number as it stands in text, with what punctuation it ends."""
    bare = word.strip("(),;.%")
    return float(bare) if _NUMBER.fullmatch(bare) else None


def _short(value: Any) -> str:
    words = value if isinstance(value, str) else json.dumps(value, default=str)
    return words if len(words) <= _MOST_LETTERS else f"{words[:_MOST_LETTERS]}..."
