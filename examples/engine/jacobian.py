"""A Jacobian by scan, row by row; and the same by `jacobian`, which finds out when no loop is needed.

Run it: python examples/engine/jacobian.py
"""

import numpy as np

import probgraph.engine as theano
import probgraph.engine.tensor as T

x = T.dvector("x")
W = theano.shared(np.arange(12.0).reshape(3, 4) / 10, name="W")
y = T.tanh(T.dot(W, x))

# grad wants a scalar, so each element of y has its own gradient: a loop over the places of y.
rows, updates = theano.scan(
    lambda i, y, x: T.grad(y[i], x), sequences=T.arange(y.shape[0]), non_sequences=[y, x], strict=False
)
by_scan = theano.function([x], rows, updates=updates)
by_name = theano.function([x], theano.jacobian(y, x))

at = np.array([0.5, -1.0, 2.0, 0.1])
print(by_scan(at).round(4))
assert np.allclose(by_scan(at), by_name(at))

# The truth, by hand: the derivative of tanh is 1 - tanh ** 2.
weights = W.get_value()
by_hand = (1 - np.tanh(weights @ at) ** 2)[:, None] * weights
assert np.allclose(by_name(at), by_hand)
print("by scan, by jacobian and by hand: the same")

# The Hessian is the Jacobian of a gradient: the same loop over the elements of the gradient.
slope = T.grad((y**2).sum(), x)
second, updates = theano.scan(
    lambda i, slope, x: T.grad(slope[i], x), sequences=T.arange(slope.shape[0]), non_sequences=[slope, x]
)
hessian = theano.function([x], second, updates=updates)(at)
assert np.allclose(hessian, hessian.T)
assert np.allclose(hessian, theano.function([x], theano.hessian((y**2).sum(), x))(at))
print("the Hessian is symmetric; its trace is", hessian.trace().round(4))

# Often one product with the Jacobian is all that is wanted: Rop and Lop give it without the matrix.
direction, weight = T.dvector("direction"), T.dvector("weight")
right = theano.function([x, direction], theano.Rop(y, x, direction))
left = theano.function([x, weight], theano.Lop(y, x, weight))
assert np.allclose(right(at, np.ones(4)), by_hand @ np.ones(4))
assert np.allclose(left(at, np.ones(3)), np.ones(3) @ by_hand)
