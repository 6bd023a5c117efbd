"""Hundreds of small scalar terms of five families, each with parameters that depend on the one before.

A stress for compilers, not for processors: nothing here is an array, and no two terms are quite the same.
"""

from __future__ import annotations

from functools import partial

from benchmarks.workload import Workload

FAMILIES = 5


def data(terms: int):
    return {"terms": terms}


def _family(i: int) -> int:
    return i % FAMILIES


def _numbers(i: int) -> tuple[float, float]:
    """Two numbers of the term: none are shared, so that no two terms are the same code."""
    return 0.3 + 0.001 * (i % 97), 1.0 + 0.002 * (i % 89)


def probgraph(pg, engine, T, data):
    with pg.Model() as model:
        before = 0.1
        for i in range(data["terms"]):
            name, (a, b) = f"x{i}", _numbers(i)
            match _family(i):
                case 0:
                    before = pg.Normal(name, a * before, b)
                case 1:
                    before = pg.StudentT(name, nu=4 + a, mu=a * before, sigma=b)
                case 2:
                    before = pg.LogNormal(name, a * T.tanh(before), b)
                case 3:
                    before = pg.Gamma(name, alpha=1 + a, beta=b + T.log1p(before))
                case _:
                    before = pg.Exponential(name, b + 1 / (1 + before))
    return model


def pymc(pm, pytensor, pt, data):
    with pm.Model() as model:
        before = 0.1
        for i in range(data["terms"]):
            name, (a, b) = f"x{i}", _numbers(i)
            match _family(i):
                case 0:
                    before = pm.Normal(name, a * before, b)
                case 1:
                    before = pm.StudentT(name, nu=4 + a, mu=a * before, sigma=b)
                case 2:
                    before = pm.LogNormal(name, a * pt.tanh(before), b)
                case 3:
                    before = pm.Gamma(name, alpha=1 + a, beta=b + pt.log1p(before))
                case _:
                    before = pm.Exponential(name, b + 1 / (1 + before))
    return model


def numpyro(numpyro, dist, jax, data):
    before = 0.1
    for i in range(data["terms"]):
        name, (a, b) = f"x{i}", _numbers(i)
        match _family(i):
            case 0:
                before = numpyro.sample(name, dist.Normal(a * before, b))
            case 1:
                before = numpyro.sample(name, dist.StudentT(4 + a, a * before, b))
            case 2:
                before = numpyro.sample(name, dist.LogNormal(a * jax.numpy.tanh(before), b))
            case 3:
                before = numpyro.sample(name, dist.Gamma(1 + a, b + jax.numpy.log1p(before)))
            case _:
                before = numpyro.sample(name, dist.Exponential(b + 1 / (1 + before)))


def stan(data):
    declarations, terms, before = [], [], "0.1"
    for i in range(data["terms"]):
        name, (a, b) = f"x{i}", _numbers(i)
        positive = "<lower=0>" if _family(i) >= 2 else ""
        declarations.append(f"  real{positive} {name};")
        term = (
            f"normal({a} * {before}, {b})",
            f"student_t({4 + a}, {a} * {before}, {b})",
            f"lognormal({a} * tanh({before}), {b})",
            f"gamma({1 + a}, {b} + log1p({before}))",
            f"exponential({b} + inv(1 + {before}))",
        )[_family(i)]
        terms.append(f"  {name} ~ {term};")
        before = name
    return "\n".join(["parameters {", *declarations, "}", "model {", *terms, "}"])


def workload(terms: int, name: str | None = None) -> Workload:
    return Workload(
        name or f"scalar_terms_{terms}",
        f"{terms:,} scalar terms",
        partial(data, terms),
        probgraph,
        pymc,
        numpyro,
        stan,
        lambda data: {},
    )


WORKLOADS = (workload(300, "scalar_terms"),)
