"""The tensor compiler, under Theano's names: variables, shared variables, `function`, `grad`, `tensor` as T.

>>> import probgraph.engine as theano
>>> from probgraph.engine import tensor as T
>>> x = T.dscalar("x")
>>> theano.function([x], theano.grad(x ** 2, x))(3.0)
array(6.)
"""

from types import SimpleNamespace

from probgraph.engine import gradient, graph, ifelse, printing, scan_module, tensor
from probgraph.engine.assertions import Assert, CheckAndRaise, Print, assert_op
from probgraph.engine.callable import Function
from probgraph.engine.checkpoints import scan_checkpoints
from probgraph.engine.config import config
from probgraph.engine.debug_mode import DebugModeError
from probgraph.engine.function import function
from probgraph.engine.gradient import (
    DisconnectedInputError,
    GradientError,
    Lop,
    NullTypeGradError,
    Rop,
    grad,
    hessian,
    jacobian,
    subgraph_grad,
    verify_grad,
)
from probgraph.engine.graph import (
    Apply,
    Constant,
    FunctionGraph,
    MissingInputError,
    Variable,
    clone,
    graph_replace,
)
from probgraph.engine.inner_graph import OpFromGraph
from probgraph.engine.inputs import In, Out, Param, UnusedInputError
from probgraph.engine.modes import (
    Mode,
    MonitorMode,
    NanGuardMode,
    get_default_mode,
    get_mode,
    register_mode,
)
from probgraph.engine.monitor import detect_nan
from probgraph.engine.pictures import d3viz, pydotprint
from probgraph.engine.printing import debugprint, pp, pprint
from probgraph.engine.random_streams import MRG_RandomStreams
from probgraph.engine.scanning import foldl, foldr, map, reduce, scan
from probgraph.engine.shared import SharedVariable, shared
from probgraph.engine.tensor import as_tensor_variable
from probgraph.engine.types import TensorType
from probgraph.engine.user_ops import FromFunctionOp, KernelOp, Op, as_op, scalar_op
from probgraph.engine.vectorize import vectorize, vectorize_graph

change_flags = config.change_flags
dprint = debugprint
printing.pydotprint = pydotprint  # type: ignore[attr-defined]  # where Theano has it
compile = SimpleNamespace(
    Function=Function,
    In=In,
    Mode=Mode,
    OpFromGraph=OpFromGraph,
    Out=Out,
    SharedVariable=SharedVariable,
    as_op=as_op,
    builders=SimpleNamespace(OpFromGraph=OpFromGraph),
    debugmode=SimpleNamespace(DebugModeError=DebugModeError),
    function=function,
    mode=SimpleNamespace(
        Mode=Mode, get_default_mode=get_default_mode, get_mode=get_mode, register_mode=register_mode
    ),
    ops=SimpleNamespace(FromFunctionOp=FromFunctionOp, as_op=as_op),
    shared=shared,
)
gof = SimpleNamespace(
    Apply=Apply,
    Constant=Constant,
    FunctionGraph=FunctionGraph,
    MissingInputError=MissingInputError,
    Op=Op,
    Variable=Variable,
    graph=graph,
)
raise_op = SimpleNamespace(Assert=Assert, CheckAndRaise=CheckAndRaise, assert_op=assert_op)
sandbox = SimpleNamespace(rng_mrg=SimpleNamespace(MRG_RandomStreams=MRG_RandomStreams))

__all__ = [
    "Apply",
    "Assert",
    "CheckAndRaise",
    "Constant",
    "DebugModeError",
    "DisconnectedInputError",
    "FromFunctionOp",
    "Function",
    "FunctionGraph",
    "GradientError",
    "In",
    "KernelOp",
    "Lop",
    "MissingInputError",
    "Mode",
    "MonitorMode",
    "NanGuardMode",
    "NullTypeGradError",
    "Op",
    "OpFromGraph",
    "Out",
    "Param",
    "Print",
    "Rop",
    "SharedVariable",
    "TensorType",
    "UnusedInputError",
    "Variable",
    "as_op",
    "as_tensor_variable",
    "assert_op",
    "change_flags",
    "clone",
    "compile",
    "config",
    "d3viz",
    "debugprint",
    "detect_nan",
    "dprint",
    "foldl",
    "foldr",
    "function",
    "get_default_mode",
    "get_mode",
    "gof",
    "grad",
    "gradient",
    "graph",
    "graph_replace",
    "hessian",
    "ifelse",
    "jacobian",
    "map",
    "pp",
    "pprint",
    "printing",
    "pydotprint",
    "raise_op",
    "reduce",
    "register_mode",
    "sandbox",
    "scalar_op",
    "scan",
    "scan_checkpoints",
    "scan_module",
    "shared",
    "subgraph_grad",
    "tensor",
    "vectorize",
    "vectorize_graph",
    "verify_grad",
]
