"""A variable that has a distribution, and the protocol by which a distribution finds the open model.

Distributions stand below models and must not know them; but `Normal("x", 0, 1)` inside a `with Model():` is to
join that model. So this floor owns the stack of open models and says what it needs of one; the model floor
pushes itself on the stack.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from probgraph.engine.graph import Variable
from probgraph.engine.types import Type

if TYPE_CHECKING:
    from probgraph.distributions.base import Distribution


class RandomVariable(Variable):
    """A root of the graph that is random: `distribution` says how.

    It is used in arithmetic as any other variable. `confined` says that it cannot be outside its support, because
    it is the image of a transform.
    """

    __slots__ = ("confined", "distribution")

    def __init__(self, type: Type, name: str, distribution: Distribution, confined: bool = True) -> None:
        super().__init__(type, name)
        self.distribution = distribution
        self.confined = confined

    def __repr__(self) -> str:
        return f"{self.name} ~ {self.distribution}"

    def clone(self, name: str | None = None) -> RandomVariable:
        return RandomVariable(self.type, name or self.name or "", self.distribution, self.confined)


class Registry(Protocol):
    """What a distribution asks of the open model."""

    def register(
        self,
        name: str,
        distribution: Distribution,
        *,
        observed: Any = None,
        dims: Any = None,
        initval: Any = None,
        transform: Any = None,
        default_transform: Any = None,
        total_size: Any = None,
    ) -> Variable:
        """Take in a variable: free, or observed where `observed` is given."""
        ...

    def add_deterministic(self, name: str, variable: Variable, dims: Any = None) -> Variable:
        """Take in a value to be kept with the draws."""
        ...

    def shape_of(self, name: str, dims: Any) -> tuple[int | None, ...]:
        """The lengths that these dims have."""
        ...


open_models: ContextVar[tuple[Any, ...]] = ContextVar("open_models", default=())


def open_model(what: str) -> Any:
    """The innermost open model; TypeError that says what to do where there is none."""
    stack = open_models.get()
    if not stack:
        raise TypeError(
            f"No model on context stack: {what} joins the model of an enclosing `with Model():` block, and there is"
            " none. Put it into one, or use `.dist(...)` for a distribution on its own."
        )
    return stack[-1]
