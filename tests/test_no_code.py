"""No data file can make the product run code that the file contains."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "tfgansynth").rglob("*.py"), *(ROOT / "tools").glob("*.py")])

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
MODULES |= {"yaml", "code", "runpy"}
CALLS = {"eval", "exec", "compile", "__import__"}
LOADERS = {"load_model", "deserialize_keras_object", "model_from_json"}
LOADERS |= {"enable_unsafe_deserialization"}
KERAS_HOOK = "compile_from_config"
"""Keras calls it while a user loads a model, in the safe mode that the user chose; it
has to make objects of their configuration."""


def findings(tree: ast.AST) -> list[str]:
    """Everything in a program that could run code from a data file."""
    found = []
    hooks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == KERAS_HOOK
    ]
    inside_hooks = {inner for hook in hooks for inner in ast.walk(hook)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
            found += sorted(names & MODULES)
        elif isinstance(node, ast.ImportFrom):
            found += sorted({(node.module or "").split(".")[0]} & MODULES)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            is_builtin = isinstance(node.func, ast.Name) and name in CALLS
            is_hooked = node in inside_hooks and name == "deserialize_keras_object"
            if is_builtin or (name in LOADERS and not is_hooked):
                found.append(name)
            for keyword in node.keywords:
                value = getattr(keyword.value, "value", None)
                if keyword.arg == "allow_pickle" and value is not False:
                    found.append("allow_pickle")
                if keyword.arg == "safe_mode" and value is not True:
                    found.append("safe_mode")
    return found


CLUSTER = ROOT / "tfgansynth/cluster"
"""Dask sends programs: whoever reaches its scheduler can run any, as the docs on
security say. What is pickled there comes from a command and never from a file."""


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_can_run_code_from_a_data_file(path: Path) -> None:
    source = path.read_text()
    allowed = ["pickle"] if path.parent == CLUSTER and "import pickle" in source else []
    assert findings(ast.parse(source)) == allowed
    assert "pickle.load(" not in source


@pytest.mark.parametrize(
    "program",
    [
        "import pickle",
        "import os, yaml.cyaml",
        "from pickle import loads",
        "def f():\n import marshal",
        "eval(text)",
        "exec(text)",
        "compile(text, '', 'exec')",
        "__import__(name)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=option)",
        "keras.saving.load_model(path)",
        "load(path, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()",
        "def f(x):\n keras.saving.deserialize_keras_object(x)",
        "def compile_from_config(x):\n keras.saving.load_model(x)",
    ],
)
def test_the_search_finds_dangerous_calls(program: str) -> None:
    assert findings(ast.parse(program))


def test_the_search_passes_harmless_calls() -> None:
    program = "import re\nre.compile('a')\nnp.load(path, allow_pickle=False)"

    assert findings(ast.parse(program)) == []
