"""What all fuzz tests share."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written here need not outlive a power cut."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
