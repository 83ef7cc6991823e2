"""Stands for `isolation.run_isolated` where thousands of processes are needed at once.

One process imports a module, with all that it takes, and forks for each call: the
module's `main` runs in a process of its own as in the product, but need not wait for
its imports.
"""

import contextlib
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfgansynth.runtime.processes import isolation

ROOT = Path(__file__).resolve().parents[2]


class Zygote:
    """Runs one module's `main` again and again, each time in a fork."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Take a process that runs `_serve`."""
        self._process = process
        self.ends: list[str] = []
        """How each fork ended, in order; empty for those that succeeded."""

    def run(self, module: str, *arguments: str, seconds: int, **_: Any) -> None:
        """Do what `isolation.run_isolated` does."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\t".join([str(seconds), *arguments]) + "\n")
        self._process.stdin.flush()
        exit_code = int(self._process.stdout.readline())
        self.ends.append(isolation.why_it_ended(exit_code) if exit_code else "")
        if exit_code:
            raise isolation.Failure(self.ends[-1])


@contextlib.contextmanager
def zygote(module: str, imports: str) -> Iterator[Zygote]:
    """Start one; it ends with the context.

    Args:
        module: Whose `main` it runs.
        imports: What to import beforehand.
    """
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.zygote", module, imports],
        cwd=ROOT,
        env={**os.environ, **quiet},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"  # its imports took their time
        yield Zygote(process)
        assert process.stdin is not None
        process.stdin.close()


def _serve(module: str, imports: str) -> None:
    main = importlib.import_module(module).main
    importlib.import_module(imports)
    print("ready", flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _run(main, line.rstrip("\n").split("\t"))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(main: Any, call: list[str]) -> None:
    seconds, *arguments = call
    # An alarm ends a hang, even inside a library.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(seconds))
    sys.argv = ["", *arguments]
    code = 0
    with open(os.devnull) as sys.stdin, open(os.devnull, "w") as sys.stdout:
        try:
            main()
        except SystemExit as end:
            code = int(str(end.code or 0))
        except BaseException:
            code = 1
    os._exit(code)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
