"""Scenario files: those that come with the package, and an operator's own; every mistake by line and field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloudheal.drills.scenario import Scenario
from cloudheal.errors import SettingsError
from cloudheal.settings.loader import checked

#: Where the library is; files that the package brings, one scenario each, named for it.
LIBRARY = Path(__file__).parent / "scenarios"
_SUFFIXES = frozenset({".yaml", ".yml"})


def library() -> list[Scenario]:
    """Return every scenario that the package brings, by name."""
    return [load_scenario(one) for one in sorted(LIBRARY.glob("*.yaml"))]


def scenario_named(name: str) -> Scenario:
    """Return a scenario of the library by its name, or of a file by its path. Raises SettingsError."""
    path = Path(name)
    if path.suffix in _SUFFIXES:
        return load_scenario(path)
    known = sorted(one.stem for one in LIBRARY.glob("*.yaml"))
    if name not in known:
        message = f"no scenario is called {name!r}; known are {', '.join(known)}"
        raise SettingsError(message, what_to_do="A scenario of your own is named by its file: NAME.yaml.")
    return load_scenario(LIBRARY / f"{name}.yaml")


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file. Raises SettingsError with every finding, one per line."""
    return checked(path, Scenario.model_validate, "The reference page of scenarios lists every field.")


def schema_of_files() -> Mapping[str, Any]:
    """Return the JSON schema of scenario files, for editors."""
    return Scenario.model_json_schema(by_alias=True)
