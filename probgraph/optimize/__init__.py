"""Minimisation of functions over R^n: L-BFGS, gradient descent and its family.

Knows objectives only: anything that returns its value and its gradient. A step rule (step_rule.py) or a line search
(line_search.py) says how far to go; descent.py and lbfgs.py, with their twins in C, are the loops that go; minimize.py is
the door.
"""

from probgraph.optimize.minimize import METHODS, minimize
from probgraph.optimize.objective import Objective
from probgraph.optimize.result import OptimizeResult

__all__ = ["METHODS", "Objective", "OptimizeResult", "minimize"]
