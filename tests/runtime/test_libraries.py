"""What the tools share, where running them does not show it."""

import builtins
import signal
from typing import Any

import pytest

from tfgansynth.runtime.libraries import import_tensorflow_quietly


def test_a_signal_waits_until_tensorflow_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Native code that is started takes an interrupt for a fault of its own.
    loaded = []
    own_import = builtins.__import__

    def interrupted(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "keras":
            signal.raise_signal(signal.SIGINT)
        loaded.append(name)
        return own_import(name, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            import_tensorflow_quietly()

    assert "tensorflow" in loaded
