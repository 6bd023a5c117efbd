"""The gradient of a scan: another scan, which runs backwards over what the first one saved.

It hands back, from step to step, what flows into each state, adds up what flows into the fixed inputs, and
collects what flows into the sequences. Nothing about it is special: second derivatives come by differentiating
it like any other scan.

What a step computes on its way and the way back needs again is handed out by the loop too, where that costs little: by
one that is the same else, and that takes its place (see `merged`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from probgraph.engine.autodiff import grad, zero_gradient
from probgraph.engine.graph import FunctionGraph, Variable, ancestors, rebuild
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.index import inc_subtensor
from probgraph.engine.ops.reduce import LogSumExp, Softmax
from probgraph.engine.ops.shape import expand_dims, join, length, specify_shape, stack
from probgraph.engine.rewrite import uniform
from probgraph.engine.types import COMPLEX, FLOATS, TensorType

if TYPE_CHECKING:
    from probgraph.engine.loop_op import Scan


def _continuous(v: Variable) -> bool:
    return isinstance(v.type, TensorType) and v.dtype in (*FLOATS, *COMPLEX)


class Backward:
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
        kept = self._kept()
        saved = {v: Variable(v.type, v.name) for v in (*op.results, *kept) if v.owner is not None}
        entering = {i: Variable(op.results[i].type) for i in self.outside}
        found = self._in_saved(list(self.derivative.values()), saved, entering)
        flowing = {
            v: _typed(g, v.type) for v, g in zip(self.derivative, found, strict=True) if _continuous(v)
        }
        sums = {v: Variable(v.type) for v in op.step_fixed if v in flowing}
        states = self._states(flowing, sums)
        collected = [v for v in op.graph.inputs[: op.sequences] if v in flowing]
        outputs = [*(new for _, new, _ in states), *(flowing[v] for v in collected)]
        results = self._run(outputs, states, self._backwards(saved, entering, kept)) if outputs else []
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

    def _kept(self) -> list[Variable]:
        """The softmaxes of what a step forward takes the logarithms of sums of: but for a division it has them."""
        if self.op.until:
            return []
        logarithms = {
            (node.op.axis, *node.inputs)
            for node in self.op.graph.toposort()
            if isinstance(node.op, LogSumExp)
        }
        return [
            v
            for v in ancestors(self.derivative.values())
            if v.owner is not None
            and isinstance(v.owner.op, Softmax)
            and (v.owner.op.axis, *v.owner.inputs) in logarithms
        ]

    def _states(
        self, flowing: dict[Variable, Variable], sums: dict[Variable, Variable]
    ) -> list[tuple[Variable, Variable, Variable]]:
        """The states of the backward scan: in its step, its value after one, what it is before the first."""
        op = self.op
        states: list[tuple[Variable, Variable, Variable]] = []
        for (i, place), v in self.waiting.items():
            tap = dict(zip(op.taps[i], op.step_taps[i], strict=True)).get(place)
            new = _total(self.waiting.get((i, place + 1)), flowing.get(tap))
            states.append((v, _typed(new, v.type), expand_dims(ew.zeros_like(self.pasts[i][0]), 0)))
        for mine, outer in zip(op.step_fixed, self.fixed, strict=True):
            if mine in sums:
                new = _typed(sums[mine] + flowing[mine], mine.type)
                states.append((sums[mine], new, expand_dims(ew.zeros_like(outer), 0)))
        return states

    def _run(
        self,
        outputs: Sequence[Variable],
        states: Sequence[tuple[Variable, Variable, Variable]],
        readable: Sequence[tuple[Variable, Variable]],
    ) -> list[Variable]:
        """The backward scan, applied: with those inputs that its step reads."""
        read = set(ancestors(outputs))
        sequences = [(v, rows) for v, rows in readable if v in read]
        fixed = [(v, outer) for v, outer in zip(self.op.step_fixed, self.fixed, strict=True) if v in read]
        inputs = [*(v for v, _ in sequences), *(v for v, _, _ in states), *(v for v, _ in fixed)]
        back = type(self.op)(
            FunctionGraph(inputs, outputs),
            len(sequences),
            [(1,)] * len(states),
            name=f"grad_of_{self.op.name or 'scan_fn'}",
        )
        result = back(
            self.steps, *(r for _, r in sequences), *(past for _, _, past in states), *(v for _, v in fixed)
        )
        return result if isinstance(result, list) else [result]

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
        self, saved: dict[Variable, Variable], entering: dict[int, Variable], kept: Sequence[Variable]
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
                part = whole[taps[-1] - tap or None : -tap]
                pairs.append((v, self._reversed(_typed_rows(part, v.type))))
        rows = {**self._rows_of(kept), **dict(zip(op.results, self.outputs, strict=True))}
        pairs += [(mine, self._reversed(rows[v])) for v, mine in saved.items()]
        pairs += [(v, self._reversed(_typed_rows(self.outside[i], v.type))) for i, v in entering.items()]
        return pairs

    def _rows_of(self, kept: Sequence[Variable]) -> dict[Variable, Variable]:
        """What else the steps forward compute, of all steps."""
        if not kept:
            return {}
        op = self.op
        graph = FunctionGraph(op.graph.inputs, [*op.results, *kept])
        more = type(op)(graph, op.sequences, op.taps, False, op.truncate_gradient, op.name)
        results = more(self.count, *self.sequences, *self.pasts, *self.fixed)
        return dict(zip(kept, results[len(op.results) :], strict=True))

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
