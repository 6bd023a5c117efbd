"""Distributions made of others, of places and of points, and series: each form of `other_table.py` against mpmath."""

from __future__ import annotations

import other_checks
import pytest
from other_table import MODULES, TABLE

import probgraph.distributions as public
from probgraph.distributions import Distribution

each_form = pytest.mark.parametrize("form", TABLE.values(), ids=TABLE)


def test_every_class_has_a_form():
    named = {name.partition(",")[0] for name in TABLE}
    classes = [c for c in vars(public).values() if isinstance(c, type) and issubclass(c, Distribution)]
    wanted = {c.__name__ for c in classes if c.__module__.rpartition(".")[2] in MODULES}
    assert named == wanted and len(named) > 10


@each_form
def test_density(form):
    assert max(other_checks.logp_errors(form)) <= 1e-12


@each_form
def test_tails(form):
    assert max(other_checks.tail_errors(form) or [0.0]) <= 1e-12


@each_form
def test_quantiles(form):
    assert max(other_checks.quantile_errors(form) or [0.0]) <= 1e-12


@each_form
def test_gradients(form):
    assert max(other_checks.gradient_errors(form) or [0.0]) <= 1e-12


@each_form
def test_draws(form):
    assert other_checks.draws_follow(form)
