"""Derivatives beyond the gradient: Jacobians, Hessians, products with them, and a check of gradients by differences.

The rows of a Jacobian are one reverse pass over a batch (`vectorize_graph`), and its products from the right
(`Rop`) are pushed forward (`pushforward`). Every op that has a gradient has all of these. Where there are loops, a
pass forward is worth most: it keeps nothing of their steps. The Jacobian by a few numbers is then a batch of these.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine.autodiff import DisconnectedInputError, grad, zero_gradient
from probgraph.engine.function import function
from probgraph.engine.graph import Apply, Constant, Variable, rebuild
from probgraph.engine.op import Op, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.diagonals import diagonal
from probgraph.engine.ops.products import Dot
from probgraph.engine.ops.reduce import sum as summed
from probgraph.engine.ops.shape import ARange, DimShuffle, arange, dimshuffle, length, moveaxis, reshape
from probgraph.engine.pushforward import has_loops_between, pushed
from probgraph.engine.rewrite import OpRule, Pass, run_passes
from probgraph.engine.scanning import scan
from probgraph.engine.types import COMPLEX, FLOATS, TensorType, describe
from probgraph.engine.vectorize import vectorize_graph


class GradientError(ArithmeticError):
    """A gradient is not what differences say. `largest` is the worst relative error, `where` says of what."""

    def __init__(self, message: str, where: str, largest: float) -> None:
        super().__init__(message)
        self.where = where
        self.largest = largest


def _as_list(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]


def _as_given(results: list[Any], given: Any) -> Any:
    """One result, a list or a tuple, as the user's argument was."""
    return tuple(results) if isinstance(given, tuple) else results if isinstance(given, list) else results[0]


def _variables(who: str, given: Any) -> list[Variable]:
    for v in _as_list(given):
        if not isinstance(v, Variable):
            raise TypeError(f"{who}: expected a variable, got {v!r} of type {type(v)}")
    return _as_list(given)


# ------------------------------------------------------------------------------------ whole matrices


def jacobian(
    expression: Variable,
    wrt: Any,
    consider_constant: Sequence[Variable] | None = None,
    disconnected_inputs: str = "raise",
    vectorize: bool | None = None,
) -> Any:
    """The derivatives of each element of `expression` by each of `wrt`, of shape expression.shape + wrt.shape.

    `wrt` is a variable or a list (or tuple) of them, and so is the result; see `grad` for the other arguments.
    All rows are computed at once, unless `vectorize` is False: then one after another in a loop, which keeps the
    intermediate values of one row only. Through loops (`scan`) the derivatives by a few numbers, of known count, are
    computed forward, all columns at once.

    >>> x = Variable(TensorType("float64", (None,)), "x")
    >>> jacobian(x ** 2, x).eval({x: [1.0, 3.0]})
    array([[2., 0.],
           [0., 6.]])
    """
    if not isinstance(expression, Variable):
        raise TypeError(f"jacobian expects a Variable as `expression`, got {expression!r}")
    targets = _variables("jacobian", wrt)
    options = {"consider_constant": consider_constant, "disconnected_inputs": disconnected_inputs}
    if expression.ndim == 0:
        return grad(expression, wrt, add_names=False, **options)
    _continuous("jacobian", expression)
    if vectorize is False:
        return _as_given(_rows_in_a_loop(expression, targets, options), wrt)
    columns = _columns(expression, targets) if vectorize is None and not consider_constant else None
    if columns is not None:
        return _as_given(columns, wrt)
    flowing = Variable(TensorType(expression.dtype, expression.type.shape), "flowing")
    rows = grad(None, targets, known_grads={expression: flowing}, **options)
    lengths = [length(expression, axis) for axis in range(expression.ndim)]
    ones = _unit_rows(lengths, expression)
    many = vectorize_graph(rows, {flowing: ones})
    size = length(ones, 0)
    results: list[Variable] = []
    for v, row, each in zip(targets, rows, many, strict=True):
        if each.ndim == row.ndim:  # nothing that flows reaches it: the same zeros for each row
            each = ew.fill(dimshuffle(arange(size), (0, *("x",) * v.ndim)), each)
        if expression.ndim > 1:
            each = reshape(each, [*lengths, *(length(v, axis) for axis in range(v.ndim))])
        results.append(each)
    return _as_given(run_passes(results, _WITHOUT_UNITS), wrt)


def _continuous(who: str, v: Variable) -> None:
    if v.dtype not in FLOATS:
        what = (
            "real(z) and imag(z)"
            if v.dtype in COMPLEX
            else "a float expression: integers have no derivatives"
        )
        raise TypeError(f"{who}: {v} is {describe([v.type])}; differentiate {what}")


def _unit_rows(lengths: Sequence[Any], like: Variable) -> Variable:
    """What flows into each row: (size, *lengths), 1 at the row's own element and 0 elsewhere."""
    size: Any = 1
    for n in lengths:
        size = size * n
    identity = ew.eq(dimshuffle(arange(size), 0, "x"), dimshuffle(arange(size), "x", 0))
    identity = ew.cast(identity, like.dtype)
    return identity if len(lengths) == 1 else reshape(identity, [size, *lengths])


def _without_unit(node: Apply) -> Variable | None:
    """A product with a diagonal matrix, which is the identity times something, without that matrix."""
    left, right = node.inputs
    if left.ndim == 2 and (scale := _diagonal(left)) is not None:
        return _scaled(right, [v if right.ndim == 1 or v.ndim == 0 else dimshuffle(v, 0, "x") for v in scale])
    if right.ndim == 2 and (scale := _diagonal(right)) is not None:
        return _scaled(left, scale)
    return None


def _scaled(v: Variable, factors: Sequence[Variable]) -> Variable:
    return functools.reduce(ew.mul, factors, v)


_TRANSPOSE = DimShuffle((1, 0))
#: how many multiplications away from a product the identity is looked for
_FAR = 12


def _diagonal(v: Variable, depth: int = _FAR) -> list[Variable] | None:
    """The factors, vectors or scalars, of the diagonal of a matrix that is zero elsewhere because it is the identity
    times something. None if it is no such matrix."""
    if _is_unit(v):
        return []
    node = v.owner
    if node is not None and node.op == _TRANSPOSE:
        return _diagonal(node.inputs[0], depth)
    if node is None or depth == 0 or not isinstance(node.op, ew.Elementwise):
        return None
    first, *others = node.inputs
    if node.op is ew.neg or _is_cast(node.op):
        found = _diagonal(first, depth - 1)
        minus = [ew.neg(ew.ones_like(as_variable(0.0), v.dtype))] if node.op is ew.neg else []
        return None if found is None else [*found, *minus]
    if node.op is ew.true_div and _is_square(first):
        found = _diagonal(first, depth - 1)
        return None if found is None else [*found, ew.reciprocal(_on_diagonal(others[0]))]
    if node.op is ew.mul:
        for one, other in ((first, others[0]), (others[0], first)):
            found = _diagonal(one, depth - 1) if _is_square(one) else None
            if found is not None:
                return [*found, _on_diagonal(other)]
    return None


def _is_square(v: Variable) -> bool:
    return v.ndim == 2 and 1 not in v.type.shape


def _on_diagonal(v: Variable) -> Variable:
    """What of an operand meets the diagonal of a matrix."""
    if v.ndim < 2:
        return v
    if _is_square(v):
        return diagonal(v)
    return dimshuffle(v, [axis for axis, n in enumerate(v.type.shape) if n != 1])


def _is_unit(v: Variable) -> bool:
    while v.owner is not None and (_is_cast(v.owner.op) or v.owner.op == _TRANSPOSE):
        v = v.owner.inputs[0]
    if v.owner is None or v.owner.op is not ew.eq:
        return False
    rows, columns = (
        _counted(i, order) for i, order in zip(v.owner.inputs, ((0, "x"), ("x", 0)), strict=True)
    )
    return rows is not None and rows is columns


def _is_cast(op: Op) -> bool:
    return isinstance(op, ew.Elementwise) and op.name.startswith("Cast{")


def _counted(v: Variable, order: tuple[Any, ...]) -> Variable | None:
    """The arange behind a row or column of numbers from 0."""
    if v.owner is None or not isinstance(v.owner.op, DimShuffle) or v.owner.op.order != order:
        return None
    counted = v.owner.inputs[0]
    node = counted.owner
    if node is None or not isinstance(node.op, ARange):
        return None
    start, _, step = node.inputs
    from_zero = (
        isinstance(start, Constant) and isinstance(step, Constant) and start.data == 0 and step.data == 1
    )
    return counted if from_zero else None


_WITHOUT_UNITS = [
    Pass("products with the identity", [OpRule("dot(identity * v, x) → v * x", Dot, _without_unit)])
]


#: by so many numbers a Jacobian through loops is computed forward
_FEW_COLUMNS = 32


def _columns(expression: Variable, targets: Sequence[Variable]) -> list[Variable] | None:
    """The Jacobian column by column, each pushed forward, all at once; None where rows are the better way."""
    sizes = [None if None in v.type.shape else math.prod(v.type.shape) for v in targets]
    rows = None if None in expression.type.shape else math.prod(expression.type.shape)
    if None in sizes or sum(sizes) > min(_FEW_COLUMNS, _FEW_COLUMNS if rows is None else rows - 1):
        return None
    if any(v.dtype not in FLOATS for v in targets) or not has_loops_between([expression], targets):
        return None
    results: list[Variable] = []
    for v, size in zip(targets, sizes, strict=True):
        direction = Variable(v.type, "direction")
        (column,) = pushed([expression], {v: direction})
        if column is None:
            return None
        units = as_variable(np.eye(size, dtype=v.dtype).reshape(size, *v.type.shape))
        many = vectorize_graph(column, {direction: units})
        if many.ndim == expression.ndim:  # the same whatever the direction
            many = ew.fill(dimshuffle(arange(size), (0, *("x",) * expression.ndim)), many)
        many = moveaxis(many, 0, -1)
        shape = [length(expression, axis) for axis in range(expression.ndim)]
        results.append(reshape(many, [*shape, *v.type.shape]))
    return results


def _rows_in_a_loop(expression: Variable, targets: list[Variable], options: dict[str, Any]) -> list[Variable]:
    flat = expression.flatten()

    def row(i: Variable, *_: Any) -> list[Variable]:
        return grad(flat[i], targets, add_names=False, **options)

    rows, _ = scan(row, arange(length(flat, 0)), return_list=True, name="jacobian")
    if expression.ndim == 1:
        return rows
    lengths = [length(expression, axis) for axis in range(expression.ndim)]
    return [
        reshape(each, [*lengths, *(length(v, axis) for axis in range(v.ndim))])
        for v, each in zip(targets, rows, strict=True)
    ]


def hessian(
    cost: Variable,
    wrt: Any,
    consider_constant: Sequence[Variable] | None = None,
    disconnected_inputs: str = "raise",
    vectorize: bool | None = None,
) -> Any:
    """The second derivatives of a scalar by a variable: of shape wrt.shape + wrt.shape.

    For a list of variables a list with the Hessian by each. The arguments are those of `jacobian`; the cost must
    depend on `wrt`, but may do so linearly.

    >>> x = Variable(TensorType("float64", (None,)), "x")
    >>> hessian((x ** 3).sum(), x).eval({x: [1.0, 2.0]})
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    targets = _variables("hessian", wrt)
    results: list[Variable] = []
    for v in targets:
        g = grad(cost, v, consider_constant, disconnected_inputs, add_names=False)
        results.append(jacobian(g, v, consider_constant, "ignore", vectorize))
    return _as_given(results, wrt)


def hessian_vector_product(cost: Variable, wrt: Any, p: Any, **grad_options: Any) -> Any:
    """The Hessian of a scalar by all of `wrt` together, times `p`: of the shapes of `wrt`, at the cost of a gradient
    or two.

    `p` has an entry, shaped like it, for each of `wrt`. `grad_options` go to `grad`. Through loops the gradient is
    pushed forward along `p`; else the gradient of its product with `p` is taken.

    >>> x, p = (Variable(TensorType("float64", (None,)), name) for name in "xp")
    >>> hessian_vector_product((x ** 3).sum(), x, p).eval({x: [1.0, 2.0], p: [1.0, 10.0]})
    array([  6., 120.])
    """
    targets = _variables("hessian_vector_product", wrt)
    points = [as_variable(v) for v in _as_list(p)]
    _same_form("hessian_vector_product", "wrt", targets, "p", points)
    gradients = grad(cost, targets, add_names=False, **grad_options)
    if "consider_constant" not in grad_options and has_loops_between(gradients, targets):
        moves = pushed(gradients, dict(zip(targets, points, strict=True)))
        return _as_given(
            [zero_gradient(v) if move is None else move for v, move in zip(targets, moves, strict=True)], wrt
        )
    fixed = [
        Variable(v.type, v.name) for v in points
    ]  # whatever the vectors come from, they are taken as they are
    along = [summed(g * v) for g, v in zip(gradients, fixed, strict=True)]
    total = along[0]
    for term in along[1:]:
        total = total + term
    options = {**grad_options, "disconnected_inputs": "ignore", "add_names": False}
    products = grad(total, targets, **options)
    return _as_given(rebuild(products, dict(zip(fixed, points, strict=True))), wrt)


# ------------------------------------------------------------------------------------ products with a Jacobian


def _same_form(who: str, one: str, these: Sequence[Variable], other: str, those: Sequence[Variable]) -> None:
    if len(these) != len(those):
        raise ValueError(
            f"{who}: `{one}` has {len(these)} entries, `{other}` has {len(those)}; give one for each"
        )
    for place, (a, b) in enumerate(zip(these, those, strict=True)):
        if a.ndim != b.ndim:
            raise ValueError(
                f"{who}: element {place} of `{one}`, {a}, has {a.ndim} dimensions, the one of `{other}`, {b}, has"
                f" {b.ndim}: they are of one shape"
            )


def Lop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    consider_constant: Sequence[Variable] | None = None,
    disconnected_inputs: str = "raise",
) -> Any:
    """The product of `eval_points` (shaped as `f`) with the Jacobian of `f` by `wrt`: shaped as `wrt`.

    Each may be a variable or a list of them; the result is as `wrt` is.

    >>> x = Variable(TensorType("float64", (None,)), "x")
    >>> Lop(x ** 2, x, as_variable([1.0, 10.0])).eval({x: [3.0, 4.0]})
    array([ 6., 80.])
    """
    outputs = _variables("Lop", f)
    points = [as_variable(v) for v in _as_list(eval_points)]
    _same_form("Lop", "f", outputs, "eval_points", points)
    known: dict[Variable, Variable] = {}
    for v, point in zip(outputs, points, strict=True):
        known[v] = known[v] + point if v in known else point
    return grad(None, wrt, consider_constant, disconnected_inputs, known_grads=known)


def Rop(
    f: Any,
    wrt: Any,
    eval_points: Any,
    disconnected_outputs: str = "raise",
    return_disconnected: str = "zero",
) -> Any:
    """The product of the Jacobian of `f` by `wrt` with `eval_points` (shaped as `wrt`): shaped as `f`.

    What `f` becomes per unit of a move of `wrt` along `eval_points`; None among these is no move. Each may be a
    variable or a list of them; the result is as `f` is. An `f` that does not depend on `wrt` is a
    DisconnectedInputError, or with disconnected_outputs="warn" or "ignore" gives zeros (None, if
    `return_disconnected` is "none").

    Every op that has a gradient has this too: it is two reverse passes. Loops are pushed forward by loops, which
    keep nothing of the steps that are done.

    >>> x = Variable(TensorType("float64", (None,)), "x")
    >>> Rop(x ** 2, x, as_variable([1.0, 10.0])).eval({x: [3.0, 4.0]})
    array([ 6., 80.])
    """
    if disconnected_outputs not in ("raise", "warn", "ignore"):
        raise ValueError(f"disconnected_outputs is 'raise', 'warn' or 'ignore', got {disconnected_outputs!r}")
    outputs, targets, points = _variables("Rop", f), _variables("Rop", wrt), _as_list(eval_points)
    if len(targets) != len(points):
        raise ValueError(f"Rop: `wrt` has {len(targets)} entries, `eval_points` has {len(points)}")
    moves = {v: as_variable(p) for v, p in zip(targets, points, strict=True) if p is not None}
    _same_form("Rop", "wrt", list(moves), "eval_points", list(moves.values()))
    return _as_given([_pushed(v, moves, disconnected_outputs, return_disconnected) for v in outputs], f)


def _pushed(
    output: Variable, moves: dict[Variable, Variable], disconnected: str, returned: str
) -> Variable | None:
    (result,) = pushed([output], moves)
    if result is not None:
        return result
    message = f"Rop method was asked to compute the derivative of {output}, which does not depend on `wrt`"
    if disconnected == "raise":
        raise DisconnectedInputError(message)
    if disconnected == "warn":
        warnings.warn(message, stacklevel=3)
    return zero_gradient(output) if returned.lower() == "zero" else None


# ------------------------------------------------------------------------------------ checking


def verify_grad(
    fun: Callable[..., Any],
    pt: Sequence[Any],
    n_tests: int = 2,
    rng: Any = None,
    eps: float | None = None,
    out_type: str | None = None,
    abs_tol: float | None = None,
    rel_tol: float | None = None,
    mode: Any = None,
    cast_to_output_type: bool = False,
    no_debug_ref: bool = True,
) -> None:
    """Checks the gradient of a function of variables at a point, by differences. Returns nothing, or raises.

    `fun` takes one variable for each array of `pt` (floats) and returns a variable or several (each is checked). A
    random projection of its value to a scalar is differentiated, `n_tests` times anew; `rng` (a NumPy RandomState
    or Generator) draws it. The step `eps` of the differences is chosen by the dtype, as are the tolerances: an error
    counts if it is above both `abs_tol` and `rel_tol`. `mode` is that of `function`; `out_type` converts the value
    before it is projected. Raises GradientError, which says where and by how much; TypeError for points that are
    not floats.

    >>> verify_grad(lambda x: ew.exp(x), [np.array([0.5, 1.0])])
    """
    points = [np.array(p) for p in pt]
    for place, p in enumerate(points):
        if p.dtype.name not in FLOATS:
            raise TypeError(
                f"verify_grad can work only with floating point inputs, but input {place} has dtype {p.dtype}"
            )
    rng = np.random.default_rng() if rng is None else rng
    draw = rng.random if isinstance(rng, np.random.Generator) else rng.random_sample
    single = any(p.dtype == np.float32 for p in points) or out_type == "float32"
    eps = (3e-4 if single else 1e-7) if eps is None else eps
    abs_tol = (5e-3 if single else 1e-4) if abs_tol is None else abs_tol
    rel_tol = (5e-3 if single else 1e-4) if rel_tol is None else rel_tol

    inputs = [
        Variable(TensorType(p.dtype, [1 if n == 1 else None for n in p.shape]), f"input {i}")
        for i, p in enumerate(points)
    ]
    for place, output in enumerate(_as_list(fun(*inputs))):
        value = output if out_type is None else ew.cast(output, out_type)
        weights = Variable(value.type, "weights")
        cost = summed(weights * value)
        to_value = function(inputs, value, mode=mode, on_unused_input="ignore")
        to_cost = function([*inputs, weights], cost, mode=mode, on_unused_input="ignore")
        by_inputs = grad(cost, inputs, disconnected_inputs="ignore", add_names=False)
        to_gradient = function([*inputs, weights], by_inputs, mode=mode, on_unused_input="ignore")
        shape = to_value(*points).shape
        for test in range(n_tests):
            # away from 0, so that no error is projected out; of both signs
            drawn = np.asarray(draw(shape) + 0.5) * np.where(draw(shape) < 0.5, -1, 1)
            drawn = drawn.astype(value.dtype)
            found = to_gradient(*points, drawn)
            for i, got in enumerate(found):
                expected = _differences(to_cost, points, i, drawn, eps)
                _compare(place, test, i, got, expected, abs_tol, rel_tol)


def _differences(
    to_cost: Callable[..., Any], points: Sequence[np.ndarray], i: int, weights: np.ndarray, eps: float
) -> np.ndarray:
    result = np.zeros(points[i].shape)
    for where in np.ndindex(*points[i].shape):
        ends = []
        for step in (eps, -eps):
            moved = [np.array(p) for p in points]
            moved[i][where] += step
            ends.append((float(to_cost(*moved, weights)), float(moved[i][where])))
        result[where] = (ends[0][0] - ends[1][0]) / (ends[0][1] - ends[1][1])
    return result


def _compare(
    output: int, test: int, i: int, got: np.ndarray, expected: np.ndarray, abs_tol: float, rel_tol: float
) -> None:
    with np.errstate(all="ignore"):
        apart = np.abs(got - expected)
        relative = apart / np.maximum(np.abs(got) + np.abs(expected), 1e-8)
        wrong = ~((apart <= abs_tol) | (relative <= rel_tol))
    if not wrong.any():
        return
    score = np.where(wrong, np.nan_to_num(np.minimum(apart, relative), nan=np.inf), -1.0)
    where = np.unravel_index(int(np.argmax(score)), score.shape) if score.ndim else ()
    place = f"argument {i}" + (f" at index {tuple(map(int, where))}" if where else "")
    raise GradientError(
        f"GradientError: the gradient of output {output} by {place} is {got[where]}, differences give"
        f" {expected[where]}: absolute error {apart[where]:.3g} (allowed: {abs_tol:g}), relative error"
        f" {relative[where]:.3g} (allowed: {rel_tol:g}), in test {test}",
        place,
        float(relative[where]),
    )
