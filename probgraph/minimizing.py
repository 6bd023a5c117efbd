"""minimize(): the lowest point of any scalar graph, by exact gradients.

The graph is compiled to one function of all its unknowns, value and gradient together; the gradient-descent family runs
in C around it, loop and all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from probgraph.distributions.transform import Transform
from probgraph.distributions.transforms import Interval
from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import compile_density
from probgraph.engine.derivatives import hessian
from probgraph.engine.graph import Constant, FunctionGraph, Variable, graph_inputs, rebuild
from probgraph.engine.minibatch import BatchIndex, batches_in
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rounding import coarsest
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.shared import SharedVariable
from probgraph.engine.toolchain import NoCompilerError
from probgraph.engine.types import TensorType
from probgraph.model.layout import Layout
from probgraph.optimize import METHODS, SECOND_ORDER, OptimizeResult, refuse_unknown
from probgraph.optimize import minimize as minimize_objective
from probgraph.optimize.objective import ROUNDING, Batches, CompiledObjective
from probgraph.optimize.scipy_methods import SCIPY_METHODS, WITHOUT_GRADIENT, derivatives_for
from probgraph.samplers import LogDensity, generator
from probgraph.second_derivatives import Curvature, curvature_for

Start = Mapping[Any, Any]


class Minimum(dict[str, np.ndarray]):
    """The lowest point found, by name: `minimum["x"]`.

    `cost` is the value there and `gradient_norm` the Euclidean norm of the gradient; `iterations`, `evaluations`,
    `curvature_evaluations` (Hessians, or products with one), `converged` and `message` say how and why the search ended. `path`, with record_path=True, has the values at every
    step by name, (iterations + 1, \\*shape), and `costs` the cost at each. `starts` are the results from all starts, if
    there were several.
    """

    cost: float
    gradient_norm: float
    iterations: int
    evaluations: int
    curvature_evaluations: int
    converged: bool
    message: str
    path: dict[str, np.ndarray] | None
    starts: list[Minimum]
    _problem: _Problem
    _x: np.ndarray

    def __repr__(self) -> str:
        values = ", ".join(f"{n}={np.array2string(v, precision=6, threshold=8)}" for n, v in self.items())
        ended = "converged" if self.converged else "did not converge"
        return f"Minimum({values}; cost={self.cost:.6g}, {ended} in {self.iterations} iterations: {self.message})"

    @property
    def costs(self) -> np.ndarray:
        """The cost at each point of the path. ValueError without one."""
        if self.path is None:
            raise ValueError("no path was recorded: minimize(..., record_path=True)")
        flat = [v.reshape(len(v), -1) for v in self.path.values()]
        return np.array([self._problem.outer_value(q) for q in np.concatenate(flat, axis=1)])

    def hessian_eigenvalues(self) -> np.ndarray:
        """The eigenvalues, ascending, of the exact Hessian there, by all unknowns one after another."""
        return np.linalg.eigvalsh(self._problem.hessian(self._problem.outer(self._x)))

    @property
    def kind(self) -> str:
        """What the Hessian says of the point: "minimum", "saddle", "maximum" or "flat" in some direction."""
        values = self.hessian_eigenvalues()
        size = 1e-8 * max(np.abs(values).max(initial=0.0), 1e-300)
        if (values > size).all():
            return "minimum"
        if (values < -size).all():
            return "maximum"
        return "saddle" if (values < -size).any() and (values > size).any() else "flat"

    def plot_path(self, ax: Any = None, points: int = 200) -> Any:
        """The way down: over contours for two unknowns, else the cost against the iterations. Returns the axes."""
        import matplotlib.pyplot as plt  # late: optional, and slow to import

        costs = self.costs
        assert self.path is not None
        ax = plt.subplots()[1] if ax is None else ax
        flat = np.concatenate([v.reshape(len(v), -1) for v in self.path.values()], axis=1)
        if flat.shape[1] != 2:
            ax.plot(costs - costs.min() + 1e-16 if (costs > costs.min()).any() else costs)
            ax.set(xlabel="iteration", ylabel="cost above the lowest", yscale="log")
            return ax
        low, high = flat.min(0), flat.max(0)
        room = 0.2 * np.maximum(high - low, 1e-3)
        across, up = (np.linspace(a - r, b + r, points) for a, b, r in zip(low, high, room, strict=True))
        grid = np.array([[self._problem.outer_value(np.array([a, b])) for a in across] for b in up])
        ax.contour(
            across, up, np.log10(grid - np.nanmin(grid) + 1e-9 * np.ptp(grid) + 1e-300), 20, cmap="Greys"
        )
        ax.plot(*flat.T, ".-", markersize=2, linewidth=1)
        ax.plot(*flat[-1], "k*")
        names = [n if v[0].size == 1 else f"{n}[{k}]" for n, v in self.path.items() for k in range(v[0].size)]
        ax.set(xlabel=names[0], ylabel=names[1])
        return ax


def minimize(
    cost: Variable,
    wrt: Variable | Sequence[Variable] | None = None,
    start: Start | Sequence[Start] | None = None,
    method: str = "L-BFGS",
    *,
    bounds: Mapping[Any, tuple[float | None, float | None]] | None = None,
    givens: Mapping[Variable, Any] | None = None,
    random_seed: Any = None,
    **options: Any,
) -> Minimum:
    """Find a local minimum of a scalar graph.

    Parameters
    ----------
    cost
        A scalar variable.
    wrt
        The unknowns: shared variables, or inputs such as `T.dvector("x")`; all that `cost` depends on if not given.
        Found values are put into shared variables.
    start
        Values to begin with, by variable or name: needed for inputs, for shared variables their own if not given. A
        list of such is several starts; the best of the results is returned, with all in `starts`.
    method
        "L-BFGS" (quick on all smooth costs); "newton" (by the exact Hessian: the fewest steps, for up to some hundreds of
        unknowns) or "trust-newton" (by exact products with the Hessian, for any number), which leave saddles too;
        "gradient descent", "momentum", "nesterov", "adagrad", "rmsprop", "adam" or "adamw"; or any method of
        scipy.optimize.minimize by its name, with the exact gradient, and Hessian where it wants one.
    bounds
        (lower, upper) by variable or name, None for none: the search then walks over a transformed unknown, strictly
        between them.
    givens
        Values for other inputs that `cost` depends on.
    random_seed
        Of the rows of a `Minibatch`, if the cost reads any: for such costs the descents are meant, which do all
        `max_iterations` then and end where the last one led. `cost` is that of the last batch.
    options
        `max_iterations` (10,000), `tolerance` (1e-6) of the gradient's norm, `record_path`, and of the descents
        `learning_rate`, `learning_rate_decay`, `clip_norm`, `momentum`, `scale_memory`, `weight_decay`, of
        "trust-newton" `radius`; see `probgraph.optimize.minimize`. Of SciPy's methods `max_iterations`, `tolerance` and `record_path`.

    Returns a `Minimum`. A search that did not converge returns the best point found, and says so. Raises ValueError
    for unknown methods and options, and where the start is not finite, TypeError for what is no scalar graph.

    >>> from probgraph.engine import tensor as T
    >>> x, y = T.dscalars("x", "y")
    >>> minimum = minimize((1 - x) ** 2 + 100 * (y - x**2) ** 2, start={"x": -1.2, "y": 1.0})
    >>> minimum["x"].round(4), minimum.kind
    (np.float64(1.0), 'minimum')
    """
    if method not in METHODS and method not in SCIPY_METHODS:
        raise ValueError(
            f"method is {method!r}; it must be one of {', '.join(map(repr, (*METHODS, *SCIPY_METHODS)))}"
        )
    problem = _Problem(cost, wrt, givens or {}, bounds or {})
    starts = [start] if start is None or isinstance(start, Mapping) else list(start)
    if not starts:
        raise ValueError("minimize: the list of starts is empty")
    batches = Batches(problem.batches, generator(random_seed))
    found = [problem.search(one or {}, method, options, batches) for one in starts]
    best = min(found, key=lambda m: m.cost)
    best.starts = found
    for v in problem.unknowns:
        if isinstance(v, SharedVariable):
            v.set_value(best[v.name or str(v)].astype(v.dtype))
    return best


class _Problem:
    """A cost compiled as a function of R^n: inside as it is walked, outside as the user has it."""

    def __init__(
        self, cost: Variable, wrt: Any, givens: Mapping[Variable, Any], bounds: Mapping[Any, Any]
    ) -> None:
        if not isinstance(cost, Variable) or cost.ndim or not cost.dtype.startswith("float"):
            raise TypeError(f"minimize: the cost is a real scalar graph, got {cost!r}")
        if givens:
            from_user = {v: ew.cast(_as_constant(value, v), v.dtype) for v, value in givens.items()}
            (cost,) = rebuild([cost], from_user)
        roots = [v for v in graph_inputs([cost]) if not isinstance(v, Constant | BatchIndex)]
        self.batches = batches_in([cost])
        self.unknowns = roots if wrt is None else [wrt] if isinstance(wrt, Variable) else list(wrt)
        for v in self.unknowns:
            if not v.dtype.startswith("float"):
                raise TypeError(f"minimize: {v} is {v.dtype}; unknowns are real numbers. Say which with wrt=")
        missing = [v for v in roots if v not in self.unknowns and not isinstance(v, SharedVariable)]
        if missing:
            raise ValueError(
                f"minimize: the cost depends on {', '.join(map(str, missing))} too: give wrt= or givens="
            )
        if not self.unknowns:
            raise ValueError("minimize: the cost depends on nothing that could be changed")
        self.names = [v.name or str(v) for v in self.unknowns]
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"minimize: the unknowns need names of their own, got {', '.join(self.names)}")
        self.cost = cost
        self.bounds = {self._unknown("bounds", key): _interval(key, pair) for key, pair in bounds.items()}
        self.compiled: tuple[tuple[int, ...], ...] | None = None

    def _unknown(self, what: str, key: Any) -> Variable:
        for v, name in zip(self.unknowns, self.names, strict=True):
            if key is v or key == name:
                return v
        raise KeyError(
            f"minimize: {what} names {key}, which is no unknown; those are {', '.join(self.names)}"
        )

    def search(self, start: Start, method: str, options: Mapping[str, Any], batches: Batches) -> Minimum:
        given = {self._unknown("start", key): np.asarray(value, "float64") for key, value in start.items()}
        values = []
        for v, name in zip(self.unknowns, self.names, strict=True):
            if v not in given and not isinstance(v, SharedVariable):
                raise ValueError(f"minimize: give a start for {name}: start={{{name!r}: ...}}")
            value = given[v] if v in given else np.asarray(v.get_value(), "float64")
            known = v.type.shape
            if value.ndim != v.ndim or any(
                n not in (None, m) for n, m in zip(known, value.shape, strict=True)
            ):
                raise ValueError(f"minimize: the start of {name} has shape {value.shape}, {name} is {v.type}")
            values.append(value)
        self._compile(tuple(value.shape for value in values))
        inside = []
        for v, name, value in zip(self.unknowns, self.names, values, strict=True):
            transform = self.bounds.get(v)
            if transform is not None:
                walked = np.asarray(transform.forward(_as_constant(value, v)).eval())
                if not np.isfinite(walked).all():
                    raise ValueError(
                        f"minimize: the start of {name} is {value}, not strictly between its bounds"
                    )
                value = walked
            inside.append(value.ravel())
        q = np.concatenate(inside) if inside else np.zeros(0)
        if method in METHODS:
            refuse_unknown(method, options)
            curvature = self._curvature(method) if method in SECOND_ORDER else None
            found = minimize_objective(
                self.objective, q, method, curvature=curvature, batches=batches, **options
            )
        elif batches:
            raise ValueError(
                f"minimize: with Minibatch the method is one of SciPy's no more, got {method!r}: use 'adam', say"
            )
        else:
            found = self._by_scipy(q, method, dict(options))
        return self._result(found)

    def _compile(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        if self.compiled == shapes:
            return
        self.compiled = shapes
        self.roots = [
            Variable(TensorType("float64", shape), name)
            for shape, name in zip(shapes, self.names, strict=True)
        ]
        outer = {
            v: root if v.dtype == "float64" else ew.cast(root, v.dtype)
            for v, root in zip(self.unknowns, self.roots, strict=True)
        }
        self.layout = Layout(self.roots)
        self._hessian: Any = None
        self._curvatures: dict[str, Curvature] = {}
        (self.outer_cost,) = rebuild([self.cost], outer)
        walked = {
            root: self.bounds[v].inverse(root)
            for v, root in zip(self.unknowns, self.roots, strict=True)
            if v in self.bounds
        }
        inner = {
            v: ew.cast(walked.get(root, root), v.dtype)
            for v, root in zip(self.unknowns, self.roots, strict=True)
        }
        (self.inner_cost,) = rebuild([self.cost], inner)
        self.objective = _objective(self.layout, self.inner_cost)
        self._outer_points = [walked.get(root, root) for root in self.roots]
        self._outer = numpy_function(FunctionGraph(self.roots, self._outer_points))
        shared = [v for v in graph_inputs([self.outer_cost]) if isinstance(v, SharedVariable)]
        self._shared = shared
        self._value = numpy_function(FunctionGraph([*self.roots, *shared], [self.outer_cost]))

    def outer(self, q: np.ndarray) -> np.ndarray:
        """A position as the user has it, flat."""
        return np.concatenate([np.ravel(a) for a in self._outer(self.layout.arrays(q))])

    def outer_value(self, x: np.ndarray) -> float:
        with np.errstate(all="ignore"):
            values = [np.asarray(v.get_value()) for v in self._shared]
            return float(self._value([*self.layout.arrays(np.asarray(x, "float64")), *values])[0])

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """The exact matrix of second derivatives of the cost by the user's unknowns."""
        if self._hessian is None:
            flat = Variable(TensorType("float64", (self.layout.dim,)), "x")
            parts = {s.value: flat[s.start : s.stop].reshape(s.shape) for s in self.layout.slots}
            (graph,) = rebuild([self.outer_cost], parts)
            matrix = run_passes([hessian(graph, flat)], FAST_RUN)
            self._hessian = numpy_function(FunctionGraph([flat, *self._shared], matrix))
        values = [np.asarray(v.get_value()) for v in self._shared]
        return np.asarray(self._hessian([np.asarray(x, "float64"), *values])[0])

    def _curvature(self, method: str) -> Curvature:
        """The second derivatives that the method asks for, of the cost as it is walked."""
        if method not in self._curvatures:
            cost = self.inner_cost
            value = cost if cost.dtype == "float64" else ew.cast(cost, "float64")
            self._curvatures[method] = curvature_for(method, value, self.layout.values)
        return self._curvatures[method]

    def _by_scipy(self, q: np.ndarray, method: str, options: dict[str, Any]) -> OptimizeResult:
        from scipy.optimize import minimize as by_scipy  # late: it takes 0.1 s

        unknown = sorted(set(options) - {"max_iterations", "tolerance", "record_path"})
        if unknown:
            raise ValueError(
                f"{', '.join(unknown)}: not an option of method {method!r}; its options are max_iterations, tolerance,"
                " record_path"
            )
        value, slope = self.objective(q)
        if not np.isfinite(value):
            raise ValueError(f"minimize: at the start the value is {value}; start where it is finite")
        path = [q.copy()]
        smooth = method not in WITHOUT_GRADIENT
        found = by_scipy(
            self.objective if smooth else (lambda x: self.objective(x)[0]),
            q,
            method=method,
            **derivatives_for(method, self._curvature),
            tol=options.get("tolerance", 1e-6 if smooth else 1e-10),
            callback=None if method == "COBYLA" else (lambda x, *_: path.append(np.array(x))),
            options={"maxiter": options.get("max_iterations", 10_000)},
        )
        slope = self.objective(found.x)[1]
        steps = int(getattr(found, "nit", len(path) - 1))
        return OptimizeResult(
            found.x,
            float(found.fun),
            float(np.linalg.norm(slope)),
            steps,
            int(found.nfev),
            bool(found.success),
            str(found.message).lower().rstrip("."),
            np.array(path) if options.get("record_path") else None,
            int(getattr(found, "nhev", 0)),
        )

    def _result(self, found: OptimizeResult) -> Minimum:
        def split(flat: np.ndarray) -> dict[str, np.ndarray]:
            arrays = self._outer(self.layout.arrays(flat))
            return {name: np.array(a)[()] for name, a in zip(self.names, arrays, strict=True)}

        minimum = Minimum(split(found.x))
        minimum._problem, minimum._x = self, found.x
        minimum.cost, minimum.gradient_norm = found.value, found.gradient_norm
        minimum.iterations, minimum.evaluations = found.iterations, found.evaluations
        minimum.curvature_evaluations = found.curvature_evaluations
        minimum.converged, minimum.message = found.converged, found.message
        minimum.path, minimum.starts = None, [minimum]
        if found.path is not None:
            points = [split(q) for q in found.path]
            minimum.path = {name: np.stack([p[name] for p in points]) for name in self.names}
        return minimum


def _as_constant(value: Any, like: Variable) -> Variable:
    from_user = np.asarray(value, like.dtype)
    return (
        value if isinstance(value, Variable) else Constant(TensorType(like.dtype, from_user.shape), from_user)
    )


def _interval(key: Any, pair: Any) -> Transform:
    try:
        lower, upper = pair
    except (TypeError, ValueError):
        raise ValueError(f"minimize: the bounds of {key} are a pair (lower, upper), got {pair!r}") from None
    return Interval(lower, upper)


def _objective(layout: Layout, cost: Variable) -> Any:
    """The cost and its gradient as one C function; in NumPy where there is no compiler, or an op has no C."""
    roots = layout.values
    value = cost if cost.dtype == "float64" else ew.cast(cost, "float64")
    slopes = grad(value, roots, disconnected_inputs="ignore", add_names=False)
    try:
        compiled = compile_density(roots, value, slopes)
        return CompiledObjective(
            LogDensity(compiled.dim, compiled.address, compiled.new_data, compiled, coarsest([value]))
        )
    except (NoCompilerError, NotImplementedError):
        pass
    shared = [v for v in graph_inputs([value]) if isinstance(v, SharedVariable)]
    run = numpy_function(FunctionGraph([*roots, *shared], run_passes([value, *slopes], FAST_RUN)))

    def objective(q: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(all="ignore"):
            found, *parts = run([*layout.arrays(q), *(np.asarray(v.get_value()) for v in shared)])
        return float(found), np.concatenate([np.ravel(p) for p in parts])

    objective.rounding = ROUNDING[coarsest([value])]
    return objective
