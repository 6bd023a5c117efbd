"""find_MAP(): the point where the posterior density is highest, by exact gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from probgraph.model.checks import explanation
from probgraph.model.log_density import compiled_density, density_graphs
from probgraph.model.model import Model, the_model
from probgraph.optimize import METHODS, SECOND_ORDER, OptimizeResult, minimize, refuse_unknown
from probgraph.optimize.objective import CompiledObjective
from probgraph.optimize.scipy_methods import SCIPY_METHODS, WITHOUT_GRADIENT, derivatives_for
from probgraph.options import values_by_name, whether
from probgraph.posterior import Results
from probgraph.samplers import LogDensity
from probgraph.second_derivatives import Curvature, curvature_for

#: SciPy's methods that are handed on, by their names in lower case
SCIPYS = {name.lower(): name for name in SCIPY_METHODS}


class MAP(dict[str, np.ndarray]):
    """The values at the highest point found, by name: `map["x"]`.

    Free variables stand under their own names and, over R, under those of their value variables (`tau_log__`);
    Deterministics too. `logp` is the log density there, `gradient_norm` the Euclidean norm of its gradient by
    the value variables; `iterations`, `evaluations`, `curvature_evaluations` (Hessians, or products with one), `converged`
    and `message` say how and why the search ended. `path`, with record_path=True, has the values at every step, (iterations + 1, \\*shape).
    """

    logp: float
    gradient_norm: float
    iterations: int
    evaluations: int
    curvature_evaluations: int
    converged: bool
    message: str
    path: dict[str, np.ndarray] | None

    def __repr__(self) -> str:
        values = ", ".join(
            f"{name}={np.array2string(v, precision=6, threshold=8)}" for name, v in self.items()
        )
        ended = "converged" if self.converged else "did not converge"
        return f"MAP({values}; logp={self.logp:.6g}, {ended} in {self.iterations} iterations: {self.message})"


def find_MAP(
    start: Mapping[str, Any] | None = None,
    method: str = "L-BFGS",
    *,
    model: Model | None = None,
    initvals: Mapping[str, Any] | None = None,
    include_transformed: bool = True,
    progressbar: bool = True,
    **options: Any,
) -> MAP:
    """The maximum a posteriori point of the open model.

    It is the maximum of the density of the variables themselves, *without* the Jacobians of their transforms:
    the density that one would write on paper. (The mode over R, with Jacobians, is another point.) The search
    itself walks over R, so that it cannot leave a support.

    Parameters
    ----------
    start
        Values to start from, by variable name; each other variable starts at its distribution's point. `initvals` is
        its newer name.
    method
        "L-BFGS"; "newton" or "trust-newton", by exact second derivatives; "gradient descent", "momentum", "nesterov",
        "adagrad", "rmsprop", "adam" or "adamw"; or SciPy's: "BFGS", "CG", "TNC", "SLSQP"; "Newton-CG", "trust-ncg",
        "trust-krylov", "trust-exact", "dogleg" and "trust-constr", with exact second derivatives; "Powell", "Nelder-Mead"
        and "COBYLA", without gradients.
    options
        Of the method: `max_iterations`, `tolerance`, `learning_rate`, `momentum`, `record_path` ...; see
        `probgraph.optimize.minimize`. Of SciPy's methods the arguments of `scipy.optimize.minimize`: `tol`, `options`.
    include_transformed
        Whether the result has the value variables too.
    progressbar
        Taken for the sake of scripts written for other libraries; searches end before a bar could be read.

    Returns a `MAP`. A search that did not converge returns the best point found, says so in `converged`, and why
    in `message`. Raises ValueError where the density is not finite at the start, saying which term is not.

    >>> with Model():
    ...     x = Normal("x", 3.0, 1.0)
    ...     find_MAP()["x"]
    array(3.)
    """
    model = the_model(model, "find_MAP()")
    if start is not None and initvals is not None:
        raise ValueError("find_MAP: start and initvals are two ways to say the same; give one")
    for name, values in (("start", start), ("initvals", initvals)):
        values_by_name(f"find_MAP: {name}", values)
    for name, flag in (("include_transformed", include_transformed), ("progressbar", progressbar)):
        whether(f"find_MAP: {name}", flag)
    if not isinstance(method, str) or (method not in METHODS and method.lower() not in SCIPYS):
        known = ", ".join(map(repr, (*METHODS, *SCIPYS.values())))
        raise ValueError(f"find_MAP: method is {method!r}; it must be one of {known}")
    graphs = density_graphs(model, jacobian=False)
    density, layout = compiled_density(graphs), graphs.layout
    point = (
        model.initial_point(start, "find_MAP: start")
        if initvals is None
        else model.initial_point(initvals, "find_MAP: initvals")
    )
    q = layout.vector(point)
    logp, gradient = density(q)
    if not (np.isfinite(logp) and np.isfinite(gradient).all()):
        why = explanation(model, point, gradient)
        raise ValueError(f"find_MAP: the log density is not finite at the start:\n{why}")

    def curvature(asked: str) -> Curvature:
        return curvature_for(asked, graphs.logp, graphs.roots, sign=-1.0)

    if method in METHODS:
        refuse_unknown(method, options)
        second = curvature(method) if method in SECOND_ORDER else None
        found = minimize(CompiledObjective(density, sign=-1.0), q, method, curvature=second, **options)
    else:
        by_name = SCIPYS[method.lower()]
        found = _by_scipy(density, q, by_name, {**derivatives_for(by_name, curvature), **options})
    results = Results(model, layout, include_transformed=include_transformed)
    best = MAP({name: np.array(array[0]) for name, array in _values(results, found.x[None]).items()})
    best.logp, best.gradient_norm = -found.value, found.gradient_norm
    best.iterations, best.evaluations = found.iterations, found.evaluations
    best.curvature_evaluations = found.curvature_evaluations
    best.converged, best.message = found.converged, found.message
    best.path = None if found.path is None else _values(results, found.path)
    return best


def _by_scipy(density: LogDensity, q: np.ndarray, method: str, options: Mapping[str, Any]) -> OptimizeResult:
    from scipy.optimize import minimize as by_scipy  # late: it takes 0.1 s

    evaluations = 0

    def cost(x: np.ndarray) -> Any:
        nonlocal evaluations
        evaluations += 1
        value, gradient = density(np.ascontiguousarray(x, dtype="float64"))
        return -value if method in WITHOUT_GRADIENT else (-value, -gradient)

    found = by_scipy(cost, q, method=method, **options)
    x = np.ascontiguousarray(np.reshape(found.x, q.shape))
    value, gradient = density(x)
    steps = int(getattr(found, "nit", evaluations))
    norm = float(np.linalg.norm(gradient))
    return OptimizeResult(x, -value, norm, steps, evaluations, bool(found.success), str(found.message))


def _values(results: Results, positions: np.ndarray) -> dict[str, np.ndarray]:
    """Positions (n, dim) as values by name, (n, *shape)."""
    return {name: array[0] for name, array in results.arrays(positions[None])["posterior"].items()}
