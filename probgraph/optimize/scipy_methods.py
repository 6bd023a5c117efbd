"""The methods of scipy.optimize.minimize that are handed on, and which derivatives each asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

#: by name: the method of ours that asks for the same second derivatives; "" is none
SCIPY_METHODS = {
    "Nelder-Mead": "",
    "Powell": "",
    "CG": "",
    "BFGS": "",
    "TNC": "",
    "COBYLA": "",
    "SLSQP": "",
    "Newton-CG": "trust-newton",
    "dogleg": "newton",
    "trust-ncg": "trust-newton",
    "trust-krylov": "trust-newton",
    "trust-exact": "newton",
    "trust-constr": "newton",
}

WITHOUT_GRADIENT = ("Nelder-Mead", "Powell", "COBYLA")


def derivatives_for(method: str, curvature: Callable[[str], Callable[..., np.ndarray]]) -> dict[str, Any]:
    """SciPy's arguments that say which derivatives there are, for an objective that returns its gradient too.

    `curvature` gives the second derivatives that a method of ours asks for.
    """
    asked = SCIPY_METHODS[method]
    second = {"hess" if asked == "newton" else "hessp": curvature(asked)} if asked else {}
    return {"jac": method not in WITHOUT_GRADIENT, **second}
