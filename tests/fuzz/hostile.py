"""Damages files, by their bytes and by their structure, and checks their readers."""

import json
import os
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from tfgansynth.errors import InputError
from tfgansynth.runtime import storage

MOST_SECONDS = 5.0
"""Of processor time, which does not depend on what else the machine does."""

Check = Callable[[int], str]
"""Gives a reader the input of a seed; returns the outcome."""

_INTEGERS = (
    b"\x00",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff" * 8,
    b"\x80\0\0\0",
    b"\0" * 8,
)

_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 2**64 - 1, 0.0, -0.5, 1e308, 1e-308),
    *(
        "",
        "a",
        "..",
        "../../x",
        "/etc/passwd",
        "a\0b",
        "a\nb",
        "\x1b[31m",
        "\u202e",
        "ß",
    ),
    *([], {}, [[]], [None], ["a", "a"], {"a": 1}, {"": {}}, "x" * 5000, [0] * 500),
)

_TEXTS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 30, "9" * 5000, "1.0"),
    *('"\\ud800"', '"\\u0000"', "[" * 2000, '{"a":' * 200, "'", "/*", "\ufeff", "\0"),
    *("", ",", "}", '{"a": 1, "a": 2}', "01", "+1", "0x10", "1_0", "nul", "True"),
)


def processor_seconds() -> float:
    """Processor time of this process so far, and of its children that have ended."""
    return sum(os.times()[:4])


def outcome(seed: int, read: Callable[[], object]) -> str:
    """Let a reader read: it must return a value or say in one line what is wrong.

    Returns:
        "read" or "refused".

    Raises:
        AssertionError: Names the seed of the input.
    """
    start = processor_seconds()
    try:
        read()
        result = "read"
    except InputError as fault:
        line = str(fault)
        assert line.isprintable(), f"seed {seed}: {line!r}"
        assert 10 < len(line) < 1010, f"seed {seed}: {line!r}"
        result = "refused"
    except Exception as fault:
        raise AssertionError(f"seed {seed}: {type(fault).__name__}: {fault}") from fault
    seconds = processor_seconds() - start
    assert seconds < MOST_SECONDS, f"seed {seed}: took {seconds:.1f} s"
    return result


def run(check: Check, seeds: range, *, some_are_read: bool = True) -> Counter[str]:
    """Give a reader one input a seed. Both outcomes must occur; print how often."""
    found: Counter[str] = Counter()
    slowest = 0.0
    for seed in seeds:
        start = processor_seconds()
        found[check(seed)] += 1
        slowest = max(slowest, processor_seconds() - start)
    print(f"{len(seeds)} inputs: {dict(found)}, slowest {slowest:.2f} s")
    assert found["refused"], found
    assert found["read"] or not some_are_read, found
    return found


def damage(rng: random.Random, content: bytes) -> bytes:
    """Flip, cut, insert, repeat or overwrite some bytes."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8, 40))):
        place = rng.randrange(len(data) + 1)
        length = rng.choice((1, 2, 4, 16, 100, 1000))
        match rng.randrange(8):
            case 0 | 1 if place < len(data):
                data[place] ^= 1 << rng.randrange(8)
            case 2 if place < len(data):
                data[place] = rng.randrange(256)
            case 3:
                number = rng.choice(_INTEGERS)
                data[place : place + len(number)] = number
            case 4:
                del data[place : place + length]
            case 5:
                data[place:place] = rng.randbytes(length)
            case 6:
                data[place:place] = data[place : place + length]
            case 7 if rng.random() < 0.3:
                del data[place:]
    return bytes(data)


def distort(rng: random.Random, value: Any) -> Any:
    """Change some members of what JSON can hold, at any depth."""
    whole = {"": _copy(value)}
    for _ in range(rng.choice((1, 1, 2, 5))):
        holder: Any = whole
        key: Any = ""
        while isinstance(holder[key], dict | list) and holder[key]:
            if rng.random() < 0.1:
                break
            holder = holder[key]
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            key = rng.choice(list(keys))
        _distort_member(rng, holder, key)
    return whole[""]


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _distort_member(rng: random.Random, holder: Any, key: Any) -> None:
    match rng.randrange(6):
        case 0 | 1 | 2:
            holder[key] = _copy(rng.choice(_VALUES))
        case 3 if len(holder) > 1 and key != "":
            del holder[key]
        case 4 if isinstance(holder, list):
            holder.insert(key, _copy(rng.choice(_VALUES)))
        case 4:
            holder[rng.choice(("", "sha256", "name", "files", "..", "x"))] = holder[key]
        case 5 if isinstance(holder[key], str):
            text = holder[key]
            holder[key] = rng.choice(
                (text[:-1], text + "/..", text.upper(), f"{text}\0")
            )
        case 5 if isinstance(holder[key], int | float):
            holder[key] = rng.choice(
                (-holder[key], holder[key] * 10**9, str(holder[key]))
            )


def misspell(rng: random.Random, text: str) -> bytes:
    """Insert invalid JSON, or other JSON, somewhere into a text."""
    place = rng.randrange(len(text) + 1)
    end = place + rng.choice((0, 0, 1, 5, 50))
    return f"{text[:place]}{rng.choice(_TEXTS)}{text[end:]}".encode()


def damaged_json(rng: random.Random, value: Any) -> bytes:
    """Changed JSON, valid or nearly so."""
    text = json.dumps(value, indent=2)
    match rng.randrange(4):
        case 0:
            return damage(rng, text.encode())
        case 1:
            return misspell(rng, text)
        case _:
            return json.dumps(distort(rng, value)).encode()


def sealed(content: Any) -> str:
    """A record with a valid hash of any content."""
    return json.dumps(storage.seal(content) if isinstance(content, dict) else content)
