"""Wire in: the calls that move instances between states."""

from __future__ import annotations

from cloudheal_sim.tencent.api3 import Api3Request
from cloudheal_sim.tencent.cvm.model.instance import StopCharging, StopType


class StartInstances(Api3Request):
    """Start stopped instances."""

    instance_ids: tuple[str, ...]


class StopInstances(Api3Request):
    """Stop running instances."""

    instance_ids: tuple[str, ...]
    force_stop: bool | None = None
    stop_type: StopType | None = None
    stopped_mode: StopCharging = StopCharging.KEEP_CHARGING


class RebootInstances(Api3Request):
    """Reboot running instances."""

    instance_ids: tuple[str, ...]
    force_reboot: bool | None = None
    stop_type: StopType | None = None


class TerminateInstances(Api3Request):
    """Give instances back."""

    IGNORED = "ReleaseAddress ReleasePrepaidDataDisks"

    instance_ids: tuple[str, ...]
