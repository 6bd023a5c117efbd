"""The engine alone, as in Theano's first tutorials: write a graph, make a function of it, call it."""

import numpy as np

import probgraph.engine as theano
import probgraph.engine.tensor as T

# Two scalars: variables have a type and a name, and arithmetic on them makes a graph.
x, y = T.dscalars("x", "y")
add = theano.function([x, y], x + y)
print("2 + 3 =", add(2, 3))
print("the graph:", theano.pp(x * y + 1))

# The same for matrices.
a, b = T.dmatrices("a", "b")
print("sum of matrices:\n", theano.function([a, b], a + b)([[1, 2], [3, 4]], [[10, 20], [30, 40]]), sep="")

# The logistic function, elementwise; several outputs come as a list.
s = 1 / (1 + T.exp(-a))
print("logistic:\n", theano.function([a], s)([[0, 1], [-1, -2]]).round(4), sep="")
difference, square = theano.function([a, b], [a - b, (a - b) ** 2])(np.ones((2, 2)), np.zeros((2, 2)))
print("two outputs:", difference.sum(), square.sum())

# Defaults, and arguments by name.
w = T.dscalar("w")
weighted = theano.function([x, theano.In(y, value=1), theano.In(w, value=2)], (x + y) * w)
print("(33 + y) * w:", weighted(33), weighted(33, 2), weighted(33, w=1))

# A shared variable keeps its value between calls; `updates` say what it becomes after each.
state = theano.shared(0, name="state")
step = T.lscalar("step")
accumulate = theano.function([step], state, updates=[(state, state + step)])
print("accumulator:", accumulate(1), accumulate(300), "then", state.get_value())

# `givens` put something else in a variable's place: here the state is left alone.
print("without the state:", theano.function([step], state * 2 + step, givens={state: 100})(1))

# Gradients are graphs too.
cost = (x - 4) * (x**2 * 2 + 6)
slope = theano.function([x], T.grad(cost, x))
print("slope at 0, 1, 2:", slope(0), slope(1), slope(2))
print("as compiled:", theano.pp(slope.maker.fgraph.outputs[0]))

# Together: walk along (x - 1) ** 4 until it hardly changes.
place = theano.shared(-1.0, name="place")
walk = theano.function([], (place - 1.0) ** 4, updates={place: place + 0.01})
before, now = np.inf, walk()
while abs(before - now) >= 1e-6:
    before, now = now, walk()
print("the walk ends at", place.get_value())
