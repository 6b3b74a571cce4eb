"""The usual stage: a small shop of seven servers behind a balancer, a queue that hears of them, and a handler for it.

That is on Alibaba Cloud; for the one on Tencent Cloud see `tencent_fleet`. Everything takes seconds, so that a drill
waits for nothing that it does not look at. What a scenario says of its stage goes before what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cloudheal.drills.scenario import Scenario
from cloudheal.drills.stage import tencent_fleet
from cloudheal.drills.stage.door import NO_DOOR, Door
from cloudheal.model.resource import Cloud
from cloudheal.settings.rules import Rule, RuleFile

REGION, ACCOUNT, QUEUE = "cn-hangzhou", "1000000000000001", "ecs-cms-event"
_GROUP, _BALANCER = "rsp-bp1shop", "lb-bp1shop"
_PROD = {"env": "prod"}
_CHECK = {"interval": 1, "healthy_threshold": 1, "unhealthy_threshold": 1}
WEBS = tuple(f"i-bp1web{number:02}" for number in range(1, 7))
SPOT = "i-bp2spot01"

_RULES: Sequence[Mapping[str, Any]] = (
    {
        "name": "restart-unexpected-stop",
        "when": {"source": ["alibaba.ecs"], "type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
        "resources": {"tags": {"env": ["prod"]}},
        "desired": "on",
        "playbook": "restart_stopped",
        "with": {"start_timeout": "2m", "backoff": "1s"},
        "mode": "auto",
    },
    {
        "name": "leave-the-balancer-before-spot-release",
        "when": {"type": ["Instance:PreemptibleInstanceInterruption"]},
        "resources": {"all": True},
        "playbook": "spot_evacuate",
        "with": {"drain": "1s", "replace": True, "healthy_timeout": "30s"},
        "mode": "auto",
    },
    {
        "name": "planned-reboots",
        "when": {"type": ["Instance:SystemMaintenance.Reboot"], "status": ["Scheduled"]},
        "resources": {"tags": {"env": ["prod"]}},
        "playbook": "reboot_in_window",
        "with": {"drain": "1s"},
        "mode": "auto",
    },
    {
        "name": "after-failures",
        "when": {"type": [{"prefix": "Instance:SystemFailure."}, "Instance:InstanceFailure.Reboot"]},
        "resources": {"all": True},
        "playbook": "check_after_failure",
        "mode": "auto",
    },
    {
        "name": "ask-about-the-rest",
        "when": {"type": [{"prefix": "Instance:SystemMaintenance."}]},
        "resources": {"all": True},
        "playbook": "ask_about_event",
        "mode": "auto",
    },
)


def usual_rules(cloud: Cloud = Cloud.ALIBABA) -> list[Rule]:
    """Return the rules of the usual stage."""
    return list(RuleFile.model_validate({"rules": list(_rules(cloud))}).rules)


def world_of(scenario: Scenario, door: Door = NO_DOOR) -> dict[str, Any]:
    """Return the world document of a scenario's stage; `door` is where a cloud without a queue pushes to."""
    on_tencent = scenario.stage.cloud is Cloud.TENCENT
    usual = tencent_fleet.world(tencent_fleet.usual_names(scenario.targets.ids), door) if on_tencent else _usual_world()
    regions = {} if on_tencent else {"regions": [REGION]}
    now = scenario.stage.now.isoformat()
    return {"now": now, **regions, scenario.stage.cloud.value: {**usual, **scenario.stage.world}}


def settings_of(scenario: Scenario, url: str, folder: Path, language: str, door: Door = NO_DOOR) -> dict[str, Any]:
    """Return the settings document of the handler of a scenario's stage."""
    stage = scenario.stage
    rules = _rules(stage.cloud) if stage.rules is None else _plain(stage.rules)
    on_tencent = stage.cloud is Cloud.TENCENT
    usual = (
        tencent_fleet.settings(url, folder, language, door) if on_tencent else _usual_settings(url, folder, language)
    )
    return {**usual, "rules": [dict(one) for one in rules], **stage.settings}


def _rules(cloud: Cloud) -> Sequence[Mapping[str, Any]]:
    return tencent_fleet.RULES if cloud is Cloud.TENCENT else _RULES


def _plain(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    return [one.model_dump(mode="json", by_alias=True, exclude_unset=True) for one in rules]


def _usual_world() -> dict[str, Any]:
    webs = [
        {"id": id_, "name": f"web-{number:02}", "region": REGION, "status": "Running", "tags": _PROD}
        for number, id_ in enumerate(WEBS, 1)
    ]
    spot = {"id": SPOT, "name": "spot-01", "region": REGION, "status": "Running", "tags": _PROD, "spot": True}
    backends = [{"server_id": id_, "port": 80, "weight": 100} for id_ in (*WEBS, SPOT)]
    return {
        "instances": [*webs, spot],
        "server_groups": [{"id": _GROUP, "load_balancer": _BALANCER, "backends": backends}],
        "listeners": [{"load_balancer": _BALANCER, "port": 80, "server_group": _GROUP, **_CHECK}],
        "queues": [{"name": QUEUE, "visibility_timeout": 5}],
        "event_rules": [
            {
                "name": "drill",
                "pattern": {"product": "ECS", "names": ["*"]},
                "targets": [{"mns": {"queue": QUEUE, "region": REGION}}],
            }
        ],
        "durations": {"starting": 2, "stopping": 1, "rebooting_stopping": 1, "rebooting_starting": 2},
    }


def _usual_settings(url: str, folder: Path, language: str) -> dict[str, Any]:
    return {
        "accounts": [
            {
                "name": "stage",
                "cloud": "alibaba",
                "id": ACCOUNT,
                "regions": [REGION],
                "endpoint": url,
                "calls_per_second": 1000,
                "queue": {"endpoint": url, "name": QUEUE, "wait_seconds": 1},
            }
        ],
        "database": f"sqlite:///{folder / 'cloudheal.db'}",
        "language": language,
        "timezone": "Asia/Shanghai",
        "clock": {"follow": url},
        "settle_seconds": 1,
        # The queue tells everything; a scenario about looks says otherwise.
        "poll": {"sweep": "1d", "system_events": None},
    }
