"""What all tests share: how many inputs a fuzz gives to each reader."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz", type=int, default=150, help="inputs a reader, 10000 for the long form"
    )


@pytest.fixture
def fuzz_inputs(request: pytest.FixtureRequest) -> int:
    """How many mutated inputs each reader is given."""
    return int(request.config.getoption("--fuzz"))
