"""How the values of masks become classes, decided once for the whole data set."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from tfgansynth.arrays import ByteArray
from tfgansynth.data.prepare.options import Options
from tfgansynth.data.prepare.polarity import Cover, border_share, inverted, large
from tfgansynth.data.prepare.values import Plane, Survey, parse_value, value_text
from tfgansynth.errors import InputError, name_few

BACKGROUND = "background"

_GREY_TO_COLOR = 0x010101
_MOST_CLASSES = 255
_SHOWN_VALUES = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """Turns the values of a mask into class indices.

    Attributes:
        kind: What the values are: `grey`, `palette` or `color`.
        names: The classes in the order of their indices, from 1; empty where the
            masks are one a class and named by their files.
        values: Value -> index; 0 is the background.
        threshold: If there are no exact values, larger ones are the only class.
        ignored: Values that become background and are counted.
        inverts: Whether what fills the border of an image is its background.
        lines: What was understood, for people.
    """

    kind: str
    names: tuple[str, ...]
    values: Mapping[int, int]
    threshold: float | None = None
    ignored: frozenset[int] = frozenset()
    inverts: bool = False
    lines: tuple[str, ...] = ()

    def labels(self, values: Plane, kind: str) -> ByteArray:
        """Return uint8 (H, W) class indices of a mask of the data set."""
        if kind == "grey" and self.kind == "color":
            values = values * _GREY_TO_COLOR
        if self.threshold is not None:
            labels = (values > self.threshold).astype(np.uint8)
        else:
            known = np.array(sorted(self.values), np.int64)
            indices = np.array([self.values[v] for v in known], np.uint8)
            labels = indices[np.searchsorted(known, values)]
        labeled = ~np.isin(values, list(self.ignored))
        labels *= labeled
        if self.inverts and border_share(labels > 0) > 0.5:
            labels = (1 - labels) * labeled
        return labels

    def area(self, survey: Survey) -> float:
        """Share of a mask that is not background."""
        counts = {v: n for v, n in survey.counts.items() if v not in self.ignored}
        if self.threshold is not None:
            inside = sum(n for v, n in counts.items() if v > self.threshold)
        else:
            inside = sum(n for v, n in counts.items() if self.values[v])
        total = sum(survey.counts.values())
        share = inside / total
        # Where the border decides, the border of what is inside does.
        flipped = self.inverts and 0 < share < 1 and survey.border > 0.5
        if flipped or (self.inverts and share == 1):
            return sum(counts.values()) / total - share
        return share


def understand(
    surveys: Sequence[Survey], options: Options, labels: Mapping[str, int], target: str
) -> tuple[Rule, list[Survey]]:
    """Decide what the values of the masks of a data set mean.

    Args:
        surveys: One for each mask.
        options: What was stated.
        labels: Names of values that the data set itself gives; may be empty.
        target: Name of the class, if there is one without a name.

    Returns:
        The rule, and the surveys in its kind of values.

    Raises:
        InputError: It is ambiguous. The message lists values and choices.
    """
    kind, surveys = _one_kind(surveys)
    ignored = frozenset(parse_value(v, kind, "--ignore") for v in options.ignore)
    seen = Counter(v for s in surveys for v in s.counts if v not in ignored)
    n_ignored = sum(n for s in surveys for v, n in s.counts.items() if v in ignored)
    named = _stated(options, kind) or {
        value: name for name, value in labels.items() if value not in ignored
    }
    named = {
        value: BACKGROUND if name.casefold() == BACKGROUND else name
        for value, name in named.items()
    }
    lines = []
    if ignored:
        share = n_ignored / sum(sum(s.counts.values()) for s in surveys)
        lines.append(
            f"ignored values became background: {n_ignored} pixels "
            f"({100 * share:.2f} % of all)"
        )
    is_binary = _threshold(surveys, seen)
    background = next((v for v, name in named.items() if name == BACKGROUND), 0)
    names: tuple[str, ...] = (target,)
    threshold = None
    if options.foreground == "any" and is_binary is None:
        values = {value: int(value != background) for value in seen}
        lines.append(
            f"every value but {value_text(background, kind)} is {target}: "
            f"{len(values.keys() - {background})} values"
        )
    elif named.keys() - {background}:
        names, values = _by_name(
            surveys, seen, named, background, kind, is_stated=bool(options.classes)
        )
        listed = ", ".join(
            f"{value_text(value, kind)} is {name}" for value, name in named.items()
        )
        lines.append(f"classes of the masks: {listed}")
    elif len(seen.keys() | {background}) <= 2:
        values = {value: int(value != background) for value in seen}
        shown = ", ".join(value_text(value, kind) for value in sorted(seen))
        lines.append(f"masks of one class: values {shown}")
    elif is_binary is not None:
        threshold, values = is_binary, {}
        lines.append(
            f"masks of one class with smoothed edges: above {threshold:g} is {target}"
        )
    else:
        raise InputError(_ambiguous(surveys, seen, kind))
    values = {**values, **dict.fromkeys(ignored, 0)}
    rule = Rule(kind, names, values, threshold, ignored, False, tuple(lines))
    if len(names) == 1:
        rule = _with_polarity(rule, surveys, options)
    return rule, surveys


def _one_kind(surveys: Sequence[Survey]) -> tuple[str, list[Survey]]:
    kinds = {survey.kind for survey in surveys}
    if "color" in kinds and "palette" not in kinds:
        # A colored mask without any color in it is grey.
        return "color", [
            dataclasses.replace(
                survey,
                kind="color",
                smooth=False,
                counts={
                    v * (_GREY_TO_COLOR if survey.kind == "grey" else 1): n
                    for v, n in survey.counts.items()
                },
            )
            for survey in surveys
        ]
    if kinds == {"grey", "palette"}:
        empty = [s for s in surveys if s.kind == "grey" and s.counts.keys() == {0}]
        if len(empty) == sum(s.kind == "grey" for s in surveys):
            return "palette", list(surveys)
    if len(kinds) > 1:
        examples = {s.kind: s.name for s in surveys}
        raise InputError(
            "masks are stored in different ways: "
            + ", ".join(f"{examples[kind]} ({kind})" for kind in sorted(kinds))
            + "; save all the same way"
        )
    return kinds.pop(), list(surveys)


def _stated(options: Options, kind: str) -> dict[int, str]:
    """Read `--classes NAME=VALUE ...`: value -> name, in the order given."""
    named: dict[int, str] = {}
    for each in options.classes:
        name, _, listed = each.partition("=")
        if not name.strip() or not listed:
            raise InputError(f"--classes {each}: expected NAME=VALUE")
        for text in listed.split(","):
            value = parse_value(text.strip(), kind, "--classes")
            if value in named:
                raise InputError(f"--classes: the value {text} is named twice")
            named[value] = name.strip()
    return named


def _by_name(
    surveys: Sequence[Survey],
    seen: Counter[int],
    named: Mapping[int, str],
    background: int,
    kind: str,
    *,
    is_stated: bool,
) -> tuple[tuple[str, ...], dict[int, int]]:
    unknown = seen.keys() - named.keys() - {background}
    if unknown:
        raise InputError(
            f"the masks have values without a name: {_listed(surveys, unknown, kind)}; "
            "add NAME=VALUE to --classes, or make them background with --ignore"
        )
    names = tuple(dict.fromkeys(n for n in named.values() if n != BACKGROUND))
    if len(names) > _MOST_CLASSES:
        raise InputError(f"--classes: {len(names)} classes, at most {_MOST_CLASSES}")
    missing = [
        name
        for name in names
        if not any(named[value] == name for value in seen if value in named)
    ]
    if missing and is_stated:
        raise InputError(f"no mask has the class {name_few(missing)}: check its value")
    values = {v: names.index(n) + 1 for v, n in named.items() if n != BACKGROUND}
    return names, {**values, background: 0}


def _threshold(surveys: Sequence[Survey], seen: Counter[int]) -> float | None:
    """Return the middle between two levels with smoothed edges; None if not so."""
    low, high = min(seen, default=0), max(seen, default=0)
    span = high - low
    tops = [max(s.counts) for s in surveys if len(s.counts) > 1]
    pairs = [s.counts.keys() for s in surveys if len(s.counts) == 2]
    if (
        len(seen) < 4
        or any(pair != {low, high} for pair in pairs)
        or low > span / 8
        or not all(survey.smooth for survey in surveys)
        or any(top - low < 0.75 * span for top in tops)
    ):
        return None
    return (low + high) / 2


def _listed(surveys: Sequence[Survey], values: set[int], kind: str) -> str:
    """List values with the files that have them, and the share of their pixels."""
    total = sum(sum(s.counts.values()) for s in surveys)
    parts = []
    for value in sorted(values)[:_SHOWN_VALUES]:
        n_files = sum(value in s.counts for s in surveys)
        n_pixels = sum(s.counts.get(value, 0) for s in surveys)
        parts.append(
            f"{value_text(value, kind)} ({n_files} of {len(surveys)} files, "
            f"{100 * n_pixels / total:.2g} %)"
        )
    more = len(values) - _SHOWN_VALUES
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")


def _ambiguous(surveys: Sequence[Survey], seen: Counter[int], kind: str) -> str:
    hint = "" if 0 in seen else "; background=VALUE names the background"
    return (
        f"the masks have more than two values: {_listed(surveys, set(seen), kind)}. "
        f"Name them with --classes NAME=VALUE ...{hint}, or take all but 0 as one "
        "class with --foreground any, or make one background with --ignore VALUE"
    )


def _with_polarity(rule: Rule, surveys: Sequence[Survey], options: Options) -> Rule:
    """Refuse masks of which some are inverted, or follow what was stated."""
    if options.polarity == "border":
        line = "what fills the border of an image was taken as its background"
        return dataclasses.replace(rule, inverts=True, lines=(*rule.lines, line))
    if options.polarity == "refuse":
        odd, why = inverted({s.name: Cover(rule.area(s), s.border) for s in surveys})
        if odd:
            raise InputError(
                f"{why}; turn them with --polarity border, or take all as they are "
                "with --polarity keep"
            )
    return rule


def area_lines(areas: Mapping[str, float]) -> list[str]:
    """Say what a person should look at: masks that may be inverted."""
    found, line = large(areas)
    return [line] if found else []
