"""Fixtures of all fuzz tests."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written here need not survive a power cut."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(params=range(4))
def fuzz_seeds(request: pytest.FixtureRequest, fuzz_inputs: int) -> range:
    """The seeds of a quarter of a reader's inputs: several workers can share them."""
    return range(request.param, fuzz_inputs, 4)
