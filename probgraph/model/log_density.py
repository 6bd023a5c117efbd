"""From a model to one function over R^n: q to log density and gradient, and rows of q to values.

The idea worth knowing: no slicing or concatenation is in the graph. Each value variable is bound to its offset
of q, and its gradient to the same offset of the result. Where there is no C compiler, or an operation that C
does not know yet, the same graph runs in NumPy: slower by twenty to a thousand times, and it says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence, Set
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from probgraph.engine.autodiff import grad
from probgraph.engine.compiled import compile_density, compile_rows
from probgraph.engine.described import NoWordsError
from probgraph.engine.graph import (
    FunctionGraph,
    Variable,
    garbage_kept,
    graph_inputs,
    rebuild,
    tensor_constant,
)
from probgraph.engine.minibatch import BatchIndex, batches_in
from probgraph.engine.op import as_variable
from probgraph.engine.remembered import Memory
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rolling import rolled
from probgraph.engine.rounding import coarsest
from probgraph.engine.rules import FAST_RUN, stabilized
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.shared import SharedVariable
from probgraph.engine.toolchain import NoCompilerError
from probgraph.engine.types import TensorType
from probgraph.model.layout import Layout
from probgraph.model.least_squares import without_rows
from probgraph.samplers import LogDensity, warn_without_compiler

Rows = Callable[[np.ndarray], list[np.ndarray]]

_warned: set[str] = set()


class Densities(Protocol):
    """What is asked of a model here."""

    free: Sequence[Any]

    @property
    def value_vars(self) -> list[Variable]: ...

    def logp(self, *, jacobian: bool = True) -> Variable: ...


def log_density(
    model: Densities,
    jacobian: bool = True,
    moved: Set[str] = frozenset(),
    *,
    frozen: bool = True,
    batches: bool = False,
) -> tuple[LogDensity, Layout]:
    """The model's joint log density over R^n with its gradient, and where the variables lie in q.

    With `jacobian` it is the density of the value variables, which is what a sampler needs; without, that of the
    variables themselves as a function of the value variables, whose maximum is the mode.
    The value variables named in `moved` are moved without gradients; theirs are 0. `Data` is what it holds now, if not
    `frozen`, at each call. Mini-batches are refused, if they are not asked for: they are redrawn by the caller then.
    Raises ValueError for a model without free variables, NotImplementedError for discrete ones that are not `moved`.
    """
    with garbage_kept():
        graphs = density_graphs(model, jacobian, moved, frozen=frozen, batches=batches)
        return compiled_density(graphs), graphs.layout


class DensityGraphs:
    """A log density and its gradients by the roots, which lie one after another in q as `layout` says.

    They come from `total`, the log density as it was written, with some variables `replaced`; the roots named in `moved`
    have gradients of 0. Where the density was compiled before, they are made only if somebody asks for them.
    """

    def __init__(
        self,
        layout: Layout,
        roots: list[Variable],
        total: Variable,
        replaced: Mapping[Variable, Variable],
        moved: Set[str] = frozenset(),
    ) -> None:
        self.layout = layout
        self.roots = roots
        self._total = total
        self._replaced = replaced
        self._moved = [v.name in moved for v in roots]
        self.memory = self._memory()
        self.compiled = None if self.memory is None else self.memory.recalled()
        if self.compiled is None:
            _ = self.gradients  # a density without gradients is refused at once

    def _memory(self) -> Memory | None:
        leaves = list(dict.fromkeys([*self.roots, *self._replaced]))
        outputs = [self._total, *(self._replaced.get(v, v) for v in leaves)]
        try:
            return Memory(leaves, outputs, (len(self.roots), self._moved))
        except (NoWordsError, NoCompilerError):
            return None

    @cached_property
    @garbage_kept()
    def logp(self) -> Variable:
        (logp,) = rolled(rebuild([self._total], self._replaced))
        if logp.dtype != "float64":
            logp = logp.astype("float64")
        # The gradient is that of the stable form: the value is computed from the same one, not from another beside it.
        (logp,) = without_rows([stabilized([logp])[logp]])
        return logp

    @cached_property
    @garbage_kept()
    def gradients(self) -> list[Variable]:
        walked = [v for v, moved in zip(self.roots, self._moved, strict=True) if not moved]
        slopes = grad(self.logp, walked, disconnected_inputs="ignore", add_names=False)
        found = dict(zip(walked, slopes, strict=True))
        return [found[v] if v in found else as_variable(np.zeros(v.type.shape)) for v in self.roots]

    @property
    def dtype(self) -> str:
        """What they compute in."""
        return coarsest([self._total])


@garbage_kept()
def density_graphs(
    model: Densities,
    jacobian: bool = True,
    moved: Set[str] = frozenset(),
    *,
    frozen: bool = True,
    batches: bool = False,
) -> DensityGraphs:
    """The log density of a model with its gradients as graphs.

    The value variables named in `moved` are moved without gradients, and may be discrete: theirs are 0.
    """
    refuse_without_gradient(model, moved)
    layout = Layout(model.value_vars)
    roots, replaced = layout.roots(moved)
    logp = model.logp(jacobian=jacobian)
    if not batches:
        refuse_batches([logp])
    if frozen:
        replaced |= _present([logp])
    return DensityGraphs(layout, roots, logp, replaced, moved)


@garbage_kept()
def tempered_density(model: Densities, prior: Variable, likelihood: Variable) -> LogDensity:
    """The density prior + beta * likelihood of (q, beta), R^(dim + 1), of two graphs of the model's value variables.

    The last element of its gradient, that by the temperature beta, is the log likelihood.
    """
    refuse_without_gradient(model)
    layout = Layout(model.value_vars)
    beta = TensorType("float64", ())("beta of the tempering")
    roots, replaced = layout.roots()
    total = prior.astype("float64") + beta * likelihood.astype("float64")
    return compiled_density(DensityGraphs(layout, [*roots, beta], total, replaced | _present([total])))


def _present(outputs: Sequence[Variable]) -> dict[Variable, Variable]:
    """What `Data` holds now, as constants, so that all that depends on data alone is computed before the first draw."""
    held = (
        v for v in graph_inputs(outputs) if isinstance(v, SharedVariable) and not isinstance(v, BatchIndex)
    )
    return {v: tensor_constant(v.get_value(borrow=True), v.dtype) for v in held}


def refuse_batches(outputs: Sequence[Variable]) -> None:
    """An error for densities that are another each time."""
    if found := batches_in(outputs):
        raise ValueError(
            f"the model's density reads mini-batches ({', '.join(str(v.name) for v in found)}), a part of the data that is another"
            " each time: only fit() and minimize() go by such. Give all the data, which a gradient reads once"
        )


def refuse_without_gradient(model: Densities, moved: Set[str] = frozenset()) -> None:
    """An error for a model that has nothing to walk on."""
    if not model.free:
        raise ValueError(
            "the model has no free variables: nothing is unknown. Its variables are all observed or data"
        )
    if all(np.prod(v.type.shape) == 0 for v in model.value_vars):
        raise ValueError(f"the free variables ({', '.join(f.name for f in model.free)}) have no elements")
    discrete = [f.name for f in model.free if f.variable.distribution.discrete and f.value.name not in moved]
    if discrete:
        raise NotImplementedError(
            f"{', '.join(discrete)}: free and discrete. Gradients, which sampling and optimisation need, exist for"
            " continuous variables alone: sum the discrete ones out (write the mixture's density as a Potential, with"
            " logaddexp over the cases), or give them observed="
        )


def compiled_density(graphs: DensityGraphs) -> LogDensity:
    """The density compiled to C; in NumPy, with a warning, where that cannot be."""
    compiled = graphs.compiled
    if compiled is None:
        try:
            compiled = compile_density(graphs.roots, graphs.logp, graphs.gradients)
        except (NoCompilerError, NotImplementedError) as error:
            _warn(error)
            return _python_density(graphs)
        if graphs.memory is not None:
            graphs.memory.remember(compiled)
    return LogDensity(compiled.dim, compiled.address, compiled.new_data, compiled, graphs.dtype)


def compiled_rows(layout: Layout, outputs: Sequence[Variable]) -> Rows:
    """`outputs`, graphs of the value variables, as a function of many positions: (n, dim) to (n, *shape) each."""
    roots, replaced = layout.numbers()
    outputs = rebuild(list(outputs), replaced) if replaced else list(outputs)
    try:
        return compile_rows(roots, outputs)
    except (NoCompilerError, NotImplementedError) as error:
        _warn(error)
    run = numpy_function(FunctionGraph(roots, run_passes(list(outputs), FAST_RUN)))

    def rows(q: np.ndarray) -> list[np.ndarray]:
        if not len(q):
            return [np.zeros((0, *(n or 0 for n in v.type.shape)), v.dtype) for v in outputs]
        with np.errstate(all="ignore"):
            results = [run(layout.arrays(one)) for one in q]
        return [np.stack(column) for column in zip(*results, strict=True)]

    return rows


def value_function(
    layout: Layout, outputs: Sequence[Variable]
) -> Callable[[Mapping[str, Any]], list[np.ndarray]]:
    """`outputs`, graphs of the value variables, as a function of a point by names."""
    rows = compiled_rows(layout, outputs)
    return lambda point: [column[0] for column in rows(layout.vector(point)[None])]


def _python_density(graphs: DensityGraphs) -> LogDensity:
    run = numpy_function(FunctionGraph(graphs.roots, run_passes([graphs.logp, *graphs.gradients], FAST_RUN)))
    places = Layout(graphs.roots)

    def density(q: np.ndarray) -> tuple[float, np.ndarray]:
        try:
            with np.errstate(all="ignore"):
                value, *parts = run(places.arrays(q))
        except np.linalg.LinAlgError:  # a matrix without a Cholesky factor: compiled, this is "not here" too
            return -np.inf, np.full(places.dim, np.nan)
        return float(value), np.concatenate([np.ravel(part) for part in parts])

    return LogDensity.from_python(density, places.dim, graphs.dtype)


def _warn(error: NoCompilerError | NotImplementedError) -> None:
    if isinstance(error, NoCompilerError):
        warn_without_compiler(error)
    elif str(error) not in _warned:
        _warned.add(str(error))
        warnings.warn(
            f"The model runs in NumPy, slower than compiled by 20 to 1,000 times: {error}", stacklevel=4
        )
