"""Linear algebra under one roof: the names of its operations, nothing else."""
# ruff: noqa: F401  a namespace imports what it offers

from __future__ import annotations

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
from probgraph.engine.ops.matrix_functions import Expm, expm, matrix_power, norm
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
from probgraph.engine.ops.singular_values import SVD, PseudoInverse, lstsq, matrix_rank, pinv, svd
from probgraph.engine.ops.solves import (
    Determinant,
    Inverse,
    SLogDet,
    Solve,
    det,
    inv,
    logdet,
    matrix_inverse,
    slogdet,
    solve,
)
from probgraph.engine.ops.spectra import Eig, Eigh, eig, eigh, eigvals, eigvalsh
from probgraph.engine.ops.triangular import Cholesky, SolveTriangular, cholesky, solve_triangular
