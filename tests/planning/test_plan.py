"""A plan is pure, and a stage's identity is of what bears on it and nothing else."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tfgansynth.config import Config, DataConfig
from tfgansynth.config_checks import check
from tfgansynth.errors import InputError
from tfgansynth.experiment.experiment_data import load_experiment_data
from tfgansynth.planning.graph import Kind, Plan, Splits
from tfgansynth.planning.plan import plan, possible_stages
from tfgansynth.planning.requests import Request, table_request, trial_request
from tfgansynth.planning.schedule import in_order_of_need
from tfgansynth.presets import PRESETS
from tfgansynth.records.regimes import BASELINES, Baseline, Regime

DATA = DataConfig(size=32, phantoms=12, n_validation=2, n_reduced=4)
CONFIG = dataclasses.replace(PRESETS["smoke"], reduced=True, data=DATA)
RICH = dataclasses.replace(
    CONFIG,
    synthesis=dataclasses.replace(
        CONFIG.synthesis, pseudo_label_members=2, augment="elastic", min_agreement=0.5
    ),
)
LOADED = load_experiment_data(CONFIG, None)


def splits(config: Config = CONFIG) -> Splits:
    return LOADED.experiment(config, Path()).splits


def everything(config: Config) -> Plan:
    control = config.synthesis.augment != "none"
    request = table_request(config, "all", control=control, assessed=True)
    return plan(config, splits(config), None, request)


def changed(config: Config, option: str, value: Any) -> Config:
    """The configuration with one setting changed, `gan.steps` say."""
    room, _, name = option.rpartition(".")
    if not room:
        return dataclasses.replace(config, **{name: value})
    numbers = dataclasses.replace(getattr(config, room), **{name: value})
    return dataclasses.replace(config, **{room: numbers})


def made_anew(option: str, value: Any, config: Config = RICH) -> set[str]:
    """Folders of fold 1 whose identity such a change changes."""
    before, after = (
        everything(config).identities(),
        everything(changed(config, option, value)).identities(),
    )
    return {
        name.removeprefix("fold-1/")
        for name in before
        if name.startswith("fold-1/") and after.get(name) != before[name]
    }


def test_each_stage_comes_after_what_it_needs() -> None:
    seen: set[str] = set()
    for stage in everything(RICH).stages:
        assert seen.issuperset(stage.needs)
        assert stage.name not in seen
        assert set(stage.record["inputs"]) == set(stage.needs)
        seen.add(stage.name)


def test_the_stages_of_a_plain_fold() -> None:
    request = table_request(CONFIG, "paper", control=False, assessed=False)
    found = plan(CONFIG, splits(), [2], request)
    assert [(stage.name, stage.kind, stage.needs) for stage in found.stages] == [
        ("fold-2/gan", Kind.GAN, ()),
        ("fold-2/synthetic", Kind.SET, ("fold-2/gan",)),
        ("fold-2/unet-r4-s0", Kind.SEGMENTATION, ()),
        ("fold-2/unet-r4-s30", Kind.SEGMENTATION, ("fold-2/synthetic",)),
        ("fold-2/unet-r0-s30", Kind.SEGMENTATION, ("fold-2/synthetic",)),
    ]


def test_a_plan_is_pure() -> None:
    assert everything(RICH) == everything(RICH)


SETS = {"synthetic", "synthetic-filtered"}
PSEUDO = {"pseudo-labels/member-1", "pseudo-labels/member-2"}
CROSS_FIT = {"cross-fit/member-1", "cross-fit/member-2"}


def names(config: Config = RICH) -> set[str]:
    return {
        stage.name.removeprefix("fold-1/")
        for stage in everything(config).stages
        if stage.fold == 1
    }


def unets(config: Config = RICH) -> set[str]:
    return {name for name in names(config) if name.startswith("unet-")}


def test_a_setting_of_the_u_nets_keeps_the_gan_and_its_set() -> None:
    assert made_anew("unet.maps", 4, CONFIG) == names(CONFIG) - {"gan", "synthetic"}
    # Where networks give the masks, these and what learns from them are made anew.
    assert made_anew("unet.maps", 4) == names() - {"gan"}


def test_the_stopping_rule_bears_on_the_papers_regimes_only() -> None:
    paper = {"unet-r4-s0", "unet-r4-s30", "unet-r0-s30"}
    filtered = {"unet-r4-s30-filtered", "unet-r0-s30-filtered"}
    for option, value in (("max_epochs", 5), ("min_steps", 3), ("stop_window", 4)):
        assert made_anew(f"unet.{option}", value) == paper | filtered


def test_evaluation_settings_bear_on_few() -> None:
    assert not made_anew("evaluation.equivalence_margin", 0.1)
    fixed = {n for n in unets() if n.endswith(("-fixed-budget", "-augmented"))}
    assert made_anew("evaluation.budgets", (80,)) == fixed
    found = made_anew("evaluation.cross_fit_steps", 7)
    on_filtered = {name for name in unets() if "-filtered" in name}
    assert found == {
        *CROSS_FIT,
        "synthetic-filtered",
        "assessment",
        "assessment-filtered",
        *on_filtered,
    }


def test_each_budget_has_regimes_of_its_own() -> None:
    more = changed(CONFIG, "evaluation.budgets", (40, 120))
    added = names(more) - names(CONFIG)
    fixed = {n for n in names(CONFIG) if n.endswith(("-fixed-budget", "-augmented"))}
    assert added == {f"{name}-120-steps" for name in fixed}
    # What is trained already by the first budget stays.
    assert not made_anew("evaluation.budgets", (40, 120), CONFIG)
    steps = {
        stage.name: stage.record["unet"]["fixed_steps"]
        for stage in everything(more).stages
        if stage.regime and stage.fold == 1
    }
    assert steps["fold-1/unet-r4-s0-fixed-budget"] == 40
    assert steps["fold-1/unet-r4-s0-fixed-budget-120-steps"] == 120
    with pytest.raises(InputError, match=r"budgets 120 40: expected ascending"):
        check(changed(PRESETS["smoke"], "evaluation.budgets", (120, 40)))


def test_a_setting_of_the_gan_keeps_what_is_of_real_cases_alone() -> None:
    kept = names() - made_anew("gan.steps", 7)
    real = {name for name in unets() if "-s0" in name}
    control = {name for name in unets() if "-control" in name}
    assert kept == {
        *CROSS_FIT,
        *PSEUDO,
        *real,
        *control,
        "synthetic-control",
    }


@pytest.mark.parametrize(
    ("option", "value"), [("allow_duplicates", True), ("augmentation.grid", 4)]
)
def test_what_bears_on_nothing_changes_nothing(option: str, value: Any) -> None:
    plain = {n for n in names(CONFIG) if n.endswith("-augmented")}
    found = made_anew(option, value, CONFIG)
    assert found == (plain if option == "augmentation.grid" else set())


def test_baselines_take_all_that_they_may_and_no_test_case() -> None:
    request = table_request(
        RICH, "fixed_budget", control=False, assessed=False, baselines=BASELINES
    )
    experiment = LOADED.experiment(RICH, Path())
    fold, tests = experiment.splits.folds[0], {*experiment.ids[0].test}
    planned = {
        stage.regime.baseline: stage
        for stage in plan(RICH, experiment.splits, [1], request).stages
        if stage.regime and stage.regime.baseline
    }
    assert [*planned] == [*BASELINES]
    members = ("fold-1/pseudo-labels/member-1", "fold-1/pseudo-labels/member-2")
    for name, augment, needs in (
        ("strong", "strong", ()),
        ("cutmix", "cutmix", ()),
        ("learned", "learned", ()),
        ("unlabelled", "elastic", members),
    ):
        *first, real, mixed = (
            stage
            for stage in plan(RICH, experiment.splits, [1], request).stages
            if stage.regime and stage.regime.baseline == name
        )
        # Two U-Nets that differ in the set alone.
        assert real.record["unet"] == mixed.record["unet"]
        assert real.record["unet"]["augment"] == augment
        assert (real.needs, mixed.needs) == (needs, ("fold-1/synthetic", *needs))
        assert real.record["training_cases"] == mixed.record["training_cases"]
        for each in first:
            assert each.record["unet"]["augment"] == "none"
            planned["unlabelled"] = each
    training, unused = {*fold.training}, {*fold.unused}
    expected: dict[Baseline, set[str]] = {
        "ceiling": training | unused,
        "ensemble": training,
        "validation": training | {*fold.validation},
        "pretrained": training,
        "unlabelled": training,
        "strong": training,
        "cutmix": training,
        "learned": training,
    }
    for name, cases in expected.items():
        record = planned[name].record
        assert {*record["training_cases"]} == cases
        regime = planned[name].regime
        assert regime
        assert regime.n_real == len(cases)
        assert {*record.get("unlabelled_cases", {})} == (
            unused if name == "unlabelled" else set()
        )
        assert not tests & {*cases, *record.get("unlabelled_cases", {})}
    assert planned["ensemble"].needs == planned["unlabelled"].needs == members
    unet = planned["pretrained"].record["unet"]
    assert (unet["fixed_steps"], unet["pretraining_steps"]) == (40, 20)
    assert planned["pretrained"].needs == ("fold-1/synthetic",)
    assert planned["validation"].record["unet"]["keep"] == "last"
    # The others' own records are as they were before there were baselines.
    plain = everything(RICH).identities()
    again = plan(RICH, experiment.splits, [1], request).identities()
    assert all(again[name] == plain[name] for name in again if name in plain)


@pytest.mark.parametrize("name", ["ceiling", "unlabelled"])
def test_the_full_training_set_leaves_no_case_out(name: Baseline) -> None:
    full = dataclasses.replace(RICH, reduced=False)
    with pytest.raises(InputError, match=f"--baselines {name}: .* fold 1 has none"):
        plan(full, splits(full), [1], lambda _: of(name))


def test_baselines_need_a_budget_with_two_halves() -> None:
    one_epoch = changed(RICH, "evaluation.budgets", (5,))
    short = changed(one_epoch, "evaluation.budget_epoch", 5)
    request = Request(regimes=[baseline("pretrained", 4, 30)])
    with pytest.raises(InputError, match="pretrained: 5 mini-batches have no half"):
        plan(short, splits(short), [1], lambda _: request)
    with pytest.raises(InputError, match=r"^--baselines: stand beside the fixed-budg"):
        table_request(
            RICH, "paper", control=False, assessed=False, baselines=["ceiling"]
        )


@pytest.mark.parametrize("kind", ["elastic", "strong", "cutmix", "learned"])
def test_an_augmentation_without_effect_is_refused(kind: str) -> None:
    config = changed(CONFIG, "unet.augment", kind)
    words = f"^--unet.augment {kind}: bears on the paper's regimes only"
    with pytest.raises(InputError, match=words):
        table_request(config, "fixed_budget", control=False, assessed=False)
    with pytest.raises(InputError, match=words):
        trial_request(config, augmented=True, control=False, assessed=False)
    table_request(config, "all", control=False, assessed=False)


def test_a_refused_baseline_names_those_that_are_possible() -> None:
    poor = changed(RICH, "synthesis.pseudo_label_members", 0)
    every = table_request(
        poor, "fixed_budget", control=False, assessed=False, baselines=BASELINES
    )
    possible = ["ceiling", "validation", "pretrained", "strong", "cutmix", "learned"]
    words = "; possible with these settings: --baselines " + " ".join(possible)
    with pytest.raises(InputError, match=f"^--baselines ensemble: .* or more{words}$"):
        plan(poor, splits(poor), [1], every)
    some = table_request(
        poor,
        "fixed_budget",
        control=False,
        assessed=False,
        baselines=[each for each in BASELINES if each in possible],
    )
    assert plan(poor, splits(poor), [1], some).stages


def test_each_ensemble_is_beside_all_budgets() -> None:
    config = changed(RICH, "evaluation.budgets", (40, 80))
    request = table_request(
        config, "fixed_budget", control=False, assessed=False, baselines=BASELINES
    )
    found = [
        stage.name.removeprefix("fold-1/")
        for stage in plan(config, splits(config), [1], request).stages
        if stage.regime and stage.regime.baseline
    ]
    assert sorted(found) == sorted(
        [
            "unet-r4-s0-pseudo-label-ensemble",
            *(
                f"unet-r{counts}-{name}{steps}"
                for name, counts in (
                    ("ceiling-fixed-budget", "6-s0"),
                    ("validation-fixed-budget", "6-s0"),
                    ("pretrained-fixed-budget", "4-s30"),
                    ("unlabelled-fixed-budget", "4-s0"),
                    *(
                        (name, f"4-s{n}")
                        for name in (
                            "strong-fixed-budget",
                            "cutmix-fixed-budget",
                            "unlabelled-augmented",
                            "learned-fixed-budget",
                        )
                        for n in (0, 30)
                    ),
                )
                for steps in ("", "-80-steps")
            ),
        ]
    )


def test_learned_deformations_bear_on_what_they_augment() -> None:
    found = made_anew("synthesis.augment", "learned", CONFIG)
    on_set = {n for n in names(CONFIG) if "-s30" in n}
    assert found == {"synthetic", "assessment", *on_set}
    own = {"unet-r4-s0", "unet-r4-s30", "unet-r0-s30", *CROSS_FIT, "assessment"}
    assert made_anew("unet.augment", "learned", CONFIG) == own
    learned = changed(CONFIG, "unet.augment", "learned")
    for option in ("learned_pairs", "learned_strength"):
        assert not made_anew(f"augmentation.{option}", 3, CONFIG)
        assert made_anew(f"augmentation.{option}", 3, learned) == own


def test_deformations_are_not_learned_from_one_mask() -> None:
    def planned(config: Config, request: Request) -> Plan:
        return plan(config, splits(config), [1], lambda _: request)

    def with_set(n: int) -> tuple[Config, Request]:
        learned = changed(CONFIG, "synthesis.augment", "learned")
        return changed(learned, "data.n_reduced", n), Request(sets=["plain"])

    def with_network(n: int, synthetic: int = 0) -> tuple[Config, Request]:
        learned = changed(CONFIG, "unet.augment", "learned")
        return learned, Request(regimes=[Regime(n, synthetic)])

    def with_baseline(n: int) -> tuple[Config, Request]:
        return CONFIG, Request(regimes=[baseline("learned", n, 30)])

    words = "^augmentation `learned`: .* two masks or more, and fold 1 has 1"
    for make in (with_set, with_network, with_baseline):
        with pytest.raises(InputError, match=words):
            planned(*make(1))
        assert planned(*make(2)).stages
    # Synthetic pairs alone are many.
    assert planned(*with_network(0, 30)).stages


def test_a_number_of_pairs_keeps_the_gan() -> None:
    found = made_anew("synthesis.count", 31, CONFIG)
    assert "gan" not in found
    assert "unet-r4-s0" not in found
    assert "synthetic" in found


def test_seeds_and_cases_have_identities_of_their_own() -> None:
    first = everything(CONFIG).identities()
    second = everything(changed(CONFIG, "seed", 1)).identities()
    assert not set(first.values()) & set(second.values())
    folds = [stage for stage in everything(CONFIG).stages if stage.kind == Kind.GAN]
    assert len({stage.identity for stage in folds}) == 3


def baseline(name: Baseline, n_real: int = 4, n_synthetic: int = 0) -> Regime:
    return Regime(n_real, n_synthetic, "fixed_budget", baseline=name)


def of(name: Baseline, n_real: int = 4) -> Request:
    return Request(regimes=[baseline(name, n_real)])


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(regimes=[Regime(5, 0)]), "--real 5: fold 1 has 4 real training"),
        (Request(regimes=[Regime(0, 31)]), "--synthetic 31: the set has 30 pairs"),
        (Request(regimes=[Regime(0, 0)]), "there is nothing to train on"),
        (of("ensemble"), "--baselines ensemble: takes the pseudo-label ensemble: exp"),
        (of("unlabelled"), "--baselines unlabelled: takes the pseudo-label ensemble"),
        (of("ceiling", 99), "--real 99: fold 1 has 6 real training cases"),
    ],
)
def test_the_impossible_is_refused_before_anything_runs(
    request_: Request, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        plan(CONFIG, splits(), [1], lambda _: request_)


def test_more_splits_than_cases_are_refused() -> None:
    config = changed(CONFIG, "evaluation.cross_fit_splits", 5)
    with pytest.raises(
        InputError,
        match=r"cross-fit-splits 5: fold 1 has only 4 real training cases",
    ):
        plan(config, splits(), [1], lambda _: Request(assessments=["plain"]))
    # There is a table all the same.
    assert possible_stages(config, splits(), {}).stages


def test_all_that_a_table_can_have_is_possible() -> None:
    """Also what is in training now, and has no record yet that names it."""
    request = table_request(
        RICH, "all", control=True, assessed=True, baselines=BASELINES
    )

    wanted = plan(RICH, splits(), None, request)

    assert wanted.identities().items() <= (
        possible_stages(RICH, splits(), {}).identities().items()
    )


def test_an_assessment_needs_three_cases() -> None:
    config = changed(CONFIG, "data.n_reduced", 2)
    with pytest.raises(InputError, match="fold 1 has 2 training cases"):
        plan(config, splits(config), [1], lambda _: Request(assessments=["plain"]))


def test_a_fold_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="--folds 4: expected 1 to 3"):
        plan(CONFIG, splits(), [1, 4], lambda _: Request(gan=True))
    with pytest.raises(InputError, match="--fold 4: expected 1 to 3"):
        plan(CONFIG, splits(), [4], lambda _: Request(gan=True))


def test_the_first_verdict_comes_first_and_then_what_most_stages_wait_for() -> None:
    stages = everything(RICH).stages
    ordered = in_order_of_need([stages, stages, stages])

    assert [stage for number, stage in ordered if number == 0] == [*stages]
    assert {number for number, _ in ordered[: len(stages)]} == {0}
    others = [(number, stage.name) for number, stage in ordered[len(stages) :]]
    assert sorted(others) == sorted((n, s.name) for n in (1, 2) for s in stages)
    for number, stage in ordered[len(stages) :]:
        for need in stage.needs:
            assert others.index((number, need)) < others.index((number, stage.name))
    # All GANs before any network that nothing waits for.
    kinds = [stage.kind for _, stage in ordered[len(stages) :]]
    last_gan = max(n for n, kind in enumerate(kinds) if kind == Kind.GAN)
    assert Kind.SEGMENTATION not in kinds[:last_gan]
