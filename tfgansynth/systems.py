"""The systems that this program runs on. Read by any Python, to say so in one line."""

from __future__ import annotations

import sys


def unsupported() -> str:
    """Say in one line why nothing works on this system; empty where it does."""
    if sys.platform != "win32" and (3, 11) <= sys.version_info < (3, 14):
        return ""
    return (
        "tfgansynth runs on Linux and macOS with Python 3.11 to 3.13 (TensorFlow has "
        "no other): install one of these; on Windows use WSL"
    )
