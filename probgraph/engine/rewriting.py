"""Rewrites as Theano's and PyTensor's users write them, turned into this engine's rules.

There, a rewrite is a function of a node that says which operations it tracks, or a pattern of nested tuples with
names for what may stand there. Both are made `OpRule` and `Rule`; registering adds them to the passes of FAST_RUN.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from probgraph.engine.graph import Apply, FunctionGraph, Variable
from probgraph.engine.op import Op, as_variable
from probgraph.engine.rewrite import OpRule, Pass, Rule, run_passes, wildcard
from probgraph.engine.rules import FAST_RUN

STABILIZE, SIMPLIFY = FAST_RUN


class NodeRewriter:
    """A rewrite of single nodes: its `rules` stand in a `Pass`, or are registered.

    `transform(fgraph, node)` is the function that it was made of.
    """

    def __init__(
        self, name: str, rules: Sequence[Rule | OpRule], transform: Callable[..., Any] | None = None
    ):
        self.name = name
        self.rules = list(rules)
        self._transform = transform

    def transform(self, fgraph: FunctionGraph | None, node: Apply) -> list[Variable] | None:
        """What stands for the node's results, or None."""
        for rule in self.rules:
            results = rule.apply(node)
            if results is not None:
                return [results] if isinstance(results, Variable) else list(results)
        return None

    __call__ = transform

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__


def node_rewriter(
    tracks: Sequence[Op | type[Op]] | None = None, name: str | None = None
) -> Callable[[Callable[..., Any]], NodeRewriter]:
    """Makes a rewrite of a function `(fgraph, node)`, or `(node)` as Theano has it.

    It is asked about the nodes of the operations, or classes of them, in `tracks` (None: all) and returns the variables
    that stand for the node's results, or None or False. The variables have the types of the results; a dtype or a
    shape that is only known better is mended.

    >>> from probgraph.engine import tensor as T
    >>> @node_rewriter([T.log])
    ... def local_log_exp(fgraph, node):
    ...     inner = node.inputs[0].owner
    ...     return [inner.inputs[0]] if inner is not None and inner.op == T.exp else None
    >>> x = T.dscalar("x")
    >>> rewrite_graph(T.log(T.exp(x)), custom_rewrite=local_log_exp)
    x
    """
    if tracks is not None and not isinstance(tracks, list | tuple | set | frozenset):
        raise TypeError(f"tracks is a list of operations or of classes of them, got {tracks!r}")

    def made(function: Callable[..., Any]) -> NodeRewriter:
        takes_graph = len(inspect.signature(function).parameters) > 1

        def results(node: Apply) -> Sequence[Variable] | None:
            found = function(None, node) if takes_graph else function(node)
            if found is None or found is False:
                return None
            if isinstance(found, Mapping):
                found = [found.get(v, v) for v in node.outputs]
            new = [as_variable(v) for v in (found if isinstance(found, list | tuple) else [found])]
            if len(new) != len(node.outputs):
                raise ValueError(f"{label} gave {len(new)} results for the {len(node.outputs)} of {node.op}")
            same = all(a is b for a, b in zip(new, node.outputs, strict=True))
            return None if same else new

        label = name or function.__name__
        return NodeRewriter(label, [OpRule(label, op, results) for op in (tracks or [Op])], function)

    return made


local_optimizer = node_rewriter


def PatternNodeRewriter(in_pattern: Any, out_pattern: Any, name: str | None = None, **_: Any) -> NodeRewriter:
    """A rewrite by patterns: `PatternNodeRewriter((T.log, (T.exp, "x")), "x")`.

    A pattern is a tuple of an operation and the patterns of its inputs, a name for any variable, a number, or
    `{"pattern": ..., "constraint": function}`, whose function of the variable found may refuse it.
    """
    found: dict[str, Variable] = {}
    refused: list[tuple[Variable, Callable[[Variable], bool]]] = []

    def variable(pattern: Any) -> Any:
        if isinstance(pattern, dict):
            inner = variable(pattern["pattern"])
            refused.append((inner, pattern["constraint"]))
            return inner
        if isinstance(pattern, str):
            return found.setdefault(pattern, wildcard(pattern))
        if isinstance(pattern, tuple | list):
            return pattern[0](*map(variable, pattern[1:]))
        return pattern

    lhs = variable(in_pattern)
    if any(v.owner is not None for v, _ in refused):
        raise NotImplementedError("a constraint on more than a name: use node_rewriter")
    known = set(found)
    rhs = variable(out_pattern)
    if set(found) - known:
        raise ValueError(f"{sorted(set(found) - known)} stand in the replacement, but not in the pattern")
    accepts = {v.name: constraint for v, constraint in refused}

    def where(**match: Variable) -> bool:
        return all(accepts[name](v) for name, v in match.items() if name in accepts)

    rule = Rule(lhs, rhs, where if accepts else None, over="numbers")
    return NodeRewriter(name or str(rule), [rule])


PatternSub = PatternNodeRewriter


def SubstitutionNodeRewriter(op1: Op, op2: Op, name: str | None = None, **_: Any) -> NodeRewriter:
    """One operation in the place of another, on the same inputs."""
    label = name or f"{op1} → {op2}"

    def results(node: Apply) -> Any:
        return op2(*node.inputs)

    return NodeRewriter(label, [OpRule(label, op1, results)])


OpSub = SubstitutionNodeRewriter


def _registered(where: Pass, rewriter: Any, tags: tuple[Any, ...]) -> Any:
    if not isinstance(rewriter, NodeRewriter):  # @register_stabilize("tag", ...)
        return lambda made: _registered(where, made, tags)
    where.add(rewriter.rules)
    return rewriter


def register_stabilize(rewriter: Any, *tags: Any, **_: Any) -> Any:
    """Adds a rewrite to what makes graphs stable, of all functions from now on; also a decorator."""
    return _registered(STABILIZE, rewriter, tags)


register_canonicalize = register_stabilize


def register_specialize(rewriter: Any, *tags: Any, **_: Any) -> Any:
    """Adds a rewrite to what leaves less to compute, in all functions from now on; also a decorator."""
    return _registered(SIMPLIFY, rewriter, tags)


class Optdb:
    """The passes of FAST_RUN under Theano's names: rewrites registered here join them.

    There are two passes. Tagged "canonicalize" or "stabilize" a rewrite is in the first, else in the second; `position` is
    not kept, for within a pass rules are tried until none fits.
    """

    def register(self, name: str, rewriter: Any, *tags: Any, position: Any = None, **_: Any) -> Any:
        """Adds a rewrite of nodes to a pass. TypeError for what is none."""
        if not isinstance(rewriter, NodeRewriter):
            raise TypeError(
                f"optdb: {name} must be made by node_rewriter, PatternSub or OpSub, got {rewriter!r}"
            )
        early = {"canonicalize", "stabilize"} & {str(tag) for tag in tags}
        return _registered(STABILIZE if early else SIMPLIFY, rewriter, tags)

    def __getitem__(self, name: str) -> Pass:
        """The pass of that name: "stabilize" ("canonicalize" is another name for it), or "simplify" ("specialize")."""
        passes = {"canonicalize": STABILIZE, "specialize": SIMPLIFY, **{p.name: p for p in FAST_RUN}}
        if name not in passes:
            raise KeyError(f"optdb: there is no pass {name!r}; those are {', '.join(passes)}")
        return passes[name]

    def query(self, *tags: str) -> list[Pass]:
        """The passes of these names; all of FAST_RUN for "fast_run"."""
        return list(FAST_RUN) if "fast_run" in tags else list(dict.fromkeys(self[tag] for tag in tags))


optdb = Optdb()


class ReplaceValidate:
    """A feature of Theano's that every graph has here: `replace_validate` and `replace_all_validate`."""


class History:
    """A feature: `fgraph.checkpoint()` marks what the outputs are, `fgraph.revert(mark)` makes them that again.

    >>> x = as_variable(2.0)
    >>> fgraph = FunctionGraph([], [x + 1.0])
    >>> fgraph.attach_feature(History())
    >>> mark = fgraph.checkpoint()
    >>> fgraph.replace(x, as_variable(5.0))
    >>> fgraph.revert(mark)
    >>> fgraph.outputs[0].eval()
    array(3.)
    """

    def on_attach(self, fgraph: Any) -> None:
        """Gives the graph the two."""
        fgraph.checkpoint = lambda: list(fgraph.outputs)
        fgraph.revert = fgraph.set_outputs

    def on_detach(self, fgraph: Any) -> None:
        """Takes them back."""
        del fgraph.checkpoint, fgraph.revert


def rewrite_graph(graph: Any, custom_rewrite: NodeRewriter | None = None, **_: Any) -> Any:
    """A variable, or several, or a FunctionGraph, after FAST_RUN's rewrites; with `custom_rewrite` only by that."""
    passes = FAST_RUN if custom_rewrite is None else [Pass(custom_rewrite.name, custom_rewrite.rules)]
    if isinstance(graph, FunctionGraph):
        return FunctionGraph(graph.inputs, run_passes(graph.outputs, passes))
    if isinstance(graph, Variable):
        return run_passes([graph], passes)[0]
    return run_passes(list(graph), passes)
