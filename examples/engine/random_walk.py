"""A random walk in Theano's manner: random variables in a graph, a scan, seeds.

Run it: python examples/engine/random_walk.py
"""

import numpy as np

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.ifelse import ifelse

# Every random variable of a stream has a generator of its own, seeded from the stream's seed.
stream = T.shared_randomstreams.RandomStreams(seed=1234)

# Draws are part of the graph: however often a variable occurs in it, it is drawn once in each call.
noise = stream.normal((3,))
f = theano.function([], [noise, noise - noise])
first, zeros = f()
second, _ = f()
print("two calls, two draws:", first.round(3), second.round(3))
assert not np.any(first == second) and not np.any(zeros)

# 1,000 walkers at once. The step of the loop draws anew each time; `updates` hands the generator's state on.
steps, drift = T.lscalar("steps"), T.dscalar("drift")
jump = stream.normal((1000,))
path, updates = theano.scan(lambda place: place + drift + jump, outputs_info=T.zeros((1000,)), n_steps=steps)
walk = theano.function([steps, drift], path, updates=updates)
end = walk(100, 0.1)[-1]
print(f"after 100 steps: mean {end.mean():.2f} (10 expected), variance {end.var():.0f} (100 expected)")
assert abs(end.mean() - 10) < 4 * 10 / np.sqrt(1000)

# The same seed walks the same way again.
stream.seed()
again = walk(100, 0.1)[-1]
assert np.array_equal(again, end)

# A draw is a constant to the gradient; how the place depends on the drift is not.
by_drift = theano.function([steps, drift], T.grad(path[-1].mean(), drift), updates=updates)
print("the gradient of the mean place by the drift:", by_drift(100, 0.1))

# A choice of which only one side is computed: a reflecting wall, and a gamble.
side = stream.binomial(p=0.5)
place = T.dscalar("place")
reflect = theano.function([place], ifelse(place < 0, -place, ifelse(T.eq(side, 1), place + 1, place - 1)))
print("from -2 to", reflect(-2.0), "and from 5 to", sorted({float(reflect(5.0)) for _ in range(50)}))
