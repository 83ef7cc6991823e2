"""The README says what the program does; these hold it to that."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def chosen_options() -> list[str]:
    """The options of all settings whose documented source is our own choice."""
    tree = ast.parse((ROOT / "tfgansynth" / "config.py").read_text())
    sections = {
        "DataConfig": "data.",
        "AugmentationConfig": "augmentation.",
        "GANConfig": "gan.",
        "SynthesisConfig": "synthesis.",
        "UNetConfig": "unet.",
        "EvaluationConfig": "evaluation.",
        "Config": "",
    }
    found = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, doc in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(doc, ast.Expr)
                and isinstance(doc.value, ast.Constant)
                and "[choice" in str(doc.value.value)
            ):
                name = field.target.id.replace("_", "-")
                found.append(f"--{sections[node.name]}{name}")
    return found


def test_every_choice_is_listed() -> None:
    options = chosen_options()

    assert len(options) > 15
    table = README.split("## Choices and deviations")[1].split("\n## ")[0]
    assert [option for option in options if f"`{option}`" not in table] == []


def test_every_tool_is_listed_and_exists() -> None:
    scripts = {path.name for path in (ROOT / "tools").glob("*.py")}

    assert set(re.findall(r"`(\w+\.py)[ `]", README)) >= scripts
    assert set(re.findall(r"tools/(\w+\.py)", README)) <= scripts


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_ci_runs_the_test_command() -> None:
    (command,) = re.findall(r"^.*-m pytest.*$", README, re.MULTILINE)

    assert command.startswith("python3 -m venv .venv && ")
    assert "grep -m1 -- '-m pytest' README.md" in (ROOT / ".ci" / "run").read_text()
