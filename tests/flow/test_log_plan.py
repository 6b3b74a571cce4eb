"""From lines of access logs to slots of the plan: the log of a group decides when its servers are touched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.flow.operators import Operator, until
from tests.flow.test_cli_plan import PLAYBOOK, RULE, rows
from tests.flow.test_restart import WORLD

SHANGHAI = ZoneInfo("Asia/Shanghai")
QUIET = {"web": 4, "shop": 13}
SERVERS = {"i-bp1web01": "web", "i-bp1web02": "shop", "i-bp1test1": "other"}


def lines(quiet: int) -> Iterator[str]:
    """Yield eight days of requests: one in each quarter of the quiet hour, and nine in every other."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    for number in range(8 * 96, 0, -1):
        moment = (now - number * timedelta(minutes=15)).astimezone(SHANGHAI)
        line = f'192.0.2.1 - - [{moment:%d/%b/%Y:%H:%M:%S %z}] "GET /pay HTTP/1.1" 200 168 "-" "-"\n'
        yield line * (1 if moment.hour == quiet else 9)


def test_a_followed_log_decides_when_its_group_is_touched(at_hand: Operator) -> None:
    """Each group in the hour in which its own log is quiet, a group without a log as early as can be, each with why."""
    (at_hand.folder / "playbooks").mkdir()
    (at_hand.folder / "playbooks" / "sit_still.py").write_text(PLAYBOOK, encoding="utf-8")
    for group, quiet in QUIET.items():
        (at_hand.folder / f"{group}.log").write_text("".join(lines(quiet)), encoding="utf-8")
    metric = {"name": "requests", "measures": ["countps() as qps"]}
    logs = [
        {
            "name": f"{group}-access",
            "group": f"tag:team={group}",
            "files": [f"{group}.log"],
            "format": "combined",
            "metrics": [metric],
        }
        for group in QUIET
    ]
    more = {"rules": [RULE], "extensions": {"folders": ["playbooks"]}, "logs": logs}
    at_hand.settings(account={"group_by": "tag:team"}, **more)
    instances = [
        {"id": server, "region": "cn-hangzhou", "status": "Running", "name": server, "tags": {"team": team}}
        for server, team in SERVERS.items()
    ]
    at_hand.simulator.world({**WORLD, "alibaba": {**WORLD["alibaba"], "instances": instances}})
    at_hand.done("rules", "promote", "maintain")
    at_hand.done("logs", "follow", "--once")
    assert "usual traffic is known from log web-access/requests" in at_hand("check").stdout
    at_hand.simulator.chaos("maintenance_event", *SERVERS, in_seconds=3 * 86_400)
    with at_hand.worker():
        until(lambda: len([one for one in rows(at_hand).values() if one["begin"]]) == 3, 90, "three slots")
        plan = {SERVERS[server]: one for server, one in rows(at_hand).items()}
    assert {row["group"] for row in plan.values()} == {f"tag:team={one}" for one in SERVERS.values()}
    begins = {one: datetime.fromisoformat(row["begin"]).astimezone(SHANGHAI) for one, row in plan.items()}
    assert {one: begins[one].hour for one in QUIET} == QUIET
    assert begins["other"] == min(begins.values())
    for one in QUIET:
        assert "little traffic: 12% of the mean" in plan[one]["why"] or "little traffic: 11% of" in plan[one]["why"]
    assert "the earliest time that is left" in plan["other"]["why"]
    mistaken = {**more, "logs": [{**logs[0], "group": "web"}]}
    at_hand.settings(account={"group_by": "tag:team"}, **mistaken)
    assert "no server is in the group web" in at_hand("check").stdout
    at_hand.settings(account={"group_by": "tag:team"}, **more, language="zh")
    assert "流量低：为平均值的 " in "".join(one["why"] for one in rows(at_hand).values())
