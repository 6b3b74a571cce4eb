"""The demo's world: a small web tier behind a balancer, one spot instance in it, and a queue that hears of them."""

from __future__ import annotations

REGION = "cn-hangzhou"
QUEUE = "ecs-cms-event"
GROUP = "rsp-demo0001"
STOPPED = "i-bp1demoweb02"
SPOT = "i-bp1demospot1"

_SERVERS = {
    "i-bp1demoweb01": "web-01",
    STOPPED: "web-02",
    "i-bp1demoweb03": "web-03",
    SPOT: "spot-01",
}


def world() -> dict[str, object]:
    """Return the world document that the simulator starts with."""
    instances = [
        {"id": id_, "name": name, "region": REGION, "status": "Running", "tags": {"env": "prod"}, "spot": id_ == SPOT}
        for id_, name in _SERVERS.items()
    ]
    backends = [{"server_id": id_, "port": 80, "weight": 100} for id_ in _SERVERS]
    return {
        "regions": [REGION],
        "alibaba": {
            "instances": instances,
            "server_groups": [{"id": GROUP, "load_balancer": "lb-demo0001", "name": "web", "backends": backends}],
            "queues": [{"name": QUEUE, "visibility_timeout": 30}],
            "event_rules": [
                {
                    "name": "demo",
                    "pattern": {"product": "ECS", "names": ["*"]},
                    "targets": [{"mns": {"queue": QUEUE, "region": REGION}}],
                }
            ],
            "durations": {"starting": 3, "stopping": 2},
        },
    }
