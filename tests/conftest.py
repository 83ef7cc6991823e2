"""Options of the test command."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--simulations",
        type=int,
        default=50,
        metavar="N",
        help="simulated experiments per scenario in test_verdict_rates.py",
    )
