"""Check a data set and name every fault by file.

Exit code 0: no faults. 2: faults, or wrong use.
"""

import sys
from pathlib import Path
from typing import Annotated

import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.data.checks import check
from tfgansynth.data.lungs import Lungs


def main(
    data: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")],
    lungs: Lungs = "both",
) -> int:
    """Check a data set and name every fault by file.

    Args:
        data: Folder with images/ and masks/, or JSRT images with SCR masks.
        lungs: The target; left and right are the patient's.
    """
    report = check(data, lungs)
    print(report.text())
    return 2 if report.faults else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
