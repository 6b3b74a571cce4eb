"""The rules of `examples/06-bring-back`, held against what they are for."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cloudheal.app import rules_of
from cloudheal.model.resource import ResourceId
from cloudheal.settings import load_settings
from cloudheal.testing import FakeCloud, Scene, message
from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "06-bring-back" / "cloudheal.yaml"
WEB = "i-web"
#: YAML reads a bare `on` as true; whoever reads settings knows that.
_TEXT = EXAMPLE.read_text(encoding="utf-8").replace("desired: on", "desired: 'on'")
RULES: list[dict[str, Any]] = yaml.safe_load(_TEXT)["rules"]


def told(cloud: FakeCloud, web: ResourceId, type_: str) -> bytes:
    """Return the message that something of a type befell a server."""
    if type_ == "Agent_Status_Stopped":
        return cloud.loses_contact(web)
    if type_.startswith("Instance:"):
        return cloud.maintenance.fails(web, type_.partition(":")[2])
    content = {"situation": type_.rpartition(":")[2]}
    return message(web, type_, content, cloud.clock.now(), "1")


def test_the_example_is_read_without_a_finding() -> None:
    """Both accounts and every rule are understood."""
    settings = load_settings(EXAMPLE)
    assert [str(one.cloud) for one in settings.accounts] == ["alibaba", "tencent"]
    assert [*rules_of(settings).rules] == [one["name"] for one in RULES]


@pytest.mark.parametrize(
    ("type_", "code"),
    [
        ("Agent_Status_Stopped", "restored"),
        ("cvm:ErrorEvent:PingUnreachable", "restored"),
        ("Instance:InstanceFailure.Reboot", "restored"),
        ("cvm:ErrorEvent:GuestReboot", "restored"),
        ("cvm:ErrorEvent:GuestOom", "restored"),
        ("cvm:ErrorEvent:NfctTableFull", "restored"),
        ("cvm:ErrorEvent:DiskReadonly", "left_to_people"),
    ],
)
def test_each_trouble_comes_to_its_end(type_: str, code: str) -> None:
    """Mended, or told to people with what was found."""
    cloud = FakeCloud()
    web = cloud.server(WEB, tags={"app": "shop"})
    seen = Scene(cloud, rules=RULES, events=[told(cloud, web, type_)]).play()
    assert seen.evidence[WEB]["code"] == code
    survived = ("failure.survived",) if type_.startswith("Instance:") else ()
    assert seen.notices == (survived if code == "restored" else ("incident.not_healed",))
