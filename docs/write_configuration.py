"""Write docs/reference/configuration.md from the docstrings in tfgansynth/config.

Run it after every change of a setting: `python docs/write_configuration.py`.
"""

import ast
import dataclasses
import inspect
import itertools
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tfgansynth.config import Config
from tfgansynth.presets import PRESETS
from tfgansynth.ranges import range_of

PAGE = Path(__file__).with_name("reference") / "configuration.md"

_HEAD = """\
# Configuration

<!-- Written by docs/write_configuration.py from tfgansynth/config/. Edit there. -->

Every number of the experiment is a setting. Each can be changed on the command line by
its name, as `--gan.steps 2000`. The default is the value in the preset `paper`. The
presets that differ from it are named after it.

Sources: `paper` and a section of Neff et al. 2017; `tf-dcgan`, the implementation that
the paper started from; `authors' code`, which the authors of the paper published later;
`choice`, ours. A preset after `choice` says where it applies. Choices that are not
settings are in [Choices and deviations](choices.md).

A setting that is on or off is switched on by its name, as `--gan.latent-codes`, and off
by `no-`, as `--gan.no-latent-codes`.
"""

_TITLES = {
    "": "Experiment",
    "data": "Data",
    "augmentation": "Classical augmentation",
    "gan": "GAN",
    "synthesis": "Synthetic set",
    "unet": "U-Net",
    "evaluation": "Evaluation",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as the page shows it.

    Attributes:
        section: Name of its section in `Config`; empty for the outermost one.
        name: Name of the field.
        values: Its value in each preset.
        allowed: Its possible values, in words.
        text: Its docstring, without the source if that stands alone at its end.
        sources: All sources that the docstring names.
    """

    section: str
    name: str
    values: Mapping[str, Any]
    allowed: str
    text: str
    sources: tuple[str, ...]

    @property
    def option(self) -> str:
        """Its name on the command line."""
        name = f"{self.section}.{self.name}" if self.section else self.name
        return f"--{name.replace('_', '-')}"


def settings() -> Iterator[Setting]:
    """Yield all settings, in the order of their fields."""
    sections: dict[str, Any] = {"": Config}
    kinds = typing.get_type_hints(Config, include_extras=True)
    for field in dataclasses.fields(Config):
        if dataclasses.is_dataclass(kinds[field.name]):
            sections[field.name] = kinds[field.name]
    for section, kind in sections.items():
        texts = _docstrings(kind)
        kinds = typing.get_type_hints(kind, include_extras=True)
        for name, annotation in kinds.items():
            if dataclasses.is_dataclass(annotation):
                continue
            yield Setting(
                section=section,
                name=name,
                values=_values(section, name),
                allowed=_allowed(annotation),
                text=re.sub(r"(?<=\.)\s*\[[^]]*\]$", "", texts[name]),
                sources=_sources(texts[name]),
            )


def page() -> str:
    """Render the page."""
    found = list(settings())
    parts = [_HEAD, _preset_changes(found)]
    for section, title in _TITLES.items():
        rows = [
            f"| `{setting.option}` | {_value(setting)} | {setting.allowed} "
            f"| {_cell(setting.text)} | {'; '.join(setting.sources)} |"
            for setting in found
            if setting.section == section
        ]
        table = (
            "| Option | Default | Values | Meaning | Source |\n|---|---|---|---|---|"
        )
        about = _about(section)
        parts.append(f"## {title}\n\n{about}{table}\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _about(section: str) -> str:
    if not section:
        return ""
    kind = typing.get_type_hints(Config)[section]
    return f"{inspect.cleandoc(kind.__doc__)}\n\n"


def _preset_changes(found: list[Setting]) -> str:
    """Tell what each preset changes, and from what."""
    bases = {
        "authors": "paper",
        "fast": "paper",
        "best": "fast",
        "demo": "best",
        "smoke": "fast",
    }
    lines = ["## What each preset changes", "", "| Preset | Changes |", "|---|---|"]
    lines.append("| `paper` | the defaults below |")
    for preset, base in bases.items():
        changes = [
            f"`{_as_option(setting, setting.values[preset])}`"
            for setting in found
            if setting.values[preset] != setting.values[base]
            and setting.name != "preset"
        ]
        lines.append(f"| `{preset}` | `{base}` with {', '.join(changes)} |")
    return "\n".join(lines) + "\n"


def _as_option(setting: Setting, value: Any) -> str:
    """Write a value as it is given on the command line."""
    if isinstance(value, bool):
        assert value, "no preset switches anything off"
        return setting.option
    return f"{setting.option} {_plain(value)}"


def _docstrings(kind: type) -> dict[str, str]:
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    body = definition.body
    return {
        field.target.id: " ".join(str(doc.value.value).split())
        for field, doc in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(doc, ast.Expr)
        and isinstance(doc.value, ast.Constant)
    }


def _sources(text: str) -> tuple[str, ...]:
    named = re.findall(r"\[((?:paper|tf-dcgan|authors'|choice)[^]]*)\]", text)
    return tuple(dict.fromkeys(named))


def _values(section: str, name: str) -> dict[str, Any]:
    return {
        preset: getattr(getattr(config, section) if section else config, name)
        for preset, config in PRESETS.items()
    }


def _value(setting: Setting) -> str:
    """The paper's value, and for other values the presets that have them."""
    default = setting.values["paper"]
    others: dict[str, list[str]] = {}
    for preset, value in setting.values.items():
        if value != default and setting.name != "preset":
            others.setdefault(_plain(value), []).append(preset)
    default = _plain(default) or "none"
    named = [f"{', '.join(presets)}: `{value}`" for value, presets in others.items()]
    return "; ".join([f"`{default}`", *named])


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _allowed(annotation: Any) -> str:
    if annotation is bool:
        return "on, off"
    parts = (annotation, *typing.get_args(annotation))
    kinds = [part for part in parts if typing.get_origin(part) is typing.Literal]
    choices = [f"`{choice}`" for kind in kinds for choice in typing.get_args(kind)]
    numbers = range_of(annotation)
    return ", ".join([*choices, *([str(numbers)] if numbers else [])])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"written: {PAGE}")
