"""The state of a random generator as a value like any other: an array of words.

NumPy's generators change when they draw. A graph has no use for that: what it computes from must stay what it
was. So a state is an array of 64-bit words, which is never written to, and an operation that draws takes one and
gives another. States are then stored, handed from step to step of a loop, compared and pickled as arrays are.
The first word says which generator it is; the last say whether half of a draw is left over.

Both of NumPy's generators are known: `Generator` over each of its bit generators, and the older `RandomState`,
whose draws for a seed never change between versions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from probgraph.engine.types import TensorType

#: how a state is told apart by its length and its first word
_RANDOM_STATE = 0
_CODES = {"PCG64": 1, "PCG64DXSM": 2, "SFC64": 3, "Philox": 4, "MT19937": 5}
_NAMES = {code: name for name, code in _CODES.items()}
_LENGTHS = {"PCG64": 7, "PCG64DXSM": 7, "SFC64": 7, "Philox": 14, "MT19937": 314}
_KEY = 312  # the words of a Mersenne twister: 624 halves
_RANDOM_STATE_LENGTH = _KEY + 4
LENGTHS = frozenset({*_LENGTHS.values(), _RANDOM_STATE_LENGTH})

_MASK = (1 << 64) - 1


class GeneratorType(TensorType):
    """The type of a generator's state, for generators whose states have so many words.

    As values it takes generators too: `np.random.default_rng(1)` where PCG64's words are asked for.

    >>> GeneratorType.of(np.random.default_rng(1))
    GeneratorType(PCG64)
    """

    __slots__ = ()

    def __init__(self, length: int) -> None:
        if length not in LENGTHS:
            raise ValueError(f"no generator has a state of {length} words")
        super().__init__("uint64", (length,))

    @classmethod
    def of(cls, value: Any) -> GeneratorType:
        """The type of a generator or of its words."""
        return cls(len(state_words(value)))

    def __reduce__(self) -> tuple[Any, ...]:
        return GeneratorType, self.shape

    def clone(self, dtype: str | None = None, shape: Any = None) -> TensorType:
        return self if dtype is None and shape is None else super().clone(dtype, shape)

    def filter(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> np.ndarray:
        """The words of a generator; TypeError if it is another than this type's."""
        words = state_words(value)
        if words.shape != self.shape:
            raise TypeError(f"{self} cannot store the state of a {_name(words)}: give it the same kind")
        return words

    def __str__(self) -> str:
        (length,) = self.shape
        if length == _RANDOM_STATE_LENGTH:
            return "GeneratorType(RandomState)"
        # Of the three kinds with 7 words PCG64 is NumPy's default.
        return f"GeneratorType({next(name for name, n in _LENGTHS.items() if n == length)})"

    __repr__ = __str__


def is_generator(value: Any) -> bool:
    """Whether a value is one of NumPy's generators."""
    return isinstance(value, np.random.Generator | np.random.RandomState)


def state_words(value: Any) -> np.ndarray:
    """The state of a generator, or words that are one already, as a read-only array.

    Raises TypeError for anything else, and for bit generators that are not NumPy's own.
    """
    if isinstance(value, np.ndarray):
        _reject_no_state(value)
        return value if not value.flags.writeable else _frozen(value.copy())
    if isinstance(value, np.random.RandomState):
        name, key, position, has_gauss, gauss = value.get_state()
        if name != "MT19937":
            raise TypeError(f"a RandomState over MT19937 is needed, this one is over {name}")
        half = np.asarray(key, "uint32").view("uint64")
        rest = np.array([gauss], "float64").view("uint64")
        return _frozen(np.concatenate([_words(_RANDOM_STATE), half, _words(position, has_gauss), rest]))
    if isinstance(value, np.random.Generator):
        return _frozen(_generator_words(value.bit_generator.state))
    raise TypeError(
        f"the state of a random generator is needed, got {value!r:.80} of type {type(value).__name__}:"
        f" give numpy.random.default_rng(seed) or numpy.random.RandomState(seed)"
    )


def generator_of(words: np.ndarray) -> Any:
    """A new Generator or RandomState in this state.

    >>> words = state_words(np.random.default_rng(1))
    >>> int(generator_of(words).integers(100))
    47
    """
    _reject_no_state(words)
    generator = _new(int(words[0]))
    _set(generator, words)
    return generator


_local = threading.local()
_KEPT = 32


def drawn(words: np.ndarray, draw: Callable[[Any], Any]) -> tuple[np.ndarray, Any]:
    """The state after `draw(generator)` on a generator in the state `words`, and what was drawn."""
    # Setting a generator's state costs far more than drawing. Each thread keeps generators by the state they are
    # in: the next draw mostly starts where one of them stopped.
    ready: dict[bytes, Any] = _local.__dict__.setdefault("ready", {})
    generator = ready.pop(words.tobytes(), None)
    if generator is None:
        generator = generator_of(words)
    result = draw(generator)
    after = state_words(generator)
    ready[after.tobytes()] = generator
    if len(ready) > _KEPT:
        del ready[next(iter(ready))]
    return after, result


# ------------------------------------------------------------------------------------ words


def _words(*values: int) -> np.ndarray:
    return np.array(values, "uint64")


def _frozen(words: np.ndarray) -> np.ndarray:
    words.flags.writeable = False
    return words


def _reject_no_state(words: np.ndarray) -> None:
    code = int(words[0]) if words.ndim == 1 and words.dtype == np.uint64 and words.size else -1
    expected = _RANDOM_STATE_LENGTH if code == _RANDOM_STATE else _LENGTHS.get(_NAMES.get(code, ""))
    if expected != words.size:
        raise TypeError(
            f"these {words.dtype} numbers of shape {words.shape} are no generator's state: give a generator,"
            f" e.g. numpy.random.default_rng(seed)"
        )


def _name(words: np.ndarray) -> str:
    return _NAMES.get(int(words[0]), "RandomState")


def _generator_words(state: dict[str, Any]) -> np.ndarray:
    name, inner = state["bit_generator"], state["state"]
    if name not in _CODES:
        raise TypeError(
            f"generators over {name} are not known here: use {', '.join(_CODES)}, or a RandomState"
        )
    code = _CODES[name]
    if name == "MT19937":
        half = np.asarray(inner["key"], "uint32").view("uint64")
        return np.concatenate([_words(code), half, _words(inner["pos"])])
    rest = (state["has_uint32"], state["uinteger"])
    if name in ("PCG64", "PCG64DXSM"):
        a, b = inner["state"], inner["inc"]
        return _words(code, a >> 64, a & _MASK, b >> 64, b & _MASK, *rest)
    if name == "SFC64":
        return np.concatenate([_words(code), inner["state"], _words(*rest)])
    kept = [inner["counter"], inner["key"], state["buffer"]]
    return np.concatenate([_words(code), *kept, _words(state["buffer_pos"], *rest)])


def _new(code: int) -> Any:
    if code == _RANDOM_STATE:
        return np.random.RandomState(0)
    return np.random.Generator(getattr(np.random, _NAMES[code])(0))


def _set(generator: Any, words: np.ndarray) -> None:
    code = int(words[0])
    if code == _RANDOM_STATE:
        key, gauss = words[1 : 1 + _KEY].view("uint32"), words[-1:].view("float64")[0]
        generator.set_state(("MT19937", key, int(words[_KEY + 1]), int(words[_KEY + 2]), float(gauss)))
        return
    name = _NAMES[code]
    numbers = words.tolist()
    state: dict[str, Any] = {"bit_generator": name, "has_uint32": numbers[-2], "uinteger": numbers[-1]}
    if name == "MT19937":
        state["state"] = {"key": words[1 : 1 + _KEY].view("uint32"), "pos": numbers[-1]}
    elif name in ("PCG64", "PCG64DXSM"):
        state["state"] = {"state": numbers[1] << 64 | numbers[2], "inc": numbers[3] << 64 | numbers[4]}
    elif name == "SFC64":
        state["state"] = {"state": words[1:5]}
    else:
        state["state"] = {"counter": words[1:5], "key": words[5:7]}
        state["buffer"], state["buffer_pos"] = words[7:11], numbers[11]
    generator.bit_generator.state = state
