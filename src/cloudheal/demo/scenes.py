"""What happens tonight, when, and how it must end: the demo is compared with this and fails where it differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cloudheal.model.resource import Cloud

#: Six o'clock in the evening in Shanghai.
BEGIN = datetime(2026, 3, 6, 10, 0, tzinfo=UTC)
_PROD = (("env", "prod"),)


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens to one server, `at` minutes after the beginning, and how it must stand at the end of the evening.

    `verdict` and `code` are those of its last incident, or the reason for which it is left alone; `heals` is how often
    it was healed, `starts` how often the cloud really started it.
    """

    id: str
    name: str
    at: int
    happens: str
    verdict: str
    code: str
    heals: int = 0
    starts: int = 0
    tags: tuple[tuple[str, str], ...] = _PROD
    cloud: Cloud = Cloud.ALIBABA
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def trouble(self) -> str:
        """What is wrong then, in the engine's words."""
        if self.cloud is Cloud.TENCENT:
            return "unreachable"
        return "interruption" if self.happens == "reclaim" else "stopped"

    @property
    def due(self) -> datetime:
        """When it happens."""
        return BEGIN + timedelta(minutes=self.at)


SCENES = (
    Scene("i-bp1demoweb02", "web-02", 20, "power_off", "healed", "running", 1, 1),
    Scene("i-bp1demoweb05", "web-05", 20, "power_off", "healed", "running", 1, 1),
    Scene("i-bp1demoapi01", "api-01", 20, "power_off", "healed", "running", 1, 1),
    Scene("i-bp1demodb001", "db-01", 45, "stopped_by_hand", "waiting", "held"),
    Scene("i-bp1demotest1", "test-01", 55, "power_off", "left alone", "not_selected", tags=()),
    Scene("i-bp1demobatch", "batch-01", 70, "fail_start", "waiting", "attempts_used", 0, 3),
    Scene("i-bp1demoexpir", "old-01", 100, "expire", "waiting", "locked.financial"),
    Scene("i-bp1democrash", "cache-01", 120, "crash_loop", "waiting", "flapping", 3, 3, options={"seconds": 900.0}),
    Scene("ins-demopay1", "pay-01", 150, "power_off", "healed", "restored", 1, 1, cloud=Cloud.TENCENT),
    Scene("i-bp1demospot1", "spot-01", 210, "reclaim", "healed", "evacuated", 1),
    Scene("i-bp1demoweb07", "web-07", 240, "power_off", "healed", "running", 1, 1),
)
#: What happens on the second cloud.
ON_TENCENT = tuple(one for one in SCENES if one.cloud is Cloud.TENCENT)
#: The engine is killed while it heals this one.
KILLED_DURING = "i-bp1demospot1"
#: When the evening is over, if everything has come to its end.
END = BEGIN + timedelta(minutes=250)
