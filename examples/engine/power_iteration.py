"""Power iteration: the largest eigenvalue by a loop that stops by itself, and its derivative through the loop.

Run it: python examples/engine/power_iteration.py
"""

import numpy as np

import probgraph.engine as theano
import probgraph.engine.tensor as T

A, start = T.dmatrix("A"), T.dvector("start")


def step(v, A):
    """One multiplication, the length taken out; the loop ends when the direction stays."""
    w = T.dot(A, v)
    w = w / T.sqrt((w**2).sum())
    return w, theano.scan_module.until(abs(w - v).max() < 1e-12)


vectors, _ = theano.scan(step, outputs_info=start / T.sqrt((start**2).sum()), non_sequences=A, n_steps=1000)
v = vectors[-1]
value = T.dot(v, T.dot(A, v))
largest = theano.function([A, start], [value, v, vectors.shape[0]])

rng = np.random.default_rng(0)
B = rng.normal(size=(6, 6))
matrix = B @ B.T
found, vector, steps = largest(matrix, np.ones(6))
print(f"largest eigenvalue {found:.10f} after {steps} steps")
print(f"by numpy.linalg    {np.linalg.eigvalsh(matrix)[-1]:.10f}")
assert np.isclose(found, np.linalg.eigvalsh(matrix)[-1])

# With a fixed number of steps, the gradient runs back through all of them. For a symmetric matrix the derivative of
# an eigenvalue by the matrix is known: the outer product of its eigenvector with itself.
vectors, _ = theano.scan(lambda v, A: step(v, A)[0], outputs_info=start, non_sequences=A, n_steps=300)
v = vectors[-1]
slope = theano.function([A, start], T.grad(T.dot(v, T.dot(A, v)) / T.dot(v, v), A))
difference = abs(slope(matrix, np.ones(6)) - np.outer(vector, vector)).max()
print(f"the derivative differs from the outer product by {difference:.1e}")
assert difference < 1e-8
