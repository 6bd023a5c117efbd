"""docs/distributions.md is what page.py prints: checked whole for quick rows, by what is there for the others."""

from __future__ import annotations

from pathlib import Path

import page
import pytest
from distribution_table import CLASSES, TABLE

from probgraph.distributions import Distribution

TEXT = (Path(__file__).parents[2] / "docs" / "distributions.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|\n ").split("|")] for line in TEXT[len(page.HEAD) :].splitlines()
]
AGAIN = "; print it again: see the first lines of tests/distributions/page.py"


def test_it_has_the_head_and_a_row_for_each_class():
    assert TEXT.startswith(page.HEAD), "docs/distributions.md is old" + AGAIN
    assert [row[0] for row in ROWS] == [cls.__name__ for cls in CLASSES], (
        "docs/distributions.md is old" + AGAIN
    )


def test_it_says_no_where_there_is_nothing_and_wrong_nowhere():
    for cls, (name, logp, tails, quantiles, gradients, _, _) in zip(CLASSES, ROWS, strict=True):
        has_tails = TABLE[name].cdf is not None
        has_quantiles = has_tails and cls.quantile is not Distribution.quantile
        wanted = ["✓", "✓" if has_tails else "no", "✓" if has_quantiles else "no", "✓"]
        assert [logp, tails, quantiles, gradients] == wanted, name + AGAIN
    assert "WRONG" not in TEXT


@pytest.mark.parametrize("name", ["Exponential", "Uniform", "Flat", "Bernoulli"])
def test_a_row_is_what_the_checks_find(name):
    cls = next(c for c in CLASSES if c.__name__ == name)
    assert ROWS[CLASSES.index(cls)][1:] == page.cells(cls), name + AGAIN
