"""Chains in other processes: the same draws as in threads."""

import multiprocessing
from concurrent.futures import Executor, Future, ProcessPoolExecutor

import numpy as np
import pytest

import probgraph as pg

SETTINGS = {"tune": 100, "random_seed": 7, "progressbar": False}


def model():
    with pg.Model(coords={"k": ["a", "b"]}) as m:
        x = pg.Normal("x", 0, 1, dims="k")
        pg.Deterministic("twice", 2 * x, dims="k")
        pg.Normal("y", x, pg.HalfNormal("s"), observed=[0.3, 1.2], dims="k")
    return m


@pytest.mark.parametrize("discard", [True, False])
def test_a_process_pool_draws_the_same(discard):
    here = pg.sample(150, chains=3, model=model(), discard_tuned_samples=discard, **SETTINGS)
    context = multiprocessing.get_context("spawn")  # nothing is inherited: the model really travels
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        there = pg.sample(
            150, chains=3, model=model(), executor=pool, discard_tuned_samples=discard, **SETTINGS
        )
    for group in ("posterior", "sample_stats", *(() if discard else ("warmup_posterior",))):
        for name in here[group].data_vars:
            np.testing.assert_array_equal(here[group][name].values, there[group][name].values, err_msg=name)
    assert list(there.posterior["k"].values) == ["a", "b"]


def test_a_dask_cluster_draws_the_same():
    distributed = pytest.importorskip("distributed")
    here = pg.sample(150, chains=3, model=model(), **SETTINGS)
    # Two workers, each a process of its own, reached by TCP on the loopback: the model really travels.
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        there = pg.sample(150, chains=3, model=model(), executor=client.get_executor(), **SETTINGS)
    for group in ("posterior", "sample_stats"):
        for name in here[group].data_vars:
            np.testing.assert_array_equal(here[group][name].values, there[group][name].values, err_msg=name)


class Broken(Executor):
    """Runs at once, until it is interrupted."""

    def __init__(self, after):
        self.after = after

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        if self.after > 0:
            future.set_result(function(*args, **kwargs))
        else:
            future.set_exception(KeyboardInterrupt())
        self.after -= 1
        return future


def test_interrupted_the_complete_chains_stay():
    with pytest.warns(UserWarning, match="what is returned is 2 chains with 50 draws each"):
        result = pg.sample(50, chains=4, model=model(), executor=Broken(2), **SETTINGS)
    assert list(result.posterior["chain"].values) == [0, 1] and result.posterior.attrs["interrupted"] == 1
    with pytest.raises(KeyboardInterrupt):
        pg.sample(50, chains=2, model=model(), executor=Broken(0), **SETTINGS)


def test_what_does_not_go_together():
    with pytest.raises(ValueError, match="executor runs chains elsewhere: no store"):
        pg.sample(10, model=model(), executor=Broken(1), max_time=3)
    with pytest.raises(TypeError, match="executor is 4; it must be a concurrent.futures.Executor"):
        pg.sample(10, model=model(), executor=4)
