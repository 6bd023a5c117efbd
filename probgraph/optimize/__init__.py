"""Minimisation of functions over R^n: gradient descent and its family, and L-BFGS-B.

Knows objectives only: anything that returns its value and its gradient. A step rule (step_rule.py) says how far to
go; descent.py, and descent.c, is the loop that goes; minimize.py is the door.
"""

from probgraph.optimize.minimize import METHODS, minimize
from probgraph.optimize.objective import Objective
from probgraph.optimize.result import OptimizeResult

__all__ = ["METHODS", "Objective", "OptimizeResult", "minimize"]
