"""Compiles our kernels for this machine, once, and loads them into TensorFlow.

They need a C++ compiler and a processor with AVX-512 or AVX2. Without these, operations
of TensorFlow do the same work.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfgansynth.runtime import storage
from tfgansynth.runtime.devices import cpu_flags

_SOURCE = Path(__file__).with_name("filter_gradient.cc")
_SECONDS_TO_COMPILE = 120
_INSTRUCTIONS = {
    "AVX512-BF16": {"avx512f", "avx512bw", "avx512_bf16"},
    "AVX-512": {"avx512f"},
    "AVX2": {"avx2", "fma"},
}
"""The instruction sets that the kernels are written for, best first, and the flags of
a processor that has them. Only the first one takes bfloat16."""


@functools.cache
def load() -> tuple[Any, str]:
    """Load the kernels, and compile them first if that was not done before.

    Returns:
        The module of operations, or None; and a description: the name of the
        compiler, or why there are no kernels.
    """
    if os.environ.get("TFGANSYNTH_KERNELS") == "off":
        return None, "TensorFlow's own (TFGANSYNTH_KERNELS=off)"
    sets = [name for name, flags in _INSTRUCTIONS.items() if flags <= cpu_flags()]
    if not sets:
        return None, "TensorFlow's own (the processor lacks AVX2)"
    compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler is None:
        return None, "TensorFlow's own (no C++ compiler found)"
    try:
        operations = tf.load_op_library(str(_compiled(compiler, sets[0])))
    except (OSError, subprocess.SubprocessError, tf.errors.OpError) as error:
        return None, f"TensorFlow's own ({_reason(error)})"
    return operations, f"ours for {sets[0]}, compiled by {Path(compiler).name}"


def _compiled(compiler: str, instructions: str) -> Path:
    """Return the library, compiled now unless a whole one is in the cache."""
    options = [f"-m{flag.replace('_', '')}" for flag in _INSTRUCTIONS[instructions]]
    command = [
        compiler,
        *tf.sysconfig.get_compile_flags(),
        "-std=c++17",
        "-O3",
        *sorted(options),
        "-fPIC",
        "-shared",
        "-pthread",
        str(_SOURCE),
        *tf.sysconfig.get_link_flags(),
    ]
    folder, fingerprint = _cache_folder(), _fingerprint(command)
    # The name has the hash of the content: the system would end a process that runs
    # code of a file that was cut short.
    for library in folder.glob(f"{fingerprint}-*.so"):
        if library.name == _name(fingerprint, library):
            return library
        library.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    # Compiled elsewhere and renamed, because two processes may compile at once.
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        whole = Path(beside) / "kernels.so"
        subprocess.run(
            [*command, "-o", str(whole)],
            # For the compiler's own files: the usual folder may be read-only.
            env={**os.environ, "TMPDIR": beside},
            check=True,
            capture_output=True,
            text=True,
            timeout=_SECONDS_TO_COMPILE,
        )
        storage.flush(whole)
        return whole.replace(folder / _name(fingerprint, whole))


def _name(fingerprint: str, library: Path) -> str:
    return f"{fingerprint}-{storage.hash_file(library)[:16]}.so"


def _fingerprint(command: list[str]) -> str:
    version = subprocess.run(
        [command[0], "--version"], check=True, capture_output=True, text=True
    ).stdout
    parts = [_SOURCE.read_text(), *command, version, tf.version.GIT_VERSION]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if not os.path.isabs(home):
        raise FileNotFoundError("no home folder to keep ours in: set XDG_CACHE_HOME")
    return Path(home) / "tfgansynth" / "kernels"


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"ours took more than {error.timeout} s to compile"
    if isinstance(error, subprocess.CalledProcessError):
        lines = error.stderr.splitlines()
        first = next((line for line in lines if "error" in line), str(error))
        return f"ours did not compile: {first}"
    if isinstance(error, tf.errors.OpError):
        return f"ours cannot be loaded: {error.message}"
    return str(error)
