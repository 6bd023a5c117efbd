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


def test_special_functions_come_without_their_package_and_are_those_of_it():
    run(
        "import sys\n"
        "import numpy as np\n"
        "import probgraph.engine as theano\n"
        "from probgraph.engine import extensions, tensor as T\n"
        "x, names = np.linspace(0.01, 30, 1001), ('gammaln', 'psi', 'erf', 'erfcx', 'expit', 'j0')\n"
        "here = [getattr(T, 'sigmoid' if n == 'expit' else n)(x).eval() for n in names]\n"
        "alone = [extensions.special(n) for n in names]\n"
        "assert 'scipy.special' not in sys.modules, 'the package was imported'\n"
        "import scipy.special as there\n"
        "for n, values, function in zip(names, here, alone):\n"
        "    expected = getattr(there, n)(x)\n"
        "    assert np.array_equal(values, expected) and np.array_equal(function(x), expected), n\n"
        "    assert extensions.special(n) is getattr(there, n)\n"
    )


def test_those_that_need_others_are_imported_with_them():
    run(
        "import sys\n"
        "from probgraph.engine import extensions\n"
        "there = extensions.special('polygamma')\n"
        "assert there is sys.modules['scipy.special'].polygamma and abs(there(1, 1.0) - 1.6449340668) < 1e-9"
    )


def test_functions_taken_alone_are_the_same_in_the_package():
    run(
        "import scipy.special as there\n"
        "import scipy.special._special_ufuncs as alone\n"
        "from probgraph.engine.ops.elementwise import TABLE\n"
        "from probgraph.engine.ops import special\n"
        "names = [n for n in TABLE if hasattr(alone, n)]\n"
        "assert len(names) > 20\n"
        "assert [n for n in names if getattr(there, n) is not getattr(alone, n)] == []"
    )
