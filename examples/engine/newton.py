"""Newton's method: the minimum of a function by its gradient and its Hessian, both derived from the formula.

Run it: python examples/engine/newton.py
"""

import numpy as np

import probgraph.engine as theano
import probgraph.engine.tensor as T
from probgraph.engine.ops.solves import solve

# Rosenbrock's valley in four dimensions: steep across, nearly flat along, with the minimum at (1, 1, 1, 1).
x = theano.shared(np.array([2.0, -1.5, 0.5, 3.0]), name="x")
cost = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
slope, curvature = T.grad(cost, x), theano.hessian(cost, x)

# A step goes to the minimum of the parabola that fits at x. Where the valley does not curve upward in all directions,
# a little of the identity is added, until it does: `damping` is an input.
damping = T.dscalar("damping")
move = -solve(curvature + damping * T.eye(4), slope)
newton = theano.function([damping], [cost, move])
value_at = theano.function([], cost)
size_of_slope = theano.function([], T.sqrt((slope**2).sum()))

amount = 1.0
steps = 0
while size_of_slope() > 1e-10 and steps < 200:
    steps += 1
    value, direction = newton(amount)
    before = x.get_value()
    x.set_value(before + direction)
    if value_at() < value:
        amount /= 10  # the parabola was right: trust it more
    else:
        x.set_value(before)
        amount *= 10
print(f"after {steps} steps: x = {x.get_value().round(8)}, cost {value_at():.1e}")
assert np.allclose(x.get_value(), 1)

# At the minimum the Hessian says how narrow the valley is in each direction.
lengths = np.linalg.eigvalsh(theano.function([], curvature)())
print(f"curvatures from {lengths[0]:.3f} to {lengths[-1]:.0f}")
