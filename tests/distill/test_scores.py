"""DD-Ranking's scores against their formula by hand, and what they say of data whose worth is known."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from needed import compiled_loops
from typer.testing import CliRunner

from fredfmt import ArgumentError, encode, save
from fredfmt.cli.app import app
from fredfmt.distill import EvaluationConfig, NetworkConfig, Scores, score
from fredfmt.distill.evaluation.scores import Accuracies, augmentation_robust_score, label_robust_score

QUICK = EvaluationConfig(
    steps=80, batch=32, network=NetworkConfig(width=16, depth=2), augmentation="scale_rotate", seeds=2
)


def test_the_formula_by_hand():
    """Nothing lost and nothing gained is 1 - 1/e over e - 1/e; the ends of the scale are 0 and 1."""
    assert label_robust_score(0.0, 0.0) == pytest.approx(0.26894142)
    assert label_robust_score(1.0, -1.0) == pytest.approx(0)
    assert label_robust_score(-1.0, 1.0) == pytest.approx(1)
    alpha = 0.25 * 0.2 - 0.75 * 0.1
    expected = (math.exp(alpha) - 1 / math.e) / (math.e - 1 / math.e)
    assert label_robust_score(0.1, 0.2, weight=0.25) == pytest.approx(expected)
    assert augmentation_robust_score(0.2, -0.1, weight=0.25) == pytest.approx(expected)


def test_figures_come_from_the_accuracies():
    ones = (
        Accuracies(whole=0.9, own=0.7, hard=0.6, random=0.5, coded=0.65, own_plain=0.55, random_plain=0.45),
        Accuracies(whole=0.8, own=0.7, hard=0.7, random=0.6, coded=0.75, own_plain=0.5, random_plain=0.3),
    )
    scores = Scores(QUICK, 0.5, ones, 1000)
    assert scores.hard_label_recovery == pytest.approx((0.3, 0.1))
    assert scores.improvement_over_random == pytest.approx((0.2, 0.1))
    assert scores.bit_matched_improvement == pytest.approx((0.05, -0.05))
    assert scores.lrs == pytest.approx((label_robust_score(0.3, 0.2), label_robust_score(0.1, 0.1)))
    assert scores.ars == pytest.approx((augmentation_robust_score(0.2, 0.1), augmentation_robust_score(0.1, 0.2)))
    document = json.loads(json.dumps(scores.to_json()))
    assert document["bit_matched_improvement"]["mean"] == pytest.approx(0)
    assert document["lrs"]["each"] == pytest.approx(scores.lrs, abs=1e-6)
    assert document["protocol"]["steps"] == 80


def made(source, labels=None, **how):
    chosen = source.sample(6, seed=3)
    options = {"k": 64, "step": 0.3, "normalization": chosen.normalization, "classes": chosen.classes, **how}
    return encode(chosen.normalized, chosen.labels if labels is None else labels(chosen.labels), **options)


@pytest.mark.slow
def test_real_images_score_as_random_ones_and_wrong_labels_far_below(digits, digits_test):
    good = score(made(digits), digits, digits_test, QUICK)
    assert [one.hard for one in good.accuracies] == [one.own for one in good.accuracies]
    assert min(one.whole for one in good.accuracies) > max(one.own for one in good.accuracies) > 0.4
    assert all(abs(value) < 0.2 for value in good.improvement_over_random)
    assert score(made(digits), digits, digits_test, QUICK).accuracies == good.accuracies
    bad = score(made(digits, lambda labels: (labels + 1) % 10), digits, digits_test, replace(QUICK, seeds=1))
    assert bad.lrs[0] < min(good.lrs) - 0.1
    assert bad.ars[0] < min(good.ars) - 0.1


@pytest.mark.slow
def test_soft_labels_are_taken_away_and_given_to_random_images(digits, digits_test):
    """Labels that are all alike teach nothing; their largest is right."""
    config = replace(QUICK, seeds=1)
    blurred = made(digits, lambda labels: (0.09 + 0.1 * np.eye(10)[labels]).astype(np.float32))
    (one,) = score(blurred, digits, digits_test, config).accuracies
    (plain,) = score(made(digits), digits, digits_test, config).accuracies
    assert one.hard == plain.own
    assert one.own != one.hard
    assert one.random > 0.4
    assert one.random != plain.random


def test_other_classes_are_refused(digits, digits_test):
    with pytest.raises(ArgumentError, match="differ in their classes"):
        score(made(digits.of_classes([1, 2])), digits, digits_test, QUICK)


@compiled_loops
def test_scores_from_the_command_line(digits, tmp_path):
    save(made(digits), tmp_path / "x.fred")
    words = ["evaluate", str(tmp_path / "x.fred"), "--on", "digits", "--steps", "8", "--width", "8", "--depth", "1"]
    words += ["--seeds", "1", "--metric"]
    result = CliRunner().invoke(app, [*words, "lrs,ars", "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    (document,) = json.loads(result.stdout)
    parts = document["hard_label_recovery"]["mean"], document["improvement_over_random"]["mean"]
    assert document["lrs"]["mean"] == pytest.approx(label_robust_score(*parts), abs=1e-5)
    assert "ars" not in json.loads(CliRunner().invoke(app, [*words, "lrs", "--json"]).stdout)[0]
    assert "no such metric" in str(CliRunner().invoke(app, [*words, "accuracy"]).exception)
    assert "label-robust score" in CliRunner().invoke(app, [*words, "lrs"]).stdout
