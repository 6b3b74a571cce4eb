"""What the simulator says it covers, held against the official SDKs' own request models and the committed page."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import mns.mns_request
import pytest

from cloudheal_sim.alibaba.mns.actions import ACTIONS as MNS_ACTIONS
from cloudheal_sim.alibaba.mns.operations import OPERATIONS
from cloudheal_sim.alibaba.rpc.request import COMMON
from cloudheal_sim.coverage import Language, coverage, markdown, nested
from cloudheal_sim.kernel.service import Service, Struct
from cloudheal_sim.simulator import Simulator
from tests.conftest import ROOT

#: The vendor's module for each API version; versions without one in this environment have no judge here.
SDKS = {
    "2014-05-26": "alibabacloud_ecs20140526.models",
    "2014-05-15": "alibabacloud_slb20140515.models",
    "2019-01-01": "alibabacloud_cms20190101.models",
    "2017-03-12": "tencentcloud.cvm.v20170312.models",
    "2018-03-17": "tencentcloud.clb.v20180317.models",
    "2018-07-24": "tencentcloud.monitor.v20180724.models",
    "2018-08-13": "tencentcloud.sts.v20180813.models",
    "2020-10-28": "tencentcloud.tat.v20201028.models",
}
ACTIONS = [
    pytest.param(service.version, action, id=f"{service.name}-{action.name}")
    for service in coverage()
    if service.version in SDKS
    for action in service.actions
]


SERVICES = (*Simulator().alibaba.services, *Simulator().tencent.services)


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
    if models.__name__.startswith("tencentcloud"):
        return set(_tencent_names(models, f"{action}Request"))
    for name in _wire_names(getattr(models, f"{action}Request")) - COMMON:
        struct = getattr(models, f"{action}Request{name}", None)
        names |= {name} if struct is None else {f"{name}.{inner}" for inner in _wire_names(struct)}
    return names


def _tencent_names(models: Any, name: str, depth: int = 1) -> Iterator[str]:
    """Name what a model of Tencent's SDK holds; which of it are structs is only told where it reads answers."""
    reads = inspect.getsource(getattr(models, name)._deserialize)  # noqa: SLF001 - nothing else tells
    structs = dict(re.findall(r'params.get\("(\w+)"\) is not None:\n(?: {12,}.*\n)*? {12,}.*= ([A-Z]\w+)\(\)\n', reads))
    for field in (one.removeprefix("_") for one in vars(getattr(models, name)())):
        if field in structs and depth:
            yield from (f"{field}.{inner}" for inner in _tencent_names(models, structs[field], depth - 1))
        else:
            yield field


def _is_told(name: str, told: set[str]) -> bool:
    """Say whether a parameter, or the struct it belongs to as a whole, is among those told."""
    return name in told or name.partition(".")[0] in told


@pytest.mark.parametrize(("version", "action"), ACTIONS)
def test_no_parameter_is_dropped_silently(version: str, action: Any) -> None:
    """Every parameter of the official request model is either honoured or named as ignored."""
    told = {name.replace(".N.", ".") for name in (*action.honoured, *action.ignored)}
    told |= {".".join(name.split(".")[:2]) for name in told}
    missing = {name for name in _official(version, action.name) if not _is_told(name, told)}
    assert not missing, f"{action.name}: neither honoured nor ignored: {' '.join(sorted(missing))}"


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: f"{service.product}-{service.version}")
def test_what_is_honoured_is_read(service: Service[Any]) -> None:
    """Every field of every request model is used by name somewhere in its service, outside the model."""
    unread = []
    for action in service.actions.values():
        names = _names_in("/".join(action.request.__module__.split(".")[1:3]))
        unread += [f"{action.name}: {name}" for name in _fields(action.request) if name not in names]
    assert not unread


def _fields(struct: type[Struct]) -> Iterator[str]:
    for name, field in struct.model_fields.items():
        if name != "region_id":  # part of every call; services without regions have no use for it
            yield name
        if (inner := nested(field)) is not None:
            yield from _fields(inner[0])


@cache
def _names_in(service: str) -> frozenset[str]:
    """Return every attribute read, and every name written as a text, in the code of one service."""
    nodes = [
        node
        for file in (ROOT / "src/cloudheal_sim" / service).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    ]
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return frozenset(read | {str(node.value) for node in nodes if isinstance(node, ast.Constant)})


@pytest.mark.parametrize(("version", "action"), ACTIONS)
def test_what_is_ignored_exists(version: str, action: Any) -> None:
    """Every parameter named as ignored is one of the official request model, so that none is a misspelt one."""
    known = {name.partition(".")[0] for name in _official(version, action.name)}
    assert {name.partition(".")[0] for name in action.ignored} <= known


@pytest.mark.parametrize(("version", "action"), ACTIONS)
def test_no_parameter_is_honoured_and_ignored(version: str, action: Any) -> None:
    """A parameter has an effect or it has none."""
    assert not set(action.honoured) & set(action.ignored)


def test_every_call_of_mns_is_declared() -> None:
    """The declared operations of the message service are exactly those that it answers."""
    assert set(OPERATIONS) == set(MNS_ACTIONS)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_no_parameter_of_the_queue_client_is_dropped_silently(name: str) -> None:
    """Every field of the official client's request is a declared parameter, a name in the path, or the client's own."""
    request = getattr(mns.mns_request, f"{name}Request")
    arguments = inspect.signature(request.__init__).parameters.values()
    fields = set(vars(request(*("x" for one in arguments if one.default is one.empty and one.name != "self"))))
    told = {_plain(part) for one in (*OPERATIONS[name].honoured, *OPERATIONS[name].ignored) for part in one.split(".")}
    missing = {MNS_SPELLINGS.get(field, field) for field in fields - MNS_OWN} - told
    assert not missing, f"{name}: {' '.join(sorted(missing))}"


#: What the client keeps for itself, and what stands in the path.
MNS_OWN = {"method", "request_id", "base64encode", "base64decode"} | {
    f"{of}_name" for of in ("queue", "topic", "subscription")
}
#: The client's names for what the wire calls otherwise.
MNS_SPELLINGS = {
    "batch_size": "num_of_messages",
    "message_list": "messages",
    "receipt_handle_list": "receipt_handles",
    "wait_seconds": "waitseconds",
}


def _plain(wire: str) -> str:
    """Write a wire name as the client writes it: `x-mns-ret-number` is ret_number, `DirectSMS` direct_sms."""
    stem = wire.removeprefix("x-mns-").replace("-", "_")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", stem).lower()


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
