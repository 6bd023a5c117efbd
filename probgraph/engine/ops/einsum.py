"""`einsum`: sums of products written with a letter for each axis, taken apart into products of two operands."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from probgraph.engine.graph import Variable
from probgraph.engine.op import as_variables
from probgraph.engine.ops.diagonals import Diagonal
from probgraph.engine.ops.products import contract
from probgraph.engine.ops.shape import dimshuffle
from probgraph.engine.types import describe


def einsum(subscripts: str, *operands: Any) -> Variable:
    """Sums of products as NumPy's `einsum` writes them: `einsum("ij,jk->ik", a, b)`.

    Without `->` the result has the letters that stand once, in the order of the alphabet. A letter twice in
    one operand is its diagonal; `...` stands for axes that broadcast. Of more than two operands, those
    are multiplied first whose product has the fewest axes.
    """
    if not isinstance(subscripts, str):
        raise TypeError(f'einsum: subscripts are text such as "ij,jk->ik", got {type(subscripts).__name__}')
    variables = as_variables(operands)
    letters, result = _parsed(subscripts, variables)
    terms = [_without_repeats(v, mine) for v, mine in zip(variables, letters, strict=True)]
    while len(terms) > 1:
        i, j = _cheapest(terms, result)
        (a, left), (b, right) = terms[i], terms[j]
        rest = [term for k, term in enumerate(terms) if k not in (i, j)]
        kept = _kept(left + right, rest, result) if rest else result
        terms = [(contract("einsum", (a, b), (left, right), kept), kept), *rest]
    v, mine = terms[0]
    summed = tuple(axis for axis, c in enumerate(mine) if c not in result)
    if summed:
        v = v.sum(axis=summed, dtype=v.dtype)
        mine = "".join(c for c in mine if c in result)
    return dimshuffle(v, *(mine.index(c) for c in result))


def _kept(letters: str, rest: Sequence[tuple[Variable, str]], result: str) -> str:
    wanted = {*result, *(c for _, mine in rest for c in mine)}
    return "".join(c for c in dict.fromkeys(letters) if c in wanted)


def _cheapest(terms: Sequence[tuple[Variable, str]], result: str) -> tuple[int, int]:
    """The pair whose product has the fewest axes; the first of them."""

    def rank(pair: tuple[int, int]) -> int:
        rest = [term for k, term in enumerate(terms) if k not in pair]
        return len(_kept(terms[pair[0]][1] + terms[pair[1]][1], rest, result))

    return min(combinations(range(len(terms)), 2), key=rank)


def _without_repeats(v: Variable, letters: str) -> tuple[Variable, str]:
    """A letter that stands twice in an operand means the diagonal of these axes."""
    while len(set(letters)) < len(letters):
        c = next(c for c in letters if letters.count(c) > 1)
        first = letters.index(c)
        second = letters.index(c, first + 1)
        rest = [axis for axis in range(v.ndim) if axis not in (first, second)]
        v = Diagonal(square=True)(dimshuffle(v, *rest, first, second))
        letters = "".join(letters[axis] for axis in rest) + c
    return v, letters


def _parsed(subscripts: str, operands: Sequence[Variable]) -> tuple[list[str], str]:
    """A letter for each axis of each operand and of the result, `...` having become letters too."""
    text = subscripts.replace(" ", "")
    left, arrow, result = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: {subscripts!r} has {len(terms)} operands, {len(operands)} were given")
    for term in (*terms, result):
        bare = term.replace("...", "", 1)
        if any(c not in string.ascii_letters for c in bare):
            raise ValueError(
                f"einsum: {subscripts!r} holds something that is no letter, comma, '->' or '...'"
            )
    free = [c for c in string.ascii_letters if c not in text]
    widths = [
        v.ndim - len(term.replace("...", "")) if "..." in term else 0
        for v, term in zip(operands, terms, strict=True)
    ]
    if len(free) < max(widths, default=0):
        raise NotImplementedError("einsum: more axes than there are letters")
    dots = "".join(free[: max([0, *widths])])
    letters = []
    for v, term, width in zip(operands, terms, widths, strict=True):
        mine = term.replace("...", dots[len(dots) - width :] if width > 0 else "")
        if width < 0 or len(mine) != v.ndim:
            raise ValueError(f"einsum: {term!r} of {subscripts!r} does not fit {describe([v.type])}")
        letters.append(mine)
    if not arrow:
        counts = Counter(c for term in terms for c in term if c != ".")
        return letters, dots + "".join(sorted(c for c, n in counts.items() if n == 1))
    for c in set(result.replace("...", "")):
        if result.count(c) > 1:
            raise ValueError(f"einsum: {c!r} stands twice in the result of {subscripts!r}")
        if not any(c in term for term in terms):
            raise ValueError(f"einsum: {c!r} in the result of {subscripts!r} is in no operand")
    if dots and "..." not in result:
        raise ValueError(
            f"einsum: {subscripts!r} needs '...' in its result: axes that broadcast are not summed"
        )
    return letters, result.replace("...", dots)
