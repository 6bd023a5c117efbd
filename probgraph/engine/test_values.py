"""Test values: a graph computed while it is built, so that a wrong shape fails at the line that made it.

With `config.compute_test_value` on, each op that is applied also runs, in NumPy, on its inputs' `tag.test_value`,
on constants and on shared variables' values, and its outputs get a `tag.test_value` too.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from probgraph.engine.config import config
from probgraph.engine.graph import Apply, Constant, Variable, toposort


class _Missing(Exception):
    def __init__(self, root: Variable) -> None:
        super().__init__(root)
        self.root = root


def get_test_value(v: Variable) -> Any:
    """The test value of a variable: its own, or computed from those of its roots.

    ValueError if a root has none.
    """
    try:
        return _value(v)
    except _Missing as missing:
        raise ValueError(f"{v} has no test value: {missing.root} needs a tag.test_value") from None


def compute_test_value(node: Apply) -> None:
    """Gives a node's outputs their test values, as `config.compute_test_value` says.

    If an input has none: ValueError ("raise"), a warning ("warn"), nothing ("ignore"). What the op itself raises
    on the values is raised, except under "ignore".
    """
    how = config.compute_test_value
    for i, v in enumerate(node.inputs):
        try:
            _value(v)
        except _Missing as missing:
            if type(missing.root) is not Variable or how == "ignore":
                return  # a pattern's wildcard has no value, nor is it a mistake
            text = f"Cannot compute test value: input {i} ({v}) of Op {node} missing default value."
            if how == "warn":
                warnings.warn(f"{text} Made in {node.trace[0]}, line {node.trace[1]}", stacklevel=4)
                return
            raise ValueError(text) from None
        except Exception:
            if how == "ignore":
                return
            raise
    try:
        _compute(node, [_value(v) for v in node.inputs])
    except Exception:
        if how != "ignore":
            raise


def _value(v: Variable) -> Any:
    if v.owner is not None and _known(v) is None:
        for node in toposort([v], stop=[]):
            if any(_known(out) is None for out in node.outputs):
                _compute(node, [_root_value(each) for each in node.inputs])
    return _root_value(v)


def _known(v: Variable) -> Any:
    return getattr(v.tag, "test_value", None)


def _root_value(v: Variable) -> Any:
    if isinstance(v, Constant):
        return v.data
    if hasattr(v, "container"):
        return v.container.value
    value = _known(v)
    if value is None:
        raise _Missing(v)
    return v.type.filter(value)


def _compute(node: Apply, values: list[Any]) -> None:
    try:
        node.op.check_lengths(node, values)
        with np.errstate(all="ignore"):
            results = node.op.numpy(*values)
    except Exception as error:
        error.add_note(
            f"While the test value of {node} was computed; made in {node.trace[0]}, line {node.trace[1]}"
        )
        raise
    for v, result in zip(node.outputs, results if len(node.outputs) > 1 else (results,), strict=True):
        v.tag.test_value = result
