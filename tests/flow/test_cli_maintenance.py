"""What an operator types about system events: the list, how whole it is, and the permission that it needs."""

from __future__ import annotations

import json

import pytest

from tests.flow.operators import Operator, until

REBOOT = "Instance:SystemMaintenance.Reboot"


@pytest.fixture
def operator(at_hand: Operator) -> Operator:
    """Commands run in this process."""
    return at_hand


def test_planned_maintenance_is_listed_in_both_languages(operator: Operator) -> None:
    """A worker hears of it; the list shows it until it is over, narrowed as asked, and in the operator's zone."""
    operator.done("setup", "alibaba", "--yes")
    servers = [one["id"] for one in operator.simulator.control("GET", "world")["alibaba"]["instances"]]
    operator.simulator.chaos("maintenance_event", servers[0], in_seconds=7200)
    with operator.worker():
        until(lambda: operator("maintenance").returncode == 0 and servers[0] in operator.done("maintenance"), 60)
    listed = operator.json("maintenance")
    (event,) = listed["events"]
    assert (event["type"], event["status"], event["resource"]) == (REBOOT, "Scheduled", servers[0])
    assert event["not_before"].endswith("+08:00")
    assert set(event["channels"]) <= {"queue", "poll"}
    (region,) = listed["regions"]
    assert (region["region"], region["whole"], region["outcome"]) == ("cn-hangzhou", True, "")
    assert operator.json("maintenance", "--type", "Failure")["events"] == []
    assert operator.json("maintenance", "--resource", servers[0], "--all")["events"] == [event]
    operator.settings(language="zh")
    shown = operator.done("maintenance")
    assert "系统事件" in shown
    assert "计划开始" in shown


def test_what_was_not_read_whole_is_never_none(operator: Operator) -> None:
    """Before the first reading, and after one that broke off: the place is named, and scripts see an exit code."""
    before = operator("maintenance")
    assert before.returncode == 1
    assert "INCOMPLETE: cn-hangzhou" in before.stdout
    assert "Nothing found" not in before.stdout
    fault = {
        "action": "DescribeInstanceHistoryEvents",
        "fault": {"kind": "error", "status": 403, "code": "Forbidden.RAM"},
    }
    operator.simulator.control("PUT", "faults", [fault])
    with operator.worker():
        until(lambda: "Forbidden.RAM" in operator("maintenance").stdout, 60)
    broken = operator("maintenance")
    assert broken.returncode == 1
    assert "broke off" in broken.stdout
    assert "Nothing found" not in broken.stdout
    told = json.loads(operator("maintenance", "--json").stdout)
    assert [(one["whole"], one["outcome"]) for one in told["regions"]] == [(False, "Forbidden.RAM")]
    operator.settings(language="zh")
    assert "不完整" in operator("maintenance").stdout


def test_who_does_not_look_is_told_nothing_of_it(operator: Operator) -> None:
    """`poll.system_events: null`: messages only; nothing is incomplete, and no permission is asked for."""
    operator.settings(poll={"system_events": None})
    assert operator("maintenance").returncode == 0
    assert "DescribeInstanceHistoryEvents" not in operator.done("policy")


def test_the_permission_is_in_the_policy_and_tried_by_check(operator: Operator) -> None:
    """Without it the list is incomplete for ever, so `check` says so beforehand, region by region."""
    permission = "ecs:DescribeInstanceHistoryEvents"
    assert permission in operator.done("policy")
    operator.done("setup", "alibaba", "--yes")

    def found(code: str) -> list[str]:
        return [row["finding"] for row in operator.json("check") if row["code"] == code]

    assert any(permission in one for one in found("permission.ok"))
    fault = {
        "action": "DescribeInstanceHistoryEvents",
        "fault": {"kind": "error", "status": 403, "code": "Forbidden.RAM"},
    }
    operator.simulator.control("PUT", "faults", [fault])
    assert [one for one in found("permission.missing") if permission in one]


def test_a_rule_that_checks_failures_needs_reads_only(operator: Operator) -> None:
    """The policy of `check_after_failure` holds no call that changes a server."""
    rule = {
        "name": "after-failures",
        "when": {"type": ["Instance:SystemFailure.Reboot"]},
        "resources": {"all": True},
        "playbook": "check_after_failure",
        "mode": "auto",
    }
    operator.settings(rules=[rule])
    actions = [action for one in json.loads(operator.done("policy"))["Statement"] for action in one["Action"]]
    assert {"ecs:DescribeInstanceHistoryEvents", "ecs:DescribeInstancesFullStatus"} <= set(actions)
    assert not [one for one in actions if one.startswith("ecs:") and not one.startswith("ecs:Describe")]
