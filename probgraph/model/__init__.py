"""Models: named variables with a joint density, and that density as one compiled function over R^n."""

from probgraph.model import densities as _densities  # noqa: F401  gives models their methods
from probgraph.model import registering as _registering  # noqa: F401  and more of them
from probgraph.model.data import ConstantData, Data, MutableData
from probgraph.model.deterministic import Deterministic, Potential
from probgraph.model.model import Model, model_to_graphviz, model_to_mermaid, modelcontext, set_data

__all__ = [
    "ConstantData",
    "Data",
    "Deterministic",
    "Model",
    "MutableData",
    "Potential",
    "model_to_graphviz",
    "model_to_mermaid",
    "modelcontext",
    "set_data",
]
