"""The page about distributions, docs/distributions.md: each tick is a check that was made as it was printed.

`PYTHONPATH=.:tests/distributions python -m tests.distributions.page > docs/distributions.md`, from the root of the
repository.
"""

from __future__ import annotations

import math
from typing import Any

import checks
import event_checks
import event_table
import other_checks
import other_table
from distribution_table import CLASSES, TABLE

from probgraph.distributions import Distribution

HEAD = """\
# What each distribution can do

This page is printed by `python -m tests.distributions.page`, which makes every check that it reports, over the grid of
points and parameters in `tests/distributions/distribution_table.py`.

* **logp**, **cdf**, **icdf**, **gradients**: within 1e-12 of mpmath with 60 digits, or what the last digit of the inputs
  makes of it where that is more; cdf is `logcdf` and `logccdf`, in both tails; gradients are those of logp in the
  value and in every continuous parameter.
* **error**: the largest relative error of logp and of both tails where the inputs are well conditioned, as a power of ten.
* **draw**: 4,000 draws agree with the cdf (Kolmogorov and Smirnov, or chi-square for integers).

"no" says that it is not there: an error says so when it is asked for.

| | logp | cdf | icdf | gradients | error | draw |
|---|---|---|---|---|---|---|
"""

EVENT_HEAD = """
## Vectors and matrices

Over `tests/distributions/event_table.py`: **logp** within 1e-12 of mpmath, relative where it is more than 1, with the
largest error as a power of ten; **gradients** in the value and in every continuous parameter, compiled, within 1e-10 of
differences with 60 digits and more; **draw**: the mean and the variance of 4,000 draws are within five standard
errors, where the distribution states them.

| | logp | gradients | error | draw |
|---|---|---|---|---|
"""

OTHER_HEAD = """
## Made of others, of places and of points, and series

Over `tests/distributions/other_table.py`, the columns as in the first table; **gradients**, compiled, within 1e-10 of
differences with 60 digits; **draw**: where there is no cdf, the scores of 4,000 draws, the gradients of logp in each
parameter, are 0 in the mean within five standard errors.

| | logp | cdf | icdf | gradients | error | draw |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    numbers = "".join(f"| {cls.__name__} | {' | '.join(cells(cls))} |\n" for cls in CLASSES)
    events = "".join(f"| {cls.__name__} | {' | '.join(event_cells(cls))} |\n" for cls in event_table.CLASSES)
    others = "".join(
        f"| {name} | {' | '.join(other_cells(form))} |\n" for name, form in other_table.TABLE.items()
    )
    return HEAD + numbers + EVENT_HEAD + events + OTHER_HEAD + others


def cells(cls: type[Distribution]) -> list[str]:
    """The cells of one row."""
    params = TABLE[cls.__name__].params
    logp = [checks.logp_errors(cls, p) for p in params]
    tails = [checks.tail_errors(cls, p) for p in params]
    quantiles = [checks.quantile_errors(cls, p) for p in params]
    gradients = [checks.gradient_errors(cls, p) for p in params]
    largest = max(e.largest for e in (*logp, *tails) if e is not None)
    error = f"1e{math.ceil(math.log10(max(largest, 1e-16)))}"
    if not checks.is_proper(cls):
        draw = "no"
    else:
        draw = "✓" if all(checks.sampling_pvalue(cls, p) > 1e-3 for p in params) else "WRONG"
    return [_tick(logp), _tick(tails), _tick(quantiles), _tick(gradients), error, draw]


def event_cells(cls: type[Distribution]) -> list[str]:
    """The cells of one row of the table of vectors and matrices."""
    params = event_table.TABLE[cls.__name__].params
    largest = max(e for p in params for e in event_checks.logp_errors(cls, p))
    gradients = [event_checks.gradient_errors(cls, p) for p in params]
    dists = [event_checks.made(cls, p) for p in params]
    agree = [event_checks.moments_agree(d, d.sample(4000, random_seed=11)) for d in dists]
    draw = "WRONG" if False in agree else "✓" if True in agree else "·"
    error = f"1e{math.ceil(math.log10(max(largest, 1e-16)))}"
    return [
        "✓" if largest <= 1e-12 else "WRONG",
        "WRONG" if any(gradients) else "✓",
        error,
        draw,
    ]


def other_cells(form: other_table.Form) -> list[str]:
    """The cells of one row of the table of what is made of others, of places and of points, and of series."""

    def tick(errors: list[float] | None) -> str:
        return "no" if errors is None else "✓" if max(errors, default=0.0) <= 1e-12 else "WRONG"

    logp, tails = other_checks.logp_errors(form), other_checks.tail_errors(form)
    error = f"1e{math.ceil(math.log10(max(*logp, *(tails or []), 1e-16)))}"
    quantiles, gradients = other_checks.quantile_errors(form), other_checks.gradient_errors(form)
    draw = "✓" if other_checks.draws_follow(form) else "WRONG"
    return [tick(logp), tick(tails), tick(quantiles), tick(gradients), error, draw]


def _tick(found: list[Any]) -> str:
    if any(e is None for e in found):
        return "no"
    return "WRONG" if any(e.wrong for e in found) else "✓"


if __name__ == "__main__":
    print(page(), end="")
