"""Roots and minima as operations, with PyTensor's names: SciPy finds them, the implicit function theorem differentiates.

Where f(x, p) = 0 defines x as a function of p, dx/dp = -(df/dx)^-1 df/dp (Krantz & Parks, "The Implicit Function
Theorem", 2002); a minimum is a root of the gradient. So the gradient at a solution costs one linear system, however many
steps the search took.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from probgraph.engine.autodiff import grad
from probgraph.engine.derivatives import Lop, jacobian
from probgraph.engine.graph import Constant, FunctionGraph, Variable, graph_inputs, rebuild
from probgraph.engine.op import Hosted, as_variable
from probgraph.engine.ops.solves import solve
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.types import TensorType, describe


class Implicit(Hosted):
    """The x at which `equations` are 0, and whether it was found: of a first guess, and of what else they depend on.

    With an `objective` the search is for its minimum, where its gradient, `equations`, is 0.
    """

    def __init__(
        self,
        x: Variable,
        parameters: Sequence[Variable],
        equations: Variable,
        objective: Variable | None,
        method: str,
        options: Mapping[str, Any],
    ) -> None:
        self.x = x
        self.parameters = list(parameters)
        self.equations = equations
        self.objective = objective
        self.method = method
        self.options = dict(options)

    def _identity(self) -> tuple[Any, ...]:
        return (Implicit, id(self))  # two with alike inputs solve different equations

    @property
    def who(self) -> str:
        return "root" if self.objective is None else "minimize"

    def __str__(self) -> str:
        return f"{self.who}{{{self.method}}}"

    def infer_type(self, x: Variable, *parameters: Variable) -> list[TensorType]:
        return [TensorType(self.x.dtype, x.type.shape), TensorType("bool", ())]

    def _function(self, output: Variable) -> Any:
        return numpy_function(FunctionGraph([self.x, *self.parameters], [output]))

    @cached_property
    def _runs(self) -> tuple[Any, Any, Any]:
        """The equations (or gradient), their derivatives, and the objective, as functions of a list of arrays."""
        slopes = grad(self.equations, self.x) if self.x.ndim == 0 else jacobian(self.equations, self.x)
        objective = None if self.objective is None else self._function(self.objective)
        return self._function(self.equations), self._function(slopes), objective

    def numpy(self, x: np.ndarray, *parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # SciPy's optimisers, on first use: importing them would double the import time of the package.
        optimize = importlib.import_module("scipy.optimize")
        equations, slopes, objective = self._runs
        start = np.asarray(x, dtype=np.float64)

        def at(run: Any) -> Any:
            shaped = lambda q: np.asarray(q, x.dtype).reshape(x.shape)
            return lambda q: np.asarray(run([shaped(q), *parameters])[0], np.float64)

        if objective is None and x.ndim == 0:
            found = optimize.root_scalar(
                lambda q: float(at(equations)(q)),
                x0=float(start),
                fprime=lambda q: float(at(slopes)(q)),
                method=self.method,
                **self.options,
            )
            return np.asarray(found.root, x.dtype), np.asarray(found.converged)
        if objective is None:
            found = optimize.root(at(equations), start, jac=at(slopes), method=self.method, **self.options)
        else:
            size = max(x.size, 1)
            found = optimize.minimize(
                lambda q: float(at(objective)(q)),
                start.reshape(-1),
                jac=lambda q: at(equations)(q).reshape(size),
                method=self.method,
                **self.options,
            )
        return np.asarray(found.x, x.dtype).reshape(x.shape), np.asarray(bool(found.success))

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable | None]:
        solution, given = outputs[0], inputs[1:]
        here = dict(zip([self.x, *self.parameters], [solution, *given], strict=True))
        # At the solution as at any x: what it depends on itself must not be followed once more.
        x = Variable(self.x.type)
        mine = [Variable(v.type) for v in self.parameters]
        (equations,) = rebuild(
            [self.equations], dict(zip([self.x, *self.parameters], [x, *mine], strict=True))
        )
        values = {x: solution, **dict(zip(mine, given, strict=True))}
        if x.ndim == 0:
            weight = cotangents[0] / rebuild([grad(equations, x)], values)[0]
        else:
            (slopes,) = rebuild([jacobian(equations, x)], values)
            weight = solve(slopes, cotangents[0], trans=1)
        floating = [k for k, v in enumerate(mine) if v.dtype in ("float32", "float64")]
        along = Variable(weight.type)
        flows = (
            Lop(equations, [mine[k] for k in floating], along, disconnected_inputs="ignore")
            if floating
            else []
        )
        values[along] = -weight
        found: list[Variable | None] = [None] * len(here)
        for k, flow in zip(floating, rebuild(list(flows), values), strict=True):
            found[1 + k] = flow
        return found


def _made(
    x: Any,
    equations: Variable,
    objective: Variable | None,
    method: str,
    options: Mapping[str, Any] | None,
) -> tuple[Variable, Variable]:
    parameters = [
        v
        for v in graph_inputs([equations if objective is None else objective])
        if v is not x and not isinstance(v, Constant)
    ]
    op = Implicit(x, parameters, equations, objective, method, options or {})
    solution, success = op(x, *parameters)
    return solution, success


def _unknown(who: str, x: Any, ndim: int) -> Variable:
    if not isinstance(x, Variable) or isinstance(x, Constant) or x.owner is not None:
        raise TypeError(f"{who}: x must be a variable that is an input of the graph, got {x!r}")
    if x.ndim != ndim or x.dtype not in ("float32", "float64"):
        what = "scalar" if ndim == 0 else "vector"
        raise TypeError(f"{who}: x must be a floating point {what}, got {describe([x.type])}")
    return x


def _depends(who: str, f: Variable, x: Variable) -> None:
    if x not in set(graph_inputs([f])):
        raise ValueError(f"{who}: the graph does not depend on {x}")


def minimize(
    objective: Any, x: Variable, method: str = "BFGS", optimizer_kwargs: Mapping[str, Any] | None = None
) -> tuple[Variable, Variable]:
    """(x, success) where a scalar graph is least, from the value of the vector x on, by scipy.optimize.minimize with exact
    gradients.

    All other inputs of the graph are parameters, by which the solution can be differentiated (where its Hessian is not
    singular). TypeError for an x that is no floating point vector, ValueError where the objective is no scalar of it.

    >>> x, a = Variable(TensorType("float64", (2,)), "x"), Variable(TensorType("float64", ()), "a")
    >>> best, _ = minimize(((x - a) ** 2).sum(), x)
    >>> grad(best.sum(), a).eval({x: [0.0, 0.0], a: 3.0}).round(6)
    np.float64(2.0)
    """
    return _minimum("minimize", objective, _unknown("minimize", x, 1), method, optimizer_kwargs)


def minimize_scalar(
    objective: Any, x: Variable, method: str = "BFGS", optimizer_kwargs: Mapping[str, Any] | None = None
) -> tuple[Variable, Variable]:
    """`minimize` of a scalar x."""
    return _minimum("minimize_scalar", objective, _unknown("minimize_scalar", x, 0), method, optimizer_kwargs)


def _minimum(
    who: str, objective: Any, x: Variable, method: str, options: Mapping[str, Any] | None
) -> tuple[Variable, Variable]:
    objective = as_variable(objective)
    if objective.ndim:
        raise ValueError(f"{who}: the objective must be a scalar, got {describe([objective.type])}")
    _depends(who, objective, x)
    return _made(x, grad(objective, x), objective, method, options)


def root(
    equations: Any,
    variables: Variable,
    method: str = "hybr",
    optimizer_kwargs: Mapping[str, Any] | None = None,
) -> tuple[Variable, Variable]:
    """(x, success) where a vector of equations is 0, from the value of the vector x on, by scipy.optimize.root with exact
    Jacobians; differentiable by all other inputs of the graph.

    TypeError for an x that is no floating point vector, ValueError where there are not as many equations as unknowns.
    """
    x, equations = _unknown("root", variables, 1), as_variable(equations)
    if equations.ndim != 1 or (
        None not in (*equations.type.shape, *x.type.shape) and equations.type.shape != x.type.shape
    ):
        raise ValueError(
            f"root: needs as many equations as unknowns, got {describe([equations.type, x.type])}"
        )
    _depends("root", equations, x)
    return _made(x, equations, None, method, optimizer_kwargs)


def root_scalar(
    equation: Any,
    variable: Variable,
    method: str = "newton",
    optimizer_kwargs: Mapping[str, Any] | None = None,
) -> tuple[Variable, Variable]:
    """`root` of one equation with one unknown, by scipy.optimize.root_scalar.

    >>> x, a = Variable(TensorType("float64", ()), "x"), Variable(TensorType("float64", ()), "a")
    >>> there, _ = root_scalar(x**3 - a, x)
    >>> [float(v.eval({x: 1.0, a: 8.0}).round(9)) for v in (there, grad(there, a))]
    [2.0, 0.083333333]
    """
    x, equation = _unknown("root_scalar", variable, 0), as_variable(equation)
    if equation.ndim:
        raise ValueError(f"root_scalar: needs one equation, got {describe([equation.type])}")
    _depends("root_scalar", equation, x)
    return _made(x, equation, None, method, optimizer_kwargs)
