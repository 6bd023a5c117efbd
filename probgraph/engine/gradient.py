"""The namespace `theano.gradient`: all that differentiates, under Theano's names. Names only."""

from probgraph.engine.autodiff import DisconnectedInputError, grad, subgraph_grad
from probgraph.engine.barriers import (
    consider_constant,
    disconnected_grad,
    grad_clip,
    grad_scale,
    undefined_grad,
    zero_grad,
)
from probgraph.engine.derivatives import (
    GradientError,
    Lop,
    Rop,
    hessian,
    hessian_vector_product,
    jacobian,
    verify_grad,
)
from probgraph.engine.no_gradient import (
    DisconnectedType,
    NullType,
    NullTypeGradError,
    grad_not_implemented,
    grad_undefined,
)

__all__ = [
    "DisconnectedInputError",
    "DisconnectedType",
    "GradientError",
    "Lop",
    "NullType",
    "NullTypeGradError",
    "Rop",
    "consider_constant",
    "disconnected_grad",
    "grad",
    "grad_clip",
    "grad_not_implemented",
    "grad_scale",
    "grad_undefined",
    "hessian",
    "hessian_vector_product",
    "jacobian",
    "subgraph_grad",
    "undefined_grad",
    "verify_grad",
    "zero_grad",
]
