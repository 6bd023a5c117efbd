"""Logistic regression: should Challenger have been launched at 31 degrees Fahrenheit?

On 23 flights before the accident of January 1986, damage to the O-rings of the boosters was looked for after
landing (Dalal, Fowlkes and Hoadley 1989). It was found more often after cold nights.

The lesson: a posterior is a set of curves, not one. Any question about them is arithmetic on the draws, and
the answer comes with its uncertainty, which is widest where there are no data.
"""

import numpy as np

import probgraph as pg

# fmt: off
temperature = np.array([66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78,
                        67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58], dtype=float)
damage = np.array([0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0,
                   0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1])
# fmt: on


def scaled(fahrenheit):
    """Tens of degrees from 70, so that both coefficients are of the order of 1."""
    return (fahrenheit - 70) / 10


with pg.Model():
    intercept = pg.Normal("intercept", 0, 2.5)
    slope = pg.Normal("slope", 0, 2.5)
    pg.Bernoulli("damage", logit_p=intercept + slope * scaled(temperature), observed=damage)
    result = pg.sample(draws=1000, tune=1000, chains=4, random_seed=1)

import arviz as az  # noqa: E402  (it takes longer than all of the above)

print(az.summary(result).to_string())

draws = result["posterior"]
print(f"probability that damage grows with cold: {float((draws['slope'] < 0).mean()):.3f}")
for fahrenheit in (31, 53, 70, 81):
    probability = 1 / (1 + np.exp(-(draws["intercept"] + draws["slope"] * scaled(fahrenheit))))
    low, middle, high = np.quantile(probability, [0.05, 0.5, 0.95])
    print(f"{fahrenheit} °F: damage with probability {middle:.2f}, 90% interval {low:.2f} to {high:.2f}")
