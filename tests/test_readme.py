"""The README is short, and what it names exists."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README)

    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_named_scripts_exist() -> None:
    scripts = {path.name for path in (ROOT / "tools").glob("*.py")}

    assert set(re.findall(r"tools/(\w+\.py)", README)) <= scripts


def test_ci_runs_the_test_command() -> None:
    (command,) = re.findall(r"^.*-m pytest.*$", README, re.MULTILINE)

    assert command.startswith("python3 -m venv .venv && ")
    assert "grep -m1 -- '-m pytest' README.md" in (ROOT / ".ci" / "run").read_text()
    assert ".ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()


def test_the_pinned_versions_are_within_the_compatible_ranges() -> None:
    """Every dependency of the package, its tests and its pages is pinned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    ranges = [*project["dependencies"], *extras["dev"], *extras["docs"]]
    pins = dict(
        line.split("==")
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )

    for requirement in ranges:
        name, lowest, below = parse(requirement)
        assert lowest <= version(pins[name]), requirement
        assert below is None or version(pins[name]) < below, requirement


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def parse(requirement: str) -> tuple[str, tuple[int, ...], tuple[int, ...] | None]:
    found = re.fullmatch(r"([\w-]+)>=([\d.]+)(?:,<([\d.]+))?", requirement)
    assert found, requirement
    name, lowest, below = found.groups()
    return name, version(lowest), version(below) if below else None
