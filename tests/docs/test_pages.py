"""The pages in docs/ are complete, and what they name exists."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS): path.read_text() for path in DOCS.rglob("*.md")}
TEXT = "\n".join([(ROOT / "README.md").read_text(), *PAGES.values()])


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    """The program that writes the page of all settings."""
    spec = importlib.util.spec_from_file_location(
        "write_configuration", DOCS / "write_configuration.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_of_all_settings_is_up_to_date(writer: ModuleType) -> None:
    written = PAGES[Path("reference", "configuration.md")]

    assert written == writer.page(), "run: python docs/write_configuration.py"


def test_the_page_lists_every_choice_with_its_reason(writer: ModuleType) -> None:
    page = PAGES[Path("reference", "configuration.md")]
    choices = [
        setting
        for setting in writer.settings()
        if any(source.startswith("choice") for source in setting.sources)
    ]

    assert len(choices) > 15
    for setting in choices:
        assert re.search(rf"^\| `{re.escape(setting.option)}` \| ", page, re.MULTILINE)
        assert setting.text
    assert [each.option for each in writer.settings() if not each.sources] == []


def test_every_named_setting_exists(writer: ModuleType) -> None:
    known = {setting.option for setting in writer.settings()}
    known |= {option.replace("--", "--no-") for option in known}
    known |= {re.sub(r"\.", ".no-", option, count=1) for option in known}
    named = set(re.findall(r"(?<![\w-])--[a-z]+\.[a-z0-9-]*[a-z0-9]", TEXT))

    assert len(named) > 30
    assert sorted(named - known) == []


BENCHMARK_GPU = "benchmark_gpu.py"
"""A script for machines without TensorFlow, which is no command."""


def test_every_named_command_exists() -> None:
    scripts = {path.name for path in (ROOT / "tools").glob("*.py")}
    commands = {
        name.removesuffix(".py").replace("_", "-") for name in scripts - {BENCHMARK_GPU}
    }
    shell = "\n".join(re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE))
    named = set(re.findall(r"\btfgansynth ([a-z][a-z-]+)", shell))
    named |= set(re.findall(r"`tfgansynth ([a-z][a-z-]+)", TEXT))

    assert named == commands
    assert set(re.findall(r"tools/(\w+\.py)", TEXT)) <= scripts


def test_every_command_is_documented() -> None:
    page = PAGES[Path("reference", "command-line.md")]
    rows = dict(re.findall(r"^\| `([a-z-]+)[^`]*` \| `(\w+\.py)` \|", page, re.M))

    scripts = {path.name for path in ROOT.glob("tools/*.py")}
    assert set(rows.values()) == scripts - {BENCHMARK_GPU}
    for command, script in rows.items():
        assert command == script.removesuffix(".py").replace("_", "-")


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """A broken link, a page out of the navigation, a missing anchor: all are errors."""
    done = subprocess.run(
        [Path(sys.executable).parent / "mkdocs", "build", "--strict", "-d", tmp_path],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "reference" / "configuration" / "index.html").exists()
    assert (
        '<pre class="mermaid">'
        in (tmp_path / "explanation" / "architecture" / "index.html").read_text()
    )
