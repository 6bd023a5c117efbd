"""The transforms, under PyMC's names: `pm.distributions.transforms.ordered`. See `transform.py` for what one is."""

from probgraph.distributions.matrix_transforms import (
    CholeskyCorr,
    CholeskyCov,
    CholeskyCovPacked,
    CorrelationVector,
    PositiveDefinite,
)
from probgraph.distributions.scalar_transforms import Affine, Circular, Interval, Log, LogExpM1, LogOdds
from probgraph.distributions.transform import Chain, Transform
from probgraph.distributions.vector_transforms import Ordered, Simplex, SumTo1, UnitVector, ZeroSumTransform

CholeskyCorrTransform = CholeskyCorr
CholeskyCovTransform = PositiveDefinite

log = Log()
log_exp_m1 = LogExpM1()
logodds = LogOdds()
circular = Circular()
ordered = Ordered()
positive_ordered = Ordered(positive=True)
simplex = Simplex()
sum_to_1 = SumTo1()
unit_vector = UnitVector()

__all__ = [
    "Affine",
    "Chain",
    "CholeskyCorr",
    "CholeskyCorrTransform",
    "CholeskyCov",
    "CholeskyCovPacked",
    "CholeskyCovTransform",
    "Circular",
    "CorrelationVector",
    "Interval",
    "Log",
    "LogExpM1",
    "LogOdds",
    "Ordered",
    "PositiveDefinite",
    "Simplex",
    "SumTo1",
    "Transform",
    "UnitVector",
    "ZeroSumTransform",
    "circular",
    "log",
    "log_exp_m1",
    "logodds",
    "ordered",
    "positive_ordered",
    "simplex",
    "sum_to_1",
    "unit_vector",
]
