"""Second derivatives of a scalar graph, as Newton's methods ask for them: the Hessian, or its products with vectors.

The idea worth knowing: the slope along a fixed direction p, p'∇f(x), is a function of x and p together whose gradient is
(H p, ∇f). So a product with the Hessian is compiled as any function with its gradient is, and costs no more than two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import compile_density
from probgraph.engine.derivatives import hessian, hessian_vector_product
from probgraph.engine.graph import FunctionGraph, Variable, graph_inputs, rebuild
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.shared import SharedVariable
from probgraph.engine.toolchain import NoCompilerError
from probgraph.engine.types import TensorType
from probgraph.model.layout import Layout
from probgraph.optimize.objective import CompiledCurvature

Curvature = Callable[..., np.ndarray]


def curvature_for(method: str, value: Variable, roots: Sequence[Variable], sign: float = 1.0) -> Curvature:
    """What that method asks of `value`, float64, by `roots`, float64 and of known shape, that lie one after another in x.

    "newton" the Hessian of x; "trust-newton" its product of x and a vector. Compiled to C; in NumPy where there is no
    compiler, or an op has no C. Times `sign`.
    """
    return (_hessian if method == "newton" else _product)(value, Layout(roots), sign)


def _hessian(value: Variable, layout: Layout, sign: float) -> Curvature:
    x = Variable(TensorType("float64", (layout.dim,)), "x")
    parts = {s.value: x[s.start : s.stop].reshape(s.shape) for s in layout.slots}
    (cost,) = rebuild([value], parts)
    matrix = hessian(cost, x, disconnected_inputs="ignore")
    shape = (layout.dim, layout.dim)
    try:
        return CompiledCurvature(compile_density([x], cost, [matrix]), shape, layout.dim**2, sign)
    except (NoCompilerError, NotImplementedError):
        return _in_numpy([x], [matrix], shape, sign)


def _product(value: Variable, layout: Layout, sign: float) -> Curvature:
    roots = layout.values
    along = [Variable(v.type, f"along {v.name}") for v in roots]
    products = hessian_vector_product(value, roots, along, disconnected_inputs="ignore")
    gradients = grad(value, roots, disconnected_inputs="ignore", add_names=False)
    slope = sum((g * p).sum() for g, p in zip(gradients, along, strict=True))
    try:
        compiled = compile_density([*roots, *along], slope, [*products, *gradients])
        return CompiledCurvature(compiled, (layout.dim,), 2 * layout.dim, sign)
    except (NoCompilerError, NotImplementedError):
        return _in_numpy([*roots, *along], products, (layout.dim,), sign)


def _in_numpy(
    roots: Sequence[Variable], outputs: Sequence[Variable], shape: tuple[int, ...], sign: float
) -> Curvature:
    shared = [v for v in graph_inputs(outputs) if isinstance(v, SharedVariable)]
    run = numpy_function(FunctionGraph([*roots, *shared], run_passes(list(outputs), FAST_RUN)))
    layout = Layout(roots)

    def curvature(*arguments: np.ndarray) -> np.ndarray:
        given = layout.arrays(np.concatenate(arguments))
        try:
            with np.errstate(all="ignore"):
                found = run([*given, *(np.asarray(v.get_value()) for v in shared)])
        except (
            np.linalg.LinAlgError
        ):  # a matrix without a Cholesky factor: compiled, there is nothing here too
            return np.full(shape, np.nan)
        return sign * np.concatenate([np.ravel(part) for part in found]).reshape(shape)

    return curvature
