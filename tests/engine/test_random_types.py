"""States of generators as words: nothing of a state is lost, and nothing else is taken for one."""

import pickle

import numpy as np
import pytest

import probgraph.engine as theano
from probgraph.engine.random_types import GeneratorType, drawn, generator_of, is_generator, state_words
from probgraph.engine.types import TensorType

KINDS = ["PCG64", "PCG64DXSM", "SFC64", "Philox", "MT19937", "RandomState"]


def made(kind, seed=3):
    if kind == "RandomState":
        return np.random.RandomState(seed)
    return np.random.Generator(getattr(np.random, kind)(seed))


def used(kind):
    """A generator in the midst of its life: half a word and (in a RandomState) a normal draw are left over."""
    generator = made(kind)
    generator.normal(size=3)
    integers = generator.randint if kind == "RandomState" else generator.integers
    integers(0, 9, size=3, dtype=np.uint32)
    return generator


@pytest.mark.parametrize("kind", KINDS)
def test_words_hold_all_of_a_state(kind):
    generator = used(kind)
    words = state_words(generator)
    assert words.dtype == np.uint64
    assert not words.flags.writeable
    twin = generator_of(words)
    for _ in range(3):
        np.testing.assert_array_equal(twin.normal(size=5), generator.normal(size=5))
        np.testing.assert_array_equal(twin.bytes(7), generator.bytes(7))
    np.testing.assert_array_equal(state_words(twin), state_words(generator))


@pytest.mark.parametrize("kind", KINDS)
def test_drawing_leaves_the_words_as_they_are(kind):
    words = state_words(used(kind))
    before = words.copy()
    after, first = drawn(words, lambda g: g.normal(size=4))
    again, second = drawn(words, lambda g: g.normal(size=4))
    np.testing.assert_array_equal(words, before)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(after, again)
    assert not np.array_equal(after, before)
    expected = generator_of(words)
    expected.normal(size=4)
    np.testing.assert_array_equal(drawn(after, lambda g: g.normal(size=4))[1], expected.normal(size=4))


def test_a_failing_draw_spoils_nothing():
    words, _ = drawn(state_words(np.random.default_rng(5)), lambda g: g.normal())

    def fails(generator):
        generator.normal(size=10)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drawn(words, fails)
    np.testing.assert_array_equal(drawn(words, lambda g: g.normal())[1], generator_of(words).normal())


def test_many_streams_at_once():
    states = [state_words(np.random.default_rng(i)) for i in range(100)]
    alone = [np.random.default_rng(i) for i in range(100)]
    for _ in range(3):
        for i, generator in enumerate(alone):
            states[i], value = drawn(states[i], lambda g: g.normal())
            assert value == generator.normal()


@pytest.mark.parametrize("kind", KINDS)
def test_the_type(kind):
    type = GeneratorType.of(made(kind))
    assert type == TensorType("uint64", (len(state_words(made(kind))),))
    assert pickle.loads(pickle.dumps(type)) == type
    assert isinstance(pickle.loads(pickle.dumps(type)), GeneratorType)
    np.testing.assert_array_equal(type.filter(made(kind)), state_words(made(kind)))
    assert str(type).startswith("GeneratorType(")


def test_what_is_no_state():
    type = GeneratorType.of(np.random.default_rng(1))
    with pytest.raises(TypeError, match=r"GeneratorType\(PCG64\) cannot store the state of a RandomState"):
        type.filter(np.random.RandomState(1))
    with pytest.raises(TypeError, match="the state of a random generator is needed, got 5 of type int"):
        type.filter(5)
    with pytest.raises(TypeError, match="are no generator's state"):
        type.filter(np.zeros(7))
    with pytest.raises(TypeError, match="are no generator's state"):
        type.filter(np.array([9] * 7, "uint64"))
    with pytest.raises(ValueError, match="no generator has a state of 8 words"):
        GeneratorType(8)

    class Odd(np.random.PCG64):
        @property
        def state(self):
            return {**super().state, "bit_generator": "Odd"}

    with pytest.raises(TypeError, match="generators over Odd are not known"):
        state_words(np.random.Generator(Odd(1)))


def test_is_generator():
    assert is_generator(np.random.default_rng()) and is_generator(np.random.RandomState())
    assert not is_generator(np.random) and not is_generator(3)


def test_a_shared_generator_is_a_copy():
    generator = np.random.default_rng(1)
    rng = theano.shared(generator, name="rng")
    expected = np.random.default_rng(1).normal(size=3)
    assert rng.name == "rng"
    np.testing.assert_array_equal(rng.get_value().normal(size=3), expected)
    np.testing.assert_array_equal(rng.get_value(borrow=True).normal(size=3), expected)
    np.testing.assert_array_equal(generator.normal(size=3), expected)
    rng.set_value(generator)
    np.testing.assert_array_equal(rng.get_value().normal(size=3), generator.normal(size=3))
    assert rng.clone().container is rng.container
    with pytest.raises(TypeError, match="cannot store the state of a RandomState"):
        rng.set_value(np.random.RandomState(1))
    with pytest.raises(TypeError, match=r"is a generator: give it a seed by set_value"):
        rng.zero()
    twin = pickle.loads(pickle.dumps(rng))
    np.testing.assert_array_equal(twin.get_value().normal(size=3), rng.get_value().normal(size=3))
