"""Model: the variables that a user names inside `with Model():`, and what is asked of them together.

The idea worth knowing: a free variable is a root of the graph in its own space (`tau`, positive), and has behind
it a *value variable* over the real line (`tau_log__`). Users compute with the first; samplers see the second.
The joint density of all value variables is the sum of the terms and of the transforms' log-Jacobians.
"""

from __future__ import annotations

import copy
import functools
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from typing import Any, Self

import numpy as np

from probgraph.distributions.base import Distribution
from probgraph.distributions.parts import elements_of
from probgraph.distributions.random_variable import RandomVariable, open_model, open_models
from probgraph.distributions.transform import Transform
from probgraph.engine.graph import Interner, Variable, ancestors, rebuild
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops import reduce
from probgraph.engine.ops import shape as shape_ops
from probgraph.engine.ops.index import set_subtensor
from probgraph.engine.shared import SharedVariable
from probgraph.engine.types import TensorType, broadcast_shapes
from probgraph.model import pictures
from probgraph.model.coordinates import Coordinates, Dims
from probgraph.model.data import DataVariable, as_array, as_observed, missing_in, weight_of_rows
from probgraph.model.elimination import Eliminated, all_eliminated
from probgraph.model.layout import Layout
from probgraph.model.log_density import log_density, value_function
from probgraph.model.starting import starting_point
from probgraph.model.variables import (
    UNSET,
    FreeVariable,
    ObservedVariable,
    free_variable,
    known_shape,
    summed_alike,
)


class Model:
    """A set of named variables with a joint density.

    Inside `with Model() as model:` distributions, `Data`, `Deterministic` and `Potential` join it. `coords` maps
    each dim to its labels; `dims` on a variable names its axes, and so its shape.

    A model made inside of another one is a part of it: its variables join both, in the outer one under
    `name::variable`. `model` says which the outer one is, if not the open one; None makes it stand alone.

    >>> with Model(coords={"school": ["A", "B"]}) as model:
    ...     theta = Normal("theta", 0, 1, dims="school")
    >>> model["theta"].type.shape
    (2,)
    """

    def __init__(
        self, name: str = "", coords: Mapping[str, Any] | None = None, *, model: Model | None = UNSET
    ) -> None:
        if not isinstance(name, str) or "::" in name:
            raise ValueError(f"Model: name is a str without '::', got {name!r}")
        stack = open_models.get()
        self.parent: Model | None = (stack[-1] if stack else None) if model is UNSET else model
        self.name = name if self.parent is None else self.parent.name_for(name) if name else self.parent.name
        self.coordinates = Coordinates() if self.parent is None else self.parent.coordinates
        self.named_vars: dict[str, Variable] = {}
        self.named_vars_to_dims: dict[str, tuple[str | None, ...]] = {}
        self.free: list[FreeVariable] = []
        self.observed: list[ObservedVariable] = []
        self.deterministics: list[Variable] = []
        self.potentials: list[Variable] = []
        self.data_vars: list[DataVariable] = []
        #: discrete variables that are summed out, and Deterministics that depend on them
        self.marginals: list[FreeVariable] = []
        self.behind_marginals: list[Variable] = []
        self._tokens: list[Token[tuple[Any, ...]]] = []
        self.add_coords(coords or {})

    # The stack of open models -------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._tokens.append(open_models.set((*open_models.get(), self)))
        return self

    def __exit__(self, *exception: object) -> None:
        open_models.reset(self._tokens.pop())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tokens": []}  # a copy elsewhere is not open

    # Taking in variables ------------------------------------------------------------------------------

    def register(
        self,
        name: str,
        distribution: Distribution,
        *,
        observed: Any = None,
        dims: Dims = None,
        initval: Any = None,
        transform: Transform | None = None,
        default_transform: Any = UNSET,
        total_size: Any = None,
    ) -> Variable:
        """Take in a variable of this distribution: observed where `observed` is given, else free.

        A free one is walked over R^n by the distribution's own transform, and `transform` on top of it; with
        default_transform=None by `transform` alone, with another by that one instead. With `total_size` what was observed
        stands for so many rows, and counts as that many.
        """
        if self.parent is not None:
            given = {"observed": observed, "dims": dims, "initval": initval}
            given |= {
                "transform": transform,
                "default_transform": default_transform,
                "total_size": total_size,
            }
            return self._joining(lambda outer: outer.register(self.name_for(name), distribution, **given))
        self._refuse_taken(name)
        names = self.coordinates.normalized(name, dims)
        if observed is not None:
            if initval is not None:
                raise TypeError(f"{name}: an observed variable has no initval")
            missing = missing_in(observed)
            if missing is not None:
                return self._impute(name, distribution, observed, missing, names)
            return self._observe(name, distribution, observed, names, total_size)
        if total_size is not None:
            raise TypeError(
                f"{name}: total_size is of what was observed, and nothing is: give observed=Minibatch(...)"
            )
        shape = known_shape(name, distribution)
        self.coordinates.check(name, names, shape)
        split = len(shape) - distribution.event_ndim
        distribution.batch_shape, distribution.event_shape = shape[:split], shape[split:]
        free = free_variable(name, distribution, shape, initval, transform, default_transform)
        self.free.append(free)
        return self._name(free.variable, names)

    # Parts of other models ----------------------------------------------------------------------------

    def name_for(self, name: str) -> str:
        """What a variable of this part is called in the whole: with the prefix `name::`."""
        prefix = f"{self.name}::" if self.name else ""
        return name if name.startswith(prefix) else prefix + name

    def name_of(self, name: str) -> str:
        """A variable's name without this part's prefix."""
        return name.removeprefix(f"{self.name}::") if self.name else name

    def _joining(self, join: Callable[[Model], Any]) -> Any:
        """What joins the outer model is this one's too."""
        outer = self.parent
        assert outer is not None
        counts = {kind: len(getattr(outer, kind)) for kind in _KINDS}
        known = set(outer.named_vars)
        result = join(outer)
        for kind, count in counts.items():
            getattr(self, kind).extend(getattr(outer, kind)[count:])
        for name in outer.named_vars.keys() - known:
            self.named_vars[name] = outer.named_vars[name]
            if name in outer.named_vars_to_dims:
                self.named_vars_to_dims[name] = outer.named_vars_to_dims[name]
        return result

    def _impute(
        self,
        name: str,
        distribution: Distribution,
        observed: Any,
        missing: np.ndarray,
        dims: tuple[str | None, ...] | None,
    ) -> Variable:
        """What is missing becomes a free variable beside what is observed; the whole is kept under the name."""
        self.coordinates.check(f"{name}: observed", dims, missing.shape)
        _refuse_other_shape(name, distribution, missing.shape, dims)
        there = elements_of(name, distribution, missing.shape, ~missing)
        absent = elements_of(name, distribution, missing.shape, missing)
        warnings.warn(
            f"{name}: {int(missing.sum())} of {missing.size} observations are missing. They become the free variable"
            f" {name}_unobserved, distributed as the others; {name} has both.",
            UserWarning,
            stacklevel=4,
        )
        data = np.asarray(observed.to_numpy() if hasattr(observed, "to_numpy") else observed)
        known = (
            np.ma.getdata(observed)[~missing] if isinstance(observed, np.ma.MaskedArray) else data[~missing]
        )
        seen = self.register(f"{name}_observed", there, observed=known)
        unseen = self.register(f"{name}_unobserved", absent)
        whole = shape_ops.zeros(missing.shape, unseen.dtype)
        whole = set_subtensor(whole[tuple(np.nonzero(~missing))], ew.cast(seen, unseen.dtype))
        whole = set_subtensor(whole[tuple(np.nonzero(missing))], unseen)
        return self.add_deterministic(name, whole, dims)

    def _observe(
        self,
        name: str,
        distribution: Distribution,
        observed: Any,
        dims: tuple[str | None, ...] | None,
        total_size: Any = None,
    ) -> Variable:
        value, array = as_observed(name, distribution, observed)
        self.coordinates.check(f"{name}: observed", dims, array.shape)
        _refuse_other_shape(name, distribution, array.shape, dims)
        variable = ew.identity(value)
        variable.name = name
        weight = weight_of_rows(name, value, array, total_size)
        self.observed.append(ObservedVariable(variable, distribution, value, array, weight))
        return self._name(variable, dims)

    def add_data(
        self, variable: DataVariable, dims: Dims = None, coords: Mapping[str, Any] | None = None
    ) -> DataVariable:
        """Take in data; see `Data`."""
        name = variable.name or ""
        if self.parent is not None:
            variable.name = self.name_for(name)
            return self._joining(lambda outer: outer.add_data(variable, dims, coords))
        self._refuse_taken(name)
        for dim, labels in (coords or {}).items():
            self.coordinates.add(dim, labels)
        shape = variable.get_value(borrow=True).shape
        names = (dims,) if isinstance(dims, str) else None if dims is None else tuple(dims)
        if names is not None:
            for dim, length in zip(names, shape, strict=False):
                if dim is not None and dim not in self.coordinates.lengths:
                    self.coordinates.add(dim, length=length)
            self.coordinates.check(name, names, shape)
        self.data_vars.append(variable)
        return self._name(variable, names)

    def add_deterministic(self, name: str, variable: Variable, dims: Dims = None) -> Variable:
        """Take in a value to be kept with the draws; see `Deterministic`."""
        if self.parent is not None:
            return self._joining(lambda outer: outer.add_deterministic(self.name_for(name), variable, dims))
        variable = self._named(name, variable)
        names = self.coordinates.normalized(name, dims)
        self.coordinates.check(name, names, variable.type.shape)
        self.deterministics.append(variable)
        return self._name(variable, names)

    def add_potential(self, name: str, variable: Variable, dims: Dims = None) -> Variable:
        """Take in a term of the log density; see `Potential`."""
        if self.parent is not None:
            return self._joining(lambda outer: outer.add_potential(self.name_for(name), variable, dims))
        variable = self._named(name, variable)
        names = self.coordinates.normalized(name, dims)
        self.coordinates.check(name, names, variable.type.shape)
        self.potentials.append(variable)
        return self._name(variable, names)

    def _named(self, name: str, variable: Variable) -> Variable:
        """The variable under a name. A copy where it has one already, for names do not change."""
        self._refuse_taken(name)
        if variable.owner is None or variable.name is not None:
            variable = ew.identity(variable)
        variable.name = name
        return variable

    def _refuse_taken(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise TypeError(f"a variable's name is a str that is not empty, got {name!r}")
        if name in self.named_vars:
            raise ValueError(
                f"Variable name {name} already exists. Each variable of a model has its own name"
            )
        if name in self.coordinates.lengths:
            raise ValueError(f"{name} is the name of a dim; a variable needs another")

    def _name(self, variable: Any, dims: tuple[str | None, ...] | None) -> Any:
        self.named_vars[variable.name] = variable
        if dims is not None:
            self.named_vars_to_dims[variable.name] = dims
        return variable

    def shape_of(self, name: str, dims: Dims) -> tuple[int | None, ...]:
        """The lengths that dims have; KeyError where one is not known."""
        return self.coordinates.shape(name, dims)

    # Dims and data ------------------------------------------------------------------------------------

    @property
    def coords(self) -> dict[str, np.ndarray | None]:
        """The labels of each dim; None where it has a length alone."""
        return dict(self.coordinates.labels)

    @property
    def dim_lengths(self) -> dict[str, int]:
        """The length of each dim."""
        return dict(self.coordinates.lengths)

    def add_coord(self, name: str, values: Any = None, *, length: int | None = None) -> None:
        """A new dim, with labels or a length."""
        self.coordinates.add(name, values, length)

    def add_coords(self, coords: Mapping[str, Any]) -> None:
        """New dims with their labels."""
        for name, values in coords.items():
            self.coordinates.add(name, values)

    def set_data(self, name: str, values: Any, coords: Mapping[str, Any] | None = None) -> None:
        """Exchange the values of `Data`. New lengths of labelled dims need new `coords`.

        Raises KeyError for an unknown name, TypeError where `name` is no `Data` or the rank or dtype differs, and
        ValueError where a labelled dim changes its length without new labels.
        """
        variable = self[name]
        if not isinstance(variable, SharedVariable):
            raise TypeError(f"set_data: {name} is not Data; it cannot be exchanged")
        array = variable.type.filter(as_array(name, values))
        dims = self.named_vars_to_dims.get(name, (None,) * array.ndim)
        given = dict(coords or {})
        changes = []
        for axis, (dim, length) in enumerate(zip(dims, array.shape, strict=True)):
            if dim is None:
                continue
            old = self.coordinates.lengths[dim]
            if dim not in given and length != old and self.coordinates.labels[dim] is not None:
                raise ValueError(
                    f"set_data: axis {axis} of {name} gets length {length}; its dim {dim!r} has {old} labels. Give new"
                    f" ones: coords={{{dim!r}: ...}}"
                )
            labels = given.pop(dim) if dim in given else self.coordinates.labels[dim]
            changes.append((dim, labels, length))
        for dim in given:
            raise ValueError(f"set_data: {name} has no dim {dim!r}; its dims are {dims}")
        for change in changes:
            self.coordinates.replace(*change)
        variable.set_value(array)

    # Asking for variables -----------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Variable:
        try:
            return self.named_vars[name if name in self.named_vars else self.name_for(name)]
        except KeyError:
            known = ", ".join(self.named_vars) or "none"
            raise KeyError(f"the model has no variable {name!r}; it has {known}") from None

    def __contains__(self, name: str) -> bool:
        return name in self.named_vars or self.name_for(name) in self.named_vars

    @property
    def free_RVs(self) -> list[RandomVariable]:
        return [f.variable for f in self.free]

    @property
    def observed_RVs(self) -> list[Variable]:
        return [o.variable for o in self.observed]

    @property
    def basic_RVs(self) -> list[Variable]:
        return [*self.free_RVs, *self.observed_RVs]

    @property
    def unobserved_RVs(self) -> list[Variable]:
        return [*self.free_RVs, *self.deterministics]

    @property
    def value_vars(self) -> list[Variable]:
        return [f.value for f in self.free]

    @property
    def rvs_to_values(self) -> dict[Variable, Variable]:
        return {f.variable: f.value for f in self.free}

    # The density --------------------------------------------------------------------------------------

    def terms(self) -> dict[str, Variable]:
        """Each variable's and potential's part of the log density, element by element, before summing.

        They are graphs of the free variables themselves, without Jacobians.
        """
        return {
            name: density if condition is None else ew.switch(condition, density, -np.inf)
            for name, (density, condition) in self._parts().items()
        }

    def _parts(self) -> dict[str, tuple[Variable, Variable | None]]:
        return self.parts_and_eliminated()[0]

    def parts_and_eliminated(self) -> tuple[dict[str, tuple[Variable, Variable | None]], list[Eliminated]]:
        """The parts, and what was summed out of them, in the order in which it was."""
        random = (*self.free, *self.marginals, *self.observed)
        parts = {v.name: v.density_and_condition() for v in random}
        parts |= {p.name or "": (p, None) for p in self.potentials}
        rest, done = all_eliminated(parts, self.marginals)
        return dict(rest), done

    def marginalized(self, names: Sequence[str]) -> Model:
        """A model like this one with some discrete variables summed out; see `marginalize`."""
        new = copy.copy(self)
        chosen = [f for f in self.free if f.name in set(names)]
        for name in names:
            if name not in {f.name for f in chosen}:
                raise ValueError(f"marginalize: {name!r} is no free variable of the model")
        new.free = [f for f in self.free if f not in chosen]
        new.marginals = [*self.marginals, *chosen]
        gone = {f.variable for f in new.marginals}
        behind = [d for d in self.deterministics if gone.intersection(ancestors([d]))]
        new.deterministics = [d for d in self.deterministics if d not in behind]
        new.behind_marginals = behind
        new._tokens = []
        new.parts_and_eliminated()  # says now what cannot be
        return new

    def jacobians(self) -> dict[str, Variable]:
        """The log-Jacobian of each transformed free variable, as a graph of its value variable."""
        return {f.name: f.transform.log_det(f.value) for f in self.free if f.transform is not None}

    def on_values(self, outputs: Sequence[Variable]) -> list[Variable]:
        """Graphs of the free variables as graphs of their value variables."""
        interner = Interner()
        replace: dict[Variable, Variable] = {}
        for f in self.free:
            # A bound may be an earlier variable, which has been replaced by then.
            (replace[f.variable],) = rebuild([f.constrained()], replace, interner)
        return rebuild(list(outputs), replace, interner)

    def logp(
        self,
        vars: Variable | Sequence[Variable] | None = None,
        jacobian: bool = True,
        sum: bool = True,
    ) -> Any:
        """The log density as a graph of the value variables (`value_vars`).

        With `jacobian` it is the density of the value variables over R, else that of the variables themselves.
        `vars` restricts it to the terms of these. Without `sum` it is a list of terms, not summed.
        """
        chosen = None if vars is None else [vars] if isinstance(vars, Variable) else list(vars)
        parts, jacobians = self._parts(), self.jacobians() if jacobian else {}
        if chosen is not None:
            for v in chosen:
                if v.name not in parts or self.named_vars[v.name] is not v:
                    raise ValueError(f"logp: {v} is not a random variable or potential of this model")
            wanted = {v.name for v in chosen}
            parts = {name: part for name, part in parts.items() if name in wanted}
            jacobians = {name: term for name, term in jacobians.items() if name in wanted}
        if not sum:
            terms = self.terms()
            both = {n: operator.add(*summed_alike(terms[n], j)) for n, j in jacobians.items()}
            return self.on_values([both.get(n, terms[n]) for n in parts])
        if not parts:
            raise ValueError("the model has no random variables and no potentials: its log density is empty")
        total = _added([density for density, _ in parts.values()] + list(jacobians.values()))
        # One decision for the whole sum: the loops over elements need not ask.
        conditions = [c if c.ndim == 0 else reduce.all(c) for _, c in parts.values() if c is not None]
        if conditions:
            total = ew.switch(functools.reduce(operator.and_, conditions), total, -np.inf)
        return self.on_values([total])[0]

    def compile_logp(
        self,
        vars: Variable | Sequence[Variable] | None = None,
        jacobian: bool = True,
        sum: bool = True,
    ) -> Callable[[Mapping[str, np.ndarray]], Any]:
        """`logp` compiled: a function of a point by names, as `initial_point()` gives it."""
        outputs = self.logp(vars, jacobian, sum)
        run = value_function(Layout(self.value_vars), outputs if isinstance(outputs, list) else [outputs])
        return run if isinstance(outputs, list) else lambda point: run(point)[0]

    def compile_dlogp(self, jacobian: bool = True) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
        """The gradient of `logp` compiled: a function of a point by names to an array (dim,)."""
        density, layout = log_density(self, jacobian, frozen=False)
        return lambda point: density.evaluator()(layout.vector(point))[1]  # which reads what Data holds then

    def point_logps(
        self, point: Mapping[str, np.ndarray] | None = None, round_vals: int | None = 2
    ) -> dict[str, float]:
        """The value of each term, without Jacobians, at a point (`initial_point()` by default): for finding
        out which is not finite."""
        at = self.initial_point() if point is None else point
        terms = self.terms()
        sums = [_added([term]) for term in terms.values()]
        values = value_function(Layout(self.value_vars), self.on_values(sums))(at)
        numbers = [float(v) if round_vals is None else round(float(v), round_vals) for v in values]
        return dict(zip(terms, numbers, strict=True))

    def initial_point(
        self, given: Mapping[str, Any] | None = None, argument: str = "initial_point"
    ) -> dict[str, np.ndarray]:
        """Where a search may begin: a value for each value variable, by its name.

        `given` has values for some variables, by their names or those of their value variables; `argument` is what its
        user knows it by.
        Raises ValueError naming a variable whose starting value is outside its support, KeyError for a name that
        is no free variable's.
        """
        if not self.marginals:
            return starting_point(self.free, given, argument)
        # What was summed out may be a parameter of others: it has a value here too.
        order = {name: k for k, name in enumerate(self.named_vars)}
        point = starting_point(
            sorted((*self.free, *self.marginals), key=lambda f: order[f.name]), given, argument
        )
        return {f.value.name or "": point[f.value.name or ""] for f in self.free}

    def __repr__(self) -> str:
        """The model as it would be written on paper, a line for each variable."""
        lines = [f"{d.name} = Data{self._axes(d)}" for d in self.data_vars]
        lines += [f"{f.name} ~ {f.variable.distribution}{self._axes(f.variable)}" for f in self.free]
        lines += [f"{d.name} = Deterministic{self._axes(d)}" for d in self.deterministics]
        lines += [f"{p.name} = Potential{self._axes(p)}" for p in self.potentials]
        lines += [f"{o.name} ~ {o.distribution}{self._axes(o.variable)}, observed" for o in self.observed]
        return "\n".join(lines) or "an empty model"

    def str_repr(self, formatting: str = "plain", include_params: bool = True) -> str:
        """`repr`, or with formatting="latex" LaTeX."""
        if formatting not in ("plain", "latex"):
            raise ValueError(f"str_repr: formatting is 'plain' or 'latex', got {formatting!r}")
        return repr(self) if formatting == "plain" else pictures.latex(self)

    def _repr_latex_(self) -> str:
        return pictures.latex(self)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def table(self) -> pictures.Table:
        """Each variable in a row: name, kind, distribution, shape, dims."""
        return pictures.Table(self)

    def to_mermaid(self) -> str:
        """A diagram in Mermaid's language, which notebooks and code hosts draw: text, without any package."""
        return pictures.mermaid(self)

    def to_graphviz(self) -> Any:
        """A diagram by the package graphviz; ImportError where it is not installed. `pictures.dot` gives its text."""
        return pictures.graphviz(self)

    def _axes(self, variable: Variable) -> str:
        dims = self.named_vars_to_dims.get(variable.name or "")
        shape = variable.type.shape
        return f" [{', '.join(map(str, dims))}]" if dims else f" {list(shape)}" if shape else ""


def _refuse_other_shape(
    name: str, distribution: Distribution, observed: tuple[int, ...], dims: tuple[str | None, ...] | None
) -> None:
    """ValueError where parameters do not broadcast to the shape of what was observed."""
    shape = known_shape(name, distribution)
    try:
        fits = broadcast_shapes(name, [TensorType("bool", shape), TensorType("bool", observed)])
    except ValueError:
        fits = None
    if fits != observed:
        raise ValueError(
            f"{name}: observed has shape {observed}, the parameters of {distribution} have shape {shape}"
            + (f", for dims {dims}" if dims else "")
        )


#: the lists that a variable may join
_KINDS = ("free", "observed", "deterministics", "potentials", "data_vars")


def _added(terms: Sequence[Variable]) -> Variable:
    """The sum of all elements of all terms, in float64: a float32 of thousands of terms has no digits left to compare by."""
    sums = [reduce.sum(term, dtype="float64") if term.ndim else ew.cast(term, "float64") for term in terms]
    return functools.reduce(operator.add, sums)


def the_model(model: Model | None, what: str) -> Model:
    """The model given, or else the open one."""
    if model is not None:
        if not isinstance(model, Model):
            raise TypeError(f"{what}: model is a {type(model).__name__}; it must be a Model")
        return model
    return open_model(what)


def model_to_graphviz(model: Model | None = None) -> Any:
    """The diagram of a model, or of the open one, by the package graphviz."""
    return the_model(model, "model_to_graphviz()").to_graphviz()


def model_to_mermaid(model: Model | None = None) -> str:
    """The diagram of a model, or of the open one, in Mermaid's language."""
    return the_model(model, "model_to_mermaid()").to_mermaid()


def modelcontext(model: Model | None = None) -> Model:
    """The model given, or else the innermost open one."""
    return the_model(model, "modelcontext()")


def set_data(
    new_data: Mapping[str, Any], model: Model | None = None, *, coords: Mapping[str, Any] | None = None
) -> None:
    """Exchange the values of several `Data` of the open model: `set_data({"x": x_new})`."""
    model = the_model(model, "set_data(...)")
    for name, values in new_data.items():
        dims = model.named_vars_to_dims.get(name, ())
        own = {dim: labels for dim, labels in (coords or {}).items() if dim in dims}
        model.set_data(name, values, own)
