"""SciPy's tables of addresses: loaded without their packages, and the same when those are imported later."""

import subprocess
import sys

SCRIPT = """
import sys
from probgraph.engine.extensions import extension, loaded

name = "scipy.linalg.{}"
assert loaded(name) is None
alone = extension(name)
assert "scipy.linalg" not in sys.modules, "the package was imported"
assert extension(name) is loaded(name) is alone and len(alone.__pyx_capi__) > 100
import scipy.linalg
import scipy.linalg.{}
assert scipy.linalg.{}.__pyx_capi__.keys() == alone.__pyx_capi__.keys()
assert scipy.linalg.cholesky([[4.0]]) == 2.0
"""


def run(script):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_blas_comes_without_its_package_and_with_it_later():
    run(SCRIPT.format(*["cython_blas"] * 3))


def test_lapack_too():
    run(SCRIPT.format(*["cython_lapack"] * 3))


def test_what_is_imported_already_is_taken():
    run(
        "import scipy.linalg.cython_blas as there\n"
        "from probgraph.engine.extensions import extension\n"
        "assert extension('scipy.linalg.cython_blas') is there"
    )


def test_what_needs_its_package_is_imported_with_it():
    run(
        "import sys\n"
        "from probgraph.engine.extensions import extension\n"
        "assert extension('scipy.special.cython_special') is sys.modules['scipy.special.cython_special']"
    )
