"""Addresses of SciPy's C functions: BLAS, LAPACK and special functions without a link flag."""

from __future__ import annotations

import ctypes
import functools
import re

from probgraph.engine.extensions import extension
from probgraph.engine.loops import External


@functools.cache
def address(external: External) -> int:
    """Where the function lies in this process. SciPy's module is loaded on first need."""
    capsules = extension(external.module).__pyx_capi__
    name_of, pointer_of = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsule = capsules.get(external.name)
    if capsule is None:  # one of several, by the types of its arguments: Cython numbers them
        of_name = [c for n, c in capsules.items() if re.fullmatch(rf"__pyx_fuse_\d+{external.name}", n)]
        capsule = next((c for c in of_name if _signature(name_of(c)) == external.signature), None)
    if capsule is None:
        raise NotImplementedError(f"this SciPy's {external.module} has no {external.name}")
    return pointer_of(capsule, name_of(capsule))


def _signature(capsule: bytes) -> str:
    """The type of a function as its capsule has it, without Cython's name for the last argument."""
    return capsule.decode().replace(" __pyx_skip_dispatch", "")
