"""The one place that gives Variable its arithmetic and methods, and TensorType its call.

The graph floor cannot know the ops, which are built on it; so the operators are put on the classes here, once,
when the engine is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variable
from probgraph.engine.ops import cumulative, index, linalg, masks, reduce, selection, shape, sorting
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.run_graph import evaluate
from probgraph.engine.types import TensorType


def _binary(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def operator(self: Variable, other: Any) -> Any:
        return function(self, other)

    return operator


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def operator(self: Variable, other: Any) -> Any:
        return function(other, self)

    return operator


_OPERATORS = {
    "add": ew.add,
    "sub": ew.sub,
    "mul": ew.mul,
    "truediv": ew.true_div,
    "floordiv": ew.int_div,
    "mod": ew.mod,
    "pow": ew.pow,
    "and": ew.and_,
    "or": ew.or_,
    "xor": ew.xor,
    "matmul": linalg.matmul,
    "divmod": lambda a, b: (ew.int_div(a, b), ew.mod(a, b)),
}
for _name, _function in _OPERATORS.items():
    setattr(Variable, f"__{_name}__", _binary(_function))
    setattr(Variable, f"__r{_name}__", _reflected(_function))
for _name, _function in {"lt": ew.lt, "le": ew.le, "gt": ew.gt, "ge": ew.ge}.items():
    setattr(Variable, f"__{_name}__", _binary(_function))
for _name, _function in {"neg": ew.neg, "abs": ew.abs, "invert": ew.invert, "pos": lambda x: x}.items():
    setattr(Variable, f"__{_name}__", lambda self, function=_function: function(self))


def _bool(self: Variable) -> bool:
    if self.owner is not None and self.owner.op in (ew.lt, ew.le, ew.gt, ew.ge, ew.eq, ew.neq):
        raise TypeError(
            "Variables do not support boolean operations. A comparison is a graph, not a truth: use switch(c, a, b),"
            " or T.eq, and & | ~ to combine."
        )
    return True


def _length(self: Variable) -> int:
    raise TypeError("object of type 'Variable' has no len(): use x.shape[0]")


def _iterate(self: Variable) -> Iterator[Variable]:
    if self.ndim == 0:
        raise TypeError(f"iteration over a 0-d variable: {self}")
    known = self.type.shape[0]
    if known is None:
        raise TypeError(f"cannot iterate over {self}: its length is not known; use x[i], or a static shape")
    return (self[i] for i in range(known))


#: NumPy's names of what has another one here
_UFUNCS = {
    "absolute": ew.abs,
    "bitwise_and": ew.and_,
    "bitwise_or": ew.or_,
    "bitwise_xor": ew.xor,
    "conjugate": ew.conj,
    "divide": ew.true_div,
    "equal": ew.eq,
    "floor_divide": ew.int_div,
    "greater": ew.gt,
    "greater_equal": ew.ge,
    "less": ew.lt,
    "less_equal": ew.le,
    "matmul": linalg.matmul,
    "multiply": ew.mul,
    "negative": ew.neg,
    "not_equal": ew.neq,
    "power": ew.pow,
    "reciprocal": ew.reciprocal,
    "remainder": ew.mod,
    "rint": ew.round_half_to_even,
    "sign": ew.sgn,
    "square": ew.sqr,
    "subtract": ew.sub,
}


def _ufunc(self: Variable, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    """NumPy's own functions on variables are ours: np.exp(x), np.ones(3) * x."""
    function = _UFUNCS.get(ufunc.__name__) or ew.TABLE.get(ufunc.__name__)
    return NotImplemented if function is None or method != "__call__" or options else function(*inputs)


# NumPy arrays on the left give way: `np.ones(3) * v` is a graph, not an array of objects.
Variable.__array_priority__ = 1000
Variable.__array_ufunc__ = _ufunc
Variable.__bool__ = _bool
Variable.__len__ = _length
Variable.__iter__ = _iterate
Variable.__getitem__ = index.get_item

Variable.T = property(shape.transpose)
Variable.shape = property(shape.shape)
Variable.size = property(lambda self: reduce.prod(shape.shape(self)))
Variable.real = property(lambda self: ew.real(self))
Variable.imag = property(lambda self: ew.imag(self))
Variable.mT = property(linalg.matrix_transpose)


def _variadic(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A method that takes axes or lengths one by one, or as one tuple."""

    def method(self: Variable, *args: Any, **kwargs: Any) -> Any:
        given = args[0] if len(args) == 1 and not isinstance(args[0], int) else list(args)
        return function(self, given, **kwargs)

    return method


def _transposed(self: Variable, *axes: Any) -> Variable:
    if not axes or axes == (None,):
        return shape.transpose(self)
    return shape.transpose(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes)


def _evaluate(self: Variable, given: dict[Variable | str, Any] | None = None, **by_name: Any) -> Any:
    """The value, given those of the roots by variable or by name: `y.eval({x: 2.0})`, `y.eval(x=2.0)`."""
    return evaluate(self, given, **by_name)


def _norm(x: Variable, L: Any, axis: Any = None, keepdims: bool = False) -> Variable:
    """(sum |x|^L)^(1/L) of all elements, or of those along some axes; the largest |x| for L = inf."""
    size = ew.abs(x)
    if not isinstance(L, Variable):
        if L == 0:
            raise NotImplementedError("x.norm(0) is not a norm: count elements by T.neq(x, 0).sum()")
        if np.isinf(L):
            return (reduce.max if L > 0 else reduce.min)(size, axis, keepdims)
        if L == 1:
            return reduce.sum(size, axis, keepdims=keepdims)
        if L == 2:
            return ew.sqrt(reduce.sum(ew.sqr(size), axis, keepdims=keepdims))
    return ew.pow(reduce.sum(ew.pow(size, L), axis, keepdims=keepdims), 1.0 / L)


_METHODS: dict[str, Callable[..., Any]] = {
    "sum": reduce.sum,
    "prod": reduce.prod,
    "mean": reduce.mean,
    "var": reduce.var,
    "std": reduce.std,
    "max": reduce.max,
    "min": reduce.min,
    "argmax": selection.argmax,
    "argmin": selection.argmin,
    "argsort": sorting.argsort,
    "compress": lambda self, condition, axis=None: masks.compress(condition, self, axis),
    "cumprod": cumulative.cumprod,
    "cumsum": cumulative.cumsum,
    "nonzero": masks.nonzero,
    "nonzero_values": masks.nonzero_values,
    "searchsorted": sorting.searchsorted,
    "sort": sorting.sort,
    "any": reduce.any,
    "all": reduce.all,
    "dot": linalg.dot,
    "matmul": linalg.matmul,
    "outer": linalg.outer,
    "diagonal": linalg.diagonal,
    "trace": linalg.trace,
    "norm": _norm,
    "astype": ew.cast,
    "clip": ew.clip,
    "conj": ew.conj,
    "conjugate": ew.conj,
    "fill": ew.fill,
    "zeros_like": ew.zeros_like,
    "ones_like": ew.ones_like,
    "dimshuffle": shape.dimshuffle,
    "flatten": shape.flatten,
    "ravel": shape.flatten,
    "squeeze": shape.squeeze,
    "swapaxes": shape.swapaxes,
    "take": index.take,
    "copy": ew.identity,
    "reshape": _variadic(shape.reshape),
    "transpose": _transposed,
    "eval": _evaluate,
    "set": lambda self, y: index.set_subtensor(self, y),
    "inc": lambda self, y: index.inc_subtensor(self, y),
}
for _row in ew.TABLE.values():
    # Every function of one argument is a method: NumPy's own find them on objects, np.exp(x) is x.exp().
    if _row.arity == 1 and _row.name.isidentifier() and not hasattr(Variable, _row.name):
        _METHODS.setdefault(_row.name, _row)
_METHODS["round"] = ew.round_half_to_even
for _name, _function in _METHODS.items():
    setattr(Variable, _name, lambda self, *a, _function=_function, **k: _function(self, *a, **k))


def _named(type: TensorType, name: str | None = None) -> Variable:
    """A root of this type: `T.dvector("x")`."""
    return Variable(type, name)


# What a list with variables in it stands for.
Variable.stacked = staticmethod(shape.stack)
TensorType.__call__ = _named
TensorType.make_variable = _named
TensorType.filter_variable = lambda type, value: as_variable(value)


def _drawn(self: Variable) -> Any:
    found = getattr(getattr(self, "_tag", None), "update", None)
    if found is None:
        raise AttributeError(f"{self} has no generator of its own: it was not drawn from a random stream")
    return found


# What a random variable was drawn from, and the pair of it and the state after the draws.
Variable.rng = property(lambda self: _drawn(self)[0])
Variable.update = property(_drawn)
