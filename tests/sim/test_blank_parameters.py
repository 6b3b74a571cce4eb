"""Every parameter of every RPC call, sent blank, broken or absurd: never a failure of the service's own."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.sim.signing import CMS, ECS, SLB, HandSigned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sim.simulator import RunningSimulator

SDKS = {CMS: "alibabacloud_cms20190101", ECS: "alibabacloud_ecs20140526", SLB: "alibabacloud_slb20140515"}
ABSURD = ("", "[", "[" * 3000, "{}", '{"a":NaN}', "-1", "9" * 30, "٣", "a,b")
#: An answer of the service; anything else would be its failure.
ANSWERS = range(200, 500)


@pytest.fixture
def call(stepped: RunningSimulator) -> Iterator[HandSigned]:
    """A client that signs by hand."""
    with HandSigned(stepped.address) as client:
        yield client


def known_actions(version: str) -> dict[str, list[str]]:
    """Return the actions that the SDK knows with the names of their plain parameters."""
    models: Any = importlib.import_module(f"{SDKS[version]}.models")
    requests = {name.removesuffix("Request"): getattr(models, name) for name in dir(models) if name.endswith("Request")}
    return {action: parameter_names(model) for action, model in requests.items()}


def parameter_names(model: Any) -> list[str]:
    """Return the wire names of a request model, as its own code spells them."""
    source = model.from_map.__code__.co_consts
    return [name for name in source if isinstance(name, str) and re.fullmatch(r"[A-Z][A-Za-z]*", name)]


@pytest.mark.parametrize("version", sorted(SDKS))
def test_no_parameter_breaks_a_call(call: HandSigned, version: str) -> None:
    """Each parameter of each call is sent with each absurd value; every answer is an answer."""
    broken = []
    for action, names in known_actions(version).items():
        if call.rpc(version, action).code == "InvalidAction.NotFound":
            continue
        for value in ABSURD:
            answer = call.rpc(version, action, **dict.fromkeys(names, value))
            broken += [(action, value[:10], answer.status)] if answer.status not in ANSWERS else []
        for name in names:
            answer = call.rpc(version, action, **{name: ""})
            broken += [(action, name, answer.status)] if answer.status not in ANSWERS else []
    assert broken == []
