"""Rooms of names: modules without a file, so that Theano's import lines need another prefix and nothing else.

`from theano.tensor.shared_randomstreams import RandomStreams` becomes
`from probgraph.engine.tensor.shared_randomstreams import RandomStreams`, though `tensor` is one file. A room is found
as `os.path` is: it is entered in `sys.modules` when the module that has it is imported.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


def room(name: str, **names: Any) -> ModuleType:
    """A module of this full name that holds `names`; `import` finds it, and its modules below it.

    >>> _ = room("probgraph.engine.rooms.attic", chest=3)
    >>> from probgraph.engine.rooms.attic import chest
    >>> chest
    3
    """
    module = ModuleType(name, f"The names of `{name}`; what each does is told by its own docstring.")
    module.__dict__.update(names, __all__=list(names))
    sys.modules[name] = module
    for inner_name, inner in names.items():
        if isinstance(inner, ModuleType):
            sys.modules.setdefault(f"{name}.{inner_name}", inner)
    return module
