"""Graphs as text: `pp` writes a formula, `debugprint` a tree with a line for each node.

Both have Theano's form, character for character where its documentation shows it. They walk with explicit
stacks, so a graph of any depth can be printed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from probgraph.engine.assertions import Print  # noqa: F401  Theano's place for it
from probgraph.engine.graph import Apply, Constant, FunctionGraph, Variable, constant_text
from probgraph.engine.ops.elementwise import Elementwise
from probgraph.engine.ops.index import INDEX, Gather, IncSubtensor, Subtensor
from probgraph.engine.ops.linalg import Dot
from probgraph.engine.ops.reduce import Reduce
from probgraph.engine.ops.shape import Alloc, DimShuffle, Join

#: where `pp` and `debugprint` stop: a graph that shares its parts can be exponentially long as a formula, and the
#: indentation of a deep one grows with the square of its depth
LIMIT = 1_000_000
TREE_LIMIT = 10_000_000

Piece = str | Variable


def pp(v: Variable, limit: int = LIMIT) -> str:
    """The graph behind `v` as a formula, fully in parentheses.

    A part that is used twice is written twice, so a formula can be much longer than its graph: after `limit`
    characters it ends with a note. Raises TypeError if `v` is not a variable.

    >>> from probgraph.engine.types import TensorType
    >>> x = Variable(TensorType("float64", ()), "x")
    >>> pp(x)
    'x'
    """
    if not isinstance(v, Variable):
        raise TypeError(f"pp prints a variable, got {v!r} of type {type(v).__name__}")
    text: list[str] = []
    length = 0
    stack: list[Piece] = [v]
    while stack:
        top = stack.pop()
        if isinstance(top, str):
            text.append(top)
            length += len(top)
            if length > limit:
                text.append(f" ... (cut after {limit} characters: debugprint shows shared parts once)")
                break
        else:
            stack.extend(reversed(_pieces(top)))
    return "".join(text)


pprint = pp


def _pieces(v: Variable) -> Sequence[Piece]:
    """What `v` is written as: text, and the variables to be written in between."""
    node = v.owner
    if node is None:
        return [str(v)]
    if len(node.outputs) > 1:
        return [f"{operation_name(node)}.{v.index}", *_arguments(node.inputs)]
    match node.op:
        case Elementwise():
            return _elementwise(node.op, node.inputs)
        case Dot():
            a, b = node.inputs
            return ["(", a, " \\dot ", b, ")"]
        case DimShuffle():
            return _dimshuffle(node.op, node.inputs[0])
        case Subtensor():
            return _part(node.op, node.inputs)
        case Gather() if node.op.axes == tuple(range(len(node.inputs) - 1)):
            x, *arrays = node.inputs
            return [x, "[", *_listed(arrays), "]"]
        case Join():
            return ["join", *_arguments([f"TensorConstant{{{node.op.axis}}}", *node.inputs])]
        case Alloc():
            return ["alloc", *_arguments(node.inputs)]
        case IncSubtensor():
            x, y, *scalars = node.inputs
            return [str(node.op), *_arguments([x, y, *map(_scalar, scalars)])]
        case _:
            return [operation_name(node), *_arguments(node.inputs)]


def _listed(parts: Sequence[Piece]) -> list[Piece]:
    separated: list[Piece] = []
    for part in parts:
        separated += [", ", part] if separated else [part]
    return separated


def _arguments(parts: Sequence[Piece]) -> list[Piece]:
    return ["(", *_listed(parts), ")"]


def _elementwise(op: Elementwise, inputs: Sequence[Variable]) -> list[Piece]:
    if op.infix is not None and len(inputs) == 2:
        return ["(", inputs[0], f" {op.infix} ", inputs[1], ")"]
    match op.name:
        case "neg":
            return ["(-", inputs[0], ")"]
        case "abs":
            return ["|", inputs[0], "|"]
    name = op.name[5:-1] if op.name.startswith("Cast{") else op.name
    return [name, *_arguments(inputs)]


def _dimshuffle(op: DimShuffle, x: Variable) -> list[Piece]:
    """New axes in front are what broadcasting adds anyway, so they are not shown."""
    order = list(op.order)
    while order and order[0] == "x":
        order.pop(0)
    if order == list(range(x.ndim)):
        return [x]
    if order == list(range(x.ndim))[::-1]:
        return [x, ".T"]
    return [f"DimShuffle{{{', '.join(map(str, order))}}}(", x, ")"]


def _part(op: Subtensor, inputs: Sequence[Variable]) -> list[Piece]:
    x, *scalars = inputs
    given = iter(scalars)
    entries: list[Piece] = []
    for entry in op.entries:
        if entry == INDEX:
            entries.append(_scalar(next(given)))
            continue
        for present in (entry.start, entry.stop, entry.step is None):
            if present:
                next(given)
        step = "" if entry.step == 1 else f":{'int64' if entry.step is None else entry.step}"
        entries.append(f"{'int64' if entry.start else ''}:{'int64' if entry.stop else ''}{step}")
    return [x, "[", *_listed(entries), "]"]


def _scalar(v: Variable) -> Piece:
    return f"Constant{{{constant_text(v)}}}" if isinstance(v, Constant) and v.name is None else v


def operation_name(node: Apply) -> str:
    """The operation as Theano writes it; a sum over everything does not list its axes."""
    op = node.op
    if isinstance(op, Reduce) and len(op.axis) == node.inputs[0].ndim:
        return str(Reduce(op.name, (), op.dtype, op.acc_dtype)).replace("{}", "")
    return str(op)


# ------------------------------------------------------------------------------------ trees


class _Names:
    """The `[id A]` of each node and root, in order of appearance."""

    def __init__(self, style: str, known: dict[Any, str] | None) -> None:
        if style not in ("CHAR", "int", "id", ""):
            raise ValueError(f"debugprint: ids is 'CHAR', 'int', 'id' or '', got {style!r}")
        self._style = style
        self._known = {} if known is None else known

    def seen(self, thing: Any) -> bool:
        return thing in self._known

    def of(self, thing: Any) -> str:
        if thing not in self._known:
            count = len(self._known)
            match self._style:
                case "CHAR":
                    self._known[thing] = f"[id {_letters(count)}]"
                case "int":
                    self._known[thing] = f"[id {count}]"
                case "id":
                    self._known[thing] = f"[id {id(thing)}]"
                case _:
                    self._known[thing] = ""
        return self._known[thing]


def _letters(number: int) -> str:
    """A number in base 26 with A as zero: A, B, ... Z, BA, BB ..."""
    digits = ""
    while number >= 26:
        number, digit = divmod(number, 26)
        digits = chr(65 + digit) + digits
    return chr(65 + number) + digits


def debugprint(
    obj: Any,
    depth: int = -1,
    print_type: bool = False,
    file: TextIO | str | None = None,
    ids: str = "CHAR",
    stop_on_name: bool = False,
    done: dict[Any, str] | None = None,
    print_clients: bool = False,
    limit: int = TREE_LIMIT,
) -> str | TextIO:
    """Prints a graph as a tree: a line for each operation and each root, its inputs indented below.

    `obj` is a variable, an Apply, a FunctionGraph, a compiled function, or a list of these. What was shown
    before is named again (`[id A]`, or as `ids` says) without its inputs. `depth` limits the levels (-1: all),
    `print_type` adds types, `stop_on_name` does not look behind named variables, `print_clients` adds who
    reads each (of a compiled function). Lines go to `file`, by default standard output; file="str" returns
    them as a string instead. `done` is a dict of names to go on with. After `limit` characters comes a note and
    no more. Raises TypeError for other objects, ValueError for unknown `ids`.
    """
    lines: list[str] = []
    names = _Names(ids, done)
    left = limit
    for v, order, clients in _roots(obj):
        known = clients if print_clients else {}
        for line in _tree(v, depth, print_type, stop_on_name, names, order, known):
            lines.append(line)
            left -= len(line)
            if left < 0:
                break
        if left < 0:
            lines.append(f"... (cut after {limit} characters: depth= shows less)")
            break
    text = "\n".join(lines)
    if file == "str":
        return text
    stream = sys.stdout if file is None else file
    print(text, file=stream)
    return stream


Clients = dict[Variable, list[tuple[Apply | str, int]]]


def _roots(obj: Any) -> list[tuple[Variable, dict[Apply, int], Clients]]:
    """The variables to print, each with the order in which its nodes run and who reads what, if that is known."""
    if hasattr(obj, "maker"):
        obj = obj.maker.fgraph
    match obj:
        case Variable():
            return [(obj, {}, {})]
        case Apply():
            return [(obj.outputs[0], {}, {})]
        case FunctionGraph():
            order = {node: position for position, node in enumerate(obj.toposort())}
            return [(v, order, obj.clients) for v in obj.outputs]
        case list() | tuple() | set():
            return [root for each in obj for root in _roots(each)]
        case _:
            raise TypeError(f"debugprint cannot print an object of type {type(obj)}: {obj!r:.80}")


def _tree(
    root: Variable,
    depth: int,
    print_type: bool,
    stop_on_name: bool,
    names: _Names,
    order: dict[Apply, int],
    clients: Clients,
) -> Iterator[str]:
    """The lines of one tree."""
    stack: list[tuple[Variable, str, str, int]] = [(root, "", "", depth)]
    while stack:
        v, prefix, below, left = stack.pop()
        if left == 0:
            continue
        kind = f" <{v.type}>" if print_type else ""
        readers = f" clients:[{', '.join(_reader(*c) for c in clients[v])}]" if v in clients else ""
        node = v.owner
        if node is None:
            yield f"{prefix}{v} {names.of(v)}{kind}{readers}"
            continue
        seen = names.seen(node)
        which = f".{v.index}" if len(node.outputs) > 1 else ""
        name = v.name or ""
        position = order.get(node, "")
        yield f"{prefix}{operation_name(node)}{which} {names.of(node)}{kind} '{name}'   {position}{readers}"
        if seen or (stop_on_name and v.name is not None):
            continue
        children: list[tuple[Variable, str, str, int]] = []
        for i, child in enumerate(node.inputs):
            last = i == len(node.inputs) - 1
            children.append((child, below + " |", below + ("  " if last else " |"), left - 1))
        stack.extend(reversed(children))


def _reader(node: Apply | str, position: int) -> str:
    return f"(output, {position})" if isinstance(node, str) else f"({node.op}, {position})"
