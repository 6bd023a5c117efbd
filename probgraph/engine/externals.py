"""Addresses of SciPy's C functions: BLAS, LAPACK and special functions without a link flag."""

from __future__ import annotations

import ctypes
import functools
import importlib

from probgraph.engine.loops import External


@functools.cache
def address(external: External) -> int:
    """Where the function lies in this process. SciPy's module is imported on first need."""
    capsules = importlib.import_module(external.module).__pyx_capi__
    try:
        capsule = capsules[external.name]
    except KeyError:
        raise NotImplementedError(f"this SciPy's {external.module} has no {external.name}") from None
    name_of, pointer_of = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return pointer_of(capsule, name_of(capsule))
