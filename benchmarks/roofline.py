"""How fast an array can be read at all, by a C loop that only sums it: the bound for a pass over data."""

from __future__ import annotations

import ctypes

import numpy as np

from benchmarks.timing import best, loop

SUM = """
double sum(const double *x, long n) {
    double total = 0;
    _Pragma("omp simd reduction(+:total)")
    for (long i = 0; i < n; i++) total += x[i];
    return total;
}
int repeat(const double *x, long n, double *result, long count) {
    for (long i = 0; i < count; i++) { __asm__ volatile("" ::: "memory"); *result = sum(x, n); }
    return 0;
}
"""


def microseconds_to_read(array: np.ndarray) -> float:
    """Microseconds to sum all elements of an array of float64, in one thread."""
    array = np.ascontiguousarray(array, dtype=np.float64)
    result = np.empty(1)
    run = loop(SUM, [array, ctypes.c_long(array.size), result])
    if not np.isclose(result[0], array.sum()):
        raise AssertionError(f"the sum is {result[0]}, it should be {array.sum()}")
    return best(run, 5, 0.05)
