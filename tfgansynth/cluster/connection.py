"""Connecting to a running Dask cluster whose workers are of the same version."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import dask
from distributed import Client

from tfgansynth.cluster.worker import StageWorker, own_versions
from tfgansynth.errors import InputError, counted

_SECONDS_TO_CONNECT = 30


@contextlib.contextmanager
def connected(address: str) -> Iterator[Client]:
    """Connect to a scheduler, and make its workers ready for stages.

    Raises:
        InputError: No scheduler answers, or a worker is of another version.
    """
    settings = {"distributed.admin.large-graph-warning-threshold": "1 TiB"}
    with dask.config.set(settings), _silent():
        try:
            place = (
                {"scheduler_file": address}
                if Path(address).is_file()
                else {"address": address}
            )
            client = Client(timeout=_SECONDS_TO_CONNECT, **place)
        except (OSError, ValueError) as fault:
            raise InputError(
                f"--scheduler {address}: no Dask scheduler answers ({fault})"
            ) from fault
        with client:
            try:
                client.register_plugin(StageWorker(own_versions()))
            except ImportError as fault:
                raise InputError(
                    f"--scheduler {address}: a worker cannot import this program "
                    f"({fault}): install it there"
                ) from fault
            yield client


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Let no library complain: what is wrong is said in one line."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def cluster_line(client: Client) -> str:
    """Say in one line what the cluster is."""
    found = client.scheduler_info(n_workers=-1)
    try:
        dashboard = client.dashboard_link
    except KeyError:
        dashboard = None
    shown = f", dashboard {dashboard}" if dashboard else ""
    n_workers = len(found["workers"])
    words = counted(n_workers, "worker") if n_workers else "no worker yet"
    return f"Cluster: {words} at {found['address']}{shown}"
