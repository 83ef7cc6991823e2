"""The command line: options, commands, exit codes.

This module starts it. It imports nothing heavy, so that a signal ends the program with
one line from its first moments on.
"""

from __future__ import annotations

import os
import sys

from tfgansynth.systems import unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def start(tool: str | None = None) -> NoReturn:
    """Start the console command, or one of the scripts in `tools/`.

    Args:
        tool: The subcommand that the script stands for.
    """
    if why := unsupported():
        print(f"error: {why}", file=sys.stderr)
        sys.exit(2)
    from tfgansynth.runtime import signals

    if not signals.is_interactive():
        signals.end_at_once()
        # A notebook hands its own plotting backend on to what it starts; a file of
        # settings for Keras, if it is damaged, would keep Keras from being imported.
        os.environ.update(MPLBACKEND="agg", KERAS_HOME=os.devnull)
    from tfgansynth.cli import main

    if tool:
        main.run_tool(tool)
    main.main()
