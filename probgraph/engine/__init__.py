"""The tensor compiler, under Theano's names: variables, shared variables, `function`, `grad`, `tensor` as T.

>>> import probgraph.engine as theano
>>> from probgraph.engine import tensor as T
>>> x = T.dscalar("x")
>>> theano.function([x], theano.grad(x ** 2, x))(3.0)
array(6.)
"""

from types import ModuleType

from probgraph.engine import (
    gradient,
    graph,
    ifelse,
    pickles,
    printing,
    rewrite,
    rewriting,
    scan_module,
    tensor,
)
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
from probgraph.engine.inspection import (
    apply_depends_on,
    clone_between,
    explicit_graph_inputs,
    io_toposort,
    is_same_graph,
    operations_between,
    truncated_graph_inputs,
    variable_depends_on,
    variables_between,
    walk,
)
from probgraph.engine.modes import (
    DebugMode,
    Mode,
    MonitorMode,
    NanGuardMode,
    get_default_mode,
    get_mode,
    predefined,
    register_linker,
    register_mode,
    register_optimizer,
)
from probgraph.engine.monitor import detect_nan
from probgraph.engine.pictures import d3viz, pydotprint
from probgraph.engine.printing import debugprint, pp, pprint
from probgraph.engine.profile import Profile
from probgraph.engine.random_streams import MRG_RandomStreams
from probgraph.engine.rooms import room
from probgraph.engine.scanning import foldl, foldr, map, reduce, scan
from probgraph.engine.shared import SharedVariable, shared
from probgraph.engine.steps import OrderedUpdates
from probgraph.engine.tensor import as_tensor_variable
from probgraph.engine.types import TensorType, Type
from probgraph.engine.user_ops import FromFunctionOp, KernelOp, Op, as_op, scalar_op
from probgraph.engine.vectorize import vectorize, vectorize_graph

change_flags = config.change_flags
dprint = debugprint
printing.pydotprint = pydotprint  # type: ignore[attr-defined]  # where Theano has it
compile = room(
    "probgraph.engine.compile",
    optdb=rewriting.optdb,
    Function=Function,
    In=In,
    Mode=Mode,
    OpFromGraph=OpFromGraph,
    Out=Out,
    SharedVariable=SharedVariable,
    as_op=as_op,
    builders=room("probgraph.engine.compile.builders", OpFromGraph=OpFromGraph),
    DebugMode=DebugMode,
    MonitorMode=MonitorMode,
    NanGuardMode=NanGuardMode,
    Param=Param,
    ProfileStats=Profile,
    UnusedInputError=UnusedInputError,
    debugmode=room("probgraph.engine.compile.debugmode", DebugMode=DebugMode, DebugModeError=DebugModeError),
    function=function,
    function_module=room(
        "probgraph.engine.compile.function_module", Function=Function, UnusedInputError=UnusedInputError
    ),
    get_default_mode=get_default_mode,
    get_mode=get_mode,
    io=room("probgraph.engine.compile.io", In=In, Out=Out),
    mode=room(
        "probgraph.engine.compile.mode",
        Mode=Mode,
        get_default_mode=get_default_mode,
        get_mode=get_mode,
        predefined_modes=predefined,
        register_linker=register_linker,
        register_mode=register_mode,
        register_optimizer=register_optimizer,
    ),
    monitormode=room("probgraph.engine.compile.monitormode", MonitorMode=MonitorMode, detect_nan=detect_nan),
    nanguardmode=room("probgraph.engine.compile.nanguardmode", NanGuardMode=NanGuardMode),
    register_mode=register_mode,
    ops=room("probgraph.engine.compile.ops", FromFunctionOp=FromFunctionOp, as_op=as_op),
    shared=shared,
    register_linker=register_linker,
    register_optimizer=register_optimizer,
    sharedvalue=room("probgraph.engine.compile.sharedvalue", SharedVariable=SharedVariable, shared=shared),
)


def _rewriting(name: str) -> ModuleType:
    return room(name, **{n: getattr(rewriting, n) for n in _REWRITING})


_REWRITING = (
    "NodeRewriter",
    "OpSub",
    "PatternNodeRewriter",
    "PatternSub",
    "SubstitutionNodeRewriter",
    "local_optimizer",
    "node_rewriter",
    "register_canonicalize",
    "register_specialize",
    "register_stabilize",
    "rewrite_graph",
)
gof = room(
    "probgraph.engine.gof",
    PatternSub=rewriting.PatternSub,
    OpSub=rewriting.OpSub,
    local_optimizer=rewriting.local_optimizer,
    Apply=Apply,
    Constant=Constant,
    FunctionGraph=FunctionGraph,
    MissingInputError=MissingInputError,
    Op=Op,
    Type=Type,
    Variable=Variable,
    graph=room(
        "probgraph.engine.gof.graph",
        Apply=Apply,
        Constant=Constant,
        Variable=Variable,
        ancestors=graph.ancestors,
        clone=clone_between,
        inputs=graph.graph_inputs,
        io_toposort=io_toposort,
        is_same_graph=is_same_graph,
        list_of_nodes=io_toposort,
        ops=operations_between,
        variables=variables_between,
    ),
    op=room("probgraph.engine.gof.op", Op=Op),
    opt=_rewriting("probgraph.engine.gof.opt"),
    optdb=rewriting.optdb,
    toolbox=room(
        "probgraph.engine.gof.toolbox", History=rewriting.History, ReplaceValidate=rewriting.ReplaceValidate
    ),
    type=room("probgraph.engine.gof.type", Type=Type),
)
# `graph` is PyTensor's name for what reads and copies graphs, in rooms of its own there.
clone_replace = clone
for _function in (
    apply_depends_on,
    explicit_graph_inputs,
    io_toposort,
    is_same_graph,
    truncated_graph_inputs,
    variable_depends_on,
    vectorize_graph,
    walk,
):
    setattr(graph, _function.__name__, _function)
graph.clone_replace = clone_replace  # type: ignore[attr-defined]
graph.replace = room(
    "probgraph.engine.graph.replace",  # type: ignore[attr-defined]
    clone_replace=clone_replace,
    graph_replace=graph_replace,
    vectorize_graph=vectorize_graph,
)
graph.rewriting = room(  # type: ignore[attr-defined]
    "probgraph.engine.graph.rewriting",
    basic=_rewriting("probgraph.engine.graph.rewriting.basic"),
    utils=room("probgraph.engine.graph.rewriting.utils", rewrite_graph=rewriting.rewrite_graph),
)
graph.traversal = room(  # type: ignore[attr-defined]
    "probgraph.engine.graph.traversal",
    **{
        n: getattr(graph, n)
        for n in ("ancestors", "graph_inputs", "toposort", "explicit_graph_inputs", "io_toposort", "walk")
    },
)
graph.basic = room("probgraph.engine.graph.basic", Apply=Apply, Constant=Constant, Variable=Variable)  # type: ignore[attr-defined]
graph.op = room("probgraph.engine.graph.op", Op=Op)  # type: ignore[attr-defined]
graph.fg = room("probgraph.engine.graph.fg", FunctionGraph=FunctionGraph)  # type: ignore[attr-defined]
shared_randomstreams = tensor.shared_randomstreams
updates = room("probgraph.engine.updates", OrderedUpdates=OrderedUpdates)
raise_op = room("probgraph.engine.raise_op", Assert=Assert, CheckAndRaise=CheckAndRaise, assert_op=assert_op)
sandbox = room(
    "probgraph.engine.sandbox",
    rng_mrg=room("probgraph.engine.sandbox.rng_mrg", MRG_RandomStreams=MRG_RandomStreams),
)
misc = room(
    "probgraph.engine.misc",
    pkl_utils=room("probgraph.engine.misc.pkl_utils", dump=pickles.dump, load=pickles.load),
)
# Methods of variables whose functions stand on floors above `operators`.
Variable.dprint = debugprint  # type: ignore[attr-defined]
Variable.repeat = tensor.repeat  # type: ignore[attr-defined]
Variable.choose = tensor.choose  # type: ignore[attr-defined]
Variable.ptp = tensor.ptp  # type: ignore[attr-defined]

__all__ = [
    "Apply",
    "Assert",
    "CheckAndRaise",
    "Constant",
    "DebugMode",
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
    "OrderedUpdates",
    "Out",
    "Param",
    "Print",
    "Rop",
    "SharedVariable",
    "TensorType",
    "Type",
    "UnusedInputError",
    "Variable",
    "as_op",
    "as_tensor_variable",
    "assert_op",
    "change_flags",
    "clone",
    "clone_replace",
    "compile",
    "config",
    "d3viz",
    "debugprint",
    "detect_nan",
    "dprint",
    "explicit_graph_inputs",
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
    "is_same_graph",
    "jacobian",
    "map",
    "misc",
    "pp",
    "pprint",
    "printing",
    "pydotprint",
    "raise_op",
    "reduce",
    "register_mode",
    "rewrite",
    "sandbox",
    "scalar_op",
    "scan",
    "scan_checkpoints",
    "scan_module",
    "shared",
    "shared_randomstreams",
    "subgraph_grad",
    "tensor",
    "updates",
    "vectorize",
    "vectorize_graph",
    "verify_grad",
]
