"""Messages of Tencent Cloud as tests send them, and settings of one account of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cloudheal.settings.schema import Settings
from tests.migrated import migrated

ACCOUNT, APP_ID, REGION = "100000000001", "1250000000", "ap-guangzhou"
CHINA = timezone(timedelta(hours=8))
PING = "cvm:ErrorEvent:PingUnreachable"
RULE: dict[str, Any] = {
    "name": "restore",
    "when": {"type": [PING]},
    "resources": {"all": True},
    "desired": "on",
    "playbook": "restore_after_ping_loss",
    "mode": "auto",
    "with": {"command": "true"},
}
_NUMBERS = itertools.count(1)


def pushed(server: str, status: str, at: datetime, type_: str = PING, id_: str = "", **more: Any) -> bytes:
    """Return an event as EventBridge pushes it; each has an id of its own."""
    event = {
        "specversion": "1.0",
        "id": id_ or f"13a3f42d-{next(_NUMBERS)}",
        "source": "cvm.cloud.tencent",
        "type": type_,
        "subject": server,
        "time": round(at.timestamp() * 1000),
        "region": REGION,
        "resource": [f"qcs::eb:{REGION}:uid{APP_ID}:eb-heal0001/rule-heal0001"],
        "status": status,
        "data": {"appId": APP_ID, "instanceId": server, "dimensions": {"ip": "10.0.0.11"}},
    }
    return json.dumps({**event, **more}).encode()


def called(server: str, status: str, first: datetime, over: datetime | None = None, **more: Any) -> bytes:
    """Return the callback of an alarm about lost pings; one that is over says since when."""
    return json.dumps({
        "sessionId": f"S-{server}-{first:%H%M%S}",
        "alarmStatus": status,
        "alarmType": "event",
        "alarmObjInfo": {"region": "gz", "dimensions": {"unInstanceId": server, "deviceName": "web-1"}},
        "alarmPolicyInfo": {
            "policyType": "cvm_device",
            "policyName": "ping",
            "conditions": {"productName": "cvm", "eventName": "ping_unreachable", "alarmNotifyPeriod": ""},
        },
        "firstOccurTime": f"{first.astimezone(CHINA):%Y-%m-%d %H:%M:%S}",
        "durationTime": 0,
        "recoverTime": f"{over.astimezone(CHINA):%Y-%m-%d %H:%M:%S}" if over else "0",
        **more,
    }).encode()  # fmt: skip


def account_of(url: str, **more: Any) -> dict[str, Any]:
    """Return the settings of the account."""
    account = {"name": "shop", "cloud": "tencent", "id": ACCOUNT, "app_id": APP_ID, "regions": [REGION]}
    return {**account, "endpoint": url, "calls_per_second": 1000, **more}


def settings_of(url: str, folder: Path, rules: Sequence[Mapping[str, Any]] = (RULE,), **more: Any) -> Settings:
    """Return settings of the one account."""
    rest = {
        "database": f"sqlite:///{migrated(folder / 'tencent.db')}",
        "settle_seconds": 0.5,
        "rules": list(rules),
        **more,
    }
    return Settings.model_validate({"accounts": [account_of(url)], **rest})
