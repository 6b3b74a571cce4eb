"""Reads a settings file. Every error names the file, the line, the field and what was expected there."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import ValidationError

from cloudheal.errors import SettingsError
from cloudheal.settings.discretion import learn
from cloudheal.settings.rules import Rule, RuleFile
from cloudheal.settings.schema import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails

T = TypeVar("T")
#: Far above any real file; a larger one is a mistake.
MOST_BYTES = 1024 * 1024


class _Loader(yaml.SafeLoader):
    """Reads plain values only, and tells of a day that no calendar has by its line."""


def _timestamp(loader: _Loader, node: yaml.ScalarNode) -> object:
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError as problem:
        raise yaml.constructor.ConstructorError(None, None, f"{node.value}: {problem}", node.start_mark) from problem


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _timestamp)


def load_settings(path: Path) -> Settings:
    """Read and check a settings file, and learn which secrets it leads to, so that none of them shows from now on.

    Raises SettingsError with every finding, one per line.
    """
    context = {"folder": path.resolve().parent}
    settings = checked(path, lambda document: Settings.model_validate(document, context=context))
    learn(settings, os.environ)
    return settings


def load_rules(path: Path, timezone: str) -> list[Rule]:
    """Read and check the rules of a file: one that holds nothing else, or a whole settings file. Raises SettingsError.

    Windows that name no zone are in `timezone`.
    """

    def rules(document: object) -> RuleFile:
        whole = isinstance(document, dict) and "rules" in document
        return RuleFile.model_validate({"rules": document["rules"]} if whole else document)  # type: ignore[index]

    return [one.in_zone(timezone) for one in checked(path, rules).rules]


def checked(path: Path, validate: Callable[[object], T], advice: str = "The settings page lists every field.") -> T:
    """Read a file as YAML and check it. Raises SettingsError with every finding, by line and field."""
    text = _text(path)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - it is the safe one
    except (yaml.YAMLError, RecursionError) as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        message = f"{where}: not YAML: {getattr(problem, 'problem', problem)}"
        raise SettingsError(message, what_to_do="Mend the line; indentation is the usual cause.") from problem
    doubled = [
        f"{path}:{line}: {key}: written twice here; only one of them would count" for line, key in _doubled(root)
    ]
    if doubled:
        raise SettingsError("\n".join(doubled), what_to_do="Leave one of them.")
    try:
        return validate(document if document is not None else {})
    except ValidationError as problem:
        lines = [_finding(path, root, error) for error in problem.errors(include_url=False)]
        raise SettingsError("\n".join(lines), what_to_do=advice) from problem


@contextmanager
def located(path: Path) -> Iterator[None]:
    """Give a SettingsError about a field of this file, found after it was read, the file's name and the line."""
    try:
        yield
    except SettingsError as problem:
        if not problem.field:
            raise
        root = yaml.compose(_text(path), Loader=yaml.SafeLoader)
        told = str(problem.args[0])
        found = zip(problem.fields, told.splitlines(), strict=True) if problem.fields else [(problem.field, told)]
        lines = sorted((_line(root, place), one) for place, one in found)
        raise SettingsError(
            "\n".join(f"{path}:{line}: {one}" for line, one in lines), what_to_do=problem.what_to_do
        ) from problem


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode("utf-8")
    except OSError as problem:
        message = f"{path}: {problem.strerror}"
        raise SettingsError(message, what_to_do="Name the file with -c FILE.") from problem
    except UnicodeDecodeError as problem:
        message = f"{path}: not UTF-8 text at byte {problem.start}"
        raise SettingsError(message) from problem
    if len(content) > MOST_BYTES:
        message = f"{path}: larger than {MOST_BYTES} bytes"
        raise SettingsError(message)
    return text


def _doubled(root: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Yield the line and name of keys that stand twice in one mapping, of which YAML keeps the last in silence."""
    waiting, seen = [root] if root else [], set()
    while waiting:
        node = waiting.pop(0)
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            names = [key.value for key in keys]
            yield from (
                (key.start_mark.line + 1, key.value)
                for at, key in enumerate(keys)
                if key.value in names[:at] and key.tag != "tag:yaml.org,2002:merge"
            )
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _finding(path: Path, root: yaml.Node | None, error: ErrorDetails) -> str:
    field = ".".join(str(part) for part in error["loc"]) or "file"
    return f"{path}:{_line(root, error['loc'])}: {field}: {error['msg']}"


def _line(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """Return the line of the deepest part of `location` that the file really has."""
    line = node.start_mark.line + 1 if node else 1
    for part in location:
        found = _child(node, part)
        if found is not None:  # a kind of value has a part of its own, which the file does not
            line, node = found
    return line


def _child(node: yaml.Node | None, part: int | str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    return None
