"""Distribution: a plain object that knows its parameters, its support, its log density and how to draw.

The idea worth knowing: `Normal.dist(0, 1)` is all there is; it needs no model. `Normal("x", 0, 1)` is `.dist`
plus registration with the open model, and returns the model's variable; that sugar, in `__new__`, is the only
magic of the package.

To add a distribution, write one class: `params` (and perhaps `defaults`, `alternatives`), `support`, `density`,
`draw` and `point`. Its tests come by themselves from the table in tests/distributions.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from probgraph.distributions.constraints import Constraint
from probgraph.distributions.folding import folded, value_if_constant
from probgraph.distributions.known_signs import certainly
from probgraph.distributions.parameters import Alternative, parameter, resolve
from probgraph.distributions.random_variable import open_model
from probgraph.engine.graph import Constant, FunctionGraph, Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.types import TensorType, broadcast_shapes

Seed = int | Sequence[int] | np.random.SeedSequence | np.random.Generator | None
MODEL_ARGUMENTS = ("dims", "observed", "initval")


class Distribution:
    """A distribution over scalars, or arrays of independent ones.

    `Normal.dist(0, 1)` makes one; `Normal("x", 0, 1)` inside a model makes one and registers it there.
    Its parameters are attributes, as variables; `shape` is what it broadcasts to (None: not known yet).
    """

    params: ClassVar[Mapping[str, Constraint]] = {}
    defaults: ClassVar[Mapping[str, float]] = {}
    alternatives: ClassVar[Sequence[Alternative]] = ()
    #: names that may be given by position; all of `params` if not said otherwise
    positional: ClassVar[tuple[str, ...]] = ()
    support: Constraint
    shape: tuple[int | None, ...]

    # What a class says of itself ----------------------------------------------------------------------

    def density(self, x: Variable) -> Variable:
        """The log density (or mass), normalised, at points that are inside the support."""
        raise NotImplementedError(f"{type(self).__name__} has no density")

    def draw(self, rng: np.random.Generator, size: tuple[int, ...], **params: np.ndarray) -> np.ndarray:
        """An array of draws of shape `size`, which the parameters broadcast to."""
        raise NotImplementedError(f"{type(self).__name__} cannot be drawn from")

    def point(self) -> Variable:
        """A point well inside the support, where a search may begin: the mean or the median."""
        raise NotImplementedError(f"{type(self).__name__} has no starting point")

    def requirements(self) -> list[tuple[Variable, str]]:
        """Conditions that parameters must satisfy together, each with what it says in words."""
        return []

    # Making one ---------------------------------------------------------------------------------------

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        kind = inspect.Parameter
        names = list(dict.fromkeys([*cls.params, *(n for a in cls.alternatives for n in a.params)]))
        cls.positional = cls.__dict__.get("positional", tuple(cls.params))
        by_position = [kind(n, kind.POSITIONAL_OR_KEYWORD, default=None) for n in cls.positional]
        by_name = [kind(n, kind.KEYWORD_ONLY, default=None) for n in names if n not in cls.positional]
        shape = kind("shape", kind.KEYWORD_ONLY, default=None)
        cls.dist_signature = inspect.Signature([*by_position, *by_name, shape])
        model = [kind(n, kind.KEYWORD_ONLY, default=None) for n in MODEL_ARGUMENTS]
        cls.__signature__ = inspect.Signature(
            [kind("name", kind.POSITIONAL_OR_KEYWORD), *by_position, *by_name, shape, *model]
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
        if kwargs.get("shape") is None and dims is not None:
            kwargs["shape"] = model.shape_of(name, dims)
        who = f'{cls.__name__}("{name}")' if dims is None else f'{cls.__name__}("{name}", dims={dims!r})'
        distribution = cls._made(who, args, kwargs)
        return model.register(name, distribution, **registration)

    @classmethod
    def dist(cls, *args: Any, **kwargs: Any) -> Self:
        """The distribution by itself, without a model.

        Takes the parameters, and `shape` to repeat it. Raises TypeError where the names given are no legal set
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
                f"{who}: {error}; it takes {takes} (and in a model dims, observed, initval)"
            ) from None
        shape = given.pop("shape", None)
        self = object.__new__(cls)
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
        self.shape = self._broadcast(who, shape)
        return self

    def prepare(self) -> None:
        """What a class wants to compute once from its parameters, such as a support that depends on them."""

    def _broadcast(self, who: str, shape: Any) -> tuple[int | None, ...]:
        lengths = broadcast_shapes(who, [v.type for v in self._own.values()])
        if shape is None:
            return lengths
        wanted = tuple(shape) if isinstance(shape, list | tuple) else (shape,)
        wanted = tuple(None if n is None else int(n) for n in wanted)
        for name, v in self._given.items():
            try:
                together = broadcast_shapes(who, [v.type, TensorType(v.dtype, wanted)])
                fits = len(together) == len(wanted)
                fits = fits and all(w in (t, None) for t, w in zip(together, wanted, strict=True))
            except ValueError:
                fits = False
            if not fits:
                have = ", ".join("?" if n is None else str(n) for n in v.type.shape)
                raise ValueError(f"{who}: {name} has shape ({have}), which does not broadcast to {wanted}")
        return tuple(w if w is not None else n for w, n in zip(wanted, _padded(lengths, wanted), strict=True))

    # Using one ----------------------------------------------------------------------------------------

    @property
    def discrete(self) -> bool:
        return self.support.discrete

    def logp(self, x: Any) -> Variable:
        """The log density at `x`, element by element: a graph in floatX.

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

    def sample(self, size: int | Sequence[int] | None = None, random_seed: Seed = None) -> np.ndarray:
        """Draws as an array of shape (*size, *shape of the distribution).

        >>> Normal.dist([0.0, 5.0], 1.0).sample(3, random_seed=1).shape
        (3, 2)
        """
        rng = np.random.default_rng(random_seed)
        values = numpy_function(FunctionGraph([], list(self._own.values())))([])
        return self.draw_given(rng, dict(zip(self._own, values, strict=True)), _as_shape(size))

    def draw_given(
        self, rng: np.random.Generator, values: Mapping[str, np.ndarray], size: tuple[int, ...] = ()
    ) -> np.ndarray:
        """Draws of shape (*size, *shape) given the parameters' values."""
        shapes = [v.shape for v in values.values()] + [tuple(1 if n is None else n for n in self.shape)]
        each = np.broadcast_shapes(*shapes)
        return np.asarray(self.draw(rng, (*size, *each), **values))

    def support_point(self) -> Variable:
        """`point()` broadcast to the distribution's shape, which must be known."""
        point = folded(self.point())
        if point.type.shape == self.shape:
            return point
        return as_variable(np.zeros(self.shape, point.dtype)) + point

    @property
    def parameters(self) -> dict[str, Variable]:
        """The distribution's own parameters, after conversion."""
        return dict(self._own)

    def __str__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={_brief(v)}' for n, v in self._given.items())})"

    __repr__ = __str__


def _padded(lengths: tuple[int | None, ...], like: tuple[int | None, ...]) -> tuple[int | None, ...]:
    return (1,) * (len(like) - len(lengths)) + lengths


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
