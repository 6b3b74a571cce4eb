"""The demo's world: two hundred servers on two clouds, and the settings of the engine for them.

One cloud tells of them by a queue, the other pushes to the engine's own door.
"""

from __future__ import annotations

from cloudheal.demo.scenes import BEGIN, ON_TENCENT, SCENES
from cloudheal.drills.stage import tencent_fleet
from cloudheal.drills.stage.door import Door
from cloudheal.model.resource import Cloud

REGION = "cn-hangzhou"
ACCOUNT = "1000000000000001"
QUEUE = "ecs-cms-event"
PROD = {"env": "prod"}
RULES = ("restart-unexpected-stop", "leave-the-balancer-before-spot-release", "restore-after-ping-loss")
GROUP, BALANCER = "rsp-demo0001", "lb-demo0001"
PEERS = ("i-bp1demoweb20", "i-bp1demoweb21")
CHECK = {"interval": 1, "healthy_threshold": 1, "unhealthy_threshold": 1}
SIZE = 200
#: What goes wrong beside the servers: doubled events, and a cloud that throttles every fourth call.
FAULTS = [
    {"name": "doubled", "service": "cms", "probability": 0.3, "fault": "duplicated-event"},
    {"name": "throttled", "service": "ecs", "every": 4, "fault": "throttle"},
]


def world(door: Door) -> dict[str, object]:
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
        if one.cloud is Cloud.ALIBABA
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
        "now": BEGIN.isoformat(),
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
            "durations": {"starting": 2, "stopping": 1},
        },
        "tencent": tencent_fleet.world({one.id: one.name for one in ON_TENCENT}, door),
    }


def settings(url: str, database: str, language: str, door: Door) -> dict[str, object]:
    """Return the settings file of the demo's engine; its time is the simulator's."""
    return {
        "accounts": [
            {
                "name": "demo",
                "cloud": "alibaba",
                "id": ACCOUNT,
                "regions": [REGION],
                "endpoint": url,
                "queue": {"endpoint": url, "name": QUEUE, "wait_seconds": 30},
            },
            tencent_fleet.account("demo-2", url),
        ],
        "listen": tencent_fleet.listen(door),
        "database": database,
        "language": language,
        "timezone": "Asia/Shanghai",
        "clock": {"follow": url},
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
                "with": {"start_timeout": "2m", "backoff": "1s"},
                "mode": "auto",
            },
            {
                "name": RULES[1],
                "when": {"type": ["Instance:PreemptibleInstanceInterruption"]},
                "resources": {"all": True},
                "playbook": "spot_evacuate",
                "with": {"drain": "2s", "replace": True, "healthy_timeout": "30s"},
                "mode": "auto",
            },
            *(dict(one) for one in tencent_fleet.RULES),
        ],
    }
