"""A multilayer perceptron trained by minibatches: shared data, `givens`, one gradient for all parameters.

Two spirals cannot be told apart by a line. Run it: python examples/engine/multilayer_perceptron.py
"""

from itertools import pairwise

import numpy as np

import probgraph.engine as theano
import probgraph.engine.tensor as T

rng = np.random.default_rng(3)

# The data: two spirals wound around each other, 400 points each, in an order drawn at random.
turn = rng.uniform(0.5, 2.5, size=800) * np.pi
side = np.repeat([0, 1], 400)
angle = turn + side * np.pi
points = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1) / 4 + rng.normal(0, 0.03, (800, 2))
order = rng.permutation(800)
train_x, train_y = theano.shared(points[order], name="train_x"), theano.shared(side[order], name="train_y")

# The network: a layer is an affine map, then a bend; the last one's rows are turned into probabilities.
X, y = T.dmatrix("X"), T.lvector("y")
sizes = [2, 24, 24, 2]
parameters = []
layer = X
for depth, (before, after) in enumerate(pairwise(sizes)):
    W = theano.shared(rng.normal(0, 1 / np.sqrt(before), (before, after)), name=f"W{depth}")
    b = theano.shared(np.zeros(after), name=f"b{depth}")
    parameters += [W, b]
    layer = T.dot(layer, W) + b
    if depth < len(sizes) - 2:
        layer = T.tanh(layer)
log_p = T.log_softmax(layer, axis=1)
cost = -log_p[T.arange(y.shape[0]), y].mean() + 1e-4 * sum((W**2).sum() for W in parameters[::2])

# Steps with momentum: what a parameter moves by has a shared variable of its own.
updates = []
for parameter, slope in zip(parameters, T.grad(cost, parameters), strict=True):
    speed = theano.shared(np.zeros_like(parameter.get_value()))
    moved = 0.9 * speed - 0.1 * slope
    updates += [(speed, moved), (parameter, parameter + moved)]

# The data stay inside: a call is given the number of the minibatch, and `givens` cuts it out.
index, size = T.lscalar("index"), 40
batch = slice(index * size, (index + 1) * size)
learn = theano.function([index], cost, updates=updates, givens={X: train_x[batch], y: train_y[batch]})
wrong = theano.function([], T.neq(T.argmax(log_p, axis=1), y).mean(), givens={X: train_x, y: train_y})

for epoch in range(301):
    mean_cost = np.mean([learn(i) for i in range(800 // size)])
    if epoch % 100 == 0:
        print(f"after {epoch + 1} epochs: cost {mean_cost:.3f}, {wrong():.1%} wrong")
assert wrong() < 0.02
