"""Bad values of options: each is refused before anything runs, by name, with what was given and what is legal."""

import inspect
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
    ("draws", True, WHOLE + "0"),
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
    ("random_seed", [], "it must be an int >= 0"),
    ("step", "nutz", "it must be one of 'nuts', 'walnuts'"),
    ("callback", 1, "it must be a function of"),
    ("executor", 1, "it must be a concurrent.futures.Executor"),
    ("initvals", "x", "it must be a dict of values by variable name"),
    ("var_names", 3, "it must be a name, a list of names, or None for all"),
    ("var_names", [3], "it must be a name, a list of names, or None for all"),
    ("store", 3, "it must be the path of a directory, or None"),
    ("resume", [], "it must be the path of a directory, or None"),
    ("progressbar", "yes", "it must be True or False, or of PyMC's combined"),
    ("discard_tuned_samples", "x", "it must be True or False"),
    ("return_inferencedata", None, "it must be True or False"),
    ("compute_convergence_checks", "x", "it must be True or False"),
    *(
        (name, float("nan"), WHOLE + least)
        for name, least in (("draws", "0"), ("chains", "1"), ("thin", "1"))
    ),
    ("step_jitter", float("nan"), "it must be at least 0 and below 1"),
    ("step_jitter", -0.1, "it must be at least 0 and below 1"),
    ("target_ess", 0, "it must be positive, or None"),
    ("target_ess", float("nan"), "it must be positive, or None"),
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
    ("kernel", "abc", "it must be one of 'mh', 'hmc', 'nuts'"),
    ("var_names", 3, "it must be a name, a list of names, or None for all"),
    ("return_inferencedata", 1, "it must be True or False"),
    ("threshold", float("nan"), PART),
]
FIT = [
    ("n", 0, "it must be at least 1"),
    ("n", 1.5, WHOLE + "1"),
    ("mc_samples", "x", WHOLE + "1"),
    ("method", "svgd", "it must be one of 'advi', 'fullrank_advi'"),
    ("learning_rate", -1, "it must be a finite number above 0"),
    ("learning_rate", "x", NUMBER + "finite and above 0"),
    ("learning_rate", float("nan"), "it must be a finite number above 0"),
    ("random_seed", -1, "it must be an int >= 0"),
    ("start", 0, "it must be a dict of values by name, or None"),
    ("progressbar", "x", "it must be True or False"),
]
PATHFINDER = [
    ("num_paths", 1.5, WHOLE + "1"),
    ("num_draws", 0, "it must be at least 1"),
    ("jitter", "x", NUMBER + "finite, at least 0"),
    ("importance_sampling", "x", "it must be 'psis', 'psir' or None"),
    ("jitter", float("nan"), "it must be finite, and at least 0"),
    ("maxcor", 0, "it must be at least 1"),
    ("random_seed", "x", "it must be an int >= 0"),
    ("start", [], "it must be a dict of values by name, or None"),
]
LAPLACE = [
    ("draws", 0, "it must be at least 1"),
    ("chains", 1.5, WHOLE + "1"),
    ("random_seed", 1.5, "it must be an int >= 0"),
    ("start", "x", "it must be a dict of values by name, or None"),
]
MAP = [
    ("method", 3, "it must be one of 'L-BFGS'"),
    ("method", "simplex", "it must be one of 'L-BFGS'"),
    ("start", 0, "it must be a dict of values by name, or None"),
    ("initvals", "x", "it must be a dict of values by name, or None"),
    ("include_transformed", 1, "it must be True or False"),
    ("progressbar", "x", "it must be True or False"),
]
VERBS = [
    (verb, *case)
    for verb, cases in (
        (pg.sample, SAMPLE),
        (pg.sample_smc, SMC),
        (pg.fit, FIT),
        (pg.fit_pathfinder, PATHFINDER),
        (pg.fit_laplace, LAPLACE),
        (pg.find_MAP, MAP),
    )
    for case in cases
]


def positive(option):
    legal = "it must be positive and finite"
    wrong = [(option, value, legal) for value in (0, -1.0, np.nan, np.inf)]
    return [
        *wrong,
        (option, "x", NUMBER + "positive and finite"),
        (option, [1.0], NUMBER + "positive and finite"),
    ]


def counted(option):
    return [
        (option, 0, "it must be at least 1"),
        *((option, value, WHOLE + "1") for value in (1.5, np.nan, "x")),
    ]


def flag(option):
    return [(option, value, "it must be True or False") for value in ("yes", 1.5, None)]


PROPOSAL = (
    "proposal_dist",
    "gauss",
    "it must be one of NormalProposal, UniformProposal, CauchyProposal, LaplaceProposal",
)
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
        (pg.Metropolis, [*positive("scaling"), *counted("tune_interval"), *flag("tune"), PROPOSAL]),
        (
            pg.Slice,
            [
                *positive("w"),
                *flag("tune"),
                ("iter_limit", 0, "it must be at least 1"),
                ("iter_limit", np.nan, "it must be at least 1"),
                ("iter_limit", "x", NUMBER + "at least 1"),
            ],
        ),
        (
            pg.BinaryGibbsMetropolis,
            [
                *(("transit_p", p, "it must be above 0, and at most 1") for p in (0, -1, 1.5, np.nan)),
                ("transit_p", "x", NUMBER + "above 0, and at most 1"),
            ],
        ),
        (
            pg.CategoricalGibbsMetropolis,
            [("proposal", p, "it must be 'uniform' or 'proportional'") for p in ("gibbs", 1, None)],
        ),
        (
            pg.DEMetropolisZ,
            [
                *positive("lamb"),
                *positive("scaling"),
                *counted("tune_interval"),
                PROPOSAL,
                ("tune", "gamma", "it must be 'lambda' or None"),
                ("tune", True, "it must be 'lambda' or None"),
            ],
        ),
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
    with pytest.raises((TypeError, ValueError), match=refusal(option, value, legal)):
        verb(**{"model": model, option: value})


@pytest.mark.parametrize("step, option, value, legal", STEPS, ids=name_of)
def test_of_steps(step, option, value, legal):
    with pytest.raises((TypeError, ValueError), match=refusal(option, value, legal)):
        step(**{option: value})


def refusal(option, value, legal):
    return rf"\b{option} is {re.escape(repr(value))}; {re.escape(legal)}"


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"coords": 3}, TypeError, "idata_kwargs: coords is 3; it must be a dict of values by name"),
        ({"dims": ["a"]}, TypeError, r"idata_kwargs: dims is \['a'\]; it must be a dict of values by name"),
        (
            {"log_likelihood": 3},
            TypeError,
            "log_likelihood is 3; it must be a name, a list of names, or None",
        ),
        ({"include_transformed": 1}, TypeError, "include_transformed is 1; it must be True or False"),
        ({"log_likelihood": "z"}, KeyError, "log_likelihood: 'z' is not observed; observed are y"),
        ({"dims": {"x": ["a"]}, "coords": {"a": [1, 2]}}, ValueError, "x"),
    ],
)
def test_of_results_before_there_are_draws(options, error, text, model, monkeypatch):
    """An error after hours would cost the draws."""
    monkeypatch.setattr("probgraph.sampling.sample_chains", lambda *a, **k: pytest.fail("it sampled"))
    with pytest.raises(error, match=text):
        pg.sample(model=model, idata_kwargs=options)


class Odd:
    """What no option can be."""

    def __repr__(self):
        return "<odd>"


EVERY = [
    (what, option)
    for what in (*dict.fromkeys(verb for verb, *_ in VERBS), *dict.fromkeys(step for step, *_ in STEPS))
    for option, parameter in inspect.signature(what).parameters.items()
    if parameter.kind is not inspect.Parameter.VAR_KEYWORD
]


@pytest.mark.parametrize("what, option", EVERY, ids=name_of)
def test_every_option_says_what_it_may_be(what, option, model):
    """Whatever options there are, also those that come later."""
    given = {option: Odd()}
    with pytest.raises((TypeError, ValueError), match=rf"\b{option} is (a Odd|<odd>); it must be "):
        if isinstance(what, type):
            # The variables, and scales for their elements, are looked at when there are some.
            pg.sample(step=what(**given), model=model, progressbar=False)
        else:
            what(**{"model": model, **given})


def test_names_that_are_not_there(model):
    for error, text, options in (
        (
            KeyError,
            "var_names: 'nope' is no free variable or Deterministic; those are x",
            {"var_names": ["nope"]},
        ),
        (
            KeyError,
            "initvals names 'nope', which is no free variable; those are x",
            {"initvals": {"nope": 1}},
        ),
        (
            TypeError,
            "idata_kwargs: 'nope' is no option; those are log_likelihood",
            {"idata_kwargs": {"nope": 1}},
        ),
        (TypeError, r"sample\(\) got an unexpected keyword argument 'nope'", {"nope": 1}),
        (FileNotFoundError, "there is no stored run at 'nope'", {"resume": "nope"}),
        (
            ValueError,
            "Slice: vars is to have 'nope', which is no free .* those are x",
            {"step": pg.Slice(["nope"])},
        ),
    ):
        with pytest.raises(error, match=text):
            pg.sample(model=model, **options)


def test_integers_of_numpy_are_integers(model):
    few = {name: np.int64(n) for name, n in (("draws", 6), ("tune", 5), ("chains", 2), ("thin", 2))}
    result = pg.sample(**few, target_accept=np.float32(0.75), model=model, progressbar=False)
    assert dict(result.posterior.sizes) == {"chain": 2, "draw": 3}
