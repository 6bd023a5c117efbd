"""Minimisation of functions over R^n: L-BFGS, Newton's method, gradient descent and its family.

Knows objectives only: anything that returns its value and its gradient. A step rule (step_rule.py), a line search
(line_search.py) or a region of trust says how far to go; descent.py, lbfgs.py, newton.py and trust_newton.py, with their
twins in C, are the loops that go; minimize.py is the door.
"""

from probgraph.optimize.minimize import METHODS, SECOND_ORDER, minimize, refuse_unknown
from probgraph.optimize.objective import Objective
from probgraph.optimize.result import OptimizeResult

__all__ = ["METHODS", "SECOND_ORDER", "Objective", "OptimizeResult", "minimize", "refuse_unknown"]
