"""The lists of passes that modes choose from. The rules themselves are one line each, in a file for each idea.

In each list the first rule that fits is taken.

* `FOLD` (`constant_rules`) computes what is known already.
* `STABLE` (`stable_rules`, of choices `switch_rules`, of matrices `matrix_rules` and `structure_rules`) says what was meant where floating point would
  overflow or cancel. `grad` runs it on the cost *before* differentiating (`stabilized`): the derivative of
  log(1 + exp(x)) is inf/inf for large x, and afterwards nobody can tell what was meant.
* `ALGEBRA`, `SUMS`, `ARRAYS` and `MATRICES` leave less to compute: of single elements, of sums, of shapes and parts
  of arrays, of matrices.
* `INLINE` puts graphs that are wrapped into one operation where they are used.
* `DECOMPOSITION` turns composite operations into their parts, for C.

Every rule is true in exact arithmetic wherever its left side is defined. No rule adds an error of more than
an ulp or two, so x / 10 stays a division, and none supposes that a number is finite: x * 0 and x - x stay.
"""

from __future__ import annotations

from collections.abc import Sequence

from probgraph.engine.algebra_rules import ALGEBRA
from probgraph.engine.array_rules import ARRAYS
from probgraph.engine.assertions import CheckAndRaise
from probgraph.engine.constant_rules import FOLD
from probgraph.engine.graph import Apply, Constant, Variable, rebuild, toposort
from probgraph.engine.matrix_rules import LIBRARY, MATRICES, STABLE_MATRICES
from probgraph.engine.op import Op
from probgraph.engine.ops.elementwise import Elementwise, cast, identity
from probgraph.engine.rewrite import OpRule, Pass, run_passes
from probgraph.engine.stable_rules import STABLE as STABLE_ELEMENTS
from probgraph.engine.structure_rules import STRUCTURED, STRUCTURED_DETERMINANTS
from probgraph.engine.sum_rules import SUMS
from probgraph.engine.switch_rules import SWITCHES

STABLE = [*STABLE_ELEMENTS, *SWITCHES, *STABLE_MATRICES, *STRUCTURED]

# ------------------------------------------------------------------------------------ composites


def _parts(node: Apply) -> Variable | None:
    expand = getattr(node.op, "expand", None)
    if expand is None:
        return None
    if not isinstance(node.op, Elementwise):
        return expand(*node.inputs)
    dtypes, _ = node.op.rule(*(v.dtype for v in node.inputs))
    return expand(*(cast(v, dtype) for v, dtype in zip(node.inputs, dtypes, strict=True)))


DECOMPOSITION = [OpRule("composite → its parts", Op, _parts)]


def _graph_of(node: Apply) -> Sequence[Variable] | None:
    return node.op.expand(*node.inputs) if getattr(node.op, "expand_first", False) else None


INLINE = [OpRule("operation made of a graph → the graph", Op, _graph_of)]

# ------------------------------------------------------------------------------------ lists of passes

#: the graph as written, with constants computed
FAST_COMPILE = [Pass("fold", FOLD)]
#: the least to compute
FAST_RUN = [
    Pass("stabilize", [*INLINE, *FOLD, *STABLE]),
    Pass("simplify", [*FOLD, *STABLE, *ALGEBRA, *SUMS, *ARRAYS, *MATRICES, *STRUCTURED_DETERMINANTS]),
]
#: what a graph needs before it can become loops; STABLE would put the composites together again
DECOMPOSE = [Pass("decompose", [*FOLD, *DECOMPOSITION, *ALGEBRA, *SUMS, *ARRAYS, *LIBRARY])]


#: for graphs that are trusted: `Mode("c", [*FAST_RUN, *WITHOUT_ASSERTIONS])`
WITHOUT_ASSERTIONS = [
    Pass("without assertions", [OpRule("assertion → its value", CheckAndRaise, lambda node: node.inputs[0])])
]


_STABILIZING = [Pass("stabilize", STABLE)]


def stabilized(outputs: Sequence[Variable], keep: Sequence[Variable] = ()) -> dict[Variable, Variable]:
    """What stands for each of `outputs` and `keep` after the rules of `STABLE`.

    No rule looks into a variable of `keep`, and no two of them become one, so that one can still differentiate
    by what stands for them. Where no rule fits, everything stands for itself.
    """
    makers = {node: place for place, node in enumerate(toposort([*outputs, *keep]))}
    kept = [v for v in dict.fromkeys(keep) if v.owner is not None or isinstance(v, Constant)]
    kept.sort(key=lambda v: -1 if v.owner is None else makers[v.owner])
    # Each kept variable is a root to those that read it, for as long as the rules look.
    roots = {v: Variable(v.type, v.name) for v in kept}
    made = [v for v in kept if v.owner is not None]
    opened = iter(rebuild([*outputs, *(i for v in made for i in v.owner.inputs)], roots))
    tops = [next(opened) for _ in outputs]
    tops += [v.owner.rebuilt([next(opened) for _ in v.owner.inputs]).outputs[v.index] for v in made]
    log: list[tuple[str, str, int]] = []
    rewritten = run_passes(tops, _STABILIZING, log)
    if not log:
        return {v: v for v in (*outputs, *keep)}
    behind = {root: v for v, root in roots.items() if v.owner is None}
    for v, top in zip(made, rewritten[len(outputs) :], strict=True):
        (new,) = rebuild([top], behind)
        behind[roots[v]] = _alone(new, v)
    found = {v: v for v in keep}
    found.update((v, behind[root]) for v, root in roots.items())
    results = rebuild(rewritten[: len(outputs)], behind)
    found.update((v, new) for v, new in zip(outputs, results, strict=True) if v not in roots)
    return found


def _alone(new: Variable, old: Variable) -> Variable:
    """`new` as a variable that is nobody else's: `old` itself if it is the same operation."""
    maker = new.owner
    if maker is None:
        return identity(new, name=old.name)
    if maker.op == old.owner.op and all(a is b for a, b in zip(maker.inputs, old.owner.inputs, strict=True)):
        return old
    return maker.rebuilt(maker.inputs).outputs[new.index]
