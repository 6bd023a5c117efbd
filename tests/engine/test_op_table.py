"""The page about operations is what the checks of the table say today."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from probgraph.engine.tensor import dvector
from probgraph.engine.toolchain import find_compiler
from probgraph.engine.user_ops import as_op
from tests.engine.op_cases import ROWS, Case
from tests.engine.op_table import NO, WRONG, YES, cells, page
from tests.engine.op_table_cases import elementwise_case

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ops.md"
pytestmark = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")


def test_the_page_is_what_the_checks_find():
    found = page()
    assert WRONG not in found
    assert found == PAGE.read_text(encoding="utf-8"), (
        "docs/ops.md is not up to date: python -m tests.engine.op_table > docs/ops.md"
    )


def test_every_row_of_the_elementwise_table_has_a_case():
    assert all(elementwise_case(row) is not None for row in ROWS)


def test_a_tick_is_not_given_for_nothing():
    """A case that says what is not true of its operation, or that cannot be differentiated, gets no ticks for it."""
    good = next(c for c in map(elementwise_case, ROWS) if c is not None and c.name == "exp")
    lie = Case("exp", good.graph, lambda x: good.numpy(x) + 1e-3, good.arrays)
    assert cells(good)[:7] == [YES] * 7
    assert cells(lie)[1] == cells(lie)[4] == cells(lie)[6] == WRONG
    steep = Case("steep", as_op([dvector], [dvector])(np.exp), np.exp, good.arrays)
    assert cells(steep)[2] == NO
