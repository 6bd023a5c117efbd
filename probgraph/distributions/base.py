"""Distribution: a plain object that knows its parameters, its support, its log density and how to draw.

The idea worth knowing: `Normal.dist(0, 1)` is all there is; it needs no model. `Normal("x", 0, 1)` is `.dist`
plus registration with the open model, and returns the model's variable; that sugar, in `__new__`, is the only
magic of the package.

The contract. To add a distribution, write one class and a row in tests/distributions, which tests all it has:

* `params`: its parameters and the constraint of each, with `defaults` and `alternatives`. Elsewhere they are
  attributes, as variables of floating type. `options`: other arguments and what they are if not given, kept as
  they come; one that is a distribution, or a list of such, is a *component*.
* `support`: a constraint, set in `prepare` where it depends on parameters. It says whether the distribution is
  `discrete`, and brings the default transform.
* **Batches and events.** A constraint has an `event_ndim`: 0 for numbers, 1 for vectors (`simplex`,
  `each(real)`), 2 for matrices. A parameter's last `event_ndim` axes are one value of it; what is before them
  broadcasts with the other parameters to the `batch_shape`. The support's `event_ndim` is that of the
  distribution: its `shape` is `batch_shape + event_shape`, `shape=` is the whole and `size=` the batch alone, and
  a density has the batch's shape. What has events says in `event_lengths` how long they are.
* Kernels, which see points inside the support alone, and return graphs: `density` (log density), `cumulative`
  (log P(X <= x)), `survival` (log P(X > x)), `quantile` (of 0 < q < 1), `mean`, `variance`, `point` (where a
  search begins; the mean if not said). The public `logp`, `logcdf`, `logccdf`, `icdf` add what holds outside.
* `draw(rng, size, **params)`: NumPy values; `size` has the batch's shape at its end, and a draw has shape
  (*size, *event).
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from probgraph.distributions.arithmetic import Computable
from probgraph.distributions.constraints import Constraint, Interval
from probgraph.distributions.folding import folded, value_if_constant
from probgraph.distributions.halving import halved
from probgraph.distributions.known_signs import certainly
from probgraph.distributions.parameters import Alternative, parameter, resolve
from probgraph.distributions.random_variable import open_model
from probgraph.distributions.transform import Transform
from probgraph.engine.graph import Constant, FunctionGraph, Variable, graph_inputs
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.rewrite import run_passes
from probgraph.engine.rules import FAST_RUN
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.shared import SharedVariable
from probgraph.engine.types import TensorType, broadcast_shapes

Seed = int | Sequence[int] | np.random.SeedSequence | np.random.Generator | None
MODEL_ARGUMENTS = ("dims", "observed", "initval", "transform", "default_transform", "total_size")
SHAPE_ARGUMENTS = ("shape", "size")
Lengths = tuple[int | None, ...]


class Distribution(Computable):
    """A distribution over numbers, vectors or matrices, or arrays of independent ones.

    `Normal.dist(0, 1)` makes one; `Normal("x", 0, 1)` inside a model makes one and registers it there.
    Its parameters are attributes, as variables; `shape` is that of a draw (None: a length not known yet).
    """

    params: ClassVar[Mapping[str, Constraint]] = {}
    defaults: ClassVar[Mapping[str, float]] = {}
    alternatives: ClassVar[Sequence[Alternative]] = ()
    #: arguments that are no parameters, and what they are if not given
    options: ClassVar[Mapping[str, Any]] = {}
    #: names that may be given by position; all of `params`, then `options`, if not said otherwise
    positional: ClassVar[tuple[str, ...]] = ()
    support: Constraint
    #: whether single numbers have a probability although the distribution is continuous: it cannot be free then
    atoms: bool = False
    batch_shape: Lengths
    event_shape: Lengths

    # What a class says of itself ----------------------------------------------------------------------

    def density(self, x: Variable) -> Variable:
        """The log density (or mass), normalised, at points that are inside the support."""
        raise NotImplementedError(f"{type(self).__name__} has no density")

    def cumulative(self, x: Variable) -> Variable:
        """log P(X <= x) at points inside the support."""
        raise NotImplementedError(f"{type(self).__name__} has no logcdf: {_no_sum(self)}")

    def survival(self, x: Variable) -> Variable:
        """log P(X > x) at points inside the support."""
        raise NotImplementedError(f"{type(self).__name__} has no logccdf: {_no_sum(self)}")

    def quantile(self, q: Variable) -> Variable:
        """The least x with P(X <= x) >= q, for 0 < q < 1; found by halving where a class has tails and no formula."""
        if not self.has_tails or self.atoms:
            raise NotImplementedError(f"{type(self).__name__} has no icdf: {_no_sum(self)}")
        right = q > 0.5
        return halved(self, right, ew.switch(right, ew.log1p(-q), ew.log(q)))

    @property
    def has_tails(self) -> bool:
        """Whether the class says what `logcdf` and `logccdf` are."""
        mine = type(self)
        return mine.cumulative is not Distribution.cumulative and mine.survival is not Distribution.survival

    def draw(self, rng: np.random.Generator, size: tuple[int, ...], **params: np.ndarray) -> np.ndarray:
        """An array of draws (*size, *event), where the batches of the parameters broadcast to `size`."""
        raise NotImplementedError(f"{type(self).__name__} cannot be drawn from")

    def mean(self) -> Variable:
        """The expectation, of the distribution's shape or broadcasting to it; nan where there is none."""
        raise NotImplementedError(f"{type(self).__name__} has no mean in closed form: average draws of it")

    def variance(self) -> Variable:
        """The variance of each element, of the distribution's shape or broadcasting to it."""
        raise NotImplementedError(f"{type(self).__name__} has no variance in closed form: take that of draws")

    def point(self) -> Variable:
        """A point well inside the support, where a search may begin: the mean, or the median."""
        return self.mean()

    def event_lengths(self, lengths: Mapping[str, Lengths]) -> Lengths:
        """The event's shape, from the shapes of the parameters: that of the first which has events alike."""
        rank = self.event_ndim
        alike = [lengths[name] for name, c in self.params.items() if rank and c.event_ndim == rank]
        return alike[0][-rank:] if alike else (None,) * rank

    def requirements(self) -> list[tuple[Variable, str]]:
        """Conditions that parameters must satisfy together, each with what it says in words."""
        return []

    # Making one ---------------------------------------------------------------------------------------

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        kind = inspect.Parameter
        names = list(dict.fromkeys([*cls.params, *(n for a in cls.alternatives for n in a.params)]))
        names += list(cls.options)
        cls.positional = cls.__dict__.get("positional", (*cls.params, *cls.options))
        by_position = [kind(n, kind.POSITIONAL_OR_KEYWORD, default=None) for n in cls.positional]
        by_name = [kind(n, kind.KEYWORD_ONLY, default=None) for n in names if n not in cls.positional]
        shape = [kind(n, kind.KEYWORD_ONLY, default=None) for n in SHAPE_ARGUMENTS]
        cls.dist_signature = inspect.Signature([*by_position, *by_name, *shape])
        model = [kind(n, kind.KEYWORD_ONLY, default=None) for n in MODEL_ARGUMENTS]
        cls.__signature__ = inspect.Signature(
            [kind("name", kind.POSITIONAL_OR_KEYWORD), *by_position, *by_name, *shape, *model]
        )

    def __new__(cls, name: str, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(name, str):
            raise TypeError(
                f"{cls.__name__}: a variable's name comes first, got {name!r}; for a distribution without a model"
                f" write {cls.__name__}.dist(...)"
            )
        model = open_model(f'{cls.__name__}("{name}", ...)')
        registration = {key: kwargs.pop(key) for key in MODEL_ARGUMENTS if key in kwargs}
        dims = registration.get("dims")
        if kwargs.get("shape") is None and kwargs.get("size") is None and dims is not None:
            kwargs["shape"] = model.shape_of(name, dims)
        who = f'{cls.__name__}("{name}")' if dims is None else f'{cls.__name__}("{name}", dims={dims!r})'
        distribution = cls._made(who, args, kwargs)
        return model.register(name, distribution, **registration)

    def __reduce__(self) -> tuple[Any, ...]:
        # For copies and pickles: `__new__` would ask for a name, and a model.
        return _blank, (type(self),), self.__dict__

    @classmethod
    def dist(cls, *args: Any, **kwargs: Any) -> Self:
        """The distribution by itself, without a model.

        Takes the parameters, and to repeat it `shape`, or `size` without the event's axes. Raises TypeError where the names given are no legal set
        of parameters, ValueError where a constant is out of its range.
        """
        return cls._made(cls.__name__, args, kwargs)

    @classmethod
    def _made(cls, who: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        try:
            given = cls.dist_signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            takes = ", ".join(cls.dist_signature.parameters)
            raise TypeError(
                f"{who}: {error}; it takes {takes} (and in a model {', '.join(MODEL_ARGUMENTS)})"
            ) from None
        shape, size = given.pop("shape", None), given.pop("size", None)
        self = object.__new__(cls)
        for name, usual in cls.options.items():
            value = given.pop(name, None)
            setattr(self, name, usual if value is None else value)
        resolved = resolve(who, cls.params, cls.defaults, cls.alternatives, given)
        self._own, self._given = resolved.own, resolved.given
        for name, value in resolved.own.items():
            setattr(self, name, value)
        self._unchecked = resolved.unchecked
        for condition, text in self.requirements():
            value = value_if_constant(condition)
            if value is None:
                self._unchecked.append(condition)
            elif not np.all(value):
                shown = ", ".join(f"{n}={_brief(v)}" for n, v in self._own.items())
                raise ValueError(f"{who} needs {text}, given {shown}")
        self.prepare()
        self.batch_shape, self.event_shape = self.lengths(who, self._own)
        whole = self.batch_shape + self.event_shape
        self._repeat(who, _without_graphs(who, shape, whole), _without_graphs(who, size, self.batch_shape))
        return self

    def prepare(self) -> None:
        """What a class wants to compute once from its parameters, such as a support that depends on them."""

    def lengths(self, who: str, parameters: Mapping[str, Variable]) -> tuple[Lengths, Lengths]:
        """The shapes of the batch and of the event, given parameters, without what `shape` or `size` said."""
        own = {name: v.type.shape for name, v in parameters.items() if "." not in name}
        batches = [self._batch_of(name, shape) for name, shape in own.items()]
        for name, inner in self.components.items():
            known = inner.present_lengths(who, own_of(name, parameters))[0]
            batches.append(self.batch_of_component(name, known))
        event = self.event_lengths(own)
        return broadcast_shapes(who, [TensorType("bool", batch) for batch in batches]), tuple(event)

    def present_lengths(self, who: str, parameters: Mapping[str, Variable]) -> tuple[Lengths, Lengths]:
        """The shapes of the batch and of the event; lengths not known before are those that `parameters` have."""
        if None not in self.shape:
            return self.batch_shape, self.event_shape
        batch, event = self.lengths(who, parameters)
        present = (1,) * (len(self.shape) - len(batch + event)) + batch + event
        shape = tuple(p if n is None else n for n, p in zip(self.shape, present, strict=True))
        return shape[: len(self.batch_shape)], shape[len(self.batch_shape) :]

    def extra_axes(self, name: str) -> int:
        """How many axes the draws of a component have behind those of this distribution's batch: times, or places."""
        return 0

    def batch_of_component(self, name: str, batch: Any) -> Any:
        """The part of a component's batch shape that is this distribution's too."""
        return batch[: max(len(batch) - self.extra_axes(name), 0)]

    def _batch_of(self, name: str, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """The shape of a parameter without its event's axes."""
        sets = [self.params, *(a.params for a in self.alternatives)]
        constraint = next((s[name] for s in sets if name in s), None)
        return shape if constraint is None else shape[: len(shape) - constraint.event_ndim]

    def _repeat(self, who: str, shape: Any, size: Any) -> None:
        """Take in `shape`, or `size`: ValueError where the parameters do not broadcast to it."""
        if shape is None and size is None:
            return
        if shape is not None and size is not None:
            raise ValueError(f"{who}: shape={shape} and size={size} are two ways to say the same; give one")
        wanted = _lengths(shape if size is None else size)
        if size is None:
            split = len(wanted) - self.event_ndim
            wanted, event = wanted[: max(split, 0)], wanted[max(split, 0) :]
            known = zip(event, self.event_shape, strict=False)
            if split < 0 or any(None not in (w, n) and w != n for w, n in known):
                raise ValueError(
                    f"{who}: shape {_shown(_lengths(shape))} has to end in the event's {_shown(self.event_shape)}"
                )
            self.event_shape = tuple(
                w if n is None else n for w, n in zip(event, self.event_shape, strict=True)
            )
        for name, v in self._given.items():
            have = self._batch_of(name, v.type.shape)
            try:
                together = broadcast_shapes(who, [TensorType("bool", have), TensorType("bool", wanted)])
                fits = len(together) == len(wanted)
                fits = fits and all(w in (t, None) for t, w in zip(together, wanted, strict=True))
            except ValueError:
                fits = False
            if not fits:
                raise ValueError(
                    f"{who}: {name} has shape {_shown(v.type.shape)}, which does not broadcast to"
                    f" {wanted + self.event_shape}"
                )
        padded = (1,) * (len(wanted) - len(self.batch_shape)) + self.batch_shape
        self.batch_shape = tuple(n if w is None else w for w, n in zip(wanted, padded, strict=True))

    # Using one ----------------------------------------------------------------------------------------

    @property
    def discrete(self) -> bool:
        """Whether draws are integers, which have no gradients."""
        return self.support.discrete

    @property
    def event_ndim(self) -> int:
        """How many of the last axes are one value: 0 for numbers, 1 for vectors, 2 for matrices."""
        return self.support.event_ndim

    @property
    def shape(self) -> Lengths:
        """The shape of a draw: the batch's and the event's."""
        return self.batch_shape + self.event_shape

    @property
    def default_transform(self) -> Transform | None:
        """The bijection from the support to R that a model uses if not told otherwise."""
        return self.support.transform

    def logp(self, x: Any) -> Variable:
        """The log density at `x`, event by event: a graph in floatX of the batch's shape.

        Minus infinity outside the support and where parameters are out of range; never nan unless a location
        parameter is. What is known to hold (constants, a variable's own support) is not checked again.

        >>> Normal.dist(0.0, 1.0).logp(0.0).eval()
        array(-0.91893853)
        """
        density, condition = self.density_and_condition(x)
        return density if condition is None else ew.switch(condition, density, -np.inf)

    def density_and_condition(self, x: Any, inside: bool = False) -> tuple[Variable, Variable | None]:
        """The log density at `x` where the condition holds; where it does not, it is minus infinity.

        The condition is None where nothing can be wrong, and has the shape of what it depends on: that of a
        scalar parameter is a scalar, to be asked once for many points. `inside` says that x is known to be.
        """
        value = parameter(type(self).__name__, "x", x)
        known = inside or certainly(value, self.support)
        conditions = [*([] if known else [self.support.holds(value)]), *self._unchecked]
        together = conditions[0] if conditions else None
        for condition in conditions[1:]:
            together = together & condition
        return self.density(value), together

    def logcdf(self, x: Any) -> Variable:
        """log P(X <= x), element by element: a graph in floatX, exact in both tails.

        Minus infinity below the support and where parameters are out of range, 0 above the support.
        Raises NotImplementedError where the distribution has none.

        >>> Exponential.dist(2.0).logcdf(1e-300).eval()
        array(-690.08238072)
        """
        return self._beyond_too(x, self.cumulative, below=-np.inf, above=0.0)

    def logccdf(self, x: Any) -> Variable:
        """log P(X > x), element by element: a graph in floatX, exact in both tails.

        0 below the support, minus infinity above it and where parameters are out of range.
        Raises NotImplementedError where the distribution has none.

        >>> Exponential.dist(2.0).logccdf(400.0).eval()
        array(-800.)
        """
        return self._beyond_too(x, self.survival, below=0.0, above=-np.inf)

    def _beyond_too(
        self, x: Any, inside: Callable[[Variable], Variable], below: float, above: float
    ) -> Variable:
        support = self.support
        if not isinstance(support, Interval):
            raise NotImplementedError(f"{type(self).__name__} has no cumulative density: {_no_sum(self)}")
        value = parameter(type(self).__name__, "x", x)
        if self.discrete:
            value = ew.floor(value)
            under, over = value < support.lower, value >= support.upper
        elif self.atoms:
            under, over = value < support.lower, value >= support.upper
        else:  # at a bound there is no mass
            under, over = value <= support.lower, value >= support.upper
        # Elsewhere a point of the support stands in, lest what is not chosen should spoil a gradient.
        result = inside(ew.switch(under | over | ew.isnan(value), self.point(), value))
        result = ew.switch(under, below, ew.switch(over, above, result))
        return self._where_legal(ew.switch(ew.isnan(value), -np.inf, result), -np.inf)

    def icdf(self, q: Any) -> Variable:
        """The least x with P(X <= x) >= q, element by element: a graph in floatX.

        nan where q is not between 0 and 1 and where parameters are out of range; a bound of the support at 0 and 1.
        Raises NotImplementedError where the distribution has none.

        >>> Exponential.dist(1.0).icdf([0.0, 0.5]).eval()
        array([0.        , 0.69314718])
        """
        support = self.support
        if not isinstance(support, Interval):
            raise NotImplementedError(f"{type(self).__name__} has no icdf: {_no_sum(self)}")
        value = parameter(type(self).__name__, "q", q)
        inner = (value > 0.0) & (value < 1.0)
        result = self.quantile(ew.switch(inner, value, 0.5))
        bounds = ew.switch(ew.eq(value, 0.0), support.lower, np.nan)
        bounds = ew.switch(ew.eq(value, 1.0), support.upper, bounds)
        return self._where_legal(ew.switch(inner, result, bounds), np.nan)

    def _where_legal(self, result: Variable, otherwise: float) -> Variable:
        for condition in self._unchecked:
            result = ew.switch(condition, result, otherwise)
        return result

    def sample(self, size: int | Sequence[int] | None = None, random_seed: Seed = None) -> np.ndarray:
        """Draws as an array of shape (*size, *shape of the distribution).

        >>> Normal.dist([0.0, 5.0], 1.0).sample(3, random_seed=1).shape
        (3, 2)
        """
        rng = np.random.default_rng(random_seed)
        parameters = self.parameters
        values = numpy_function(FunctionGraph([], list(parameters.values())))([])
        return self.draw_given(rng, dict(zip(parameters, values, strict=True)), _as_shape(size))

    def draw_given(
        self, rng: np.random.Generator, values: Mapping[str, np.ndarray], size: tuple[int, ...] = ()
    ) -> np.ndarray:
        """Draws of shape (*size, *shape) given the values of `parameters`."""
        return np.asarray(self.draw(rng, (*size, *self._batch_of_values(values)), **values))

    def _batch_of_values(
        self, values: Mapping[str, np.ndarray], repeated: Lengths | None = None
    ) -> tuple[int, ...]:
        """The batch's shape for these values; `repeated` is what `shape=` said, if not what it says now."""
        repeated = self.batch_shape if repeated is None else repeated
        own = [self._batch_of(name, v.shape) for name, v in values.items() if "." not in name]
        inner = [
            self.batch_of_component(name, c._batch_of_values(own_of(name, values)))
            for name, c in self.components.items()
        ]
        return np.broadcast_shapes(*own, *inner, tuple(1 if n is None else n for n in repeated))

    def support_point(self) -> Variable:
        """`point()` broadcast to the distribution's shape, which must be known."""
        point = folded(self.point())
        if point.type.shape == self.shape:
            return point
        return as_variable(np.zeros(self.shape, point.dtype)) + point

    @property
    def components(self) -> dict[str, Distribution]:
        """The distributions among the options: `dist`, or `comp_dists.0`, `comp_dists.1` ... of a list."""
        found = {}
        for name in self.options:
            given = getattr(self, name)
            several = given if isinstance(given, list | tuple) else [given]
            for i, one in enumerate(several):
                if isinstance(one, Distribution):
                    found[name if one is given else f"{name}.{i}"] = one
        return found

    @property
    def parameters(self) -> dict[str, Variable]:
        """The distribution's own parameters, after conversion, and those of its components: `dist.mu`."""
        inner = {f"{c}.{n}": v for c, d in self.components.items() for n, v in d.parameters.items()}
        return {**self._own, **inner}

    def as_given(self) -> tuple[dict[str, Variable], Mapping[str, Constraint]]:
        """The parameters by the names that they were given by, and what each must be: cov, where `parameters` has chol."""
        sets = [self.params, *(choice.params for choice in self.alternatives)]
        constraints = next((s for s in sets if set(s) == set(self._given)), None)
        if constraints is None:
            return self.parameters, self.params
        inner = {name: v for name, v in self.parameters.items() if name not in self._own}
        return {**self._given, **inner}, constraints

    def with_parameters(self, values: Mapping[str, Variable]) -> Self:
        """The same distribution with other graphs, of the same types, for some of `parameters`."""
        new = copy.copy(self)
        new._own = {name: values.get(name, v) for name, v in self._own.items()}
        new._given = new._own
        for name, v in new._own.items():
            if name.isidentifier():
                setattr(new, name, v)
        for name, inner in self.components.items():
            changed = inner.with_parameters(own_of(name, values))
            option, _, k = name.partition(".")
            if k:
                several = list(getattr(new, option))
                several[int(k)] = changed
                setattr(new, option, several)
            else:
                setattr(new, option, changed)
        new._unchecked = [
            condition
            for name, v in new._own.items()
            if (constraint := self.params.get(name)) is not None
            and not isinstance(v, Constant)
            and not certainly(v, constraint)
            and (condition := constraint.holds(v)) is not None
        ]
        new.prepare()
        return new

    def draw_component(
        self, rng: np.random.Generator, name: str, values: Mapping[str, np.ndarray], size: tuple[int, ...]
    ) -> np.ndarray:
        """Draws (*size, *event) of a component, from the values that `draw` got; its batch broadcasts to `size`."""
        return self.components[name].draw(rng, size, **own_of(name, values))

    def __str__(self) -> str:
        given = [f"{n}={d}" for n, d in self.components.items()]
        given += [f"{n}={_brief(v)}" for n, v in self._given.items()]
        return f"{type(self).__name__}({', '.join(given)})"

    __repr__ = __str__


def _blank(cls: type[Distribution]) -> Distribution:
    return object.__new__(cls)


def own_of(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What of `values` belongs to the component of that name, under its own names."""
    return {key.removeprefix(f"{name}."): v for key, v in values.items() if key.startswith(f"{name}.")}


def _no_sum(distribution: Distribution) -> str:
    if distribution.event_ndim:
        return "its values are arrays, of which there is no order"
    return "no exact form of it is here; draws and logp are"


def _without_graphs(who: str, shape: Any, own: Lengths) -> Any:
    """A shape that may be a graph, such as mu.shape, or have graphs in it, such as (x.shape[0], 3), in numbers.

    A length is None, and follows the parameters, where theirs is not known before either; else it is the present one.
    """
    if isinstance(shape, Variable) and shape.ndim:
        count = shape.type.shape[0]
        if shape.ndim != 1 or count is None:
            raise TypeError(
                f"{who}: shape is {shape.type}; a graph of a shape has one axis of a known length"
            )
        shape = [shape[k] for k in range(count)]
    if not isinstance(shape, list | tuple):
        return _present_length(who, shape, own[-1:]) if isinstance(shape, Variable) else shape
    padded = (1,) * (len(shape) - len(own)) + own[max(len(own) - len(shape), 0) :]
    return [
        _present_length(who, n, (k,)) if isinstance(n, Variable) else n
        for n, k in zip(shape, padded, strict=True)
    ]


def _present_length(who: str, n: Variable, own: Lengths) -> int | None:
    if None in own:
        return None
    if own and own[0] != 1:
        return own[0]
    (n,) = run_passes([n], FAST_RUN)  # lengths that types have are numbers then
    unknown = [v for v in graph_inputs([n]) if not isinstance(v, Constant | SharedVariable)]
    if unknown:
        raise ValueError(
            f"{who}: a length in shape depends on {', '.join(map(str, unknown))}: give a number, dims=, or a length of Data"
        )
    return int(numpy_function(FunctionGraph([], [n]))([])[0])


def _lengths(shape: Any) -> Lengths:
    wanted = tuple(shape) if isinstance(shape, list | tuple) else (shape,)
    return tuple(None if n is None else int(n) for n in wanted)


def _shown(lengths: Lengths) -> str:
    texts = ["?" if n is None else str(n) for n in lengths]
    return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"


def _as_shape(size: int | Sequence[int] | None) -> tuple[int, ...]:
    if size is None:
        return ()
    return (int(size),) if np.ndim(size) == 0 else tuple(int(n) for n in size)


def _brief(v: Variable) -> str:
    if isinstance(v, Constant):
        return f"{v.data:g}" if v.ndim == 0 else f"<{' x '.join(map(str, v.data.shape))} constants>"
    return v.name or f"f({', '.join(_names(v)[:3])})"


def _names(v: Variable) -> list[str]:
    roots = FunctionGraph([], [v]).variables
    return sorted(root.name for root in roots if root.owner is None and root.name)
