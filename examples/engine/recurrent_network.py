"""A recurrent network by scan: it must remember the first sign it saw until the end of a sequence of noise.

Run it: python examples/engine/recurrent_network.py
"""

import numpy as np

import probgraph.engine as theano
import probgraph.engine.tensor as T

rng = np.random.default_rng(1)
hidden, length, batch = 16, 20, 32


def parameter(name, *shape):
    return theano.shared(rng.normal(0, 0.3, shape), name=name)


W_in, W_back = parameter("W_in", 1, hidden), parameter("W_back", hidden, hidden)
W_out, b, start = (parameter(name, hidden) for name in ("W_out", "b", "start"))
parameters = [W_in, W_back, W_out, b, start]

# A batch of sequences: axis 0 is time, the axis that scan walks along.
sequence, sign = T.dtensor3("sequence"), T.dvector("sign")


def step(now, before):
    return T.tanh(T.dot(now, W_in) + T.dot(before, W_back) + b)


initial = T.zeros((sequence.shape[1], hidden)) + start
states, _ = theano.scan(step, sequences=sequence, outputs_info=initial)
last = T.dot(states[-1], W_out)
cost = T.softplus(-sign * last).mean()

# The gradient is a loop that runs back through time. Steps of a fixed size for each number of each parameter, in the
# direction that lowers the cost, shrunk where it changes (RMSprop).
updates = []
for v, slope in zip(parameters, T.grad(cost, parameters), strict=True):
    square = theano.shared(0 * v.get_value())
    new_square = 0.9 * square + 0.1 * slope**2
    updates += [(square, new_square), (v, v - 0.01 * slope / (T.sqrt(new_square) + 1e-4))]
learn = theano.function([sequence, sign], cost, updates=updates)
guess = theano.function([sequence], T.sgn(last))


def examples():
    signs = rng.choice([-1.0, 1.0], size=batch)
    return np.concatenate([signs[None, :, None], rng.normal(0, 0.3, (length - 1, batch, 1))]), signs


for number in range(301):
    value = learn(*examples())
    if number % 100 == 0:
        print(f"after {number + 1} batches: cost {value:.3f}")
right = np.mean([(guess(inputs) == signs).mean() for inputs, signs in (examples() for _ in range(20))])
print(f"remembers the first sign for {length} steps in {right:.0%} of new sequences")
assert right > 0.95
