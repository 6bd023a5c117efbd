"""What PyMC's users ask of a model's density besides its value: parts of it, derivatives, functions compiled from graphs.

All are functions of a point by the names of value variables, as `initial_point()` gives it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from probgraph.engine.autodiff import grad
from probgraph.engine.derivatives import hessian
from probgraph.engine.graph import Variable, rebuild
from probgraph.engine.op import as_variable
from probgraph.engine.ops.shape import concatenate, flatten, reshape
from probgraph.engine.types import TensorType
from probgraph.model.layout import Layout
from probgraph.model.log_density import value_function
from probgraph.model.model import Model

Point = Mapping[str, np.ndarray]


def _sum_of(model: Model, variables: Sequence[Variable], jacobian: bool) -> Variable:
    return model.logp(list(variables), jacobian) if variables else as_variable(0.0)


def datalogp(model: Model) -> Variable:
    """The log density of what was observed, and the potentials: a graph of the value variables."""
    return _sum_of(model, [*model.observed_RVs, *model.potentials], False)


def observedlogp(model: Model) -> Variable:
    """The log density of what was observed: a graph of the value variables."""
    return _sum_of(model, model.observed_RVs, False)


def potentiallogp(model: Model) -> Variable:
    """The sum of the potentials: a graph of the value variables."""
    return _sum_of(model, model.potentials, False)


def varlogp(model: Model) -> Variable:
    """The log density of the free variables over R, with Jacobians: a graph of the value variables."""
    return _sum_of(model, model.free_RVs, True)


def varlogp_nojac(model: Model) -> Variable:
    """The log density of the free variables themselves: a graph of the value variables."""
    return _sum_of(model, model.free_RVs, False)


def dlogp(model: Model, vars: Any = None, jacobian: bool = True) -> Variable:
    """The gradient of `logp` by the continuous value variables, one after another: a graph, (dim,).

    `vars` are the variables (or value variables) to differentiate by.
    """
    wrt = _values_of(model, vars)
    gradients = grad(model.logp(jacobian=jacobian), wrt, disconnected_inputs="ignore")
    return concatenate([flatten(g) if g.ndim else reshape(g, (1,)) for g in gradients])


def d2logp(model: Model, vars: Any = None, jacobian: bool = True, negate_output: bool = True) -> Variable:
    """The Hessian of `logp` by the continuous value variables together, times -1 unless `negate_output` is False: a graph,
    (dim, dim).
    """
    wrt = _values_of(model, vars)
    layout = Layout(wrt)
    together = TensorType("float64", (layout.dim,))("q")
    parts = [reshape(together[s.start : s.stop], s.shape) for s in layout.slots]
    (cost,) = rebuild([model.logp(jacobian=jacobian)], dict(zip(wrt, parts, strict=True)))
    matrix = hessian(cost, together)
    whole = concatenate([flatten(v) if v.ndim else reshape(v, (1,)) for v in wrt])
    (result,) = rebuild([matrix], {together: whole})
    return -result if negate_output else result


def _values_of(model: Model, variables: Any) -> list[Variable]:
    """The value variables of these, or all that are continuous."""
    if variables is None:
        return continuous_value_vars(model)
    if isinstance(variables, Variable):
        variables = [variables]
    by_variable = {f.variable: f.value for f in model.free} | {v: v for v in model.value_vars}
    for v in variables:
        if v not in by_variable:
            raise ValueError(
                f"{v} is no free variable of the model; those are {', '.join(f.name for f in model.free)}"
            )
    return [by_variable[v] for v in variables]


def compile_d2logp(
    model: Model, vars: Any = None, jacobian: bool = True, negate_output: bool = True
) -> Callable[[Point], np.ndarray]:
    """`d2logp` compiled: a function of a point by names to a matrix (dim, dim)."""
    run = value_function(Layout(model.value_vars), [d2logp(model, vars, jacobian, negate_output)])
    return lambda point: run(point)[0]


def compile_fn(
    model: Model, outs: Any, *, inputs: Any = None, mode: Any = None, point_fn: bool = True
) -> Callable[..., Any]:
    """Graphs of the model's variables compiled: a function of a point by names; without `point_fn` of one array for each
    value variable, in their order.

    Raises NotImplementedError for other `inputs`, and a `mode`: `probgraph.engine.function` has those.
    """
    if inputs is not None or mode is not None:
        raise NotImplementedError(
            "compile_fn takes the model's value variables, compiled as models are; for other inputs or another mode use"
            " probgraph.engine.function"
        )
    single = isinstance(outs, Variable)
    run = value_function(Layout(model.value_vars), model.on_values([outs] if single else list(outs)))

    def at_point(point: Point) -> Any:
        found = run(point)
        return found[0] if single else found

    if point_fn:
        return at_point
    names = [v.name or "" for v in model.value_vars]
    return lambda *arrays: at_point(dict(zip(names, arrays, strict=True)))


def profile(model: Model, outs: Any = None, *, n: int = 1000, point: Point | None = None) -> dict[str, float]:
    """Seconds to compile some graphs of the value variables (`logp` by default), and for one call, the median of `n`."""
    began = time.perf_counter()
    run = value_function(Layout(model.value_vars), [model.logp() if outs is None else outs])
    compiled = time.perf_counter()
    at = model.initial_point() if point is None else point
    times = []
    for _ in range(max(n, 1)):
        start = time.perf_counter()
        run(at)
        times.append(time.perf_counter() - start)
    return {"compile": compiled - began, "call": float(np.median(times))}


def continuous_value_vars(model: Model) -> list[Variable]:
    """The value variables over R."""
    return [v for v in model.value_vars if v.dtype == "float64"]


def discrete_value_vars(model: Model) -> list[Variable]:
    """The value variables that are whole numbers."""
    return [v for v in model.value_vars if v.dtype != "float64"]


def unobserved_value_vars(model: Model) -> list[Variable]:
    """The value variables, the free variables as graphs of them where they have a transform, and the Deterministics."""
    transformed = [f.variable for f in model.free if f.transform is not None]
    return [*model.value_vars, *model.on_values([*transformed, *model.deterministics])]


def replace_rvs_by_values(model: Model, graphs: Sequence[Variable]) -> list[Variable]:
    """Graphs of the free variables as graphs of their value variables."""
    return model.on_values(graphs)


def eval_rv_shapes(model: Model) -> dict[str, tuple[int, ...]]:
    """The shape of each free variable and, where it has a transform, of its value variable."""
    point = model.initial_point()
    shapes: dict[str, tuple[int, ...]] = {}
    for f in model.free:
        shapes[f.value.name or ""] = point[f.value.name or ""].shape
        shapes[f.name] = tuple(n for n in f.variable.type.shape if n is not None)
    return shapes


def check_start_vals(model: Model, start: Point | Sequence[Point]) -> None:
    """ValueError where some term of the log density is not finite at a point, or at one of several."""
    for point in [start] if isinstance(start, Mapping) else start:
        bad = {name: value for name, value in model.point_logps(point).items() if not np.isfinite(value)}
        if bad:
            terms = ", ".join(f"{name}: {value}" for name, value in bad.items())
            raise ValueError(f"the log density is not finite at the start: {terms}. model.debug() says where")


for _function in (
    compile_d2logp,
    compile_fn,
    profile,
    eval_rv_shapes,
    check_start_vals,
    dlogp,
    d2logp,
    replace_rvs_by_values,
):
    setattr(Model, _function.__name__, _function)
for _property in (
    datalogp,
    observedlogp,
    potentiallogp,
    varlogp,
    varlogp_nojac,
    continuous_value_vars,
    discrete_value_vars,
    unobserved_value_vars,
):
    setattr(Model, _property.__name__, property(_property))
