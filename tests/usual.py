"""The rule that most tests of healing go by: whatever stops in production is started again."""

from __future__ import annotations

from typing import Any

PROD = {"env": "prod"}
RULE: dict[str, Any] = {
    "name": "restart",
    "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
    "resources": {"tags": {"env": ["prod"]}},
    "desired": "on",
    "playbook": "restart_stopped",
    "mode": "auto",
}
