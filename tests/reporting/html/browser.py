"""A real headless Chromium, spoken to over its debugging pipe, without a network."""

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
    *("--disable-background-networking", "--no-first-run", "--hide-scrollbars"),
    "--disable-dev-shm-usage",
)
_READ, _WRITE = 3, 4
"""The file descriptors at which Chromium reads and writes messages."""


def find() -> str | None:
    """The browser's path; None if there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One open page and all that it has said so far.

    Attributes:
        events: Name and content of each event.
    """

    def __init__(self, send: int, receive: int) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._send = send
        self._receive = receive
        self._rest = b""
        self._numbers = itertools.count(1)
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the browser and wait for what it returns."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append((answer["method"], answer["params"]))

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._receive, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed

    def open(self, path: Path, width: int, *, scheme: str = "light") -> None:
        """Show a file at a width in CSS pixels, in a color scheme; forget events."""
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(name == "Page.loadEventFired" for name, _ in self.events):
            message = self._message()
            self.events.append((message["method"], message["params"]))

    def evaluate(self, expression: str) -> Any:
        """Return the value of a script's expression, as JSON can carry it."""
        found = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Write a PNG of the page, or of its first screen."""
        shot = self.call(
            "Page.captureScreenshot", format="png", captureBeyondViewport=whole
        )
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self) -> bytes:
        """Print the page."""
        printed = self.call("Page.printToPDF", preferCSSPageSize=True)
        return base64.b64decode(printed["data"])


@contextlib.contextmanager
def page(profile: Path) -> Iterator[Page]:
    """Start the browser with an empty profile and yield a page; end it afterwards."""
    path = find()
    assert path
    to_read, to_send = os.pipe()
    to_receive, to_write = os.pipe()

    def connect() -> None:
        # Copies first: the pipes may have these very numbers.
        pipes = os.dup(to_read), os.dup(to_write)
        os.dup2(pipes[0], _READ)
        os.dup2(pipes[1], _WRITE)

    process = subprocess.Popen(
        [path, *FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(_READ, _WRITE),
        preexec_fn=connect,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(to_write)
    try:
        yield Page(to_send, to_receive)
    finally:
        process.terminate()
        process.wait()
        os.close(to_send)
        os.close(to_receive)
