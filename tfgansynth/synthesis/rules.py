"""By which rule a fold's generated masks are cleaned.

Lungs are cleaned as in the paper: one component a lung, holes filled. Of any other
target the rule is learned from the masks of the fold's training cases, so that what
real masks have is not taken from generated ones: as many components as a training mask
has at most, none smaller than half of their smallest, and holes kept where a training
mask has any. Where such a rule does not hold for a training mask that it has not been
learned from, all is kept. A rule that real masks do not pass unharmed is refused.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgansynth.arrays import ByteArray
from tfgansynth.config import Config, SynthesisConfig
from tfgansynth.data.dataset import Identity, images_and_labels
from tfgansynth.data.held_out import FoldCases
from tfgansynth.data.lungs import Lungs
from tfgansynth.errors import InputError
from tfgansynth.evaluation.metrics import dice
from tfgansynth.synthesis.masks import (
    ClassRule,
    clean_labels,
    components,
    enclosing_class,
)

_LEAST_DICE = 0.98
"""Mean Dice of real masks with their cleaned selves, below which a rule is refused: no
generator could make up for it. [choice]"""

_KEEP_ALL = ClassRule(None, fill_holes=False)

Rules = tuple[ClassRule, ...]
"""One for each class."""


def fold_rules(config: Config, fold: FoldCases) -> Rules:
    """Return the rules of a fold: as the settings say, `auto` from its training cases.

    No validation or test case bears on them.
    """
    n_classes = len(fold.data.classes)
    if fold.data.is_lungs:
        auto = lung_rules(fold.data.lungs(config.lungs), n_classes)
    else:
        auto = learn_rules(images_and_labels(fold.training)[1], n_classes)
    return with_settings(auto, config.synthesis)


def lung_rules(lungs: Lungs | None, n_classes: int) -> Rules:
    """Return the paper's rule, where a lung is a component.

    Paper: IV-B, "largest component"; both lungs in one class are two.
    """
    return (ClassRule(2 if lungs == "both" and n_classes == 1 else 1),) * n_classes


def learn_rules(labels: ByteArray, n_classes: int) -> Rules:
    """Learn the rules by which label maps, uint8 (n, H, W), stay as they are.

    A rule counts only if it holds for masks that it has not been learned from: each
    mask in turn is cleaned by the rule of the others. Where that harms, and of a class
    that no mask shows, all is kept.
    """
    return tuple(_learn_rule(labels, number) for number in range(1, n_classes + 1))


def _learn_rule(labels: ByteArray, number: int) -> ClassRule:
    shown = [each for each in labels if (each == number).any()]
    sizes = [components(each == number)[1] for each in shown]
    holes = [bool(enclosing_class(each, [number]).any()) for each in shown]

    def rule(places: Sequence[int]) -> ClassRule:
        return ClassRule(
            components=max(len(sizes[place]) for place in places),
            least_px=max(1, int(min(sizes[place].min() for place in places)) // 2),
            fill_holes=not any(holes[place] for place in places),
        )

    places = range(len(shown))
    kept = [
        _dice_with_itself(each, number, rule([p for p in places if p != place]))
        for place, each in enumerate(shown)
        if len(shown) > 1
    ]
    harms = not kept or np.mean(kept) < _LEAST_DICE
    return _KEEP_ALL if harms else rule(places)


def _dice_with_itself(labels: ByteArray, number: int, rule: ClassRule) -> float:
    """Dice of one class of a label map with what a rule leaves of it."""
    others = [_KEEP_ALL] * max(number, int(labels.max()))
    rules = [*others[: number - 1], rule, *others[number:]]
    (cleaned,) = clean_labels(labels[None], rules)
    return dice(cleaned == number, labels == number)


def with_settings(auto: Rules, config: SynthesisConfig) -> Rules:
    """Replace what settings say by these; a stated number of components knows no least.

    Args:
        auto: The rules where all settings are `auto`.
        config: The settings.
    """
    changes: dict[str, Any] = {}
    if config.components != "auto":
        most = None if config.components == "all" else int(config.components)
        changes = {"components": most, "least_px": 1}
    if config.fill_holes != "auto":
        changes["fill_holes"] = config.fill_holes == "yes"
    return tuple(dataclasses.replace(rule, **changes) for rule in auto)


def planned_components(config: Config, data: Identity) -> int | None:
    """Return how many components the paper's rule keeps, where it holds: of lungs.

    Any other rule is learned, or follows from the settings: None.
    """
    settings = config.synthesis.components, config.synthesis.fill_holes
    if not data.is_lungs or settings != ("auto", "auto"):
        return None
    return lung_rules(data.lungs(config.lungs), len(data.classes))[0].components


def recovery(labels: ByteArray, rules: Rules) -> list[float]:
    """Measure how far real masks stay as they are when they are cleaned.

    Args:
        labels: uint8 (n, H, W).
        rules: The rule of each class.

    Returns:
        For each class the mean Dice of the masks that show it with their cleaned
        selves; 1 where none does.
    """
    cleaned, means = clean_labels(labels, rules), []
    for number in range(1, len(rules) + 1):
        pairs = zip(cleaned == number, labels == number, strict=True)
        found = [dice(clean, truth) for clean, truth in pairs if truth.any()]
        means.append(float(np.mean(found)) if found else 1.0)
    return means


def require_recovery(config: Config, fold: FoldCases) -> None:
    """Refuse rules that real masks, of training and validation, do not pass unharmed.

    Raises:
        InputError: Names the figure, and the options with which they do.
    """
    _, labels = images_and_labels([*fold.training, *fold.validation])
    rules, classes = fold_rules(config, fold), fold.data.classes
    means = recovery(labels, rules)
    worst = int(np.argmin(means))
    if means[worst] >= _LEAST_DICE:
        return
    of_class = f" of class {classes[worst]}" if len(rules) > 1 else ""
    raise InputError(
        f"{_options(config.synthesis)}: cleaned by this rule "
        f"({rules_to_text(rules, classes)}), "
        f"real masks{of_class} of fold {fold.number} have a mean Dice of "
        f"{means[worst]:.2f} with themselves, less than {_LEAST_DICE}: set "
        f"{_remedy(labels, rules, config.synthesis)}"
    )


def rules_to_text(rules: Rules, classes: Sequence[str]) -> str:
    """Say what is done to masks after they are thresholded, for each class by name."""
    texts = [_rule_to_text(rule) for rule in rules]
    if len(set(texts)) == 1:
        return texts[0]
    named = zip(classes, texts, strict=False)
    return "; ".join(f"{name}: {text}" for name, text in named)


def _rule_to_text(rule: ClassRule) -> str:
    most = {None: "all components", 1: "the largest component"}.get(
        rule.components, f"the {rule.components} largest components"
    )
    least = f" of {rule.least_px} px or more" if rule.least_px > 1 else ""
    return f"keep {most}{least}, {'fill' if rule.fill_holes else 'leave'} holes"


def _remedy(labels: ByteArray, rules: Rules, config: SynthesisConfig) -> str:
    """Name the fewest settings with which real masks stay as they are."""
    tried = {
        "components": dataclasses.replace(config, components="all"),
        "fill_holes": dataclasses.replace(config, fill_holes="no"),
    }
    for name, changed in tried.items():
        if min(recovery(labels, with_settings(rules, changed))) >= _LEAST_DICE:
            return _options(changed, name)
    return _options(dataclasses.replace(tried["components"], fill_holes="no"))


def _options(config: SynthesisConfig, *names: str) -> str:
    return " ".join(
        f"--synthesis.{name.replace('_', '-')} {getattr(config, name)}"
        for name in names or ("components", "fill_holes")
    )
