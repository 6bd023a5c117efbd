"""Operations of a user's own: in Python, in Theano's manner; of a Python function (`as_op`); of C text.

What Python runs is `Hosted`: the rest of a graph is still compiled, around it. What has C text is compiled with
the rest, and run by NumPy where there is no compiler.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgraph.engine.graph import Apply, Variable
from probgraph.engine.loops import Expr, Kernel
from probgraph.engine.no_gradient import DisconnectedType, NullType
from probgraph.engine.op import Hosted, KernelCall, LengthReader, ValueReader, as_variable
from probgraph.engine.ops.elementwise import DtypeRule, Elementwise, _floating, _promoted
from probgraph.engine.ops.shape import as_length, shape, stack
from probgraph.engine.types import TensorType, Type, describe


class Op(Hosted):
    """The base of an operation written in Python.

    In Theano's manner a class defines `make_node(self, *inputs)`, which checks the inputs and returns
    `Apply(self, inputs, [output variables])`, or lists of types, `itypes` and `otypes`, instead; and
    `perform(self, node, inputs, output_storage)`, which puts result i into `output_storage[i][0]`. For gradients it
    defines `grad(self, inputs, output_gradients)` or `L_op(self, inputs, outputs, output_gradients)`, which return a
    variable for each input (of NullType or DisconnectedType where there is none). `infer_shape(self, node, input_shapes)` may give the lengths
    of the results, so that a graph that asks for these only need not run it. `__props__` names the attributes
    that make two of them equal; without it each object is an operation of its own. `default_output` is the place of
    the one result that a call gives, if there are several. An operation has no side effects: it changes its inputs
    only if it says so (`destroy_map`), and then is given copies.

    Or, in this engine's manner, it defines `infer_type`, `numpy` and `vjp`.

    >>> class Twice(Op):
    ...     __props__ = ()
    ...     def make_node(self, x):
    ...         x = as_variable(x)
    ...         return Apply(self, [x], [x.type()])
    ...     def perform(self, node, inputs, output_storage):
    ...         output_storage[0][0] = 2 * inputs[0]
    >>> Twice()(3.0).eval()
    array(6.)
    """

    __props__: tuple[str, ...] | None = None  # type: ignore[assignment]
    itypes: Sequence[Type] | None = None
    otypes: Sequence[Type] | None = None
    default_output: int | None = None
    view_map: dict[int, list[int]] = {}
    destroy_map: dict[int, list[int]] = {}

    def _identity(self) -> tuple[Any, ...]:
        return (type(self), id(self)) if self.__props__ is None else super()._identity()

    def __str__(self) -> str:
        return type(self).__name__ if self.__props__ is None else super().__str__()

    __repr__ = __str__

    # ------------------------------------------------------------------------------------ making nodes

    def make_node(self, *inputs: Any) -> Apply:
        """The application of the operation to some inputs."""
        if self.itypes is None or self.otypes is None:
            if type(self).infer_type is not Op.infer_type:
                variables = self.prepare(inputs)
                return Apply(self, variables, self.infer_type(*variables))
            raise NotImplementedError(
                f"{self}: you can either define itypes and otypes, or implement make_node"
            )
        if len(inputs) != len(self.itypes):
            raise ValueError(f"{self}: We expected {len(self.itypes)} inputs but got {len(inputs)}.")
        variables = [_of_type(x, kind) for x, kind in zip(inputs, self.itypes, strict=True)]
        if not all(_accepts(kind, v.type) for kind, v in zip(self.itypes, variables, strict=True)):
            raise TypeError(
                f"{self}: We expected inputs of types '{list(self.itypes)}' but got types"
                f" '{[v.type for v in variables]}'"
            )
        return Apply(self, variables, list(self.otypes))

    def __call__(
        self, *inputs: Any, name: str | None = None, return_list: bool = False, **kwargs: Any
    ) -> Any:
        node = self.make_node(*inputs, **kwargs)
        if not isinstance(node, Apply):
            raise TypeError(f"{self}: make_node returns an Apply, got {node!r} of type {type(node).__name__}")
        outputs = list(node.outputs)
        if name is not None and len(outputs) == 1:
            outputs[0].name = name
        if return_list:
            return outputs
        if self.default_output is not None:
            return outputs[self.default_output]
        return outputs[0] if len(outputs) == 1 else outputs

    def infer_type(self, *inputs: Variable) -> Sequence[Type]:
        return [v.type for v in self.make_node(*inputs).outputs]

    # ------------------------------------------------------------------------------------ running

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Sequence[list[Any]]) -> None:
        """Puts the results into the first places of the lists of `output_storage`."""
        raise NotImplementedError(
            f"{self} has no perform: define perform(self, node, inputs, output_storage)"
        )

    def evaluate(self, node: Apply, arrays: Sequence[Any]) -> Any:
        if type(self).perform is Op.perform and type(self).numpy is not Hosted.numpy:
            return self.numpy(*arrays)
        changed = {i for places in self.destroy_map.values() for i in places}
        given = [np.array(a) if i in changed else a for i, a in enumerate(arrays)]
        storage: list[list[Any]] = [[None] for _ in node.outputs]
        self.perform(node, given, storage)
        results = tuple(
            self._result(i, v, cell[0]) for i, (v, cell) in enumerate(zip(node.outputs, storage, strict=True))
        )
        return results if len(results) > 1 else results[0]

    def _result(self, place: int, v: Variable, value: Any) -> Any:
        if value is None:
            raise ValueError(f"{self}: perform put nothing into output_storage[{place}][0]")
        try:
            return v.type.filter(np.asarray(value) if isinstance(v.type, TensorType) else value)
        except TypeError as error:
            raise TypeError(f"{self}: result {place} of perform is not what was announced: {error}") from None

    def told_shape(self, v: Variable) -> Variable | None:
        """The shape of a result by `infer_shape`, as a vector; None if there is no such method."""
        if not hasattr(self, "infer_shape"):
            return None
        node = v.owner
        given = [tuple(shape(x)[a] for a in range(x.ndim)) for x in node.inputs]
        newer = len(inspect.signature(self.infer_shape).parameters) == 3  # PyTensor's, with a graph in front
        lengths = (self.infer_shape(None, node, given) if newer else self.infer_shape(node, given))[v.index]
        if lengths is None:
            return None
        if len(lengths) != v.ndim:
            raise ValueError(
                f"{self}.infer_shape: {len(lengths)} lengths were told of {v}, which is {describe([v.type])}"
            )
        return stack([as_length(n, f"{self}.infer_shape") for n in lengths]) if lengths else None

    # ------------------------------------------------------------------------------------ differentiating

    def vjp(
        self, cotangents: Sequence[Variable], outputs: Sequence[Variable], inputs: Sequence[Variable]
    ) -> list[Variable | None]:
        if hasattr(self, "L_op"):
            who, flows = "L_op", self.L_op(list(inputs), list(outputs), list(cotangents))
        elif hasattr(self, "grad"):
            who, flows = "grad", self.grad(list(inputs), list(cotangents))
        else:
            raise NotImplementedError(
                f"{self} has no gradient: define grad(self, inputs, output_gradients), or L_op with the outputs too"
            )
        if not isinstance(flows, list | tuple) or len(flows) != len(inputs):
            raise ValueError(
                f"{self}.{who} returns a list of one gradient for each of {len(inputs)} inputs, got {flows}"
            )
        flows = [_as_gradient(self, who, i, v, g) for i, (v, g) in enumerate(zip(inputs, flows, strict=True))]
        if not hasattr(self, "connection_pattern"):
            return flows
        pattern = self.connection_pattern(outputs[0].owner)
        return [g if any(connected) else None for g, connected in zip(flows, pattern, strict=True)]


def _of_type(x: Any, kind: Type) -> Variable:
    if isinstance(x, Variable) or not isinstance(kind, TensorType):
        return as_variable(x)
    return as_variable(kind.filter(x))


def _accepts(kind: Type, given: Type) -> bool:
    return kind.accepts(given) if isinstance(kind, TensorType) else kind == given


def _as_gradient(op: Any, who: str, place: int, v: Variable, g: Any) -> Variable | None:
    if g is None or (isinstance(g, Variable) and isinstance(g.type, NullType | DisconnectedType)):
        return g
    g = as_variable(g)
    if g.ndim != v.ndim:
        raise ValueError(
            f"{op}.{who} returned a term with {g.ndim} dimensions, but {v.ndim} were expected: input {place}, {v}, is"
            f" {describe([v.type])}"
        )
    return g


# ------------------------------------------------------------------------------------ a Python function


class FromFunctionOp(Op):
    """A Python function of arrays as an operation. Two of the same function are equal."""

    __props__ = ("function", "itypes", "otypes")

    def __init__(
        self,
        function: Callable[..., Any],
        itypes: Sequence[Type],
        otypes: Sequence[Type],
        infer_shape: Callable[..., Any] | None = None,
    ) -> None:
        self.function = function
        self.itypes = tuple(itypes)
        self.otypes = tuple(otypes)
        if infer_shape is not None:
            self.infer_shape = infer_shape
        self.__name__ = getattr(function, "__name__", str(function))
        self.__qualname__ = getattr(function, "__qualname__", self.__name__)
        self.__module__ = getattr(function, "__module__", None) or ""
        self.__doc__ = function.__doc__

    def __str__(self) -> str:
        return f"FromFunctionOp{{{self.__name__}}}"

    __repr__ = __str__

    def __reduce__(self) -> Any:
        # A decorated function is found under its name, where the operation now stands.
        found: Any = sys.modules.get(self.__module__)
        for part in self.__qualname__.split("."):
            found = getattr(found, part, None)
        if found is self:
            return self.__qualname__
        return FromFunctionOp, (self.function, self.itypes, self.otypes, getattr(self, "infer_shape", None))

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Sequence[list[Any]]) -> None:
        results = self.function(*inputs)
        if not isinstance(results, list | tuple):
            results = [results]
        if len(results) != len(output_storage):
            raise ValueError(
                f"{self}: the function gave {len(results)} results, {len(output_storage)} were announced"
            )
        for cell, result in zip(output_storage, results, strict=True):
            cell[0] = result


def as_op(
    itypes: Type | Sequence[Type],
    otypes: Type | Sequence[Type],
    infer_shape: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], FromFunctionOp]:
    """A decorator that makes an operation of a function of arrays, of the given types of inputs and outputs.

    There is no gradient. TypeError for inputs of other types. `infer_shape(node, input_shapes)` may give the
    lengths of the results.

    >>> scalar = TensorType("float64", ())
    >>> @as_op([scalar], [scalar])
    ... def plus_one(x):
    ...     return x + 1
    >>> plus_one(2.0).eval()
    array(3.)
    """
    inputs = list(itypes) if isinstance(itypes, list | tuple) else [itypes]
    outputs = list(otypes) if isinstance(otypes, list | tuple) else [otypes]
    for what, kinds in (("itypes", inputs), ("otypes", outputs)):
        if not all(isinstance(kind, Type) for kind in kinds):
            raise TypeError(f"{what} has to be a list of types like T.dvector, got {kinds}")
    if infer_shape is not None and not callable(infer_shape):
        raise TypeError("infer_shape needs to be a callable")
    return lambda function: FromFunctionOp(function, inputs, outputs, infer_shape)


# ------------------------------------------------------------------------------------ C text


class _ScalarOp(Elementwise):
    """A user's row: equal to itself only, whatever its name."""

    def _identity(self) -> tuple[Any, ...]:
        return (_ScalarOp, id(self))

    def __reduce__(self) -> Any:
        return scalar_op, self.made_of

    made_of: tuple[Any, ...] = ()

    def element(self, reader: ValueReader, node: Apply, index: tuple[Expr, ...]) -> Expr:
        if self.function is None:
            raise NotImplementedError(f"{self.name} was made without C text")
        return super().element(reader, node, index)


def scalar_op(
    name: str,
    numpy: Callable[..., Any],
    c: str | None = None,
    grad: Callable[..., Sequence[Variable | None]] | None = None,
    arity: int = 1,
    support: str = "",
    dtype: str = "float",
) -> Elementwise:
    """A function of numbers as an operation that is applied element by element, fused with what is around it.

    `numpy` is what it means, a function of arrays. `c` is its C expression, in which `{0}`, `{1}` stand for the
    arguments, `{t}` for the C type of the result and `{f}` for the suffix of libm's functions for it; `support` is C
    text that must stand before (a static function, say). Without `c` the graph around it runs in NumPy. `grad` is a
    function `(g, y, x, ...)` of the gradient by the result, the result and the arguments: the gradients by the
    arguments, as graph. `dtype` is "float" (integers are converted) or "same".

    >>> halved = scalar_op("halved", lambda x: x / 2, "({0} / 2)", grad=lambda g, y, x: (g / 2,))
    >>> halved(np.array([1.0, 3.0])).eval()
    array([0.5, 1.5])
    """
    rules: dict[str, DtypeRule] = {"float": _floating, "same": _promoted}
    if dtype not in rules:
        raise ValueError(f"scalar_op: dtype is 'float' or 'same', got {dtype!r}")
    op = _ScalarOp(name, numpy=numpy, vjp=grad, c=c, dtype=rules[dtype], arity=arity, support=support)
    op.made_of = (name, numpy, c, grad, arity, support, dtype)
    return op


class KernelOp(KernelCall):
    """A routine in C over whole arrays as an operation.

    `c` defines `int name(const double *in0, ..., double *out0, ..., int64_t n0, ...)`: pointers to the elements of
    the inputs and of the outputs, row by row, in their C types, then the lengths of all axes of all inputs in order;
    a nonzero result is an error, which `failure` says at the call (a ValueError). `numpy` means the same, as a
    function of arrays. `itypes` and `otypes` are the types; `shapes` gives for each output the axes that its
    lengths are, as pairs (input, axis); without it, outputs are shaped as the first input. `grad` is as in `Op`:
    a function `(inputs, output_gradients)`. It is called from threads: no static variables.

    >>> vector = TensorType("float64", (None,))
    >>> total = KernelOp(
    ...     "running_total",
    ...     "static int running_total(const double *x, double *y, int64_t n) {"
    ...     " double s = 0; for (int64_t i = 0; i < n; i++) y[i] = s += x[i]; return 0; }",
    ...     np.cumsum, [vector], [vector])
    >>> total(np.array([1.0, 2.0])).eval()
    array([1., 3.])
    """

    def __init__(
        self,
        name: str,
        c: str,
        numpy: Callable[..., Any],
        itypes: Sequence[TensorType],
        otypes: Sequence[TensorType],
        shapes: Sequence[Sequence[tuple[int, int]]] | None = None,
        grad: Callable[..., Sequence[Variable | None]] | None = None,
        failure: str | None = None,
    ) -> None:
        if not name.isidentifier() or not name.isascii():
            raise ValueError(f"KernelOp: the name of a C function is an identifier, got {name!r}")
        self.name = name
        self.c = c
        self.meaning = numpy
        self.itypes = tuple(itypes)
        self.otypes = tuple(otypes)
        self.pattern = (
            tuple(tuple((0, axis) for axis in range(kind.ndim)) for kind in self.otypes)
            if shapes is None
            else tuple(tuple(places) for places in shapes)
        )
        for kind, places in zip(self.otypes, self.pattern, strict=True):
            if len(places) != kind.ndim or any(axis >= self.itypes[i].ndim for i, axis in places):
                raise ValueError(
                    f"KernelOp {name}: {places} does not give the {kind.ndim} lengths of a {kind}"
                )
        self.gradient = grad
        self.failure = failure or f"{name} failed"
        self.routine = Kernel(name, c, self._in_place)

    def _identity(self) -> tuple[Any, ...]:
        return (KernelOp, id(self))

    def __str__(self) -> str:
        return f"KernelOp{{{self.name}}}"

    __repr__ = __str__

    def prepare(self, inputs: Sequence[Any]) -> list[Variable]:
        if len(inputs) != len(self.itypes):
            raise ValueError(f"{self}: We expected {len(self.itypes)} inputs but got {len(inputs)}.")
        return [_of_type(x, kind) for x, kind in zip(inputs, self.itypes, strict=True)]

    def infer_type(self, *inputs: Variable) -> list[TensorType]:
        if not all(_accepts(kind, v.type) for kind, v in zip(self.itypes, inputs, strict=True)):
            raise TypeError(
                f"{self}: We expected inputs of types '{list(self.itypes)}' but got types"
                f" '{[v.type for v in inputs]}'"
            )
        return [
            TensorType(
                kind.dtype,
                [
                    n if n is not None else inputs[i].type.shape[a]
                    for n, (i, a) in zip(kind.shape, places, strict=True)
                ],
            )
            for kind, places in zip(self.otypes, self.pattern, strict=True)
        ]

    def numpy(self, *arrays: np.ndarray) -> Any:
        results = self.meaning(*arrays)
        results = results if isinstance(results, tuple) else (results,)
        made = tuple(np.asarray(r, dtype=kind.dtype) for r, kind in zip(results, self.otypes, strict=True))
        return made if len(made) > 1 else made[0]

    def _in_place(self, arrays: list[np.ndarray], sizes: list[int]) -> int:
        """The kernel in Python, on flat arrays."""
        rest = iter(sizes)
        shapes = [tuple(next(rest) for _ in range(kind.ndim)) for kind in self.itypes]
        inputs = [a[: int(np.prod(s))].reshape(s) for a, s in zip(arrays, shapes, strict=False)]
        results = self.numpy(*inputs)
        results = results if isinstance(results, tuple) else (results,)
        for flat, result in zip(arrays[len(inputs) :], results, strict=True):
            flat[: result.size] = result.reshape(-1)
        return 0

    def vjp(
        self, cotangents: Sequence[Variable], outputs: Sequence[Variable], inputs: Sequence[Variable]
    ) -> list[Variable | None]:
        if self.gradient is None:
            raise NotImplementedError(
                f"{self} has no gradient: give it one, grad=f(inputs, output_gradients)"
            )
        flows = list(self.gradient(list(inputs), list(cotangents)))
        if len(flows) != len(inputs):
            raise ValueError(f"{self}: grad gave {len(flows)} gradients for {len(inputs)} inputs")
        return [
            _as_gradient(self, "grad", i, v, g) for i, (v, g) in enumerate(zip(inputs, flows, strict=True))
        ]

    def shapes(self, reader: LengthReader, node: Apply) -> list[tuple[Expr, ...]]:
        lengths = [reader.lengths(v) for v in node.inputs]
        return [tuple(lengths[i][axis] for i, axis in places) for places in self.pattern]

    def kernel(
        self, reader: LengthReader, node: Apply
    ) -> tuple[Kernel, tuple[Expr, ...], type[Exception], str]:
        sizes = tuple(n for v in node.inputs for n in reader.lengths(v))
        return self.routine, sizes, ValueError, self.failure


__all__ = ["FromFunctionOp", "KernelOp", "Op", "as_op", "scalar_op"]
