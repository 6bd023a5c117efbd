"""Scan: a step, given as a graph, run again and again; and how that differentiates.

The gradient of a scan is a scan that runs backwards over what the first one saved: it hands back, from step
to step, what flows into each state, adds up what flows into the fixed inputs, and collects what flows into the
sequences. It is a `Scan` like any other, so that second derivatives come by differentiating it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from probgraph.engine.autodiff import grad, zero_gradient
from probgraph.engine.graph import (
    Apply,
    Constant,
    FunctionGraph,
    MissingInputError,
    Variable,
    ancestors,
    rebuild,
)
from probgraph.engine.op import Loop, as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.index import inc_subtensor
from probgraph.engine.ops.shape import expand_dims, join, length, specify_shape, stack
from probgraph.engine.rewrite import uniform
from probgraph.engine.run_graph import numpy_function
from probgraph.engine.types import COMPLEX, FLOATS, TensorType, describe


class Scan(Loop):
    """`graph` run step after step: see `Loop` for the order of its inputs and of a node's.

    The sequences of a node have exactly as many rows as there are steps to make; `until` may end it earlier.
    With `truncate_gradient` = n gradients flow back through the last n steps only. Two scans are equal when
    their graphs are the same operations in the same order, whatever their names.
    """

    def __init__(
        self,
        graph: FunctionGraph,
        sequences: int,
        taps: Sequence[Sequence[int]],
        until: bool = False,
        truncate_gradient: int = -1,
        name: str | None = None,
    ) -> None:
        self.graph = graph
        self.sequences = sequences
        self.taps = tuple(tuple(steps_back) for steps_back in taps)
        self.until = until
        self.truncate_gradient = truncate_gradient
        self.name = name
        if any(not t or t[0] < 1 or list(t) != sorted(set(t)) for t in self.taps):
            raise ValueError(f"{self}: taps are ascending numbers of steps back, from 1; got {self.taps}")
        given = set(graph.inputs)
        missing = [v for v in graph.variables if v.owner is None and not isinstance(v, Constant)]
        missing = [str(v) for v in missing if v not in given]
        if missing:
            raise MissingInputError(f"{self}: the step needs {', '.join(missing)}, which are not its inputs")

    def __str__(self) -> str:
        return f"{'do_while' if self.until else 'for'}{{cpu,{self.name or 'scan_fn'}}}"

    __repr__ = __str__

    def __getstate__(self) -> dict[str, Any]:
        kept = ("graph", "sequences", "taps", "until", "truncate_gradient", "name")
        return {name: getattr(self, name) for name in kept}

    def _identity(self) -> tuple[Any, ...]:
        return (Scan, self._structure, self.sequences, self.taps, self.until, self.truncate_gradient)

    @cached_property
    def _structure(self) -> tuple[Any, ...]:
        """The step with its variables numbered: equal for steps that are the same but for names."""
        number: dict[Variable, Any] = {v: i for i, v in enumerate(self.graph.inputs)}
        nodes: list[Any] = []

        def seen(v: Variable) -> Any:
            found = number.get(v)
            return v.signature if found is None else found

        for node in self.graph.toposort():
            nodes.append((node.op, tuple(seen(v) for v in node.inputs)))
            number.update((v, (len(nodes), i)) for i, v in enumerate(node.outputs))
        return tuple(v.type for v in self.graph.inputs), tuple(nodes), tuple(map(seen, self.graph.outputs))

    def rebuilt_inner(self, graph: FunctionGraph) -> Scan:
        """The same loop with another graph for its step, whose inputs and outputs mean what they did."""
        if (len(graph.inputs), len(graph.outputs)) != (len(self.graph.inputs), len(self.graph.outputs)):
            raise ValueError(f"{self}: the new step has other numbers of inputs and outputs than the old")
        return Scan(graph, self.sequences, self.taps, self.until, self.truncate_gradient, self.name)

    # What stands where --------------------------------------------------------------------------------

    @property
    def results(self) -> list[Variable]:
        """The step's outputs that become outputs of the loop: all but the condition to stop."""
        return self.graph.outputs[: len(self.graph.outputs) - self.until]

    @cached_property
    def step_taps(self) -> list[list[Variable]]:
        """The step's inputs that are earlier values of each state."""
        rest = iter(self.graph.inputs[self.sequences :])
        return [[next(rest) for _ in taps] for taps in self.taps]

    @property
    def step_fixed(self) -> list[Variable]:
        return self.graph.inputs[self.sequences + sum(map(len, self.taps)) :]

    def given(self, inputs: Sequence[Any]) -> tuple[Any, list[Any], list[Any], list[Any]]:
        """A node's inputs (or their values): the number of steps, sequences, pasts of states, what is fixed."""
        count, *rest = inputs
        first, last = self.sequences, self.sequences + len(self.taps)
        return count, rest[:first], rest[first:last], rest[last:]

    # Types --------------------------------------------------------------------------------------------

    def infer_type(self, *inputs: Variable) -> list[TensorType]:
        expected = 1 + self.sequences + len(self.taps) + len(self.step_fixed)
        if len(inputs) != expected:
            raise TypeError(f"{self} takes {expected} inputs, got {len(inputs)}")
        count, sequences, pasts, fixed = self.given(inputs)
        if count.type != TensorType("int64", ()):
            raise TypeError(f"{self}: the number of steps is an int64 scalar, got {describe([count.type])}")
        steps = int(count.data) if isinstance(count, Constant) else None
        if steps is not None and steps < 0:
            raise IndexError(f"{self}: the number of steps is negative: {steps}")
        for v, mine in zip(sequences, self.graph.inputs, strict=False):
            self._fits("sequence", v, _rows(v), mine)
            if steps is not None and v.type.shape[0] not in (None, steps):
                raise ValueError(_wrong_length(self, v, v.type.shape[0], steps))
        for v, taps, mine in zip(pasts, self.taps, self.step_taps, strict=True):
            for tap in mine:
                self._fits("initial state", v, _rows(v), tap)
            if v.type.shape[0] not in (None, taps[-1]):
                raise ValueError(_wrong_past(self, v, v.type.shape[0], taps[-1]))
        for v, mine in zip(fixed, self.step_fixed, strict=True):
            self._fits("input", v, v.type, mine)
        made = None if self.until else steps
        return [TensorType(v.dtype, (made, *v.type.shape)) for v in self.results]

    def _fits(self, what: str, v: Variable, given: TensorType | None, mine: Variable) -> None:
        if given is None or not mine.type.accepts(given):
            raise TypeError(
                f"{self}: the {what} {v} is {describe([v.type])}, of which the step sees {describe([mine.type])}"
            )

    # What it means ------------------------------------------------------------------------------------

    def check_lengths(self, node: Apply, arrays: Sequence[Any]) -> None:
        steps, sequences, pasts, _ = self.given(arrays)
        _, sequence_variables, past_variables, _ = self.given(node.inputs)
        if steps < 0:
            raise IndexError(f"{self}: the number of steps is negative: {int(steps)}")
        for v, array in zip(sequence_variables, sequences, strict=True):
            if len(array) != steps:
                raise ValueError(_wrong_length(self, v, len(array), int(steps)))
        for v, array, taps in zip(past_variables, pasts, self.taps, strict=True):
            if len(array) != taps[-1]:
                raise ValueError(_wrong_past(self, v, len(array), taps[-1]))

    @cached_property
    def _run(self) -> Any:
        return numpy_function(self.graph)

    def numpy(self, *arrays: Any) -> Any:
        steps, sequences, pasts, fixed = self.given(arrays)
        steps = int(steps)
        saved: list[np.ndarray] = []
        made = 0
        while made < steps:
            t = made
            earlier = [
                saved[i][t - tap, ...] if tap <= t else np.asarray(past[taps[-1] + t - tap])
                for i, (past, taps) in enumerate(zip(pasts, self.taps, strict=True))
                for tap in taps
            ]
            values = self._run([*(np.asarray(s[t]) for s in sequences), *earlier, *fixed])
            if not saved:
                saved = [
                    np.empty((steps, *np.shape(value)), v.dtype)
                    for v, value in zip(self.results, values, strict=False)
                ]
                self._check_states(saved, pasts)
            for i, array in enumerate(saved):
                if np.shape(values[i]) != array.shape[1:]:
                    raise ValueError(
                        f"{self}: output {i} of the step has shape {np.shape(values[i])} in step {t}, and had"
                        f" {array.shape[1:]} before"
                    )
                array[t] = values[i]
            made += 1
            if self.until and values[-1]:
                break
        if not saved:
            saved = self._nothing(sequences, pasts, fixed)
        results = tuple(array[:made] for array in saved)
        return results if len(results) > 1 else results[0]

    def _check_states(self, saved: Sequence[np.ndarray], pasts: Sequence[np.ndarray]) -> None:
        for i, past in enumerate(pasts):
            if saved[i].shape[1:] != past.shape[1:]:
                raise ValueError(
                    f"{self}: state {i} has shape {past.shape[1:]} at first, and {saved[i].shape[1:]} after a step"
                )

    def _nothing(self, sequences: Any, pasts: Any, fixed: Any) -> list[np.ndarray]:
        """The outputs of no steps: empty, with the lengths that a step on zeros would give them."""
        states = [np.zeros(past.shape[1:], past.dtype) for past in pasts]
        earlier = [state for state, taps in zip(states, self.taps, strict=True) for _ in taps]
        elements = [np.zeros(s.shape[1:], s.dtype) for s in sequences]
        try:
            shapes = [np.shape(v) for v in self._run([*elements, *earlier, *fixed])]
        except (ArithmeticError, ValueError, IndexError, np.linalg.LinAlgError):
            shapes = [tuple(n or 0 for n in v.type.shape) for v in self.graph.outputs]
        return [np.empty((0, *shape), v.dtype) for v, shape in zip(self.results, shapes, strict=False)]

    # How it differentiates ----------------------------------------------------------------------------

    def vjp(self, cotangents: Any, outputs: Any, inputs: Any) -> list[Variable | None]:
        return _Backward(self, cotangents, outputs, inputs).flows()


def _rows(v: Variable) -> TensorType | None:
    return TensorType(v.dtype, v.type.shape[1:]) if v.ndim else None


def _wrong_length(op: Scan, v: Variable, given: int, steps: int) -> str:
    return f"{op}: the sequence {v} has length {given} along axis 0, {steps} steps need {steps}"


def _wrong_past(op: Scan, v: Variable, given: int, needed: int) -> str:
    return f"{op}: the initial state {v} has length {given} along axis 0; its taps go {needed} steps back"


def _continuous(v: Variable) -> bool:
    return isinstance(v.type, TensorType) and v.dtype in (*FLOATS, *COMPLEX)


class _Backward:
    """The gradient of one application of a scan: the derivative of a step, then the scan that runs backwards.

    What flows into a state k steps back is due k steps later in the backward scan. It waits in `waiting[i, k]`,
    a state of the backward scan, and moves up by one place a step; what waits at place 1 is added to what flows
    in from outside. After the last step that which waits at place k belongs to the state k steps before the
    first: the gradient of the initial states.
    """

    def __init__(self, op: Scan, cotangents: Any, outputs: Any, inputs: Any) -> None:
        self.op = op
        self.outputs = outputs
        self.count, self.sequences, self.pasts, self.fixed = op.given(inputs)
        self.made = as_variable(length(outputs[0], 0)) if op.until else self.count
        self.steps = self.made
        self.partly = op.truncate_gradient >= 0
        if self.partly:
            self.steps = ew.minimum(self.made, op.truncate_gradient)
        self.cut = op.until or self.partly

        #: what flows into each result of a step from later steps and from outside
        self.inflow = {i: Variable(v.type) for i, v in enumerate(op.results) if _continuous(v)}
        self.outside = {i: g for i, g in enumerate(cotangents) if i in self.inflow and uniform(g, 0) is None}
        self.derivative = self._derivative(set(self.inflow))
        live = self._live()
        if live and live != set(self.inflow):
            self.derivative = self._derivative(live)
        self.waiting: dict[tuple[int, int], Variable] = {
            (i, place): Variable(op.step_taps[i][0].type)
            for i in range(len(op.taps))
            if i in self.inflow
            for place in self._places(i)
        }

    def _derivative(self, results: set[int]) -> dict[Variable, Variable]:
        """What flows from some results of a step to its inputs, as graph of the step's inputs and `inflow`."""
        known: dict[Variable, Variable] = {}
        for i in sorted(results):
            v, g = self.op.results[i], self.inflow[i]
            known[v] = known[v] + g if v in known else g
        if not known:
            return {}
        targets = self.op.graph.inputs
        found = grad(
            None, targets, known_grads=known, disconnected_inputs="ignore", return_disconnected="none"
        )
        return {v: g for v, g in zip(targets, found, strict=True) if g is not None}

    def _places(self, i: int) -> range:
        """The places at which something waits for state i: up to the last tap to which a derivative flows."""
        pairs = zip(self.op.taps[i], self.op.step_taps[i], strict=True)
        return range(1, max((tap for tap, v in pairs if v in self.derivative), default=0) + 1)

    def _live(self) -> set[int]:
        """The results into which anything flows at all."""
        live = set(self.outside)
        reads = {v: set(ancestors([g])) for v, g in self.derivative.items()}
        reached = True
        while reached:
            reached = False
            for i, taps in enumerate(self.op.step_taps):
                if i in live or i not in self.inflow:
                    continue
                if any(self.inflow[j] in reads.get(v, ()) for v in taps for j in live):
                    live.add(i)
                    reached = True
        return live

    # The backward scan --------------------------------------------------------------------------------

    def flows(self) -> list[Variable | None]:
        """What flows back to each input of the node."""
        op = self.op
        if not self.derivative:
            return [None] * (1 + len(self.sequences) + len(self.pasts) + len(self.fixed))
        saved = {v: Variable(v.type, v.name) for v in op.results if v.owner is not None}
        entering = {i: Variable(op.results[i].type) for i in self.outside}
        sums = {v: Variable(v.type) for v in op.step_fixed if v in self.derivative and _continuous(v)}
        step = {
            v: _typed(g, v.type)
            for v, g in zip(
                self.derivative, self._in_saved(list(self.derivative.values()), saved, entering), strict=True
            )
            if _continuous(v)
        }

        states: list[tuple[Variable, Variable, Variable]] = []  # in the step, its new value, its past
        for (i, place), v in self.waiting.items():
            tap = dict(zip(op.taps[i], op.step_taps[i], strict=True)).get(place)
            new = _total(self.waiting.get((i, place + 1)), step.get(tap))
            states.append((v, _typed(new, v.type), expand_dims(ew.zeros_like(self.pasts[i][0]), 0)))
        for mine, outer in zip(op.step_fixed, self.fixed, strict=True):
            if mine in sums:
                new = _typed(sums[mine] + step[mine], mine.type)
                states.append((sums[mine], new, expand_dims(ew.zeros_like(outer), 0)))
        collected = [v for v in op.graph.inputs[: op.sequences] if v in step]

        outputs = [*(new for _, new, _ in states), *(step[v] for v in collected)]
        read = set(ancestors(outputs))
        sequences = [(v, outer) for v, outer in self._backwards(saved, entering) if v in read]
        fixed = [(v, outer) for v, outer in zip(op.step_fixed, self.fixed, strict=True) if v in read]
        results: list[Variable] = []
        if outputs:
            graph = FunctionGraph(
                [*(v for v, _ in sequences), *(v for v, _, _ in states), *(v for v, _ in fixed)], outputs
            )
            back = Scan(graph, len(sequences), [(1,)] * len(states), name=f"grad_of_{op.name or 'scan_fn'}")
            outer = [*(v for _, v in sequences), *(past for _, _, past in states), *(v for _, v in fixed)]
            results = _applied(back, [self.steps, *outer])
        final = {v: _last(r) for (v, _, _), r in zip(states, results, strict=False)}
        rows = dict(zip(collected, results[len(states) :], strict=True))
        return [
            None,
            *(
                self._to_sequence(v, rows.get(v), s)
                for v, s in zip(op.graph.inputs, self.sequences, strict=False)
            ),
            *(self._to_past(i, final) for i in range(len(self.pasts))),
            *(
                self._to_fixed(v, final.get(sums.get(v)), f)
                for v, f in zip(op.step_fixed, self.fixed, strict=True)
            ),
        ]

    def _in_saved(
        self, gradients: list[Variable], saved: dict[Variable, Variable], entering: dict[int, Variable]
    ) -> list[Variable]:
        """The derivative in what the forward scan saved (nothing is computed twice) and what flows in."""
        replace: dict[Variable, Variable] = dict(saved)
        for i, inflow in self.inflow.items():
            result = self.op.results[i]
            arriving = _total(entering.get(i), self.waiting.get((i, 1)))
            replace[inflow] = ew.zeros_like(saved.get(result, result)) if arriving is None else arriving
        return rebuild(gradients, replace)

    def _backwards(
        self, saved: dict[Variable, Variable], entering: dict[int, Variable]
    ) -> list[tuple[Variable, Variable]]:
        """Whatever a backward step may read, and the reversed sequence of it."""
        op = self.op
        pairs = [
            (v, self._reversed(s[: self.made] if op.until else s))
            for v, s in zip(op.graph.inputs, self.sequences, strict=False)
        ]
        for i, taps in enumerate(op.taps):
            whole = join(0, self.pasts[i], self.outputs[i])
            for tap, v in zip(taps, op.step_taps[i], strict=True):
                pairs.append((v, self._reversed(_typed_rows(whole[taps[-1] - tap : -tap], v.type))))
        place = {v: i for i, v in enumerate(op.results)}
        pairs += [(mine, self._reversed(self.outputs[place[v]])) for v, mine in saved.items()]
        pairs += [(v, self._reversed(_typed_rows(self.outside[i], v.type))) for i, v in entering.items()]
        return pairs

    def _reversed(self, rows: Variable) -> Variable:
        return rows[::-1][: self.steps] if self.partly else rows[::-1]

    # What it leaves -----------------------------------------------------------------------------------

    def _to_sequence(self, v: Variable, rows: Variable | None, sequence: Variable) -> Variable | None:
        if rows is None:
            return self._zero_if_connected(v, sequence)
        if self.cut:
            part = ew.zeros_like(sequence)[self.made - self.steps : self.made]
            return inc_subtensor(part, rows[::-1])
        return _typed(rows[::-1], sequence.type)

    def _to_past(self, i: int, final: dict[Variable, Variable]) -> Variable | None:
        past, longest = self.pasts[i], self.op.taps[i][-1]
        found = [self.waiting.get((i, place)) for place in range(longest, 0, -1)]
        if all(v is None for v in found):
            for v in self.op.step_taps[i]:
                if v in self.derivative:
                    return zero_gradient(past)
            return None
        nothing = ew.zeros_like(past[0])
        rows = stack([nothing if v is None else final[v] for v in found])
        if self.partly:
            # What is due before the last step of the gradient belongs to states that it does not reach.
            unreached = self.made - self.steps
            kept = rows[: ew.maximum(longest - unreached, 0)]
            return inc_subtensor(ew.zeros_like(past)[unreached:], kept)
        return _typed(rows, past.type)

    def _to_fixed(self, v: Variable, total: Variable | None, outer: Variable) -> Variable | None:
        return self._zero_if_connected(v, outer) if total is None else _typed(total, outer.type)

    def _zero_if_connected(self, v: Variable, outer: Variable) -> Variable | None:
        return zero_gradient(outer) if v in self.derivative else None


def _applied(op: Scan, inputs: Sequence[Any]) -> list[Variable]:
    result = op(*inputs)
    return result if isinstance(result, list) else [result]


def _total(a: Variable | None, b: Variable | None) -> Variable | None:
    return b if a is None else a if b is None else a + b


def _last(rows: Variable) -> Variable:
    """The last row of a state that began as zeros: zeros if there is none."""
    return rows[-1] if rows.type.shape[0] else rows[-1:].sum(axis=0, dtype=rows.dtype)


def _typed(v: Variable, type: TensorType) -> Variable:
    """A value that has this type, told so where it is not known."""
    if v.dtype != type.dtype:
        v = ew.real(v) if v.dtype in COMPLEX and type.dtype in FLOATS else v
        v = ew.cast(v, type.dtype)
    return v if type.accepts(v.type) else specify_shape(v, type.shape)


def _typed_rows(rows: Variable, type: TensorType) -> Variable:
    return _typed(rows, TensorType(type.dtype, (None, *type.shape)))
