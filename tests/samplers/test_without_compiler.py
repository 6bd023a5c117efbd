"""A whole process without a C compiler: everything runs, says so once, and gives what compiled code gives."""

import json
import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest
from densities import normal

import probgraph as pg
from probgraph.engine import toolchain
from probgraph.samplers import LogDensity, chains, sample_chains, without_compiler
from probgraph.samplers.python_nuts import PythonNuts

ROOT = Path(__file__).resolve().parents[2]
REMEDY = "`pip install probgraph[compiler]`"


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setenv("PROBGRAPH_CC", "")
    monkeypatch.setattr(toolchain, "_said_without_compiler", False)
    monkeypatch.setattr(
        chains, "compile_kernel", toolchain.needed_compiler
    )  # the compiled one is loaded already


def eight_schools():
    y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    sigma = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    with pg.Model(coords={"school": list("ABCDEFGH")}) as model:
        mu = pg.Normal("mu", 0, 5)
        tau = pg.HalfCauchy("tau", 5)
        z = pg.Normal("z", 0, 1, dims="school")
        theta = pg.Deterministic("theta", mu + tau * z, dims="school")
        pg.Normal("y", theta, sigma, observed=y, dims="school")
    return model


def sampled(model):
    """Few draws of the model, and their statistics, as lists by name."""
    with model:
        idata = pg.sample(
            8, tune=12, chains=2, random_seed=3, progressbar=False, idata_kwargs={"log_likelihood": True}
        )
    values = {f"posterior {name}": v.values for name, v in idata.posterior.data_vars.items()}
    values |= {f"stats {name}": v.values for name, v in idata.sample_stats.data_vars.items()}
    values["log_likelihood y"] = idata.log_likelihood["y"].values
    return {name: array.tolist() for name, array in values.items()}


def run(body, **environment):
    """Standard output as JSON, and standard error, of a script in a process without a compiler."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(body)],
        env={
            **os.environ,
            "PROBGRAPH_CC": "",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.path.dirname(__file__)]),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_sampling_gives_the_compiled_chains():
    expected = sampled(eight_schools())
    found, said = run(
        """
        import json
        import test_without_compiler as test
        print(json.dumps(test.sampled(test.eight_schools())))
        """
    )
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6, atol=1e-6, err_msg=name)
    assert said.count(REMEDY) == 1 and "slower than compiled" in said and "1,000 times" in said


def test_a_posterior_known_on_paper():
    """Also: the warning points at the user's line, is not repeated by a second call, and the bar works."""
    found, said = run(
        """
        import json
        import numpy as np
        import probgraph as pg
        with pg.Model() as model:
            x = pg.Gamma("x", 3, 2)
            pg.Poisson("k", x, observed=[4, 1, 3])
            draws = pg.sample(300, tune=200, chains=2, random_seed=1, return_inferencedata=False)["x"]
            pg.sample(2, tune=2, chains=1, random_seed=1, return_inferencedata=False)
        print(json.dumps([draws.shape, draws.mean(), draws.std()]))
        """
    )
    shape, mean, deviation = found
    assert shape == [2, 300]
    assert mean == pytest.approx(11 / 5, abs=0.15)  # Gamma(3 + 8, 2 + 3), four errors of 300 effective draws
    assert deviation == pytest.approx(11**0.5 / 5, abs=0.12)
    warned = [line for line in said.splitlines() if "compiler" in line]
    assert len(warned) == 1 and warned[0].startswith("<string>:8: UserWarning: no C compiler was found")


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_ctrl_c_returns_the_finished_draws():
    (interrupted, chain_count, draw_count, finite), said = run(
        """
        import json, os, signal, threading, time
        import numpy as np
        import probgraph as pg
        from probgraph.samplers import chains

        begun = []

        class Chain(chains._Chain):
            def __init__(self, *arguments):
                super().__init__(*arguments)
                begun.append(self)

        def press_ctrl_c():
            while len(begun) < 2 or min(chain.drawn for chain in begun) < 3:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        chains._Chain = Chain
        threading.Thread(target=press_ctrl_c, daemon=True).start()
        with pg.Model():
            x = pg.Normal("x", 0, 1, shape=3)
            idata = pg.sample(100_000, tune=20, chains=2, cores=2, random_seed=1, progressbar=False)
        x = idata.posterior["x"].values
        print(json.dumps([int(idata.posterior.attrs["interrupted"]), *x.shape[:2], bool(np.isfinite(x).all())]))
        """
    )
    assert interrupted == 1 and finite
    assert chain_count in (1, 2) and 3 <= draw_count < 100_000
    assert "Sampling was interrupted; what is returned is" in said and said.count(REMEDY) == 1


def test_the_maximum_is_found():
    (x, converged), said = run(
        """
        import json
        import probgraph as pg
        with pg.Model():
            pg.Gamma("x", 3, 2)
            for method in ("adam", "L-BFGS-B"):
                found = pg.find_MAP(method=method)
        print(json.dumps([float(found["x"]), bool(found.converged)]))
        """
    )
    assert x == pytest.approx(1.0, abs=1e-6) and converged
    assert said.count(REMEDY) == said.count("Warning") == 1 and "<string>:7: UserWarning" in said


def test_a_function_runs():
    found, said = run(
        """
        import json
        import probgraph.engine as theano, probgraph.engine.tensor as T
        x, w = T.dvector("x"), theano.shared(1.0)
        f = theano.function([x], T.exp(x).sum() * w, updates=[(w, w + 1)], mode="FAST_RUN")
        g = theano.function([x], theano.grad((x**3).sum(), x), mode="FAST_RUN")
        print(json.dumps([float(f([0.0, 0.0])), float(f([0.0, 0.0])), g([1.0, 2.0]).tolist()]))
        """
    )
    assert found == [2.0, 4.0, [3.0, 12.0]]
    assert said.count(REMEDY) == said.count("Warning") == 1


def test_a_compiler_that_is_not_there_is_named():
    found, said = run(
        """
        import json
        import numpy as np
        from probgraph.samplers import LogDensity, sample_chains
        density = LogDensity.from_python(lambda q: (-0.5 * q @ q, -q), 2)
        print(json.dumps(sample_chains(density, np.zeros((2, 2)), draws=3, tune=3).draws.shape))
        """,
        PROBGRAPH_CC="no-such-compiler",
    )
    assert found == [2, 3, 2]
    assert said.count("PROBGRAPH_CC is 'no-such-compiler'") == 1 and "slower" in said


def test_chains_of_a_python_density_are_those_of_the_c_kernel(no_compiler, monkeypatch):
    covariance = np.array([[1.0, 0.5], [0.5, 2.0]])
    density = LogDensity.from_python(normal(covariance, mean=1.0), 2)
    arguments = {"draws": 20, "tune": 30, "random_seed": 6, "progressbar": False}
    with pytest.warns(UserWarning, match="no C compiler was found") as caught:
        python = sample_chains(density, np.zeros((2, 2)), **arguments)
        sample_chains(density, np.zeros((2, 2)), **arguments)
    assert len(caught) == 1 and caught[0].filename == __file__ and "\n" not in str(caught[0].message)
    monkeypatch.undo()
    compiled = sample_chains(density, np.zeros((2, 2)), **arguments)
    assert chains.kernel_of_chains() is not PythonNuts
    np.testing.assert_allclose(python.draws, compiled.draws, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(python.step_size, compiled.step_size, rtol=1e-6)
    np.testing.assert_allclose(python.inverse_metric, compiled.inverse_metric, rtol=1e-6)
    for name in compiled.stats:
        np.testing.assert_allclose(python.stats[name], compiled.stats[name], rtol=1e-5, atol=1e-5)


def test_nothing_is_said_where_there_is_a_compiler(monkeypatch):
    monkeypatch.setattr(toolchain, "_said_without_compiler", False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        without_compiler.warn_if_no_compiler()


def test_the_density_s_own_warnings_are_not_silenced(no_compiler):
    """As under the C kernel: what the user's function does is the user's to hear."""

    def overflowing(q):
        np.exp(np.array([1e4]))
        return -0.5 * q @ q, -q

    with pytest.warns(UserWarning, match="no C compiler"), pytest.warns(RuntimeWarning, match="overflow"):
        sample_chains(LogDensity.from_python(overflowing, 1), np.zeros((1, 1)), draws=2, tune=2)
