"""Models: named variables with a joint density, and that density as one compiled function over R^n."""

from probgraph.model.data import Data
from probgraph.model.deterministic import Deterministic, Potential
from probgraph.model.model import Model, modelcontext, set_data

__all__ = ["Data", "Deterministic", "Model", "Potential", "modelcontext", "set_data"]
