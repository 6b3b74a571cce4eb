"""CVM's section of the world document: every instance, every repair task, and what is under way.

Reading checks everything and builds nothing, because the world's time is not known yet; installing builds the objects
and plans the timers from the due instants in them; dumping writes the full form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, iso_millis
from cloudheal_sim.kernel.moments import instant_of, moments, timeline, timeline_document
from cloudheal_sim.kernel.world import WorldError, once, parsed
from cloudheal_sim.tencent.cvm.model.repair import PLANNED_AFTER, AuthSource, RepairTask, TaskStatus
from cloudheal_sim.tencent.cvm.world_instances import InstanceBuilder, instance_document, zone_of
from cloudheal_sim.tencent.cvm.world_parts import CvmPart, RepairTaskPart
from cloudheal_sim.tencent.places import REGIONS, ZONES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.tencent.cvm.state import Cvm


class CvmSection:
    """CVM's share of the world."""

    keys = frozenset(CvmPart.model_fields)

    def __init__(self, cvm: Cvm) -> None:
        self._cvm = cvm

    def read(self, part: Mapping[str, Any]) -> CvmPart:
        """Check a share of a document. Raises WorldError."""
        read = parsed(CvmPart, part, "tencent")
        for number, one in enumerate(read.instances):
            zone, where = zone_of(one), f"tencent.instances.{number}"
            if zone is None:
                msg = f"{where}.zone: no such zone or region; known are {', '.join((*REGIONS, *ZONES))}"
                raise WorldError(msg)
            if one.region not in {None, zone.region}:
                msg = f"{where}.zone: {one.zone!r} is not in region {one.region!r}"
                raise WorldError(msg)
        known = once("tencent.instances", [id_ for one in read.instances for id_ in one.ids])
        once("tencent.repair_tasks", [one.id for one in read.repair_tasks])
        for number, task in enumerate(read.repair_tasks):
            if task.instance not in known:
                msg = f"tencent.repair_tasks.{number}.instance: no instance {task.instance!r} in this document"
                raise WorldError(msg)
        return read

    def install(self, parsed: CvmPart) -> None:
        """Replace CVM's state by what was read."""
        cvm = self._cvm
        for shelf in (cvm.fleet, cvm.addresses, cvm.repairs):
            shelf.clear()
        cvm.lifecycle.durations = parsed.durations
        cvm.stock.load(parsed.stock)
        cvm.tokens.load(parsed.client_tokens)
        InstanceBuilder(cvm).build(parsed.instances)
        for task in parsed.repair_tasks:
            cvm.repairs.put(self._task(task))
        cvm.lifecycle.resume()
        cvm.guests.resume()
        cvm.repairs.resume()

    def dump(self) -> dict[str, object]:
        """Write CVM's state in full."""
        cvm = self._cvm
        return {
            "durations": cvm.lifecycle.durations.model_dump(),
            "stock": cvm.stock.dump(),
            "client_tokens": cvm.tokens.dump(),
            "instances": [instance_document(one) for one in cvm.fleet.everything()],
            "repair_tasks": [_task_document(one) for one in cvm.repairs],
        }

    def _task(self, part: RepairTaskPart) -> RepairTask:
        now, repairing = self._cvm.kernel.clock.now(), self._cvm.lifecycle.durations.repairing
        created = instant_of(part.created, now)
        planned = instant_of(part.planned, created + round(PLANNED_AFTER * MILLIS_PER_SECOND))
        due = {
            TaskStatus.AWAITING: planned,
            TaskStatus.SCHEDULED: planned,
            TaskStatus.PROCESSING: now + round(repairing * MILLIS_PER_SECOND),
        }.get(part.status)
        waiting = AuthSource.WAITING if part.status is TaskStatus.AWAITING else AuthSource.CUSTOMER
        return RepairTask(
            id=part.id,
            instance=part.instance,
            type=part.type,
            auth_type=part.auth_type,
            status=timeline(part.status, instant_of(part.since, created), part.history),
            created=created,
            planned=planned,
            auth_source=part.auth_source or waiting,
            ended=instant_of(part.ended, None),
            detail=part.detail,
            due=instant_of(part.due, due),
        )


def _task_document(task: RepairTask) -> dict[str, object]:
    return {
        "id": task.id,
        "instance": task.instance,
        "type": task.type,
        "auth_type": task.auth_type,
        **timeline_document(task.status),
        "created": iso_millis(task.created),
        "planned": iso_millis(task.planned),
        "auth_source": task.auth_source,
        "detail": task.detail,
        **moments(ended=task.ended, due=task.due),
    }
