import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tfgansynth.runtime.kernels import library

BEST = "AVX512-BF16"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No memory of an earlier load, an empty cache and a capable processor."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TFGANSYNTH_KERNELS", raising=False)
    monkeypatch.setattr(library, "cpu_flags", lambda: library._INSTRUCTIONS[BEST])
    library.load.cache_clear()
    yield
    library.load.cache_clear()


def compiled(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "tfgansynth" / "kernels").iterdir())


@pytest.fixture
def compiler() -> str:
    if platform.machine() != "x86_64":
        pytest.skip("the kernels are for x86-64")
    path = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if path is None:
        pytest.skip("no C++ compiler found")
    return path


def test_a_switch_turns_the_kernels_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFGANSYNTH_KERNELS", "off")
    assert library.load() == (None, "TensorFlow's own (TFGANSYNTH_KERNELS=off)")


@pytest.mark.parametrize(
    ("flags", "chosen"),
    [
        ("avx2 fma sse2", "AVX2"),
        ("avx2 fma avx512f avx512bw", "AVX-512"),
        ("avx2 fma avx512f avx512bw avx512_bf16", "AVX512-BF16"),
    ],
)
def test_the_best_instructions_are_chosen(
    monkeypatch: pytest.MonkeyPatch, compiler: str, flags: str, chosen: str
) -> None:
    asked = []

    def note(compiler: str, instructions: str) -> Path:
        asked.append(instructions)
        raise OSError("enough")

    monkeypatch.setattr(library, "cpu_flags", lambda: frozenset(flags.split()))
    monkeypatch.setattr(library, "_compiled", note)
    assert library.load() == (None, "TensorFlow's own (enough)")
    assert asked == [chosen]


def test_another_processor_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "cpu_flags", lambda: frozenset({"avx", "sse2"}))
    assert library.load() == (None, "TensorFlow's own (the processor lacks AVX2)")


def test_without_a_compiler_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    kernels, words = library.load()
    assert kernels is None
    assert "no C++ compiler" in words


def test_a_compiler_that_fails_is_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, compiler: str
) -> None:
    broken = tmp_path / "broken.cc"
    broken.write_text("int main( {\n")
    monkeypatch.setattr(library, "_SOURCE", broken)
    kernels, words = library.load()
    assert kernels is None
    assert "did not compile" in words
    assert "broken.cc:1" in words
    assert not compiled(tmp_path)


def test_kernels_are_compiled_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, compiler: str
) -> None:
    first = library._compiled(compiler, BEST)
    assert compiled(tmp_path) == [first]
    calls = []
    run = subprocess.run

    def note(command: list[str], **options: Any) -> Any:
        calls.append(command)
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", note)
    assert library._compiled(compiler, BEST) == first
    assert [command[1:] for command in calls] == [["--version"]]


@pytest.mark.parametrize(
    "damage",
    [
        "cut",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("zeroed", "empty")),
    ],
)
def test_a_damaged_library_is_compiled_again(
    tmp_path: Path, compiler: str, damage: str
) -> None:
    first = library._compiled(compiler, BEST)
    content = first.read_bytes()
    half = len(content) // 2
    damaged = {"cut": content[:half], "zeroed": bytes(len(content)), "empty": b""}
    first.write_bytes(damaged[damage])

    again = library._compiled(compiler, BEST)

    assert compiled(tmp_path) == [again]
    # Not loaded: a process takes one library only, and later tests load theirs.
    assert again.read_bytes() == content


def test_a_library_that_cannot_be_loaded_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, compiler: str
) -> None:
    text = tmp_path / "text.so"
    text.write_text("no library")
    monkeypatch.setattr(library, "_compiled", lambda *whatever: text)
    kernels, words = library.load()
    assert kernels is None
    assert words.startswith(f"TensorFlow's own (ours cannot be loaded: {text}: ")


@pytest.mark.parametrize("place", ["no home", "a file in the way"])
def test_without_a_place_for_them_there_are_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, compiler: str, place: str
) -> None:
    if place == "no home":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
        reason = "no home folder to keep ours in: set XDG_CACHE_HOME"
    else:
        (tmp_path / "tfgansynth").write_text("")
        reason = f"[Errno 20] Not a directory: '{tmp_path}/tfgansynth/kernels'"
    assert library.load() == (None, f"TensorFlow's own ({reason})")


def test_a_compiler_that_takes_too_long_is_told(
    monkeypatch: pytest.MonkeyPatch, compiler: str
) -> None:
    monkeypatch.setattr(library, "_SECONDS_TO_COMPILE", 0.001)
    kernels, words = library.load()
    assert kernels is None
    assert words == "TensorFlow's own (ours took more than 0.001 s to compile)"


def test_a_changed_source_is_another_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, compiler: str
) -> None:
    first = library._compiled(compiler, BEST)
    changed = tmp_path / "changed.cc"
    changed.write_text(library._SOURCE.read_text() + "\n// changed\n")
    monkeypatch.setattr(library, "_SOURCE", changed)
    assert library._compiled(compiler, BEST) != first
