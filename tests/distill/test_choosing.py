"""Settings that choose themselves: what is decided by rule, by trial, and what is never overruled."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fredfmt import ArgumentError, digest, ledger
from fredfmt.distill import DistillConfig, EvaluationConfig, choose, choosing, coded_images, distill, evaluate
from fredfmt.distill.augment import augmentation_for
from fredfmt.distill.evaluation.held_out import held_out
from fredfmt.distill.objectives import DM
from fredfmt.errors import BudgetError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("hasty")]
SMALL = {"network": {"width": 8}, "augmentation": "none", "iterations": 5, "batch_real": 4}


@pytest.fixture(scope="module")
def chosen(digits, hasty):
    return choose(digits, 3000, effort="quick", **SMALL)


@pytest.fixture(scope="module")
def few(digits):
    """Five images of each class."""
    return digits.subset(np.concatenate([np.flatnonzero(digits.labels == label)[:5] for label in range(10)]))


def test_what_is_chosen_fits_its_bytes_and_repeats(digits, chosen):
    data = distill(digits, chosen.config)
    assert 0.99 * 3000 <= ledger(data).total <= 3000
    again = DistillConfig.from_json(data.metadata.distillation)
    assert again.replace(iterations=5) == chosen.config
    assert digest(distill(digits, again.replace(iterations=5))) == digest(data)


def test_without_settings_they_are_chosen(few):
    data = distill(few)
    assert digest(data) == digest(distill(few, choose(few).config))
    assert ledger(data).total <= 4 * 64 * 10


def test_an_objective_of_ones_own_has_chosen_settings_too(few):
    class Own(DM):
        pass

    data = distill(few, objective=Own)
    assert data.metadata.distillation["objective"]["name"].endswith("Own")
    assert data.metadata.distillation["budget"]["max_bytes"] == 4 * 64 * 10


def test_the_layout_is_that_of_coded_images(digits, chosen):
    config = chosen.config
    assert config.frequencies.mask == "low"
    assert (config.budget.rate, config.budget.quantize_in_loop) == ("auto", True)
    assert config.instances_per_class((8, 8)) > 5
    assert config.optimization.lr == pytest.approx(max(config.budget.number, 1) / 100, rel=0.05)


def test_reasons_give_the_accuracies_of_a_trial(chosen):
    assert any("of held-out images correct" in reason for reason in chosen.reasons)


def test_no_more_instances_than_a_run_can_teach(digits):
    many, few = (
        choose(digits, 6000, effort="quick", held_out=0.0, **{**SMALL, "iterations": iterations}).config
        for iterations in (450, 225)
    )
    assert many.instances_per_class((8, 8)) == 48
    assert few.instances_per_class((8, 8)) == 24
    assert few.budget.number < many.budget.number


@pytest.mark.parametrize("labels", ["hard", "soft", None])
@pytest.mark.parametrize("better", [True, False])
def test_three_times_as_many_instances_are_tried_with_the_best_labels(digits, hasty, monkeypatch, labels, better):
    def evaluate(data, *_, **__):
        return SimpleNamespace(mean=0.9 + 0.0001 * len(data) * (1 if better else -1))

    monkeypatch.setattr("fredfmt.distill.choosing.trial.evaluate", evaluate)
    how = {"effort": "quick", "teacher_width": 8, **SMALL, "iterations": 225}
    chosen = choose(digits, 8000, labels=labels, **how)
    each = chosen.config.instances_per_class((8, 8))
    assert (24 < each <= 72) if better else (each == 24)
    assert chosen.config.learn_labels == (labels == "soft")
    assert any("up to 72 instances per class" in reason for reason in chosen.reasons[-2:])


def test_not_many_more_instances_are_not_tried(digits, hasty, monkeypatch):
    monkeypatch.setattr("fredfmt.distill.choosing.trial.evaluate", lambda data, *_, **__: SimpleNamespace(mean=0.9))
    how = {"effort": "quick", "labels": "hard", **SMALL, "iterations": 225}
    few, many = (len(coded_images(digits, 3000, at_most=each)) for each in (24, 72))
    assert few < many < 1.5 * few
    assert not any("up to 72" in reason for reason in choose(digits, 3000, **how).reasons)


def test_labels_may_be_given(digits, hasty):
    how = {"effort": "quick", "teacher_width": 8, **SMALL, "iterations": 450}
    hard, soft = (choose(digits, 3000, labels=one, **how).config for one in ("hard", "soft"))
    assert (hard.teacher.teacher_steps, hard.learn_labels) == (0, False)
    assert (soft.teacher.teacher_steps, soft.learn_labels) == (hasty.teacher_steps, True)
    assert soft.instances_per_class((8, 8)) < hard.instances_per_class((8, 8))


@pytest.mark.parametrize("soft", [False, True])
def test_labels_are_those_that_a_short_run_learns_most_with(digits, hasty, monkeypatch, soft):
    def evaluate(data, *_, **__):
        return SimpleNamespace(mean=0.95 if data.soft == soft else 0.9)

    monkeypatch.setattr("fredfmt.distill.choosing.trial.evaluate", evaluate)
    chosen = choose(digits, 3000, effort="quick", teacher_width=8, **SMALL)
    assert chosen.config.teacher.teacher_steps == soft * hasty.teacher_steps
    assert chosen.config.teacher.teacher_weight == 0
    (trial,) = (reason for reason in chosen.reasons if reason.startswith(f"after {hasty.trial_iterations} iterations"))
    assert trial in chosen.reasons[-3:], "only the number of instances and the objective are chosen after it"


@pytest.fixture
def unrolling(hasty, monkeypatch):
    """Unrolled training is tried, too."""
    cost = replace(hasty, unrolling=True)
    monkeypatch.setattr(choosing, "EFFORTS", {"default": cost, "quick": hasty})
    return cost


@pytest.mark.parametrize("better", [True, False])
def test_training_is_unrolled_if_a_short_run_learns_more(digits, unrolling, monkeypatch, better):
    def evaluate(data, *_, **__):
        unrolled = data.metadata.distillation.get("objective", {}).get("name") == "unroll"
        return SimpleNamespace(mean=0.95 if unrolled == better else 0.9)

    monkeypatch.setattr("fredfmt.distill.choosing.trial.evaluate", evaluate)
    small = {"teacher_width": 8, "network": {"width": 8}, "augmentation": "none", "batch_real": 4, "pool": 1}
    said = []
    chosen = choose(digits, 3000, labels="soft", announce=said.append, **small)
    assert "at most" in said[0]
    config = chosen.config
    assert config.objective == ("unroll" if better else "frepo")
    assert "unrolled training" in chosen.reasons[-1]
    assert config.optimization.iterations == unrolling.iterations // (2 if better else 1)
    assert (config.learn_labels, config.teacher.teacher_steps, config.batch_real) == (True, unrolling.teacher_steps, 4)
    if better:
        assert (config.pool_age, config.syn_steps) == (400, 16)
        data = distill(digits, config)
        assert ledger(data).total <= 3000
        assert data.metadata.distillation["objective"]["name"] == "unroll"


@pytest.mark.parametrize(
    "given",
    [
        {"labels": "hard"},
        {"objective": "frepo"},
        {"batch_syn": 40},
        {"compile": True, "iterations": 0},
        {"effort": "quick"},
    ],
)
def test_it_is_not_tried_where_settings_or_the_effort_do_not_allow_it(digits, unrolling, monkeypatch, given):
    monkeypatch.setattr("fredfmt.distill.choosing.trial.evaluate", lambda *_, **__: SimpleNamespace(mean=0.9))
    chosen = choose(digits, 3000, **{"labels": "soft", "teacher_width": 8, **SMALL, **given})
    assert chosen.config.objective == "frepo"
    assert not any("unrolled" in reason for reason in chosen.reasons)


def test_a_stopped_run_is_not_continued_with_another_effort_or_other_labels(digits, hasty, tmp_path, monkeypatch):
    hard = {"labels": "hard", "network": {"width": 8}, "augmentation": "none", "batch_real": 4}
    kept = tmp_path / "kept"
    distill(digits, choose(digits, 3000, effort="quick", **hard).config, checkpoint=kept)
    assert choose(digits, 3000, effort="quick", checkpoint=kept, **hard).reasons == ()
    with pytest.raises(ArgumentError, match="different run: its labels differ; expected soft, found hard"):
        choose(digits, 3000, effort="quick", checkpoint=kept, **hard | {"labels": "soft"})
    assert choose(digits, 3000, effort="quick", checkpoint=kept, **hard, iterations=30).config.iterations == 30
    monkeypatch.setattr(choosing, "EFFORTS", {"quick": replace(hasty, iterations=30)})
    with pytest.raises(ArgumentError, match="different run: its iterations differ; expected 30, found 20"):
        choose(digits, 3000, effort="quick", checkpoint=kept, **hard)
    monkeypatch.undo()
    continued = choose(digits, effort="quick", checkpoint=kept, **hard).config
    assert continued.max_bytes == 4 * 64 * 10, "the default, which the run refuses"


def test_unrolled_training_teaches_more_instances_an_iteration(digits, hasty):
    given = {"labels": "hard", "network": {"width": 8}, "augmentation": "none", "held_out": 0.0, "iterations": 100}
    each = [
        choose(digits, 60_000, objective=name, **given).config.instances_per_class((8, 8))
        for name in ("frepo", "unroll")
    ]
    assert each == [20, 34]


def test_a_whitened_run_has_the_step_of_whitened_images(digits):
    config = choose(digits, 6000, effort="quick", labels="hard", zca=True, **SMALL).config
    step = distill(digits, config).step
    assert step == pytest.approx(config.budget.number, rel=0.3)


def test_with_a_budget_of_stored_values_masks_and_k_are_those_of_the_paper(digits):
    config = choose(digits, 6000, effort="quick", labels="hard", ipc=1, **SMALL).config
    assert (config.k, config.mask, config.instances_per_class((8, 8))) == (4, "evr", 16)


def test_every_objective_has_an_effort(digits, hasty):
    given = {**SMALL, "objective": "dm"}
    del given["iterations"]
    assert choose(digits, 3000, effort="quick", labels="hard", **given).config.iterations == round(
        hasty.iterations * 5 / 3
    )


@pytest.mark.parametrize(("side", "factor"), [(8, 4), (16, 4), (17, 1)])
def test_small_images_have_more_iterations(digits, hasty, monkeypatch, side, factor):
    monkeypatch.setattr(choosing, "EFFORTS", {"quick": replace(hasty, small=4)})
    given = {**SMALL, "labels": "hard", "held_out": 0.0}
    del given["iterations"]
    few = digits.sample(3)
    images = np.tile(few.images[:], (1, 1, 3, 3))[..., :side, :side]
    config = choose(replace(few, name="others", images=images, aliases=()), 20_000, effort="quick", **given).config
    assert config.optimization.iterations == factor * hasty.iterations


def test_the_duration_is_announced_before_trials(digits, hasty):
    said = []
    choose(digits.sample(12), 6000, effort="quick", announce=said.append, teacher_width=8, **SMALL)
    assert "to choose settings and" in said.pop(), "of all images of a class, those that are held out are left"
    choose(digits, 3000, effort="quick", announce=said.append, teacher_width=8, **SMALL)
    (line,) = said
    assert "to choose settings and" in line
    choose(digits, 1800, effort="quick", labels="hard", announce=said.append, **SMALL)
    assert len(said) == 1, "there is nothing to choose by trial"


def test_a_teacher_of_classes_some_of_which_have_a_single_image(digits):
    rows = np.concatenate([np.flatnonzero(digits.labels == label)[: 1 if label == 3 else 12] for label in range(10)])
    config = choose(digits.subset(rows), 3000, effort="quick", labels="soft", teacher_width=8, **SMALL).config
    assert config.teacher.teacher_steps > 0


@pytest.mark.parametrize(
    "given", [{"k": 20}, {"lr": 0.2}, {"objective": "dm"}, {"held_out": 0.0}, {"seed": 5}, {"transform": "hartley"}]
)
def test_what_is_given_is_kept(digits, given):
    config = choose(digits, 3000, effort="quick", labels="hard", **{**SMALL, **given}).config
    assert {name: getattr(config, name) for name in given} == given


def test_a_class_of_few_images_leaves_none_to_set_aside(few):
    chosen = choose(few, 2500, effort="quick", **SMALL)
    assert held_out(few, chosen.config)[1] is None
    assert "too few images" in chosen.reasons[-1]
    assert ledger(distill(few, chosen.config)).total <= 2500


def test_soft_labels_are_given_where_they_are_asked_for(few, hasty):
    how = {"effort": "quick", "teacher_width": 8, **SMALL}
    chosen = choose(few, 2500, labels="soft", **how)
    assert chosen.config.teacher.teacher_steps == hasty.teacher_steps
    assert "as asked" in chosen.reasons[-1]


@pytest.mark.parametrize("max_bytes", [1480, 1530])
def test_labels_are_hard_where_soft_ones_leave_no_room(digits, max_bytes):
    how = {"effort": "quick", "teacher_width": 8, **SMALL}
    chosen = choose(digits, max_bytes, **how)
    assert not chosen.config.teacher.teacher_steps
    assert "no room" in chosen.reasons[-1]
    with pytest.raises(BudgetError, match=r"too few bytes|no room"):
        choose(digits, max_bytes, labels="soft", **how)


def test_a_weight_of_the_teacher_asks_for_the_teacher(digits, hasty):
    chosen = choose(digits, 3000, effort="quick", teacher_width=8, teacher_weight=3.0, **SMALL).config
    assert chosen.teacher.teacher_weight == 3
    assert chosen.teacher.teacher_steps == hasty.teacher_steps
    with pytest.raises(ArgumentError, match="teacher_steps"):
        choose(digits, 3000, effort="quick", labels="hard", teacher_weight=3.0, **SMALL)


def test_images_that_mirroring_makes_those_of_another_class_are_not_mirrored(digits):
    twos = digits.of_classes(["2"])
    images = np.concatenate([twos.images[:], twos.images[:][..., ::-1]])
    labels = np.repeat([0, 1], len(twos))
    hands = replace(twos, name="hands", images=images, labels=labels, classes=("left", "right"), aliases=())
    assert "flip" in augmentation_for(hands.name)
    settings = {name: value for name, value in SMALL.items() if name != "augmentation"}
    chosen = choose(hands, 2500, effort="quick", labels="hard", **settings)
    assert chosen.config.run.augmentation == "color_crop_cutout_scale_rotate"
    assert any(reason.startswith("images not mirrored") for reason in chosen.reasons)


@pytest.mark.parametrize("shape", [(4, 8, 8), (5, 6), (64,)])
def test_images_of_any_shape_get_a_network_that_fits_them(digits, hasty, shape):
    images = digits.images[:].reshape(len(digits), 1, 8, 8)[..., : shape[-1]]
    if len(shape) == 1:
        images = images.reshape(len(digits), 1, 64)
    elif len(shape) == 2:
        images = images[..., : shape[0], :]
    else:
        images = np.repeat(images[:, :, None], shape[0], axis=2)
    source = replace(digits, name="others", images=images, aliases=())
    chosen = choose(source, 3000, labels="hard", width=8, augmentation="none", iterations=5, batch_real=4)
    data = distill(source, chosen.config)
    assert ledger(data).total <= 3000
    protocol = EvaluationConfig.for_data(data, steps=5, seeds=1, width=8)
    assert protocol.network.depth == chosen.config.network.depth
    assert len(evaluate(data, source, protocol).accuracies) == 1


@pytest.mark.parametrize("given", [{"k": 32}, {"step": 2.0}, {"k": 16, "step": 0.5}, {"k": 48, "mask": "evr"}])
def test_a_given_part_of_the_layout_is_kept_and_the_rest_chosen(digits, given):
    config = choose(digits, 3000, labels="hard", **given, **SMALL).config
    assert {name: getattr(config, name) for name in given} == given
    assert config.rate == "auto"
    data = distill(digits, config.replace(iterations=0))
    assert len(data) > 100
    assert 0.4 < data.step / config.budget.number < 1.5  # finer where all images leave bytes


def test_too_few_bytes_for_the_settings_are_named(digits):
    with pytest.raises(
        BudgetError, match=r"besides the settings.*at least 1,\d+ bytes.*1,350 bytes, of which"
    ) as raised:
        choose(digits, 1350, labels="hard", **SMALL)
    assert raised.value.least > 1350
    choose(digits, raised.value.least, labels="hard", **SMALL)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"effort": "much"}, "unknown effort"),
        ({"labels": "softt"}, "unknown labels; expected hard or soft, found 'softt'"),
        ({"max_bytes": 300}, "too few bytes for an image of each class"),
    ],
)
def test_what_cannot_be_is_refused(digits, how, message):
    with pytest.raises(ArgumentError, match=message):
        choose(digits, **{"max_bytes": 3000, "effort": "quick", **how}, **SMALL)


class Tiny(torch.nn.Module):
    """A network of somebody's own."""

    def __init__(self, channels, spatial_shape, classes):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(channels * math.prod(spatial_shape), 16))
        self.head = torch.nn.Linear(16, classes)

    def embed(self, images):
        return self.body(images).relu()

    def forward(self, images):
        return self.head(self.embed(images))


def test_networks_of_somebodys_own_are_tried_and_learned_with(digits):
    name = f"{Tiny.__module__}:Tiny"
    settings = SMALL | {"network": name, "augmentation": "none"}
    chosen = choose(digits, 3000, effort="quick", teacher_width=8, factory=Tiny, **settings)
    assert chosen.config.network.name == name
    assert any("of held-out images correct" in reason for reason in chosen.reasons)
    assert len(distill(digits, chosen.config, network=Tiny)) > 10
