"""Rules in company: rewriting twice changes nothing, and `explain` says what was done."""

from __future__ import annotations

import numpy as np
import pytest

import probgraph.engine as theano
from probgraph.engine import rules
from probgraph.engine.graph import Constant, graph_inputs, rebuild, tensor_constant
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.rewrite import Rule, Wildcard, run_passes
from probgraph.engine.types import TensorType

PATTERNS = [r.pattern for r in [*rules.STABLE, *rules.ALGEBRA] if isinstance(r, Rule)]
X, S = TensorType("float64", (None,))("x"), TensorType("float64", ())("s")


def nested(rng, depth):
    """A pattern of some rule whose wildcards are patterns again."""
    pattern = PATTERNS[rng.integers(len(PATTERNS))]
    replace = {}
    for w in graph_inputs([pattern]):
        if isinstance(w, Wildcard):
            constant = tensor_constant(rng.choice([2.0, 0.5, -3.0, 1.0, 0.0]))
            leaf = X if rng.random() < 0.7 else S
            replace[w] = constant if w.constant else nested(rng, depth - 1) if depth else leaf
    (v,) = rebuild([pattern], replace)
    return v if v.dtype == "float64" else ew.cast(v, "float64")


@pytest.mark.parametrize("seed", range(40))
def test_rewriting_ends_and_a_second_time_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    for _ in range(5):
        old = nested(rng, 2) + nested(rng, 1).sum()
        new = run_passes([old], rules.FAST_RUN)
        log = []
        assert run_passes(new, rules.FAST_RUN, log) == new, log
        assert (new[0].dtype, new[0].ndim) == (old.dtype, old.ndim)
        given = {
            r: 0.4 if r is S else np.array([0.3, 0.7])
            for r in graph_inputs([old])
            if not isinstance(r, Constant)
        }
        with np.errstate(all="ignore"):
            before, after = old.eval(given), new[0].eval(given)
        usual = np.isfinite(before)
        assert np.isfinite(after[usual]).all()


def test_explain_names_each_rule_that_was_applied():
    y = ew.log(1 + ew.exp(X)) + ew.log(ew.sigmoid(X)) * 1.0
    story = theano.function([X], y, mode=theano.Mode("py", "fast_run")).explain()
    stable, simple = story.index("after stabilize"), story.index("after simplify")
    for name, place in (("log(1 + exp(x)) → softplus(x)", stable), ("x * 1 → x", simple)):
        assert story.index(f"rule: {name}  (1x)") > place
    assert "rule: log(sigmoid(x)) → -softplus(-x)  (1x)" in story[stable:simple]
    plain = theano.function([X], ew.sin(X), mode=theano.Mode("py", "fast_run")).explain()
    assert "rule:" not in plain
