"""Densities with known answers, in Python and in C."""

import ctypes

import numpy as np

from probgraph.engine import toolchain
from probgraph.samplers import LogDensity


def normal(covariance, mean=0.0):
    """q -> (logp, grad) of a normal, not normalised."""
    precision = np.linalg.inv(covariance)

    def density(q):
        grad = -precision @ (q - mean)
        return 0.5 * (q - mean) @ grad, grad

    return density


def funnel(q):
    """Neal's funnel: log scale v ~ N(0, 3), others ~ N(0, exp(v / 2))."""
    v, x = q[0], q[1:]
    with np.errstate(over="ignore", invalid="ignore"):
        inverse = np.exp(-v)
        logp = -(v**2) / 18 - 0.5 * inverse * (x @ x) - 0.5 * len(x) * v
        return logp, np.concatenate([[-v / 9 + 0.5 * inverse * (x @ x) - 0.5 * len(x)], -inverse * x])


def banana(q):
    x, y = q
    bend = y - x**2
    return -0.5 * x**2 - 2 * bend**2, np.array([-x + 8 * bend * x, -4 * bend])


def flat(q):
    return 0.0, np.zeros(len(q))


def half_line(q):
    """An exponential on the positive numbers: nothing to the left of zero."""
    return (-q.sum(), -np.ones(len(q))) if (q > 0).all() else (-np.inf, np.zeros(len(q)))


def compiled(body, dim):
    """A LogDensity from the body of the C function; ``n`` is the dimension."""
    text = (
        "#include <math.h>\n#include <limits.h>\n"
        "int density(const double *q, double *grad, double *logp, void *data) {\n"
        f"const long n = {dim};\n{body}\n}}\n"
    )
    library = toolchain.load(text, "test density")
    return LogDensity(dim, ctypes.cast(library.density, ctypes.c_void_p).value, keep_alive=library)


def compiled_normal(scales):
    """Independent normals of given standard deviations, in C."""
    values = ", ".join(f"{float(1 / scale**2)!r}" for scale in scales)
    return compiled(
        f"const double precision[] = {{{values}}}; double sum = 0;\n"
        "for (long i = 0; i < n; i++) { grad[i] = -precision[i] * q[i]; sum += 0.5 * q[i] * grad[i]; }\n"
        "*logp = sum; return 0;",
        len(scales),
    )
