"""The event rule for Tencent Cloud: what the rules use comes in every spelling, and `setup` writes it once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudheal.cli import main
from cloudheal.clouds.tencent.event_rule import pattern_of
from cloudheal.clouds.tencent.names import PHASES, SITUATIONS, TASKS, spellings_of
from cloudheal.decide.pattern import compiled
from cloudheal.errors import SettingsError
from cloudheal.settings.rules import Rule
from tests.unit.test_tencent_events import CLOUD_EVENT, read

PING = "cvm:ErrorEvent:PingUnreachable"
ACCOUNT = {"name": "prod", "cloud": "tencent", "id": "100000000001", "regions": ["ap-shanghai"]}
ON_PING: dict[str, Any] = {
    "name": "ping",
    "when": {"type": [PING]},
    "resources": {"all": True},
    "playbook": "restore_after_ping_loss",
    "with": {"command": "true"},
}


def rule(name: str = "ping", **when: Any) -> Rule:
    """Return a rule with this pattern."""
    return Rule.model_validate({**ON_PING, "name": name, "when": when})


def lets_through(rules: list[Rule], type_: str, source: str = "cvm.cloud.tencent") -> bool:
    """Say whether an event as it is delivered matches the pattern that is exported."""
    return compiled(pattern_of(rules)).matches({**CLOUD_EVENT, "type": type_, "source": source})


@pytest.mark.parametrize("spelling", ["PingUnreachable", "ping_unreachable"])
def test_every_spelling_of_a_lost_ping_is_let_through(spelling: str) -> None:
    """The vendor compares letter by letter; an unrelated type, class or product is not let through."""
    rules = [rule(source=["tencent.cvm"], type=[PING])]
    assert lets_through(rules, f"cvm:ErrorEvent:{spelling}")
    for other in ("cvm:ErrorEvent:GuestOom", "cvm:CloudEvent:ApiCall", "cdb:ErrorEvent:PingUnreachable"):
        assert not lets_through(rules, other)
    assert not lets_through(rules, f"cvm:ErrorEvent:{spelling}", "cdb.cloud.tencent")


@pytest.mark.parametrize(
    ("situation", "spelling"),
    [
        ("GuestOom", "guest_oom"),
        ("CvmPacketDropedByQosConnectionSession", "cvm_packet_droped_by_qos_connection_session"),
        ("CvmPacketDropedByQosConnectionSession", "PacketDroppedByQosConnectionSession"),
        ("CvmPacketDropedByQosWanOutBandwidth", "cvm_packet_droped_by_qos_wan_out_bandwidth"),
        ("CvmPacketDropedByQosWanOutBandwidth", "PacketDroppedByQosWanOutBandwidth"),
        ("InstanceRestarted", "GuestRestarted_HostFailure"),
        ("InstanceRestarting", "GuestScheduledToRestart"),
        ("NvmeError", "nvme_error"),
    ],
)
def test_older_spellings_and_misspellings_are_let_through(situation: str, spelling: str) -> None:
    """Each of them comes out as the type that the rule names."""
    type_ = f"cvm:ErrorEvent:{spelling}"
    assert lets_through([rule(type=[f"cvm:ErrorEvent:{situation}"])], type_)
    assert read(CLOUD_EVENT, type=type_).type == f"cvm:ErrorEvent:{situation}"


@pytest.mark.parametrize("situation", [*SITUATIONS, *(f"{task}{phase}" for task in TASKS.values() for phase in PHASES)])
def test_every_spelling_that_is_exported_means_the_same(situation: str) -> None:
    """What the rule lets through is read back as what it was exported for, in each spelling."""
    for spelling in spellings_of(situation):
        assert read(CLOUD_EVENT, type=f"cvm:ErrorEvent:{spelling}").data["situation"] == situation


@pytest.mark.parametrize("rules", [[rule(type=[PING])], [rule(source=["alibaba.ecs"])], []], ids=len)
def test_repair_tasks_are_let_through_whatever_the_rules_use(rules: list[Rule]) -> None:
    """The planner and the report hear of each phase."""
    for task in TASKS.values():
        for phase in PHASES:
            assert lets_through(rules, f"cvm:ErrorEvent:{task}{phase}")


@pytest.mark.parametrize(
    "rules",
    [
        [rule(source=["tencent.cvm"])],
        [rule(type=[PING]), rule("any", status=["1"])],
        [rule(source=["alibaba.ecs"], type=["Instance:StateChange"])],
        [rule(type=["Instance:StateChange"])],
    ],
    ids=["no type", "one of two names none", "of another cloud by source", "of another cloud by type"],
)
def test_every_alarm_is_let_through_when_no_type_is_named(rules: list[Rule]) -> None:
    """What a rule without a type may want is decided by the rule; what nobody asked for is still recorded."""
    for situation in (*SITUATIONS, "SomethingNew"):
        assert lets_through(rules, f"cvm:ErrorEvent:{situation}")
    assert not lets_through(rules, "cvm:CloudEvent:ApiCall")


def test_operators_for_the_type_are_told_in_every_spelling() -> None:
    """A prefix, a suffix and an exception choose among the types that are known, and a new one may still come."""
    begins = [rule(type=[{"prefix": "cvm:ErrorEvent:Guest"}])]
    assert lets_through(begins, "cvm:ErrorEvent:guest_reboot")
    assert lets_through(begins, "cvm:ErrorEvent:GuestSomethingNew")
    assert not lets_through(begins, PING)
    ends = [rule(type=[{"suffix": "Readonly"}])]
    assert lets_through(ends, "cvm:ErrorEvent:disk_readonly")
    but = [rule(source=["tencent.cvm"], type=[{"anything-but": [PING]}])]
    assert lets_through(but, "cvm:ErrorEvent:guest_oom")
    assert not lets_through(but, "cvm:ErrorEvent:ping_unreachable")


def test_a_type_that_is_not_known_is_told_as_it_is_written() -> None:
    """The vendor may have types that this version has never heard of."""
    assert lets_through([rule(type=["cvm:OperationEvent:InstancePowerOff"])], "cvm:OperationEvent:InstancePowerOff")
    assert lets_through([rule(type=["cvm:ErrorEvent:SomethingNew"])], "cvm:ErrorEvent:SomethingNew")


@pytest.mark.parametrize("operator", [{"exists": True}, {"numeric": [">", 0]}, {"equals-ignore-case": PING}], ids=str)
def test_an_operator_that_the_vendor_does_not_document_is_refused_by_the_name_of_its_rule(
    operator: dict[str, Any],
) -> None:
    """A rule that might match nothing over there is told at the desk."""
    with pytest.raises(SettingsError, match=rf"rules\.odd\.when\.type: .*documents no {next(iter(operator))}"):
        pattern_of([rule(type=[PING]), rule("odd", source=["tencent.cvm"], type=[PING, operator])])


def test_what_stays_here_may_use_any_operator() -> None:
    """Only types are told to the vendor, so that a rule's other fields may ask what the vendor could not."""
    rules = [rule(type=[PING], data={"projectId": [{"exists": True}]})]
    assert lets_through(rules, "cvm:ErrorEvent:ping_unreachable")


def setup(folder: Path, monkeypatch: pytest.MonkeyPatch, *accounts: dict[str, Any], language: str = "en") -> int:
    """Run `setup tencent` without any key; returns its exit code."""
    document = {"accounts": list(accounts), "language": language, "rules": [ON_PING]}
    (folder / "cloudheal.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["cloudheal", "setup", "tencent", "-o", "rules"])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_setup_writes_a_rule_without_batch_delivery_and_a_second_time_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bodies of both calls with the pattern as text and as one reads it, and what is left to do by hand."""
    assert setup(tmp_path, monkeypatch, ACCOUNT) == 0
    first = capsys.readouterr().out
    assert "+  rules/event-rule.json: written" in first
    assert "Nothing was asked of the cloud" in first
    assert "a function `cloudheal`" in first
    file = tmp_path / "rules" / "event-rule.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    assert json.loads(document["CreateRule"]["EventPattern"]) == document["pattern"]
    assert document["CreateTarget"]["Type"] == "scf"
    assert document["CreateTarget"]["TargetDescription"] == {
        "ResourceDescription": "qcs::scf:ap-guangzhou:uin/100000000001:namespace/default/function/cloudheal/$LATEST",
        "SCFParams": {"EnableBatchDelivery": False},
    }
    before = file.stat().st_mtime_ns
    assert setup(tmp_path, monkeypatch, ACCOUNT) == 0
    assert "=  rules/event-rule.json: as it should be" in capsys.readouterr().out
    assert file.stat().st_mtime_ns == before


def test_each_account_has_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Accounts of the other cloud have none; the operator is told in Chinese where the settings say so."""
    alibaba = {"name": "a", "cloud": "alibaba", "id": "1000000000000001", "regions": ["cn-hangzhou"]}
    second = {**ACCOUNT, "name": "test", "id": "100000000002"}
    assert setup(tmp_path, monkeypatch, ACCOUNT, alibaba, second, language="zh") == 0
    names = sorted(one.name for one in (tmp_path / "rules").iterdir())
    assert names == ["event-rule-100000000001.json", "event-rule-100000000002.json"]
    assert "未向云端发出任何请求" in capsys.readouterr().out


def test_settings_without_an_account_of_the_cloud_are_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written, and the exit code says it."""
    alibaba = {"name": "a", "cloud": "alibaba", "id": "1000000000000001", "regions": ["cn-hangzhou"]}
    assert setup(tmp_path, monkeypatch, alibaba) == 2
    assert "no account of Tencent Cloud" in capsys.readouterr().err
    assert not (tmp_path / "rules").exists()
