"""How grave an event is where its message does not say: as the vendor's list of events has it.

Events of EventBridge, and what is read from the list of system events, name no level; a rule about levels must mean the
same whichever way an event came. An event that is not on the list has none.
"""

from __future__ import annotations

from collections.abc import Mapping

from cloudheal.model.event import CRITICAL, INFO, WARN

#: By the beginning of the name, the longest that fits (CloudMonitor's list of events of ECS).
_USUAL: Mapping[str, str] = {
    "Instance:StateChange": INFO,
    "Instance:PreemptibleInstanceInterruption": WARN,
    "Instance:SystemMaintenance.": CRITICAL,
    "Instance:SystemMaintenance.PerformanceImpact": WARN,
    "Instance:SystemFailure.": CRITICAL,
    "Instance:InstanceFailure.": CRITICAL,
    "Instance:Security.TpmAlert": WARN,
    "Instance:BurstablePerformanceRestricted": WARN,
    "Instance:PerformanceModeChange": INFO,
    "Instance:LiveMigrationAcrossDDH": INFO,
    "Disk:Stalled": CRITICAL,
    "Disk:ErrorDetected": CRITICAL,
    "Disk:OverduePaymentRelease": CRITICAL,
    "Disk:DiskOperationCompleted": INFO,
    "Disk:ConvertToPostpaidCompleted": INFO,
    "Snapshot:CreateSnapshotCompleted": INFO,
}
#: The beginnings among them, the longest first.
_FAMILIES = sorted((one for one in _USUAL if one.endswith(".")), key=len, reverse=True)


def usual_level(name: str) -> str:
    """Return the level of an event by its name without a status; empty when the list does not have it."""
    found = _USUAL.get(name)
    if found is not None:
        return found
    return next((_USUAL[one] for one in _FAMILIES if name.startswith(one)), "")
