"""Bad values of options: each is refused before anything runs, by name, with what was given and what is legal."""

import re

import numpy as np
import pytest

import probgraph as pg

WHOLE, NUMBER = "it must be a whole number, at least ", "it must be a number, and "
PART = "it must lie between 0 and 1"

SAMPLE = [
    ("draws", -1, "it must be at least 0"),
    ("draws", 1.5, WHOLE + "0"),
    ("draws", "many", WHOLE + "0"),
    ("tune", -1, "it must be at least 0"),
    ("tune", 2.5, WHOLE + "0"),
    ("chains", 0, "it must be at least 1"),
    ("chains", "four", WHOLE + "1"),
    ("cores", 0, "it must be at least 1"),
    ("cores", "all", WHOLE + "1"),
    ("thin", 0, "it must be at least 1"),
    ("thin", 1.5, WHOLE + "1"),
    ("jitter_max_retries", -1, "it must be at least 0"),
    ("jitter_max_retries", "x", WHOLE + "0"),
    ("max_treedepth", 0, "it must be from 1 to 30"),
    ("max_treedepth", 31, "it must be from 1 to 30"),
    ("max_treedepth", 1.5, "it must be a whole number, from 1 to 30"),
    ("target_accept", 0, PART),
    ("target_accept", 1, PART),
    ("target_accept", float("nan"), PART),
    ("target_accept", "x", NUMBER + "lie between 0 and 1"),
    ("step_jitter", 1.0, "it must be at least 0 and below 1"),
    ("step_jitter", "x", NUMBER + "at least 0 and below 1"),
    ("target_ess", -1, "it must be positive, or None"),
    ("target_ess", "x", NUMBER + "positive, or None"),
    ("max_time", float("nan"), "it must be positive, or None"),
    ("max_time", "x", NUMBER + "positive, or None"),
    ("metric", "euclid", "it must be one of 'diag', 'low_rank', 'dense', 'auto', 'stan'"),
    ("init", [], "it must be one of 'auto', 'jitter+adapt_diag'"),
    ("init", "advi", "it must be one of 'auto', 'jitter+adapt_diag'"),
    ("dtype", "int8", "it must be one of 'float64', 'float32'"),
    ("initvals", 3, "it must be a dict of values by variable name"),
    ("idata_kwargs", 3, "it must be a dict of options, which are log_likelihood"),
    ("random_seed", "a", "it must be an int >= 0"),
    ("step", "nutz", "it must be one of 'nuts', 'walnuts'"),
    ("callback", 1, "it must be a function of"),
    ("executor", 1, "it must be a concurrent.futures.Executor"),
]
SMC = [
    ("draws", 9, "it must be at least 10"),
    ("draws", 20.5, WHOLE + "10"),
    ("chains", 0, "it must be at least 1"),
    ("chains", 1.5, WHOLE + "1"),
    ("threshold", 1, PART),
    ("threshold", "x", NUMBER + "lie between 0 and 1"),
    ("correlation_threshold", 0, PART),
    ("correlation_threshold", "x", NUMBER + "lie between 0 and 1"),
    ("random_seed", "a", "it must be an int >= 0"),
    ("idata_kwargs", 3, "it must be a dict of options, which are coords, dims"),
]
FIT = [
    ("n", 0, "it must be at least 1"),
    ("n", 1.5, WHOLE + "1"),
    ("mc_samples", "x", WHOLE + "1"),
    ("method", "svgd", "it must be one of 'advi', 'fullrank_advi'"),
    ("learning_rate", -1, "it must be a finite number above 0"),
    ("learning_rate", "x", NUMBER + "finite and above 0"),
]
PATHFINDER = [
    ("num_paths", 1.5, WHOLE + "1"),
    ("num_draws", 0, "it must be at least 1"),
    ("jitter", "x", NUMBER + "finite, at least 0"),
    ("importance_sampling", "x", "it must be 'psis', 'psir' or None"),
]
LAPLACE = [("draws", 0, "it must be at least 1"), ("chains", 1.5, WHOLE + "1")]
VERBS = [
    (verb, *case)
    for verb, cases in (
        (pg.sample, SAMPLE),
        (pg.sample_smc, SMC),
        (pg.fit, FIT),
        (pg.fit_pathfinder, PATHFINDER),
        (pg.fit_laplace, LAPLACE),
    )
    for case in cases
]
TREES = [
    ("max_treedepth", 0, "it must be from 1 to 30"),
    ("max_treedepth", 1.5, "it must be a whole number, from 1 to 30"),
]
TARGETS = [
    ("target_accept", 2, PART),
    ("target_accept", float("nan"), PART),
    ("target_accept", "x", NUMBER + "lie between 0 and 1"),
]
STEPS = [
    (step, *case)
    for step, cases in (
        (pg.NUTS, [*TARGETS, *TREES]),
        (
            pg.WALNUTS,
            [
                *TARGETS,
                *TREES,
                ("max_error", 0, "it must be positive and finite"),
                ("max_error", "x", NUMBER + "positive and finite"),
            ],
        ),
        (
            pg.HamiltonianMC,
            [
                *TARGETS,
                ("path_length", np.inf, "it must be positive and finite"),
                ("path_length", "x", NUMBER + "positive and finite"),
                ("jitter", 1, "it must be at least 0 and below 1"),
                ("jitter", "x", NUMBER + "at least 0 and below 1"),
                ("max_steps", 0, "it must be at least 1"),
                ("max_steps", 2.5, WHOLE + "1"),
            ],
        ),
        (pg.MALA, TARGETS),
    )
    for case in cases
]


def name_of(value):
    return getattr(value, "__name__", None)


@pytest.fixture(scope="module")
def model():
    with pg.Model() as made:
        pg.Normal("y", pg.Normal("x", 0, 1), 1, observed=0.3)
    return made


@pytest.mark.parametrize("verb, option, value, legal", VERBS, ids=name_of)
def test_of_verbs(verb, option, value, legal, model):
    quiet = {"progressbar": False} if verb in (pg.sample, pg.fit) else {}
    with pytest.raises((TypeError, ValueError), match=refusal(option, value, legal)):
        verb(**{"model": model, **quiet, option: value})


@pytest.mark.parametrize("step, option, value, legal", STEPS, ids=name_of)
def test_of_steps(step, option, value, legal):
    with pytest.raises((TypeError, ValueError), match=refusal(option, value, legal)):
        step(**{option: value})


def refusal(option, value, legal):
    return rf"\b{option} is {re.escape(repr(value))}; {re.escape(legal)}"


@pytest.mark.filterwarnings("ignore:There w")
def test_integers_of_numpy_are_integers(model):
    few = {name: np.int64(n) for name, n in (("draws", 6), ("tune", 5), ("chains", 2), ("thin", 2))}
    result = pg.sample(**few, target_accept=np.float32(0.75), model=model, progressbar=False)
    assert dict(result.posterior.sizes) == {"chain": 2, "draw": 3}
