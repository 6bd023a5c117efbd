"""One thread for a BLAS call while chains run side by side."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import probgraph as pg
import probgraph.sampling
from probgraph.engine import tensor as T
from probgraph.engine.blas_threads import blas_threads, one_blas_thread

pytest.importorskip("scipy.linalg.cython_blas")

known = pytest.mark.skipif(
    blas_threads() is None, reason="this SciPy's BLAS does not say how many threads it takes"
)


@known
def test_one_thread_meanwhile_and_as_many_as_before_afterwards():
    before = blas_threads()
    with one_blas_thread():
        assert blas_threads() == 1
        with pytest.raises(KeyError), one_blas_thread():
            raise KeyError
        assert blas_threads() == 1
    assert blas_threads() == before


@pytest.mark.skipif(
    blas_threads("numpy.linalg._umath_linalg") is None, reason="this NumPy's BLAS does not say its threads"
)
def test_numpy_has_one_thread_too():
    numpys = "numpy.linalg._umath_linalg"
    before = blas_threads(numpys)
    with one_blas_thread():
        assert blas_threads(numpys) == 1
    assert blas_threads(numpys) == before


@known
def test_the_last_of_several_users_restores_it():
    before, inside, leave = blas_threads(), threading.Barrier(3), threading.Event()

    def user():
        with one_blas_thread():
            inside.wait(10)
            leave.wait(10)

    users = [threading.Thread(target=user) for _ in range(2)]
    for one in users:
        one.start()
    inside.wait(10)
    with one_blas_thread():
        assert blas_threads() == 1
    assert blas_threads() == 1
    leave.set()
    for one in users:
        one.join()
    assert blas_threads() == before


@known
def test_chains_with_large_matrices_call_a_blas_of_one_thread(monkeypatch):
    x = np.linspace(0, 10, 60)
    distance = np.subtract.outer(x, x) ** 2
    counted = []

    def counting(*args, **kwargs):
        counted.append(blas_threads())
        return sample_chains(*args, **kwargs)

    sample_chains = probgraph.sampling.sample_chains
    monkeypatch.setattr(probgraph.sampling, "sample_chains", counting)
    before = blas_threads()
    with pg.Model():
        scale = pg.HalfNormal("scale", 1)
        matrix = T.exp(-distance) * scale + T.eye(60) * (1 + scale)
        pg.Potential("p", -T.sum(T.log(T.diag(T.slinalg.cholesky(matrix)))))
        pg.sample(10, tune=10, chains=2, cores=2, random_seed=0, progressbar=False)
    assert counted == [1]
    assert blas_threads() == before
