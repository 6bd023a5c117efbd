"""`scan_checkpoints`: a loop of many steps whose gradient keeps few of them.

The steps are done in blocks: a loop over blocks, in whose step a loop over the steps of one block runs. Only what
each block ends with is an output. The gradient runs back over the blocks, and does the steps of one block again
when it comes to it: of N k steps, N in a block, it keeps k + N.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from probgraph.engine.graph import Constant, Variable, rebuild
from probgraph.engine.op import as_variable
from probgraph.engine.ops import elementwise as ew
from probgraph.engine.ops.shape import as_length, expand_dims, join, length, reshape
from probgraph.engine.scanning import scan
from probgraph.engine.shared import SharedVariable
from probgraph.engine.steps import OrderedUpdates


def scan_checkpoints(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    name: str = "checkpointscan_fn",
    n_steps: Any = None,
    save_every_N: int = 10,
    padding: bool = True,
) -> tuple[Any, OrderedUpdates]:
    """A `scan` of which every N-th step is saved, and the last one. Gives (outputs, updates).

    The outputs have a row for each N steps, and one more for the rest if there is one: what they are after these.
    Gradients through them keep only those steps and do the others again, N at a time; with N near the square root
    of the number of steps they need least memory.

    Sequences and states are variables: taps, other than of the state one step back, are a ValueError, and so is an
    `until` in the step. `padding` is accepted: sequences need be no multiple of N long.

    >>> scan_checkpoints(lambda x, total: total + x, as_variable([1.0] * 7), 0.0, save_every_N=3)[0].eval()
    array([3., 6., 7.])
    """
    if not isinstance(save_every_N, int) or save_every_N < 1:
        raise ValueError(f"scan_checkpoints: save_every_N is a positive int, got {save_every_N!r}")
    rows = [as_variable(_without_taps(v, "input")) for v in _listed(sequences)]
    begin = [_without_taps(v, "initial") for v in _listed(outputs_info)]
    count = _count(n_steps, rows)
    known = int(count.data) if isinstance(count, Constant) else None
    blocks = (count if known is None else known) // save_every_N
    done = blocks * save_every_N

    def steps(
        rows: Sequence[Variable], begin: Sequence[Any], n: Any
    ) -> tuple[list[Variable], OrderedUpdates]:
        outputs, updates = scan(fn, list(rows), list(begin), non_sequences, n, name=name, return_list=True)
        if any(v.owner is not None and getattr(v.owner.op, "until", False) for v in outputs):
            raise ValueError("scan_checkpoints: a step that returns until(...) needs scan")
        return outputs, updates

    def block(*given: Variable) -> tuple[list[Variable], OrderedUpdates]:
        states = iter(given[len(rows) :])
        now = [None if v is None else next(states) for v in begin]
        outputs, updates = steps(given[: len(rows)], now, save_every_N)
        return [v[-1] for v in outputs], updates

    def in_blocks(v: Variable) -> Variable:
        rest = [length(v, axis) for axis in range(1, v.ndim)]
        return reshape(v[:done], [blocks, save_every_N, *rest])

    outputs, updates = scan(
        block, [in_blocks(v) for v in rows], begin, n_steps=blocks, name=f"blocks_of_{name}", return_list=True
    )
    if known is None or known % save_every_N:
        last = [
            None if v is None else _last(v, out)
            for v, out in zip(begin or [None] * len(outputs), outputs, strict=True)
        ]
        rest, remaining = [v[done:count] for v in rows], count - done
        ended, later = steps(rest, last, remaining)
        # What these steps read of shared variables is what the blocks have made of them; but what they begin with is
        # made already.
        made = [v for v in (*rest, *last, remaining, *_listed(non_sequences)) if isinstance(v, Variable)]
        stop = {v: v for v in made if not isinstance(v, SharedVariable)}
        changed = rebuild([*ended, *later.values()], {**updates, **stop})
        outputs = [join(0, out, more[-1:]) for out, more in zip(outputs, changed, strict=False)]
        for shared, value in zip(later, changed[len(ended) :], strict=True):
            updates[shared] = value
    return (outputs if len(outputs) > 1 else outputs[0] if outputs else None), updates


def _listed(given: Any) -> list[Any]:
    return [] if given is None else list(given) if isinstance(given, list | tuple) else [given]


def _without_taps(given: Any, key: str) -> Any:
    if not isinstance(given, Mapping):
        return given
    if given.get("taps") not in (None, [0] if key == "input" else [-1]):
        raise ValueError(f"scan_checkpoints has no taps, got {dict(given)}: use scan")
    return given.get(key)


def _count(n_steps: Any, rows: Sequence[Variable]) -> Variable:
    if n_steps is not None:
        return as_length(n_steps, "scan_checkpoints: n_steps")
    if not rows:
        raise ValueError(
            "No information about the number of steps provided: scan_checkpoints needs n_steps or a sequence"
        )
    lengths = [length(v, 0) for v in rows]
    if all(isinstance(n, int) for n in lengths):
        return as_length(min(lengths), "scan_checkpoints")
    count, *others = (as_length(n, "scan_checkpoints") for n in lengths)
    for n in others:
        count = ew.minimum(count, n)
    return count


def _last(begin: Any, rows: Variable) -> Variable:
    """What a state is after some blocks: as it began, if there were none."""
    if rows.type.shape[0]:
        return rows[-1]
    return join(0, ew.cast(expand_dims(as_variable(begin), 0), rows.dtype), rows[-1:])[-1]
