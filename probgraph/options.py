"""Checks of the numbers and names that users hand to verbs: who was given what, and what is legal, before anything runs.

A wrong type is a TypeError, a wrong value a ValueError; both say what is legal. Other checks stay with what they check.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """An integer in a range. Raises TypeError for what is none, as 2.0 or True, and ValueError outside of the range.

    >>> whole("thin", 3, 1)
    3
    """
    legal = f"at least {least}" if most is None else f"from {least} to {most}"
    try:
        found = operator.index(None if isinstance(value, bool) else value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; it must be a whole number, {legal}") from None
    if found < least or (most is not None and found > most):
        raise ValueError(f"{name} is {value}; it must be {legal}")
    return found


def real(name: str, value: Any, legal: str) -> None:
    """TypeError where the value is no real number; `legal` says what is needed, and whoever asks checks it.

    >>> real("threshold", 0.5, "lie between 0 and 1")
    """
    if not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r}; it must be a number, and {legal}")


def positive(name: str, value: Any) -> None:
    """TypeError or ValueError where the value is no number above 0, or infinite.

    >>> positive("scaling", 0.5)
    """
    real(name, value, "positive and finite")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is {value}; it must be positive and finite")


def between_0_and_1(name: str, value: Any) -> None:
    """TypeError or ValueError where the value is not strictly between 0 and 1.

    >>> between_0_and_1("target_accept", 0.8)
    """
    real(name, value, "lie between 0 and 1")
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}; it must lie between 0 and 1")


def whether(name: str, value: Any) -> None:
    """TypeError for what is neither True nor False.

    >>> whether("progressbar", False)
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} is {value!r}; it must be True or False")


def place(name: str, value: Any) -> None:
    """TypeError for what is no path in the file system, nor None.

    >>> place("store", "run")
    """
    if value is not None and not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} is {value!r}; it must be the path of a directory, or None")


def names(name: str, value: Any) -> list[str] | None:
    """One name or several as a list; None stays None. TypeError for what is no name.

    >>> names("var_names", "x")
    ['x']
    """
    if value is None or isinstance(value, str):
        return None if value is None else [value]
    if not isinstance(value, Sequence | np.ndarray) or not all(isinstance(one, str) for one in value):
        raise TypeError(f"{name} is {value!r}; it must be a name, a list of names, or None for all")
    return [str(one) for one in value]


def values_by_name(name: str, value: Any) -> None:
    """TypeError for what is no dict, nor None.

    >>> values_by_name("start", {"x": 1.0})
    """
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{name} is {value!r}; it must be a dict of values by name, or None")


def options_by_name(name: str, given: Any, legal: Sequence[str]) -> dict[str, Any]:
    """A dict of options. Raises TypeError where it is none, or names what is no option.

    >>> options_by_name("idata_kwargs", None, ["dims"])
    {}
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} is {given!r}; it must be a dict of options, which are {', '.join(legal)}")
    for option in given:
        if option not in legal:
            raise TypeError(f"{name}: {option!r} is no option; those are {', '.join(legal)}")
    return dict(given)
