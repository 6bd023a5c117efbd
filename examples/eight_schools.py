"""Eight schools: how much does coaching help, and how much do schools differ?

In eight schools the effect of coaching on a test was estimated, each with its standard error (Rubin 1981). The
schools are neither the same nor unrelated: each has an effect of its own from a common distribution, whose
mean and spread are estimated too.

The lesson: write the effects as `mu + tau * standard`, not as Normal(mu, tau). Where the spread `tau` is small
the effects are tied to `mu`, and a sampler finds no one step size for both; the standardised form has no such
corner.
"""

from importlib.util import find_spec

import numpy as np

import probgraph as pg

schools = ["Choate", "Deerfield", "Phillips Andover", "Phillips Exeter",
           "Hotchkiss", "Lawrenceville", "St. Paul's", "Mt. Hermon"]  # fmt: skip
effect = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
standard_error = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])

with pg.Model(coords={"school": schools}):
    mu = pg.Normal("mu", 0, 5)
    tau = pg.HalfCauchy("tau", 5)
    theta_trans = pg.Normal("theta_trans", 0, 1, dims="school")
    theta = pg.Deterministic("theta", mu + tau * theta_trans, dims="school")
    pg.Normal("y", theta, standard_error, observed=effect, dims="school")
    result = pg.sample(draws=1000, tune=1000, chains=4, target_accept=0.95, random_seed=1)

import arviz as az  # noqa: E402  (it takes longer than all of the above)

print(az.summary(result, var_names=["mu", "tau", "theta"]).to_string())
print("divergences:", int(result["sample_stats"]["diverging"].sum()))

if find_spec("matplotlib"):
    import matplotlib.pyplot as plt

    plot = getattr(az, "plot_trace_dist", az.plot_trace)  # ArviZ 1 renamed it
    plot(result, var_names=["mu", "tau"])
    plt.gcf().savefig("eight_schools.png")
    print("the trace is in eight_schools.png")
