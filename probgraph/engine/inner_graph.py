"""`OpFromGraph`: an operation made of a graph, with a gradient of its own if one likes.

To a compiled function it costs nothing: the graph is put in the op's place before anything else is done
(`expand`). Until then it is one node: what `grad` sees of it, and what a printed graph shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from probgraph.engine.autodiff import grad, zero_gradient
from probgraph.engine.graph import Constant, FunctionGraph, MissingInputError, Variable, graph_inputs, rebuild
from probgraph.engine.no_gradient import DisconnectedType, NullType
from probgraph.engine.op import Op, as_variable
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.shared import SharedVariable
from probgraph.engine.types import TensorType, Type, describe

Override = Any  # "default", a callable, an OpFromGraph, None, or a variable of NullType or DisconnectedType


class OpFromGraph(Op):
    """The graph from `inputs` to `outputs` as an operation, to be called on other variables.

    Shared variables and constants of the graph are part of it; any other root must be among `inputs`
    (MissingInputError). The result is a variable, or a list of them if there are several outputs.

    The gradient is derived, unless overridden: `lop_overrides` is a function `f(inputs, outputs,
    output_gradients)`, `grad_overrides` a function `f(inputs, output_gradients)` (give one of the two); it returns
    one gradient for each input. Either may also be a list with an entry for each input: such a function, which then
    returns the one gradient; "default"; None (the gradient is zero); or a variable of NullType or
    DisconnectedType. An `OpFromGraph` may stand for a function. `inline` is Theano's: here the graph is always
    inlined before it runs.

    Raises TypeError for variables that are none, and at the call for inputs of the wrong type, ValueError for a
    wrong number of them.

    >>> x = Variable(TensorType("float64", ()), "x")
    >>> cube = OpFromGraph([x], [x ** 3], name="cube")
    >>> grad(cube(x), x).eval({x: 2.0})
    array(12.)
    """

    #: put into the place of its nodes before other rules look at a graph
    expand_first = True

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Variable | Sequence[Variable],
        inline: bool = False,
        lop_overrides: Override | Sequence[Override] = "default",
        grad_overrides: Override | Sequence[Override] = "default",
        rop_overrides: Any = "default",
        connection_pattern: Any = None,
        name: str | None = None,
    ) -> None:
        wanted = [outputs] if isinstance(outputs, Variable) else list(outputs)
        for v in [*inputs, *wanted]:
            if not isinstance(v, Variable):
                raise TypeError(f"inputs and outputs of OpFromGraph are variables, got {v!r} of {type(v)}")
        for v in inputs:
            if isinstance(v, Constant | SharedVariable):
                raise TypeError(f"inputs of OpFromGraph are neither constant nor shared, got {v}")
        if len(set(inputs)) < len(inputs):
            raise ValueError(f"OpFromGraph: an input is named twice in {list(inputs)}")
        if not _default(lop_overrides) and not _default(grad_overrides):
            raise ValueError("OpFromGraph takes lop_overrides or grad_overrides, not both")
        if not _default(rop_overrides):
            raise NotImplementedError(
                "OpFromGraph has no rop_overrides: Rop differentiates twice in reverse, so override the gradient"
            )
        self.name = name
        self.inline = inline
        self.takes_outputs = not _default(lop_overrides)
        overrides = lop_overrides if self.takes_outputs else grad_overrides
        if isinstance(overrides, list | tuple) and len(overrides) != len(inputs):
            raise ValueError(
                f"{self}: {len(overrides)} gradient overrides were given for {len(inputs)} inputs"
            )
        self.overrides = list(overrides) if isinstance(overrides, list | tuple) else overrides
        roots = graph_inputs(wanted, stop=inputs)
        #: the shared variables of the graph: inputs that a call does not mention
        self.shared = [v for v in roots if isinstance(v, SharedVariable)]
        missing = [v for v in roots if not isinstance(v, Constant | SharedVariable) and v not in set(inputs)]
        if missing:
            raise MissingInputError(
                f"{self}: the graph needs {', '.join(map(str, missing))}, not among its inputs"
            )
        own = {v: Variable(v.type, v.name) for v in (*inputs, *self.shared)}
        self.inner = FunctionGraph(list(own.values()), rebuild(wanted, own))

    def _identity(self) -> tuple[Any, ...]:
        return (OpFromGraph, id(self))  # what its overrides do cannot be compared

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in super().__getstate__().items() if k not in ("_run", "_derivative")}

    def __str__(self) -> str:
        return f"{self.name or 'OpFromGraph'}{{inline={self.inline}}}"

    __repr__ = __str__

    @property
    def _explicit(self) -> int:
        return len(self.inner.inputs) - len(self.shared)

    def prepare(self, inputs: Sequence[Any]) -> list[Variable]:
        if len(inputs) != self._explicit:
            raise ValueError(f"Wrong number of inputs, {self} expected {self._explicit}, got {len(inputs)}")
        given: list[Variable] = []
        for v, mine in zip(inputs, self.inner.inputs, strict=False):
            tensor = not isinstance(v, Variable) and isinstance(mine.type, TensorType)
            given.append(as_variable(mine.type.filter(v)) if tensor else as_variable(v))
        return [*given, *self.shared]

    def infer_type(self, *inputs: Variable) -> list[Type]:
        for v, mine in zip(inputs, self.inner.inputs, strict=True):
            if isinstance(mine.type, TensorType) and not mine.type.accepts(v.type):
                raise TypeError(
                    f"{self}: the input {mine} is {describe([mine.type])}, it was given {v}, which is"
                    f" {describe([v.type])}"
                )
        return [v.type for v in self.inner.outputs]

    @cached_property
    def _run(self) -> Callable[..., Any]:
        return numpy_function(self.inner)

    def numpy(self, *arrays: Any) -> Any:
        results = tuple(np.asarray(r) if isinstance(r, np.generic) else r for r in self._run(arrays))
        return results if len(results) > 1 else results[0]

    def expand(self, *inputs: Variable) -> list[Variable]:
        """The graph on these inputs."""
        return rebuild(self.inner.outputs, dict(zip(self.inner.inputs, inputs, strict=True)))

    # ------------------------------------------------------------------------------------ the gradient

    def vjp(
        self, cotangents: Sequence[Variable], outputs: Sequence[Variable], inputs: Sequence[Variable]
    ) -> list[Variable | None]:
        given = inputs[: self._explicit]
        if _default(self.overrides):
            return self._derived(cotangents, outputs, inputs)
        arguments = (list(given), list(outputs), list(cotangents))
        if not self.takes_outputs:
            arguments = (arguments[0], arguments[2])
        derived: list[Variable | None] | None = None
        if not isinstance(self.overrides, list):
            flows = _called(self.overrides, arguments)
            flows = list(flows) if isinstance(flows, list | tuple) else [flows]
            if len(flows) != len(given):
                raise ValueError(
                    f"{self}: the gradient override gave {len(flows)} gradients for {len(given)} inputs"
                )
        else:
            flows = []
            for place, (override, v) in enumerate(zip(self.overrides, given, strict=True)):
                if _default(override):
                    derived = derived or self._derived(cotangents, outputs, inputs)
                    flows.append(derived[place])
                elif override is None:
                    flows.append(zero_gradient(v))
                elif isinstance(override, Variable):
                    flows.append(override)
                else:
                    flow = _called(override, arguments)
                    flows.append(flow[0] if isinstance(flow, list | tuple) else flow)
        for v, flow in zip(given, flows, strict=True):
            self._check(v, flow)
        shared = (derived or self._derived(cotangents, outputs, inputs)) if self.shared else []
        return [*flows, *shared[self._explicit :]]

    def _check(self, v: Variable, flow: Any) -> None:
        if flow is None or isinstance(getattr(flow, "type", None), NullType | DisconnectedType):
            return
        if not isinstance(flow, Variable) or flow.ndim != v.ndim:
            given = describe([flow.type]) if isinstance(flow, Variable) else repr(flow)
            raise ValueError(
                f"{self}: the gradient override gave {given} for the input {v}, which is {describe([v.type])}"
            )

    @cached_property
    def _derivative(self) -> tuple[list[Variable], list[Variable | None]]:
        """Roots for what flows into the outputs, and what then flows to the inputs."""
        arriving = [Variable(v.type) for v in self.inner.outputs]
        known: dict[Variable, Variable] = {}
        for v, g in zip(self.inner.outputs, arriving, strict=True):
            known[v] = known[v] + g if v in known else g
        found = grad(
            None,
            self.inner.inputs,
            known_grads=known,
            disconnected_inputs="ignore",
            return_disconnected="none",
            null_gradients="return",
        )
        return arriving, found

    def _derived(
        self, cotangents: Sequence[Variable], outputs: Sequence[Variable], inputs: Sequence[Variable]
    ) -> list[Variable | None]:
        arriving, found = self._derivative
        replace = dict(zip(self.inner.outputs, outputs, strict=True))
        replace.update(zip(self.inner.inputs, inputs, strict=True))
        replace.update(zip(arriving, cotangents, strict=True))
        made = iter(rebuild([g for g in found if g is not None], replace))
        return [None if g is None else next(made) for g in found]


def _default(override: Any) -> bool:
    return isinstance(override, str) and override == "default"


def _called(override: Any, arguments: Sequence[list[Variable]]) -> Any:
    if isinstance(override, OpFromGraph):
        return override(*(v for group in arguments for v in group))
    return override(*arguments)
