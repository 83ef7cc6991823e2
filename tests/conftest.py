"""Options of the test suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz",
        type=int,
        default=150,
        metavar="N",
        help="inputs for each reader in tests/fuzz (150; the long form is 10000)",
    )


@pytest.fixture(scope="session")
def fuzz_inputs(request: pytest.FixtureRequest) -> int:
    """Inputs for each reader."""
    n_inputs: int = request.config.getoption("--fuzz")
    return n_inputs
