"""The demo's world: two hundred servers, a queue that hears of them, and what will happen to ten of them tonight."""

from __future__ import annotations

from dataclasses import dataclass

REGION = "cn-hangzhou"
ACCOUNT = "1000000000000001"
QUEUE = "ecs-cms-event"
PROD = {"env": "prod"}
RULES = ("restart-unexpected-stop", "leave-the-balancer-before-spot-release")
GROUP, BALANCER = "rsp-demo0001", "lb-demo0001"
PEERS = ("i-bp1demoweb20", "i-bp1demoweb21")
CHECK = {"interval": 1, "healthy_threshold": 1, "unhealthy_threshold": 1}
SIZE = 200


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens to one server, and how it must end: verdict and code, or the reason for which it is left alone."""

    id: str
    name: str
    happens: str
    verdict: str
    code: str
    tags: tuple[tuple[str, str], ...] = (("env", "prod"),)


SCENES = (
    Scene("i-bp1demoweb02", "web-02", "power_off", "healed", "running"),
    Scene("i-bp1demoweb05", "web-05", "power_off", "healed", "running"),
    Scene("i-bp1demoweb07", "web-07", "power_off", "healed", "running"),
    Scene("i-bp1demoapi01", "api-01", "power_off", "healed", "running"),
    Scene("i-bp1demobatch", "batch-01", "fail_start", "not healed", "attempts_used"),
    Scene("i-bp1demoexpir", "old-01", "expire", "not needed", "locked.financial"),
    Scene("i-bp1demodb001", "db-01", "stopped_by_hand", "waiting", "held"),
    Scene("i-bp1demospot1", "spot-01", "reclaim", "healed", "evacuated"),
    Scene("i-bp1demotest1", "test-01", "power_off", "left alone", "not_selected", ()),
)


def world() -> dict[str, object]:
    """Return the world document that the simulator starts with."""
    cast = [
        {
            "id": one.id,
            "name": one.name,
            "region": REGION,
            "status": "Running",
            "tags": dict(one.tags),
            "spot": one.happens == "reclaim",
        }
        for one in SCENES
    ]
    members = [one.id for one in SCENES if one.happens == "reclaim"] + list(PEERS)
    peers = [{"id": id_, "name": id_[-6:], "region": REGION, "status": "Running", "tags": PROD} for id_ in PEERS]
    crowd = {
        "count": SIZE - len(SCENES) - len(PEERS),
        "prefix": "i-bp1demo",
        "region": REGION,
        "status": "Running",
        "tags": PROD,
    }
    return {
        "regions": [REGION],
        "alibaba": {
            "instances": [*cast, *peers, crowd],
            "server_groups": [
                {
                    "id": GROUP,
                    "load_balancer": BALANCER,
                    "backends": [{"server_id": id_, "port": 80, "weight": 100} for id_ in members],
                }
            ],
            "listeners": [{"load_balancer": BALANCER, "port": 80, "server_group": GROUP, **CHECK}],
            "queues": [{"name": QUEUE, "visibility_timeout": 5}],
            "event_rules": [
                {
                    "name": "demo",
                    "pattern": {"product": "ECS", "names": ["*"]},
                    "targets": [{"mns": {"queue": QUEUE, "region": REGION}}],
                }
            ],
            "durations": {"starting": 3, "stopping": 1},
        },
    }


def settings(url: str, database: str, language: str) -> dict[str, object]:
    """Return the settings file of the demo's engine."""
    return {
        "accounts": [
            {
                "name": "demo",
                "cloud": "alibaba",
                "id": ACCOUNT,
                "regions": [REGION],
                "endpoint": url,
                "queue": {"endpoint": url, "name": QUEUE, "wait_seconds": 1},
            }
        ],
        "database": database,
        "language": language,
        "lease_seconds": 2,
        "settle_seconds": 1,
        "rules": [
            {
                "name": RULES[0],
                "when": {
                    "source": ["alibaba.ecs"],
                    "type": ["Instance:StateChange"],
                    "data": {"state": ["Stopped"]},
                },
                "resources": {"tags": {"env": ["prod"]}},
                "desired": "on",
                "playbook": "restart_stopped",
                "with": {"start_timeout": "30s"},
                "mode": "auto",
                "limits": {"cool_down": "1s", "at_once": 4, "share": 1.0},
            },
            {
                "name": RULES[1],
                "when": {"type": ["Instance:PreemptibleInstanceInterruption"]},
                "resources": {"all": True},
                "playbook": "spot_evacuate",
                "with": {"drain": "2s", "replace": True, "healthy_timeout": "30s"},
                "mode": "auto",
            },
        ],
    }


#: What goes wrong beside the servers: doubled events, and a cloud that throttles every fourth call.
FAULTS = [
    {"name": "doubled", "service": "cms", "probability": 0.3, "fault": "duplicated-event"},
    {"name": "throttled", "service": "ecs", "every": 4, "fault": "throttle"},
]
