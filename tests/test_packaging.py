"""What a user gets who installs the package: its files, its dependencies, and how little importing it loads."""

from __future__ import annotations

import ast
import fnmatch
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "probgraph"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

#: Outside the standard library the package may import these, and those that are slow to import inside functions.
DEPENDENCIES = {"numpy", "scipy", "arviz"}
LATE = {
    "arviz",
    "xarray",
    "matplotlib",
    "scipy",
    "importlib",
    "graphviz",
    "arviz_stats",
}  # the last is part of ArviZ 1


def test_runtime_dependencies_are_three():
    names = {re.match(r"[\w-]+", item).group() for item in PROJECT["project"]["dependencies"]}
    assert names == DEPENDENCIES
    assert {"test", "compiler", "plots"} <= set(PROJECT["project"]["optional-dependencies"])


def test_every_file_of_the_package_is_in_the_wheel():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    missing = []
    for file in PACKAGE.rglob("*"):
        if file.is_dir() or file.suffix == ".pyc":
            continue
        assert (file.parent / "__init__.py").is_file(), f"{file.parent} is no package"
        package = ".".join(file.parent.relative_to(ROOT).parts)
        if file.suffix != ".py" and not any(fnmatch.fnmatch(file.name, p) for p in patterns.get(package, ())):
            missing.append(str(file.relative_to(ROOT)))
    assert not missing, f"not in tool.setuptools.package-data: {missing}"


def imports(file: Path):
    """(module, is at the top of the file) of each absolute import."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        yield from ((name.split(".")[0], node in tree.body) for name in names)


def test_imports_are_of_the_declared_dependencies():
    known = set(sys.stdlib_module_names) | DEPENDENCIES | LATE | {"probgraph"}
    foreign = {
        (file.name, name) for file in PACKAGE.rglob("*.py") for name, _ in imports(file) if name not in known
    }
    assert not foreign


def test_no_import_inside_functions_but_of_the_heavy_ones():
    inside = {
        (str(file.relative_to(ROOT)), node.lineno)
        for file in PACKAGE.rglob("*.py")
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if (isinstance(node, ast.Import) and any(a.name.split(".")[0] not in LATE for a in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] not in LATE)
    }
    assert not inside


def test_import_loads_nothing_heavy():
    code = "import sys, probgraph; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    results = {"arviz", "xarray", "pandas", "matplotlib", "scipy"}
    standard = {"asyncio", "email", "http", "multiprocessing", "pdb", "unittest"}
    assert not set(run.stdout.split()) & (results | standard)


def test_layers():
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or shutil.which(
        "lint-imports"
    )
    if command is None:
        pytest.skip("import-linter is not installed")
    run = subprocess.run([command, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


def test_each_floor_says_what_it_adds():
    silent = [
        str(file.relative_to(ROOT))
        for file in PACKAGE.rglob("*.py")
        if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert not silent


def test_ci_runs_the_commands_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = dict(
        re.findall(r"^<!-- command: (\w+) -->\n```bash\n(.+?)\n```$", readme, re.MULTILINE | re.DOTALL)
    )
    assert set(commands) == {"run", "test"}
    assert re.findall(r"^run_readme_command (\w+)$", script, re.MULTILINE) == ["run", "test"]
    assert "examples/eight_schools.py" in commands["run"] and "pytest" in commands["test"]
    assert "pytest" not in script and "pip install" not in script, "a second definition of a command"
