"""The usual stage on Tencent Cloud: ten servers that each run a process, whose alarms are pushed to the handler.

EventBridge cannot sign, so the door is a secret path, as an operator would have it. The process is not begun at boot:
after an outage it is the handler that brings it back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cloudheal.drills.stage.door import SENDER, VARIABLE, Door

REGION, ZONE, ACCOUNT = "ap-guangzhou", "ap-guangzhou-6", "100000000001"
WEBS = tuple(f"ins-stage{number:03}" for number in range(1, 11))
#: What every server is there for.
PROCESS = "shopd"
_PROD = {"env": "prod"}

RULES: Sequence[Mapping[str, Any]] = (
    {
        "name": "restore-after-ping-loss",
        "when": {"source": ["tencent.cvm"], "type": ["cvm:ErrorEvent:PingUnreachable"]},
        "resources": {"tags": {"env": ["prod"]}},
        "desired": "on",
        "playbook": "restore_after_ping_loss",
        "with": {
            "check": f"pgrep -x {PROCESS}",
            "start": f"nohup {PROCESS} >/dev/null 2>&1 &",
            "verify": f"pgrep -x {PROCESS}",
            "reboot": "force",  # a system that hangs does not hear of being shut down
            "reboot_after": "20s",
        },
        "mode": "auto",
    },
)


def world(names: Mapping[str, str], door: Door) -> dict[str, Any]:
    """Return the part of the world document, with these servers by id and name."""
    process = {"name": PROCESS, "starts_at_boot": False}
    return {
        "instances": [
            {
                "id": id_,
                "name": name,
                "region": REGION,
                "zone": ZONE,
                "status": "RUNNING",
                "tags": _PROD,
                "guest": {"processes": [process]},
            }
            for id_, name in names.items()
        ],
        "event_rules": [
            {
                "name": "alarms",
                "pattern": {"source": ["cvm.cloud.tencent"]},
                "targets": [{"type": "webhook", "url": door.url}],
            }
        ],
    }


def usual_names(servers: Sequence[str]) -> dict[str, str]:
    """Name the usual servers, and those that a drill is about besides."""
    ids = [*WEBS, *(one for one in servers if one not in WEBS)]
    return {id_: f"web-{number:02}" for number, id_ in enumerate(ids, 1)}


def account(name: str, url: str) -> dict[str, Any]:
    """Return the account in the settings document."""
    return {
        "name": name,
        "cloud": "tencent",
        "id": ACCOUNT,
        "regions": [REGION],
        "endpoint": url,
        "calls_per_second": 1000,
    }


def listen(door: Door) -> dict[str, Any]:
    """Return how the handler listens."""
    return {"port": door.port, "sources": [{"name": SENDER, "proof": "path", "secret_env": VARIABLE}]}


def settings(url: str, folder: Path, language: str, door: Door) -> dict[str, Any]:
    """Return the settings document of the handler, without its rules."""
    return {
        "accounts": [account("stage", url)],
        "database": f"sqlite:///{folder / 'cloudheal.db'}",
        "language": language,
        "timezone": "Asia/Shanghai",
        "clock": {"follow": url},
        "settle_seconds": 1,
        "listen": listen(door),
        "poll": {"sweep": "1d", "system_events": None},
    }
