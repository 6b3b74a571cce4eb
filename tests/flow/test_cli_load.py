"""What an operator sees of usual traffic: whether it can be used, and what it needs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.flow.operators import Operator

METRIC = {"region": "cn-hangzhou", "namespace": "acs_ecs_dashboard", "name": "cpu_total"}


def found(at_hand: Operator, code: str) -> dict[str, Any]:
    """Return a finding of a check that finds no error."""
    rows = {one["code"]: one for one in json.loads(at_hand.done("check", "--json"))}
    return dict(rows[code])


def test_check_says_whether_traffic_can_be_used_and_it_is_no_error(at_hand: Operator) -> None:
    """A file that is not there, one that is broken, one that is fine: a warning, a warning with the line, ok."""
    at_hand.done("setup", "alibaba", "--yes")
    path = at_hand.folder / "traffic.csv"
    at_hand.settings(maintenance={"load": {"file": "traffic.csv"}})
    missing = found(at_hand, "load.bad")
    assert "it cannot be read (the file cannot be read: No such file or directory)" in missing["finding"]
    path.write_text("time,load\nnonsense\n", encoding="utf-8")
    broken = found(at_hand, "load.bad")
    assert (broken["level"], "line 2: expected time,load" in broken["finding"]) == ("warning", True)
    now = datetime.now(UTC)
    lines = [f"{(now - number * timedelta(minutes=15)).isoformat()},{number % 7}" for number in range(700)]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert "usual traffic is known from" in found(at_hand, "load.ok")["finding"]
    at_hand.settings(maintenance={"load": {"file": "traffic.csv"}}, language="zh")
    assert "通常的流量" in found(at_hand, "load.ok")["finding"]


def test_the_policy_allows_the_metric_only_where_it_is_asked_for(at_hand: Operator) -> None:
    """By RAM's own name for the call; an account that is not listed is a mistake of the settings."""
    assert "cms:QueryMetricList" not in at_hand.done("policy")
    at_hand.settings(maintenance={"load": {"metric": METRIC}})
    assert "cms:QueryMetricList" in at_hand.done("policy")
    at_hand.settings(maintenance={"load": {"metric": {**METRIC, "account": "other"}}})
    assert at_hand("run", "--once").returncode == 2
