"""Options that choose the long forms of tests; CI takes the short ones."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tfgansynth  # noqa: F401  It sets TensorFlow up before a test imports it.
from tests.cpu_times import CpuTimes

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

# What the tools set before they import TensorFlow; they also run in this process.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz",
        type=int,
        default=150,
        metavar="N",
        help="inputs for each reader in tests/fuzz (150; the long form is 10000)",
    )
    parser.addoption(
        "--simulations",
        type=int,
        default=50,
        metavar="N",
        help="simulated experiments for each scenario in test_verdict_rates.py (50; "
        "the long form is 2000)",
    )
    parser.addoption(
        "--copies",
        type=Path,
        metavar="DIR",
        help="search copies of the images in DIR/*/**/images/*.png too, and print the "
        "rates (tests/data/copies/test_registration.py, "
        "tests/assessment/test_planted.py)",
    )
    parser.addoption(
        "--cpu-times",
        action="store_true",
        help="show the processor minutes and the number of tests of each room",
    )
    group = parser.getgroup("reliability")
    group.addoption(
        "--kills",
        type=int,
        default=0,
        metavar="N",
        help="kill a run of the smoke preset N times at random moments",
    )
    group.addoption(
        "--injections",
        type=int,
        default=1,
        metavar="N",
        help="kill runs at N of the moments at which they change the disk",
    )
    group.addoption(
        "--flips",
        type=int,
        default=0,
        metavar="N",
        help="damage each kind of file N times, in a finished and in a half-done run",
    )
    group.addoption(
        "--signals",
        type=int,
        default=0,
        metavar="N",
        help="send N signals at random moments",
    )
    group.addoption(
        "--faults",
        action="store_true",
        help="also the longer tests that take away room and memory",
    )
    group.addoption(
        "--fault-seed",
        type=int,
        default=0,
        metavar="K",
        help="chooses the moments and bytes of the options above",
    )


LONGEST = (
    "tests/reliability/",
    "tests/cluster/test_cluster.py",
    "tests/tools/test_assess.py",
    "tests/tools/test_chain.py",
    "tests/tools/",
    "tests/test_style.py",
    "tests/docs/",
    "tests/reporting/html/",
)
"""Where tests begin with, so that all processes of pytest-xdist end together."""


TOGETHER = ("tests/reliability/", "tests/reporting/html/")
"""Folders whose tests share a run: one process takes them."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(
    config: pytest.Config, log: Any
) -> "LoadScopeScheduling":
    """Give each process of pytest-xdist whole files, since tests in one share runs."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            shared = (folder for folder in TOGETHER if nodeid.startswith(folder))
            return next(shared, nodeid.split("::")[0])

    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    def place(item: pytest.Item) -> int:
        starts = (n for n, path in enumerate(LONGEST) if item.nodeid.startswith(path))
        return next(starts, len(LONGEST))

    if hasattr(config, "workerinput"):
        items.sort(key=place)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.skip_gate")
    if config.getoption("--cpu-times"):
        config.pluginmanager.register(CpuTimes())
    _handle_signals()


def _handle_signals() -> None:
    # A shell ignores the first of these signals for background jobs, nohup the second.
    # The tests of interrupts need both.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture(scope="module", autouse=True)
def _heap() -> None:
    """Let garbage collection pass over what is there before a module's tests.

    That stays, and collecting takes a seventh of the time of tests that train.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def once() -> Iterator[None]:
    """Draw each phantom, and search each set of images for duplicates, once."""
    from tests import once

    with pytest.MonkeyPatch.context() as patch:
        once.install(patch)
        yield


@pytest.fixture(autouse=True)
def own_signal_handlers() -> Iterator[None]:
    """Take back the handlers that a command in this process has installed."""
    yield
    _handle_signals()


@pytest.fixture(scope="session")
def fuzz_inputs(request: pytest.FixtureRequest) -> int:
    """Inputs for each reader."""
    n_inputs: int = request.config.getoption("--fuzz")
    return n_inputs
