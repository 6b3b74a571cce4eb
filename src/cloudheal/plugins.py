"""Finds extensions and names them: modules of a package of ours, files in a folder, entry points of installed packages.

It knows nothing of what it finds; whoever asks says which kind of object an extension is to hold. A file of a folder is
loaded under a private name, so that it neither hides another module nor is hidden by one. What cannot be loaded is a
SettingsError that names the file and the line: a program that lacks half of its extensions never starts.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from itertools import chain
from pathlib import Path
from types import CodeType, ModuleType
from typing import Generic, TypeVar

from cloudheal.errors import SettingsError

T = TypeVar("T")
#: Files that a folder may hold beside extensions begin with this.
PRIVATE = "_"


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A thing that extends us: its name where it was found, where that was, and the thing."""

    name: str
    origin: str
    thing: T


class _Afresh(SourceFileLoader):
    """Reads a file itself: a compiled one beside it is known by time and size, which a deployment may make alike."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the file as it stands there."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def in_package(package: ModuleType) -> Iterator[Found[object]]:
    """Yield the modules of a package of ours, by name."""
    for one in sorted(pkgutil.iter_modules(package.__path__), key=lambda one: one.name):
        yield Found(one.name, "cloudheal", importlib.import_module(f"{package.__name__}.{one.name}"))


def in_folder(folder: Path) -> Iterator[Found[object]]:
    """Load the Python files of a folder, by name. Raises SettingsError naming file and line."""
    if not folder.is_dir():
        raise SettingsError(f"{folder} is not a folder", what_to_do="Name a folder that holds Python files.")
    for file in sorted(folder.glob("*.py")):
        if not file.name.startswith(PRIVATE):
            yield Found(file.stem, str(file), _loaded(file))


def in_entry_points(*groups: str) -> Iterator[Found[object]]:
    """Load what installed packages offer under some groups, by name. Raises SettingsError naming the package."""
    offered = entry_points()  # every package is read for that, however many groups are asked for
    points = [sorted(offered.select(group=one), key=lambda point: (point.name, point.value)) for one in groups]
    for point in chain.from_iterable(points):
        origin = f"package {point.dist.name if point.dist else '(unknown)'}, entry point {point.name}"
        yield Found(point.name, origin, _taken(point, origin))


def of_kind(found: Iterable[Found[object]], kind: type[T]) -> Iterator[Found[T]]:
    """Yield the objects of one kind that extensions are or hold; the same object is yielded once."""
    seen: set[int] = set()
    for one in found:
        held = list(vars(one.thing).values()) if isinstance(one.thing, ModuleType) else [one.thing]
        for thing in held:
            if isinstance(thing, kind) and id(thing) not in seen:
                seen.add(id(thing))
                yield Found(one.name, one.origin, thing)


def named_once(found: Iterable[Found[T]]) -> dict[str, Found[T]]:
    """Return extensions by name. Raises SettingsError when two have one name."""
    named: dict[str, Found[T]] = {}
    for one in found:
        other = named.setdefault(one.name, one)
        if other is not one:
            message = f"two extensions are named {one.name}: in {other.origin} and in {one.origin}"
            raise SettingsError(message, what_to_do="Give one of them another name; names stand in rules and records.")
    return named


def _loaded(file: Path) -> ModuleType:
    digest = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]
    name = f"cloudheal_extension_{digest}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file, loader=_Afresh(name, str(file)))
    if spec is None or spec.loader is None:
        raise SettingsError(f"{file} cannot be loaded as a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and inspect look for it
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as problem:
        del sys.modules[name]
        message = f"{file}:{_line(problem, file)}: {type(problem).__name__}: {problem}"
        raise SettingsError(message, what_to_do="Mend the file, or take it out of the folder.") from problem
    return module


def _line(problem: BaseException, file: Path) -> int:
    """Return the line of a file at which loading it failed; the last one in it when others were called from there."""
    if isinstance(problem, SyntaxError) and problem.filename == str(file):
        return problem.lineno or 1
    lines = [at.lineno for at in traceback.extract_tb(problem.__traceback__) if at.filename == str(file)]
    return (lines[-1] if lines else None) or 1


def _taken(point: EntryPoint, origin: str) -> object:
    try:
        return point.load()
    except (Exception, SystemExit) as problem:
        message = f"{origin}: {point.value} cannot be loaded: {type(problem).__name__}: {problem}"
        raise SettingsError(message, what_to_do="Mend or uninstall the package.") from problem
