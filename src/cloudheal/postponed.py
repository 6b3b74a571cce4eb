"""Packages that another package imports and that a worker never uses: they are loaded when something asks for them.

The vendors' clients bring a second transport and a scheduler, the workflow engine the driver of a database that need
not be there. Together they would be a fifth of a worker's start and of its memory. While their importer is imported a
stand-in takes the place of each; whoever uses anything of a stand-in gets it from the real package, which is loaded
then. Whoever imports the package later gets it without a detour, and one that was loaded before is left alone.

Not for what somebody derives a class from or catches: both want a real class, and say so at once. And not for what
changes something elsewhere when it is loaded, as SQLAlchemy's object mapper does: whoever loads it late may be one of
many threads, and the others would meet it half made.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType
from typing import Any


@contextmanager
def postponed(*names: str) -> Iterator[None]:
    """Have whatever is imported in the block get stand-ins for these modules, as far as none is loaded yet."""
    placed = {name: _StandIn(name) for name in names if name not in sys.modules}
    sys.modules.update(placed)
    try:
        yield
    finally:
        for one in placed.values():
            one.step_aside()


class _StandIn(ModuleType):
    """A module that is not loaded."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the importer looks for these; none has been there yet
            raise AttributeError(f"module {self.__name__!r} is not loaded")
        return _Later(self, name)

    def step_aside(self) -> bool:
        """Leave the name to the real module."""
        is_placed = sys.modules.get(self.__name__) is self
        if is_placed:
            del sys.modules[self.__name__]
        return is_placed

    def real(self) -> ModuleType:
        """Load the module."""
        self.step_aside()
        return import_module(self.__name__)


class _Later:
    """Something of a module that is not loaded: a class or function to call or compare with, or a module in it."""

    def __init__(self, module: _StandIn, name: str) -> None:
        self._module = module
        self._name = name

    def _found(self) -> Any:
        whole = self._module.real()
        if not hasattr(whole, self._name):
            with suppress(ModuleNotFoundError):  # `from package import module` loads a module that nobody has named yet
                return import_module(f"{whole.__name__}.{self._name}")
        return getattr(whole, self._name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # `typing` asks what it finds in an annotation
            raise AttributeError(f"{self._module.__name__}.{self._name} is not loaded")
        return getattr(self._found(), name)

    def __call__(self, *values: Any, **named: Any) -> Any:
        return self._found()(*values, **named)

    def __getitem__(self, _kind: object) -> Any:
        return self  # only an annotation says of what kind something is

    def __instancecheck__(self, one: object) -> bool:
        return isinstance(one, self._found())
