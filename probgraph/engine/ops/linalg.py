"""Linear algebra under one roof: the names of its operations, nothing else."""
# ruff: noqa: F401  a namespace imports what it offers

from __future__ import annotations

from probgraph.engine.ops.assumptions import Assumed, assume
from probgraph.engine.ops.cholesky import Cholesky, cholesky
from probgraph.engine.ops.diagonals import (
    Diagonal,
    SetDiagonal,
    alloc_diag,
    block_diag,
    diag,
    diagonal,
    eye,
    fill_diagonal,
    identity_like,
    matrix_transpose,
    trace,
    tri,
    tril,
    triu,
)
from probgraph.engine.ops.einsum import einsum
from probgraph.engine.ops.lu import LU, lu
from probgraph.engine.ops.matrix_functions import Expm, expm, matrix_power, norm, tensorinv, tensorsolve
from probgraph.engine.ops.pivots import lu_factor, lu_solve, pivot_to_permutation
from probgraph.engine.ops.products import (
    Contraction,
    Dot,
    batched_dot,
    batched_tensordot,
    dot,
    kron,
    matmul,
    matrix_dot,
    matvec,
    outer,
    tensordot,
    vecdot,
    vecmat,
)
from probgraph.engine.ops.qr import QR, qr
from probgraph.engine.ops.schur import Schur, qz, schur
from probgraph.engine.ops.singular_values import SVD, PseudoInverse, lstsq, matrix_rank, pinv, svd
from probgraph.engine.ops.solves import (
    Determinant,
    Inverse,
    SLogDet,
    Solve,
    cho_solve,
    det,
    inv,
    logdet,
    matrix_inverse,
    slogdet,
    solve,
    solve_lower_triangular,
    solve_symmetric,
    solve_upper_triangular,
)
from probgraph.engine.ops.spectra import Eig, Eigh, eig, eigh, eigvals, eigvalsh
from probgraph.engine.ops.triangular import SolveTriangular, solve_triangular

extract_diag = diagonal

#: under which names the namespace `T` offers them: as `T.linalg`, NumPy's; as `T.nlinalg` and `T.slinalg`, Theano's
NUMPY_NAMES = [
    "cholesky",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "assume",
    "block_diag",
    "cho_solve",
    "expm",
    "logdet",
    "lu",
    "lu_factor",
    "lu_solve",
    "pivot_to_permutation",
    "qz",
    "schur",
    "solve_triangular",
]
THEANO_NUMPY_NAMES = [
    "alloc_diag",
    "det",
    "diag",
    "eig",
    "eigh",
    "extract_diag",
    "inv",
    "kron",
    "logdet",
    "lstsq",
    "matrix_dot",
    "matrix_inverse",
    "matrix_power",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "svd",
    "tensorinv",
    "tensorsolve",
    "trace",
]
THEANO_SCIPY_NAMES = [
    "block_diag",
    "cho_solve",
    "cholesky",
    "eigvalsh",
    "expm",
    "kron",
    "lu",
    "lu_factor",
    "lu_solve",
    "pivot_to_permutation",
    "qz",
    "schur",
    "solve",
    "solve_lower_triangular",
    "solve_symmetric",
    "solve_triangular",
    "solve_upper_triangular",
]
