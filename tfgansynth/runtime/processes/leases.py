"""Which process works on what, where several machines share a folder.

A lease is a file that its owner creates, keeps changing as long as it lives, and
removes. It needs no lock of the system, which network file systems may lack: only that
one of several processes can create a file (O_EXCL), and that a rename replaces it.

Another process watches the file. It takes the lease over once the owner's process has
ended, which it sees at once on the same machine, or once the file has not changed for
`PATIENCE_S` by its own clock. No two clocks are compared. An owner that was stopped for
so long finds another token in the file, and gives up: see `Lease.require`.
"""

import contextlib
import functools
import json
import os
import secrets
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfgansynth.errors import RunError

PATIENCE_S = 60.0
"""Without a change for so long, an owner elsewhere counts as ended."""
BEAT_S = 5.0
"""An owner changes its file so often."""

_ENDING, _GUARD = ".lease", ".takeover"
ENDINGS = _ENDING, _GUARD
"""Of the names of all files here; one of a process that was killed stays until another
takes it."""
_SECONDS_BETWEEN_TRIES = 0.05
_MOST_BYTES = 1 << 12
_seen: dict[Path, tuple[bytes, float]] = {}
"""What this process has last read in leases of others, and when it was new."""


class LostError(RunError):
    """Another process has taken over, because this one was stopped for too long."""


class Lease:
    """A lease that this process holds until it is released, or not referred to."""

    def __init__(self, path: Path, token: str, handle: int, length: int) -> None:
        self._path, self._token = path, token
        ended = threading.Event()
        arguments = handle, length, ended
        threading.Thread(target=_beat, args=arguments, daemon=True).start()
        ours = os.getpid()
        self._release = weakref.finalize(self, _remove, path, token, ended, ours)

    def require(self) -> None:
        """Refuse to go on where another process has taken over.

        Raises:
            LostError: It has.
        """
        if _token(_read(self._path)) != self._token:
            raise LostError(
                f"{self._path.stem}: was taken over by another process, as this one "
                f"had stopped for {PATIENCE_S:.0f} s or more"
            )

    def release(self) -> None:
        """Let others have it."""
        self._release()


def take(path: Path, about: str = "") -> Lease | None:
    """Take a lease, if no living process holds it.

    Args:
        path: Its file, without ending.
        about: What others should know, see `living`.

    Raises:
        OSError: The file cannot be written.
    """
    path = path.with_name(path.name + _ENDING)
    token = secrets.token_hex(8)
    with contextlib.suppress(FileExistsError):
        return _create(path, path, token, about)
    return _take_over(path, token, about) if _is_abandoned(path) else None


@contextlib.contextmanager
def held(path: Path) -> Iterator[Lease]:
    """Hold a lease for a block, after all who hold it now."""
    while (lease := take(path)) is None:
        time.sleep(_SECONDS_BETWEEN_TRIES)
    try:
        yield lease
    finally:
        lease.release()


def owner(path: Path) -> str:
    """Say who holds a lease."""
    found = _owner(_read(path.with_name(path.name + _ENDING)))
    return _words(found) if found else "another process"


def living(folder: Path, start: str, but: str) -> Iterator[str]:
    """Find living processes, but this one, with leases of some names in a folder.

    Those about the same, `but`, are passed over. Any other owner elsewhere is watched
    until its lease changes, for at most `PATIENCE_S`. Leases of those that have ended
    are removed.
    """
    for path in sorted(folder.glob(f"{start}*{_ENDING}")):
        first = content = _read(path)
        found = _owner(content)
        if found.get("process") == _process() and found.get("place") == _place():
            continue
        while content and not _is_abandoned(path):
            if found.get("about") == but:
                break
            if found.get("place") == _place() or content != first:
                yield _words(found)
                break
            time.sleep(_SECONDS_BETWEEN_TRIES)
            content = _read(path)
        else:
            path.unlink(missing_ok=True)


def _create(path: Path, named: Path, token: str, about: str) -> Lease:
    """Create a lease's file; `named` is the name that it will have."""
    owner = {
        "token": token,
        "place": _place(),
        "process": _process(),
        "about": about,
    }
    content = json.dumps(owner).encode() + b"\n"
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Who has released the last lease removes the folder.
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
            break
    try:
        os.write(handle, content)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return Lease(named, token, handle, len(content))


def _take_over(path: Path, token: str, about: str) -> Lease | None:
    """Replace a lease whose owner has ended, one process at a time."""
    guard = path.with_suffix(_GUARD)
    try:
        os.close(os.open(guard, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        # It is there for an instant, unless its owner has ended within that.
        if _is_old(guard, b""):
            guard.unlink(missing_ok=True)
        return None
    try:
        if not _is_abandoned(path):
            return None
        beside = path.with_name(f"{path.name}.{token}")
        lease = _create(beside, path, token, about)
        beside.replace(path)
        return lease
    finally:
        guard.unlink(missing_ok=True)


def _is_abandoned(path: Path) -> bool:
    """Whether the owner of a lease has ended, as far as this process can know."""
    content = _read(path)
    if content is None:
        return False
    found = _owner(content)
    if found.get("place") == _place() and not _lives(*found["process"]):
        return True
    # One that lives may have been stopped.
    return _is_old(path, content)


def _is_old(path: Path, content: bytes) -> bool:
    """Whether this process has seen the same content for too long."""
    before, since = _seen.get(path, (None, 0.0))
    if before != content:
        _seen[path] = content, time.monotonic()
        return False
    return time.monotonic() - since > PATIENCE_S


def _read(path: Path) -> bytes | None:
    """Read a lease anew; None if there is none."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError:
        return None


def _owner(content: bytes | None) -> dict[str, Any]:
    """The owner of a lease; nothing while its file is being created."""
    try:
        found = json.loads((content or b"").partition(b"\n")[0])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _words(found: dict[str, Any]) -> str:
    return f"process {found['process'][0]} on {found['place'][0]}"


def _token(content: bytes | None) -> str:
    return str(_owner(content).get("token", ""))


def _beat(handle: int, length: int, ended: threading.Event) -> None:
    """Change a lease's file from time to time; one that was replaced is another."""
    number = 0
    while not ended.wait(BEAT_S):
        number += 1
        # `Lease.require` finds what is wrong.
        with contextlib.suppress(OSError):
            os.pwrite(handle, f"{number}\n".encode(), length)
            os.fsync(handle)
    os.close(handle)


def _remove(path: Path, token: str, ended: threading.Event, process: int) -> None:
    ended.set()
    # A process that was forked from the owner is not the owner.
    if os.getpid() == process and _token(_read(path)) == token:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()


@functools.cache
def _place() -> list[str]:
    """Where the numbers of processes are those of this process."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return [socket.gethostname(), boot, os.readlink("/proc/self/ns/pid")]
    return [socket.gethostname()]


def _process() -> list[Any]:
    return [os.getpid(), _started(os.getpid())]


def _started(number: int) -> str:
    """When a process was started, by the system's count; empty if it does not live."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _lives(number: int, started: str) -> bool:
    if started:
        return _started(number) == started
    try:  # A system without /proc.
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
