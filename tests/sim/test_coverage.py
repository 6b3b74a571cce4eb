"""What the simulator says it covers, held against the official SDKs' own request models and the committed page."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from cloudheal_sim.alibaba.rpc.request import COMMON
from cloudheal_sim.coverage import Language, coverage, markdown
from tests.conftest import ROOT

#: The vendor's module for each API version; versions without one in this environment have no judge here.
SDKS = {
    "2014-05-26": "alibabacloud_ecs20140526.models",
    "2014-05-15": "alibabacloud_slb20140515.models",
    "2019-01-01": "alibabacloud_cms20190101.models",
}
#: Actions that the SDKs no longer know: the service still answers them for older clients.
OLDER: frozenset[str] = frozenset()
ACTIONS = [
    pytest.param(service.version, action, id=f"{service.name}-{action.name}")
    for service in coverage()
    if service.version in SDKS
    for action in service.actions
]


class _Anything(list[Any]):
    """A value that every request model can write: an empty list, an empty struct."""

    def to_map(self) -> dict[str, Any]:
        """Write nothing."""
        return {}


@cache
def _models(version: str) -> Any:
    return importlib.import_module(SDKS[version])


def _wire_names(model: Any) -> set[str]:
    """Return the names that a request model puts on the wire, by filling in every field."""
    request = model()
    for field in vars(request):
        setattr(request, field, _Anything())
    return set(request.to_map())


def _official(version: str, action: str) -> set[str]:
    """Return an action's parameters, those of structs as `Tag.Key`, as the SDK's models name them."""
    models, names = _models(version), set()
    for name in _wire_names(getattr(models, f"{action}Request")) - COMMON:
        struct = getattr(models, f"{action}Request{name}", None)
        names |= {name} if struct is None else {f"{name}.{inner}" for inner in _wire_names(struct)}
    return names


def _is_told(name: str, told: set[str]) -> bool:
    """Say whether a parameter, or the struct it belongs to as a whole, is among those told."""
    return name in told or name.partition(".")[0] in told


@pytest.mark.parametrize(("version", "action"), ACTIONS)
def test_no_parameter_is_dropped_silently(version: str, action: Any) -> None:
    """Every parameter of the official request model is either honoured or named as ignored."""
    if action.name in OLDER:
        pytest.skip("the SDK of this version no longer has this action")
    told = {name.replace(".N.", ".") for name in (*action.honoured, *action.ignored)}
    told |= {".".join(name.split(".")[:2]) for name in told}
    missing = {name for name in _official(version, action.name) if not _is_told(name, told)}
    assert not missing, f"{action.name}: neither honoured nor ignored: {' '.join(sorted(missing))}"


@pytest.mark.parametrize(("version", "action"), ACTIONS)
def test_no_parameter_is_honoured_and_ignored(version: str, action: Any) -> None:
    """A parameter has an effect or it has none."""
    assert not set(action.honoured) & set(action.ignored)


def test_the_sdks_are_really_asked() -> None:
    """The comparison reads plain names, list names and struct members from a request model it knows."""
    names = _official("2014-05-26", "DescribeInstances")
    assert {"InstanceIds", "PageSize", "Tag.Key", "Tag.Value"} <= names
    assert not names & COMMON


@pytest.mark.parametrize("language", list(Language))
def test_the_reference_page_is_up_to_date(language: Language) -> None:
    """The committed page is what the code says today."""
    page = ROOT / "docs" / language / "reference" / "coverage.md"
    assert page.read_text(encoding="utf-8") == markdown(coverage(), language) + "\n", "run `make reference`"


def test_the_command_line_prints_json() -> None:
    """`--format json` prints the same services and actions as the page has."""
    command = [sys.executable, "-m", "cloudheal_sim.coverage", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    printed = {(service["name"], len(service["actions"])) for service in json.loads(done.stdout)}
    assert printed == {(service.name, len(service.actions)) for service in coverage()}
