"""Elementwise operations: the class, its dtype rules, and one row for each function.

A row says everything: name, NumPy meaning, gradient, C. Arguments broadcast; each rule gives the dtypes that
the operands are converted to and the dtype of the result. A row with `expand` is a composite: it has no C of
its own and becomes its parts before lowering. To add an elementwise function, add a row.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine import extensions, special_c
from probgraph.engine.config import config
from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, External, ScalarFunction
from probgraph.engine.no_gradient import grad_not_implemented
from probgraph.engine.op import (
    LengthReader,
    Pointwise,
    ValueReader,
    behind_batch,
    broadcast_index,
    same_lengths,
)
from probgraph.engine.types import (
    COMPLEX,
    FLOATS,
    TensorType,
    broadcast_shapes,
    describe,
    promote,
    real_part,
    to_float,
)

DtypeRule = Callable[..., tuple[tuple[str, ...], str]]


# ------------------------------------------------------------------------------------ dtype rules


def _promoted(*dtypes: str) -> tuple[tuple[str, ...], str]:
    common = promote(*dtypes)
    return (common,) * len(dtypes), common


def _numeric(*dtypes: str) -> tuple[tuple[str, ...], str]:
    """As promoted, but two booleans count as small integers."""
    common = promote(*dtypes)
    common = "int8" if common == "bool" else common
    return (common,) * len(dtypes), common


def _not_boolean(*dtypes: str) -> tuple[tuple[str, ...], str]:
    """As promoted, which must not be booleans: as in NumPy one beside a number is 0 or 1."""
    if promote(*dtypes) == "bool":
        raise TypeError("is not defined for booleans: use ~x for logical not, x ^ y for exclusive or")
    return _promoted(*dtypes)


def _floating(*dtypes: str) -> tuple[tuple[str, ...], str]:
    return _promoted(*map(to_float, dtypes))


def real_floating(*dtypes: str) -> tuple[tuple[str, ...], str]:
    if any(d in COMPLEX for d in dtypes):
        raise TypeError("is not defined for complex numbers")
    return _floating(*dtypes)


def _real(*dtypes: str) -> tuple[tuple[str, ...], str]:
    if any(d in COMPLEX for d in dtypes):
        raise TypeError("is not defined for complex numbers")
    return _numeric(*dtypes)


def _largest(*dtypes: str) -> tuple[tuple[str, ...], str]:
    if any(d in COMPLEX for d in dtypes):
        raise TypeError("is not defined for complex numbers")
    return _promoted(*dtypes)


def _divided(*dtypes: str) -> tuple[tuple[str, ...], str]:
    if not any(d in FLOATS or d in COMPLEX for d in dtypes):
        return (config.floatX,) * len(dtypes), config.floatX
    return _promoted(*dtypes)


def _magnitude(dtype: str) -> tuple[tuple[str, ...], str]:
    return (dtype,), real_part(dtype)


def _compared(*dtypes: str) -> tuple[tuple[str, ...], str]:
    return (promote(*dtypes),) * len(dtypes), "bool"


def _ordered(*dtypes: str) -> tuple[tuple[str, ...], str]:
    if any(d in COMPLEX for d in dtypes):
        raise TypeError("is not defined for complex numbers, which have no order: compare abs(z) or real(z)")
    return _compared(*dtypes)


def _bits(*dtypes: str) -> tuple[tuple[str, ...], str]:
    common = promote(*dtypes)
    if common in FLOATS or common in COMPLEX:
        raise TypeError("works on integers and booleans; compare first, e.g. (x > 0) & (y > 0)")
    return (common,) * len(dtypes), common


def _switched(condition: str, *branches: str) -> tuple[tuple[str, ...], str]:
    common = promote(*branches)
    return ("bool", *(common,) * len(branches)), common


def _filled(model: str, value: str) -> tuple[tuple[str, ...], str]:
    return (model, value), value


def _complexed(*dtypes: str) -> tuple[tuple[str, ...], str]:
    if any(d in COMPLEX for d in dtypes):
        raise TypeError("takes a real and an imaginary part, both real")
    common = promote(*map(to_float, dtypes))
    return (common,) * len(dtypes), "complex64" if common == "float32" else "complex128"


# ------------------------------------------------------------------------------------ the class


#: every row by its name
TABLE: dict[str, Elementwise] = {}


class Elementwise(Pointwise):
    """A function of scalars applied to each element of its broadcast arguments."""

    def __init__(
        self,
        name: str,
        *,
        numpy: Callable[..., Any],
        vjp: Callable[..., Sequence[Variable | None]] | None,
        c: str | dict[str, str] | None = None,
        expand: Callable[..., Variable] | None = None,
        dtype: DtypeRule = _promoted,
        arity: int = 1,
        commutes: bool = False,
        infix: str | None = None,
        support: str | tuple[str, ...] = (),
        externals: tuple[External, ...] = (),
    ) -> None:
        self.name = name
        self.meaning = numpy
        self.gradient = vjp
        self.expand = expand
        self.rule = dtype
        self.arity = arity
        self.commutes = commutes
        self.infix = infix
        templates = [] if c is None else list(c.values()) if isinstance(c, dict) else [c]
        #: of real numbers, where it is defined for them
        self.cost = (
            _cost(c["f"]) if isinstance(c, dict) and "f" in c else max(map(_cost, templates), default=20)
        )
        self.function = (
            None
            if c is None
            else ScalarFunction(
                name, c, numpy, (support,) if isinstance(support, str) else support, self.cost, externals
            )
        )
        if type(self) is Elementwise:
            TABLE.setdefault(name, self)
        #: arguments that only give their shape
        self.unread = tuple(
            i for i in range(arity) if templates and all(f"{{{i}}}" not in t for t in templates)
        )

    def _identity(self) -> tuple[Any, ...]:
        return (Elementwise, self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _row, (self.name,)

    def __str__(self) -> str:
        return f"Elemwise{{{self.name},no_inplace}}"

    def infer_type(self, *inputs: Variable) -> list[TensorType]:
        if len(inputs) != self.arity:
            raise TypeError(f"{self.name} takes {self.arity} arguments, got {len(inputs)}")
        for v in inputs:
            if not isinstance(v.type, TensorType):
                raise TypeError(f"{self.name} works on tensors, {v} is a {v.type}")
        return [_result_type(self, config.floatX, *[v.type for v in inputs])]

    def numpy(self, *arrays: Any) -> np.ndarray:
        arrays = tuple(map(np.asarray, arrays))
        operands, result = self.rule(*(a.dtype.name for a in arrays))
        with np.errstate(all="ignore"):
            value = self.meaning(*(a.astype(d, copy=False) for a, d in zip(arrays, operands, strict=True)))
        return np.asarray(value, dtype=result)

    def check_lengths(self, node: Apply, arrays: Sequence[Any]) -> None:
        """Only axes known to have length 1 are stretched: NumPy would stretch any that happen to be 1."""
        for axis in range(-node.out.ndim, 0):
            lengths = {
                position: array.shape[axis]
                for position, (v, array) in enumerate(zip(node.inputs, arrays, strict=True))
                if v.ndim >= -axis and v.type.shape[axis] != 1
            }
            if len(set(lengths.values())) > 1:
                places = (f"input[{i}].shape[{node.inputs[i].ndim + axis}] = {n}" for i, n in lengths.items())
                raise ValueError(f"{self}: Input dimension mis-match. ({', '.join(places)})")

    def vjp(
        self, cotangents: Sequence[Variable], outputs: Sequence[Variable], inputs: Sequence[Variable]
    ) -> list[Variable | None]:
        if self.gradient is None:
            raise NotImplementedError(f"{self.name} has no gradient")
        flows = self.gradient(cotangents[0], outputs[0], *inputs)
        return [
            summed_to(g, x) if g is not None and isinstance(g.type, TensorType) else g
            for g, x in zip(flows, inputs, strict=True)
        ]

    def batched(self, node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
        rank = node.out.ndim
        return [self(*(behind_batch(new, old, rank) for new, old in zip(inputs, node.inputs, strict=True)))]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        return [same_lengths(reader, node, node.out.ndim, node.inputs)]

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        if self.function is None:
            raise NotImplementedError(f"{self.name} is a composite: it is expanded before lowering")
        operands, _ = self.rule(*(v.dtype for v in node.inputs))
        args = tuple(
            reader.literal(0, dtype)
            if position in self.unread
            else reader.convert(reader.value(v, broadcast_index(v, index)), dtype)
            for position, (v, dtype) in enumerate(zip(node.inputs, operands, strict=True))
        )
        return reader.compute(self.function, args, node.out.dtype)


@functools.lru_cache(1 << 14)
def _result_type(row: Elementwise, floatX: str, *types: TensorType) -> TensorType:
    """Remembered, for a graph has thousands of nodes of few kinds; `floatX` is what dtype rules look at besides."""
    try:
        _, dtype = row.rule(*(t.dtype for t in types))
    except TypeError as error:
        raise TypeError(f"{row.name} {error} (given {describe(types)})") from None
    return TensorType(dtype, broadcast_shapes(row.name, types))


def summed_to(gradient: Variable, x: Variable) -> Variable:
    """A gradient with broadcasting undone: summed and converted to the type of `x`."""
    extra = gradient.ndim - x.ndim
    if extra > 0:
        gradient = gradient.sum(axis=tuple(range(extra)))
    stretched = tuple(
        axis
        for axis, (mine, its) in enumerate(zip(x.type.shape, gradient.type.shape, strict=True))
        if mine == 1 and its != 1
    )
    if stretched:
        gradient = gradient.sum(axis=stretched, keepdims=True)
    if gradient.dtype != x.dtype and x.dtype in (*FLOATS, *COMPLEX):
        if gradient.dtype in COMPLEX and x.dtype in FLOATS:
            gradient = real(gradient)
        gradient = cast(gradient, x.dtype)
    return gradient


def _cost(template: str) -> int:
    """1 for arithmetic, 4 for a division, 20 for a call."""
    if re.search(r"[a-z_0-9}]\(", template):
        return 20
    return 4 if " / " in template or "sqrt" in template else 1


def _row(name: str) -> Elementwise:
    return TABLE[name]


class _SciPy:
    """scipy.special on first use: importing it would double the import time of the package."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args: extensions.special(name)(*args)


SCIPY = _SciPy()


def _zeros(*xs: Variable) -> tuple[Variable, ...]:
    return tuple(fill(x, np.zeros((), x.dtype if x.dtype in FLOATS else config.floatX)) for x in xs)


def _no_flow(g: Variable, y: Variable, *xs: Variable) -> tuple[Variable, ...]:
    """The gradient of a step function: zero where it exists (and connected)."""
    return _zeros(*xs)


# ------------------------------------------------------------------------------------ arithmetic

add = Elementwise(
    "add", numpy=np.add, vjp=lambda g, z, x, y: (g, g), c="({0} + {1})", arity=2, commutes=True, infix="+"
)
sub = Elementwise(
    "sub",
    numpy=np.subtract,
    vjp=lambda g, z, x, y: (g, -g),
    c="({0} - {1})",
    dtype=_not_boolean,
    arity=2,
    infix="-",
)
mul = Elementwise(
    "mul",
    numpy=np.multiply,
    vjp=lambda g, z, x, y: (g * conj(y), g * conj(x)),
    c="({0} * {1})",
    arity=2,
    commutes=True,
    infix="*",
)
true_div = Elementwise(
    "true_div",
    numpy=np.true_divide,
    vjp=lambda g, z, x, y: (g / conj(y), -((g / conj(y)) * conj(z))),  # one division more, for both
    c="({0} / {1})",
    dtype=_divided,
    arity=2,
    infix="/",
)
int_div = Elementwise(
    "int_div",
    numpy=np.floor_divide,
    vjp=_no_flow,
    c={"f": "pg_floordiv{f}({0}, {1})", "i": "pg_floordiv_i({0}, {1})", "u": "({1} == 0 ? 0 : {0} / {1})"},
    support=special_c.FLOOR_DIVISION,
    dtype=_real,
    arity=2,
    infix="//",
)
mod = Elementwise(
    "mod",
    numpy=np.mod,
    vjp=lambda g, z, x, y: (g, -(g * (x // y))),
    c={"f": "pg_mod{f}({0}, {1})", "i": "pg_mod_i({0}, {1})", "u": "({1} == 0 ? 0 : {0} % {1})"},
    support=special_c.FLOOR_DIVISION,
    dtype=_real,
    arity=2,
)


def _power(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.kind not in "iu":
        return np.power(x, y)
    whole = np.power(x, np.maximum(y, 0))
    rounded = np.where(x == 1, 1, np.where(x == -1, np.where(y % 2 == 0, 1, -1), 0))
    return np.where(y >= 0, whole, rounded.astype(x.dtype))


pow = Elementwise(
    "pow",
    numpy=_power,
    vjp=lambda g, z, x, y: ((g * y) * x ** (y - 1), g * switch(eq(x, 0), zeros_like(z), z * log(x))),
    c={
        "f": "pow{f}({0}, {1})",
        "i": "pg_ipow({0}, {1})",
        "u": "pg_upow({0}, {1})",
        "c": "({1} == 0 ? ({t})1 : cpow{f}({0}, {1}))",
    },
    support=special_c.INTEGER_POWER,
    dtype=_numeric,
    arity=2,
    infix="**",
)
neg = Elementwise("neg", numpy=np.negative, vjp=lambda g, y, x: (-g,), c="(-{0})", dtype=_not_boolean)
abs = Elementwise(
    "abs",
    numpy=np.abs,
    vjp=lambda g, y, x: (g * sgn(x),),
    c={
        "f": "fabs{f}({0})",
        "i": "({0} < 0 ? -{0} : {0})",
        "u": "({0})",
        "b": "({0})",
        "c": "cabs{f}({0})",
    },
    dtype=_magnitude,
)


def _sign_flow(g: Variable, y: Variable, x: Variable) -> tuple[Variable, ...]:
    """A step function of real numbers; of complex ones z / |z|, which turns with z."""
    if x.dtype not in COMPLEX:
        return _zeros(x)
    length = abs(x)
    across = g - y * real(conj(g) * y)
    return (switch(eq(length, 0), zeros_like(y), across / switch(eq(length, 0), ones_like(length), length)),)


sgn = Elementwise(
    "sgn",
    numpy=np.sign,
    vjp=_sign_flow,
    c={
        "f": "({0} != {0} ? {0} : ({t})(({0} > 0) - ({0} < 0)))",
        "i": "(({0} > 0) - ({0} < 0))",
        "u": "({0} > 0)",
        "c": "pg_csgn{f}({0})",
    },
    support=special_c.COMPLEX_SIGN,
    dtype=_not_boolean,
)
reciprocal = Elementwise(
    "inv", numpy=np.reciprocal, vjp=lambda g, y, x: (-(g * conj(y * y)),), c="(1 / {0})", dtype=_floating
)
sqr = Elementwise(
    "sqr", numpy=np.square, vjp=lambda g, y, x: (g * conj(2 * x),), c="({0} * {0})", dtype=_numeric
)
sqrt = Elementwise(
    "sqrt",
    numpy=np.sqrt,
    vjp=lambda g, y, x: (g * 0.5 / conj(y),),
    c={"f": "sqrt{f}({0})", "c": "csqrt{f}({0})"},
    dtype=_floating,
)
maximum = Elementwise(
    "maximum",
    numpy=np.maximum,
    vjp=lambda g, z, x, y: (g * (x >= y), g * (x < y)),
    c="({0} > {1} || {0} != {0} ? {0} : {1})",
    dtype=_largest,
    arity=2,
    commutes=True,
)
minimum = Elementwise(
    "minimum",
    numpy=np.minimum,
    vjp=lambda g, z, x, y: (g * (x <= y), g * (x > y)),
    c="({0} < {1} || {0} != {0} ? {0} : {1})",
    dtype=_largest,
    arity=2,
    commutes=True,
)
clip = Elementwise(
    "clip",
    numpy=lambda x, low, high: np.minimum(np.maximum(x, low), high),
    vjp=lambda g, z, x, low, high: (
        g * ((x >= low) & (x <= high)),
        g * ((x < low) & (low <= high)),
        g * ((x > high) | (low > high)),
    ),
    expand=lambda x, low, high: minimum(maximum(x, low), high),
    dtype=_real,
    arity=3,
)
fill = Elementwise(
    "fill",
    numpy=lambda model, value: np.broadcast_to(value, np.broadcast_shapes(model.shape, value.shape)),
    vjp=lambda g, z, model, value: (*_zeros(model), g),
    c="{1}",
    dtype=_filled,
    arity=2,
)
identity = Elementwise("identity", numpy=np.copy, vjp=lambda g, y, x: (g,), c="{0}")


def zeros_like(x: Variable, dtype: str | None = None) -> Variable:
    """Zeros of the shape (and dtype) of `x`."""
    return fill(x, np.zeros((), dtype or x.dtype))


def ones_like(x: Variable, dtype: str | None = None) -> Variable:
    """Ones of the shape (and dtype) of `x`."""
    return fill(x, np.ones((), dtype or x.dtype))


# ------------------------------------------------------------------------------------ exponentials


def _libm(
    name: str, vjp: Callable[..., Any], numpy: Callable[..., Any], complex_too: bool = False
) -> Elementwise:
    """A function that libm has under the name that NumPy or Theano gives it; of complex numbers, if not libm then
    `special_c`."""
    real_name = name.replace("arc", "a")
    c = {"f": f"{real_name}{{f}}({{0}})"}
    own = special_c.COMPLEX.get(name, "")
    if complex_too:
        c["c"] = f"{'pg_' if own else ''}c{real_name}{{f}}({{0}})"
    return Elementwise(
        name,
        numpy=numpy,
        vjp=vjp,
        c=c,
        support=(own,) if own else (),
        dtype=_floating if complex_too else real_floating,
    )


def _log1p(x: np.ndarray) -> np.ndarray:
    """NumPy's loses the digits of small complex numbers, SciPy's does not."""
    return SCIPY.log1p(x) if x.dtype.kind == "c" else np.log1p(x)


exp = _libm("exp", lambda g, y, x: (g * conj(y),), np.exp, complex_too=True)
log = _libm("log", lambda g, y, x: (g / conj(x),), np.log, complex_too=True)
exp2 = _libm("exp2", lambda g, y, x: (g * conj(y) * math.log(2.0),), np.exp2, complex_too=True)
expm1 = _libm("expm1", lambda g, y, x: (g * conj(exp(x)),), np.expm1, complex_too=True)
log1p = _libm("log1p", lambda g, y, x: (g / conj(1 + x),), _log1p, complex_too=True)
log2 = _libm("log2", lambda g, y, x: (g / conj(x * math.log(2.0)),), np.log2, complex_too=True)
log10 = _libm("log10", lambda g, y, x: (g / conj(x * math.log(10.0)),), np.log10, complex_too=True)

sigmoid = Elementwise(
    "sigmoid",
    numpy=SCIPY.expit,
    vjp=lambda g, y, x: (g * (y * sigmoid(-x)),),
    expand=lambda x: switch(x >= 0, 1.0, exp(-abs(x))) / (1 + exp(-abs(x))),
    dtype=real_floating,
)
softplus = Elementwise(
    "softplus",
    numpy=lambda x: np.logaddexp(np.zeros((), x.dtype), x),
    vjp=lambda g, y, x: (g * sigmoid(x),),
    expand=lambda x: maximum(x, 0.0) + log1p(exp(-abs(x))),
    dtype=real_floating,
)
log1mexp = Elementwise(
    "log1mexp",
    numpy=lambda x: np.where(x > -math.log(2.0), np.log(-np.expm1(x)), np.log1p(-np.exp(x))),
    vjp=lambda g, y, x: (-g / expm1(-x),),
    expand=lambda x: switch(x > -math.log(2.0), log(-expm1(x)), log1p(-exp(x))),
    dtype=real_floating,
)
logaddexp = Elementwise(
    "logaddexp",
    numpy=np.logaddexp,
    vjp=lambda g, z, x, y: (g * sigmoid(x - y), g * sigmoid(y - x)),
    expand=lambda x, y: switch(isinf(maximum(x, y)), maximum(x, y), maximum(x, y) + log1p(exp(-abs(x - y)))),
    dtype=real_floating,
    arity=2,
    commutes=True,
)
xlogy = Elementwise(
    "xlogy",
    numpy=SCIPY.xlogy,
    vjp=lambda g, z, x, y: (g * log(y), g * switch(eq(x, 0), zeros_like(z), x / y)),
    expand=lambda x, y: switch(eq(x, 0) & eq(y, y), zeros_like(x / y), x * log(y)),
    dtype=real_floating,
    arity=2,
)
xlog1py = Elementwise(
    "xlog1py",
    numpy=SCIPY.xlog1py,
    vjp=lambda g, z, x, y: (g * log1p(y), g * switch(eq(x, 0), zeros_like(z), x / (1 + y))),
    expand=lambda x, y: switch(eq(x, 0) & eq(y, y), zeros_like(x / y), x * log1p(y)),
    dtype=real_floating,
    arity=2,
)

# ------------------------------------------------------------------------------------ trigonometry

sin = _libm("sin", lambda g, y, x: (g * conj(cos(x)),), np.sin, complex_too=True)
cos = _libm("cos", lambda g, y, x: (-(g * conj(sin(x))),), np.cos, complex_too=True)
tan = _libm("tan", lambda g, y, x: (g * conj(1 + y * y),), np.tan, complex_too=True)
arcsin = _libm("arcsin", lambda g, y, x: (g / conj(sqrt((1 - x) * (1 + x))),), np.arcsin, complex_too=True)
arccos = _libm("arccos", lambda g, y, x: (-g / conj(sqrt((1 - x) * (1 + x))),), np.arccos, complex_too=True)
arctan = _libm("arctan", lambda g, y, x: (g / conj(1 + x * x),), np.arctan, complex_too=True)
sinh = _libm("sinh", lambda g, y, x: (g * conj(cosh(x)),), np.sinh, complex_too=True)
cosh = _libm("cosh", lambda g, y, x: (g * conj(sinh(x)),), np.cosh, complex_too=True)
tanh = _libm("tanh", lambda g, y, x: (g * conj(1 - y) * conj(1 + y),), np.tanh, complex_too=True)
arcsinh = _libm("arcsinh", lambda g, y, x: (g / conj(sqrt(1 + x * x)),), np.arcsinh, complex_too=True)
arccosh = _libm(
    "arccosh", lambda g, y, x: (g / conj(sqrt(x - 1) * sqrt(x + 1)),), np.arccosh, complex_too=True
)
arctanh = _libm("arctanh", lambda g, y, x: (g / conj((1 - x) * (1 + x)),), np.arctanh, complex_too=True)
arctan2 = Elementwise(
    "arctan2",
    numpy=np.arctan2,
    vjp=lambda g, z, y, x: (g * x / (x * x + y * y), -(g * y) / (x * x + y * y)),
    c="atan2{f}({0}, {1})",
    dtype=real_floating,
    arity=2,
)
deg2rad = Elementwise(
    "deg2rad",
    numpy=np.deg2rad,
    vjp=lambda g, y, x: (g * (np.pi / 180),),
    c="({0} * ({t})0.017453292519943295)",
    dtype=real_floating,
)
rad2deg = Elementwise(
    "rad2deg",
    numpy=np.rad2deg,
    vjp=lambda g, y, x: (g * (180 / np.pi),),
    c="({0} * ({t})57.29577951308232)",
    dtype=real_floating,
)

# ------------------------------------------------------------------------------------ rounding

floor = Elementwise("floor", numpy=np.floor, vjp=_no_flow, c="floor{f}({0})", dtype=real_floating)
ceil = Elementwise("ceil", numpy=np.ceil, vjp=_no_flow, c="ceil{f}({0})", dtype=real_floating)
trunc = Elementwise("trunc", numpy=np.trunc, vjp=_no_flow, c="trunc{f}({0})", dtype=real_floating)
round_half_to_even = Elementwise(
    "round_half_to_even", numpy=np.rint, vjp=_no_flow, c="rint{f}({0})", dtype=real_floating
)
round_half_away_from_zero = Elementwise(
    "round_half_away_from_zero",
    numpy=lambda x: np.trunc(x) + np.where(np.abs(x - np.trunc(x)) >= 0.5, np.sign(x), np.zeros((), x.dtype)),
    vjp=_no_flow,
    c="round{f}({0})",
    dtype=real_floating,
)

# ------------------------------------------------------------------------------------ comparison and logic


def _comparison(name: str, infix: str, meaning: Callable[..., Any], commutes: bool = False) -> Elementwise:
    return Elementwise(
        name,
        numpy=meaning,
        vjp=_no_flow,
        c=f"({{0}} {infix} {{1}})",
        dtype=_compared if commutes else _ordered,
        arity=2,
        commutes=commutes,
    )


eq = _comparison("eq", "==", np.equal, commutes=True)
neq = _comparison("neq", "!=", np.not_equal, commutes=True)
lt = _comparison("lt", "<", np.less)
le = _comparison("le", "<=", np.less_equal)
gt = _comparison("gt", ">", np.greater)
ge = _comparison("ge", ">=", np.greater_equal)
isnan = Elementwise("isnan", numpy=np.isnan, vjp=_no_flow, c="({0} != {0})", dtype=_compared)
isinf = Elementwise(
    "isinf",
    numpy=np.isinf,
    vjp=_no_flow,
    c={
        "f": "(({0} == {0}) & ({0} - {0} != 0))",
        "i": "((void){0}, 0)",
        "u": "((void){0}, 0)",
        "b": "((void){0}, 0)",
        "c": "(__builtin_isinf(__real__ {0}) || __builtin_isinf(__imag__ {0}))",
    },
    dtype=_compared,
)
switch = Elementwise(
    "switch",
    numpy=np.where,
    vjp=lambda g, z, c, a, b: (*_zeros(c), switch(c, g, zeros_like(g)), switch(c, zeros_like(g), g)),
    c="({0} ? {1} : {2})",
    dtype=_switched,
    arity=3,
)


def _bitwise(name: str, infix: str, meaning: Callable[..., Any]) -> Elementwise:
    c = f"({{0}} {infix} {{1}})"
    return Elementwise(
        name, numpy=meaning, vjp=_no_flow, c=c, dtype=_bits, arity=2, commutes=True, infix=infix
    )


and_ = _bitwise("and_", "&", np.bitwise_and)
or_ = _bitwise("or_", "|", np.bitwise_or)
xor = _bitwise("xor", "^", np.bitwise_xor)
invert = Elementwise(
    "invert",
    numpy=np.invert,
    vjp=_no_flow,
    c={"b": "(!{0})", "i": "(~{0})", "u": "({t})(~{0})"},
    dtype=_bits,
)

# ------------------------------------------------------------------------------------ special functions

#: so few numbers are computed one by one: loading SciPy's functions takes longer
FEW_NUMBERS = 64


def _gammaln(x: np.ndarray) -> np.ndarray:
    """SciPy's, or Python's for a few numbers: those of a density whose shape parameters are known."""
    if x.size > FEW_NUMBERS:
        return SCIPY.gammaln(x)
    return np.array([_log_gamma(float(v)) for v in x.flat], x.dtype).reshape(x.shape)


def _log_gamma(x: float) -> float:
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):  # a pole, or too large
        return math.inf


gammaln = Elementwise(
    "gammaln",
    numpy=_gammaln,
    vjp=lambda g, y, x: (g * psi(x),),
    c="({t})pg_lgamma({0})",
    support=special_c.LGAMMA,
    dtype=real_floating,
)
psi = Elementwise(
    "psi",
    numpy=SCIPY.psi,
    vjp=lambda g, y, x: (g * tri_gamma(x),),
    c="({t})pg_digamma({0})",
    support=special_c.DIGAMMA,
    dtype=real_floating,
)
tri_gamma = Elementwise(
    "tri_gamma",
    numpy=lambda x: SCIPY.polygamma(1, x).astype(x.dtype),
    vjp=lambda g, y, x: (g * polygamma(2, x),),
    c="({t})pg_trigamma({0})",
    support=special_c.TRIGAMMA,
    dtype=real_floating,
)
polygamma = Elementwise(
    "polygamma",
    numpy=lambda n, x: np.asarray(SCIPY.polygamma(n, x)).astype(x.dtype),
    vjp=lambda g, y, n, x: (
        grad_not_implemented("polygamma", 0, n, "There is none between the integers."),
        g * polygamma(n + 1, x),
    ),
    c="({t})pg_polygamma({0}, {1})",
    support=(special_c.DIGAMMA, special_c.POLYGAMMA),
    dtype=real_floating,
    arity=2,
)
erf = Elementwise(
    "erf",
    numpy=SCIPY.erf,
    vjp=lambda g, y, x: (g * (2 / math.sqrt(math.pi)) * exp(-x * x),),
    c="erf{f}({0})",
    dtype=real_floating,
)
erfc = Elementwise(
    "erfc",
    numpy=SCIPY.erfc,
    vjp=lambda g, y, x: (-(g * (2 / math.sqrt(math.pi)) * exp(-x * x)),),
    c="erfc{f}({0})",
    dtype=real_floating,
)


def _log_erfc_tail(x: Any) -> Any:
    """√π x exp(x²) erfc(x) for x >= 8 in single, 25 in double precision (Abramowitz & Stegun 7.1.23)."""
    r = 0.5 / (x * x)
    return 1 - r * (1 - 3 * r * (1 - 5 * r * (1 - 7 * r * (1 - 9 * r * (1 - 11 * r)))))


def _from_here(x: Any) -> float:
    return 8.0 if x.dtype == "float32" else 25.0


def _log_erfc(x: Any, log: Any, log1p: Any, erf: Any, erfc: Any, least: Any, most: Any, choose: Any) -> Any:
    start = _from_here(x)
    far = most(x, start)
    tail = log(_log_erfc_tail(far)) - log(far) - math.log(math.pi) / 2 - far * far
    middle = choose(x * x < 0.25, log1p(-erf(x)), log(erfc(least(x, start))))
    return choose(x < start, middle, tail)


def _log_erfc_slope(x: Variable) -> Variable:
    start = _from_here(x)
    near, far = minimum(x, start), maximum(x, start)
    return switch(
        x < start, (-2 / math.sqrt(math.pi)) * exp(-near * near) / erfc(near), -2 * far / _log_erfc_tail(far)
    )


log_erfc = Elementwise(
    "log_erfc",
    numpy=lambda x: _log_erfc(x, np.log, np.log1p, SCIPY.erf, SCIPY.erfc, np.minimum, np.maximum, np.where),
    vjp=lambda g, y, x: (g * _log_erfc_slope(x),),
    expand=lambda x: _log_erfc(x, log, log1p, erf, erfc, minimum, maximum, switch),
    dtype=real_floating,
)

# ------------------------------------------------------------------------------------ complex numbers

real = Elementwise(
    "real",
    numpy=np.real,
    vjp=lambda g, y, x: (g,),
    c={"c": "(__real__ {0})", "f": "({0})", "i": "({0})", "u": "({0})", "b": "({0})"},
    dtype=_magnitude,
)
imag = Elementwise(
    "imag",
    numpy=np.imag,
    vjp=lambda g, y, x: (complex(zeros_like(g), g) if x.dtype in COMPLEX else zeros_like(g),),
    c={"c": "(__imag__ {0})", "f": "(({t})0)", "i": "(({t})0)", "u": "(({t})0)", "b": "(({t})0)"},
    dtype=_magnitude,
)
_conj = Elementwise(
    "conj", numpy=np.conj, vjp=lambda g, y, x: (conj(g),), c={"c": "conj{f}({0})"}, dtype=_numeric
)
angle = Elementwise(
    "angle",
    numpy=np.angle,
    # x / |x|^2 is what turns it fastest, a quarter turn on; a real number cannot turn
    vjp=lambda g, y, x: (((g / conj(x)) * np.complex64(1j) if x.dtype in COMPLEX else zeros_like(g)),),
    c={"c": "carg{f}({0})", "f": "(({t})__builtin_atan2(0, {0}))"},
    dtype=lambda d: ((to_float(d),), real_part(to_float(d))),
)


def _complex(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    z = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a, b, np.complex64))
    z.real, z.imag = a, b
    return z


complex = Elementwise(
    "complex",
    numpy=_complex,
    vjp=lambda g, z, a, b: (real(g), imag(g)),
    c="__builtin_complex({0}, {1})",
    dtype=_complexed,
    arity=2,
)


def conj(x: Variable) -> Variable:
    """The complex conjugate; a real variable is its own."""
    return _conj(x) if not isinstance(x, Variable) or x.dtype in COMPLEX else x


# ------------------------------------------------------------------------------------ conversion


def _cast_row(dtype: str) -> Elementwise:
    return Elementwise(
        f"Cast{{{dtype}}}",
        numpy=lambda x: np.asarray(x).astype(dtype),
        vjp=(lambda g, y, x: (g,)) if dtype in (*FLOATS, *COMPLEX) else _no_flow,
        c="({0} != 0)"
        if dtype == "bool"
        else dict.fromkeys("iufc", "({t})({0})")
        | {"b": "({0} ? ({t})1 : ({t})0)"},  # which is a vector operation
        dtype=lambda given: ((given,), dtype),
    )


_CASTS = {
    dtype: _cast_row(dtype)
    for dtype in (
        "bool",
        *(k + n for k in ("int", "uint") for n in ("8", "16", "32", "64")),
        *FLOATS,
        *COMPLEX,
    )
}


def cast(x: Any, dtype: str) -> Variable:
    """`x` converted to another dtype ("floatX" is the configured one); to bool means != 0.

    Raises TypeError from complex to real: say which part is meant with `real`, `imag` or `abs`.
    """
    dtype = config.floatX if dtype == "floatX" else np.dtype(dtype).name
    (v,) = _CASTS[dtype].prepare([x])
    if v.dtype == dtype:
        return v
    if v.dtype in COMPLEX and dtype not in COMPLEX and dtype != "bool":
        raise TypeError(
            f"Casting {v} from complex to real is ambiguous: consider real(), imag(), angle() or abs()"
        )
    return _CASTS[dtype](v)


#: what the namespaces offer of this: every row under the name it has here, and the functions around them
__all__ = [
    *(name for name, row in globals().items() if isinstance(row, Elementwise) and not name.startswith("_")),
    "cast",
    "conj",
    "ones_like",
    "zeros_like",
]
