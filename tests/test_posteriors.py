"""Whole models against published reference answers."""

from __future__ import annotations

import pytest
from reference_posteriors import PLACE, POSTERIORS, disagreements

import probgraph as pg

pytestmark = pytest.mark.skipif(
    not (PLACE / "summaries.json").exists(), reason="the data base of posteriors is not here (POSTERIORDB)"
)


@pytest.mark.parametrize("name", POSTERIORS)
def test_means_and_spreads_are_the_references(name):
    with POSTERIORS[name]():
        idata = pg.sample(random_seed=20240607, progressbar=False)
    assert disagreements(name, idata.posterior) == []
    assert int(idata.sample_stats["diverging"].sum()) <= 8


def test_wrong_draws_would_be_found():
    with POSTERIORS["sblrc-blr"]():
        idata = pg.sample(random_seed=1, progressbar=False)
    assert disagreements("sblrc-blr", idata.posterior * 1.02)
