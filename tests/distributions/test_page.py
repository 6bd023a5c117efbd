"""docs/distributions.md is what page.py prints: checked whole for quick rows, by what is there for the others."""

from __future__ import annotations

from pathlib import Path

import checks
import event_table
import other_table
import page
import pytest
from distribution_table import CLASSES, TABLE

TEXT = (Path(__file__).parents[2] / "docs" / "distributions.md").read_text(encoding="utf-8")


def _rows(text):
    return [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in text.splitlines()]


NUMBERS, _, REST = TEXT.partition(page.EVENT_HEAD)
EVENTS, _, OTHERS = REST.partition(page.OTHER_HEAD)
ROWS, EVENT_ROWS, OTHER_ROWS = _rows(NUMBERS[len(page.HEAD) :]), _rows(EVENTS), _rows(OTHERS)
AGAIN = "; print it again: see the first lines of tests/distributions/page.py"


def test_it_has_the_head_and_a_row_for_each_class():
    assert TEXT.startswith(page.HEAD), "docs/distributions.md is old" + AGAIN
    assert [row[0] for row in ROWS] == [cls.__name__ for cls in CLASSES], (
        "docs/distributions.md is old" + AGAIN
    )


def test_it_says_no_where_there_is_nothing_and_wrong_nowhere():
    for cls, (name, logp, tails, quantiles, gradients, _, _) in zip(CLASSES, ROWS, strict=True):
        has_tails = TABLE[name].cdf is not None
        has_quantiles = checks.has_quantile(cls, TABLE[name].params[0])
        wanted = ["✓", "✓" if has_tails else "no", "✓" if has_quantiles else "no", "✓"]
        assert [logp, tails, quantiles, gradients] == wanted, name + AGAIN
    assert "WRONG" not in TEXT


@pytest.mark.parametrize("name", ["Exponential", "Uniform", "Flat", "Bernoulli"])
def test_a_row_is_what_the_checks_find(name):
    cls = next(c for c in CLASSES if c.__name__ == name)
    assert ROWS[CLASSES.index(cls)][1:] == page.cells(cls), name + AGAIN


def test_vectors_and_matrices_have_a_row_each():
    assert [row[0] for row in EVENT_ROWS] == [cls.__name__ for cls in event_table.CLASSES], (
        "docs/distributions.md is old" + AGAIN
    )


@pytest.mark.parametrize("name", ["Dirichlet", "LKJCorr"])
def test_a_row_of_vectors_is_what_the_checks_find(name):
    cls = next(c for c in event_table.CLASSES if c.__name__ == name)
    printed, found = EVENT_ROWS[event_table.CLASSES.index(cls)][1:], page.event_cells(cls)
    del printed[2], found[2]  # the last digits are the machine's
    assert printed == found, name + AGAIN


def test_the_others_have_a_row_each():
    assert [row[0] for row in OTHER_ROWS] == list(other_table.TABLE), "docs/distributions.md is old" + AGAIN


@pytest.mark.parametrize("name", ["Categorical", "AR", "Censored, a Normal"])
def test_a_row_of_the_others_is_what_the_checks_find(name):
    printed, found = (
        {row[0]: row[1:] for row in OTHER_ROWS}[name],
        page.other_cells(other_table.TABLE[name]),
    )
    del printed[4], found[4]  # the last digits are the machine's
    assert printed == found, name + AGAIN
