"""Step size, windows and metric, each on its own."""

import numpy as np
import pytest

from probgraph.samplers import metric
from probgraph.samplers.adaptation import (
    LARGEST_STEP,
    DualAveraging,
    OverlappingWindows,
    reasonable_step_size,
    windows,
)


def test_dual_averaging_finds_the_step_of_the_target():
    random = np.random.default_rng(1)
    averaging = DualAveraging(1.0, target_accept=0.8)
    for _ in range(2000):
        # acceptance 0.8 exactly at a step of 0.05, falling with the step
        acceptance = np.exp(np.log(0.8) * averaging.step_size / 0.05)
        averaging.update(np.clip(acceptance + 0.1 * random.normal(), 0, 1))
    assert averaging.final() == pytest.approx(0.05, rel=0.15)


def test_dual_averaging_follows_the_paper():
    """Equations of Hoffman & Gelman (2014), section 3.2.1, written once more."""
    averaging = DualAveraging(0.3, target_accept=0.65)
    mean_error, log_mean, mu = 0.0, 0.0, np.log(3.0)
    for t, acceptance in enumerate([0.1, 0.9, 0.5, 1.0, 0.0], start=1):
        mean_error = (1 - 1 / (t + 10)) * mean_error + (0.65 - acceptance) / (t + 10)
        log_step = mu - np.sqrt(t) / 0.05 * mean_error
        log_mean = t**-0.75 * log_step + (1 - t**-0.75) * log_mean
        assert averaging.update(acceptance) == pytest.approx(np.exp(log_step))
        assert averaging.final() == pytest.approx(np.exp(log_mean))


@pytest.mark.parametrize("acceptance", [0.0, 1.0])
def test_step_stays_finite_when_nothing_or_all_is_accepted(acceptance):
    averaging = DualAveraging(1.0)
    for _ in range(100_000):
        averaging.update(acceptance)
    for step in (averaging.final(), averaging.step_size):
        assert 0 < step <= 1.001 * LARGEST_STEP


@pytest.mark.parametrize("right", [1e-6, 0.003, 1.0, 700.0])
def test_reasonable_step_size_is_of_the_right_order(right):
    step = reasonable_step_size(lambda step: np.log(0.8) * step / right)
    assert right / 2 <= step <= 2 * right


def test_reasonable_step_size_ends_where_all_or_none_is_accepted():
    assert reasonable_step_size(lambda step: 0.0) <= LARGEST_STEP
    assert reasonable_step_size(lambda step: -np.inf) > 0


def test_windows_of_a_usual_run_are_those_of_stan():
    plan = windows(1000)
    assert plan.start == 75 and plan.ends == (100, 150, 250, 450, 950)


@pytest.mark.parametrize("tune", [*range(160), 199, 200, 201, 500, 999, 1500, 2000, 10_000])
def test_windows_follow_each_other_and_end_in_time(tune):
    plan = windows(tune)
    points = [0, plan.start, *plan.ends, tune]
    assert points == sorted(points)
    if tune < 20:
        assert plan.ends == ()
    else:
        assert len(plan.ends) >= 1 and min(np.diff([plan.start, *plan.ends])) >= 10
        assert plan.ends[-1] < tune


@pytest.mark.parametrize("tune", [0, 7, 20, 100, 1000])
@pytest.mark.parametrize("usable", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("grown", [1.2, 1.6])
def test_overlapping_windows_miss_nothing_until_they_say(tune, usable, grown):
    """Looked at only when they say, they give the windows that they give when they are looked at after each draw."""
    good = np.random.default_rng(tune).random(tune) < usable
    lost = {tune // 3, tune // 2}  # draws after which all is to be forgotten
    courses = []
    for patient in (False, True):
        plan, course = OverlappingWindows(tune, grown), {}
        asked, until = 0, 1
        for done in range(1, tune + 1):
            if patient and done != until and done not in lost:
                continue
            if done in lost:
                plan.forget(done)
            elif (begin := plan.after(done, int(good[asked:done].sum()))) is not None:
                course[done] = begin, plan.seen
            asked = done
            until = plan.until(done)
        courses.append(course)
    assert courses[0] == courses[1]
    assert len(courses[0]) > 20 or tune < 1000 or not usable


def test_metric_is_the_variance_of_the_window():
    scales = np.array([1e-4, 1.0, 1e5])
    draws = np.random.default_rng(0).normal(size=(2000, 3)) * scales
    np.testing.assert_allclose(metric.of_draws(draws, metric.Metric(scales)).variances(), scales**2, rtol=0.1)
    # Two windows forget a wrong start, whatever the scale.
    twice = metric.of_draws(draws, metric.of_draws(draws, metric.identity(3)))
    np.testing.assert_allclose(twice.variances(), scales**2, rtol=0.2)


@pytest.mark.parametrize(
    "draws", [np.zeros((0, 2)), np.zeros((1, 2)), np.zeros((30, 2)), np.full((9, 2), 1e200)]
)
def test_metric_of_a_stuck_or_wild_chain_can_be_used(draws):
    with np.errstate(over="ignore", invalid="ignore"):
        values = metric.of_draws(draws, metric.identity(2)).variances()
    assert (values > 0).all() and np.isfinite(values).all()


def test_metric_begins_as_in_stan():
    draws = np.random.default_rng(0).normal(size=(25, 3))
    expected = 25 / 30 * draws.var(axis=0, ddof=1) + 1e-3 * 5 / 30
    np.testing.assert_allclose(metric.of_draws(draws, metric.identity(3)).variances(), expected)
