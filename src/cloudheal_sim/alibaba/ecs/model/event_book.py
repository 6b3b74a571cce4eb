"""The book of system events: announces them, moves them along their graph on the clock, and acts on instances.

An event becomes Avoided only through the owner's calls (RebootInstance, stop and start, RedeployInstance), never by
what happens inside the guest. Every status is journaled and published exactly once. Simulated events touch the
instance only when they were made to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from cloudheal_sim.alibaba.ecs.errors import REDEPLOY_SIMULATED
from cloudheal_sim.alibaba.ecs.model.catalogue import region_code
from cloudheal_sim.alibaba.ecs.model.event_types import Answer, Cycle, Effect, EventType
from cloudheal_sim.alibaba.ecs.model.instance import Status
from cloudheal_sim.alibaba.ecs.model.system_event import Event, Step
from cloudheal_sim.alibaba.events import EXCEPTION, SystemEvent
from cloudheal_sim.alibaba.rpc import Refused
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.kernel.world import Part, Seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cloudheal_sim.alibaba.ecs.model.fleet import Fleet
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.model.lifecycle import Lifecycle
    from cloudheal_sim.alibaba.events import Publish
    from cloudheal_sim.kernel.core import Kernel

#: How long a finished event is remembered, in milliseconds: a day longer than any call shows it.
MEMORY = 31 * 86_400 * MILLIS_PER_SECOND
_AHEAD = frozenset({Cycle.INQUIRING, Cycle.SCHEDULED})


class EventDurations(Part):
    """Seconds that the steps of system events take, by feel except where a source is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    avoiding: Seconds = 5.0
    """From the owner's answer until the event is Avoided ("a few seconds", requirement S1.13)."""
    executing: Seconds = 10.0
    """How long Executing lasts where no restart of the instance ends it."""
    recovery_limit: Seconds = 600.0
    """When a restart that has not come back counts as over; the documented ten minutes of failure recovery."""
    notice: Seconds = 172_800.0
    """How far ahead maintenance is announced when nobody says; the documented 48 hours."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What an event is about to be; `status` None is the normal beginning of its type."""

    type: EventType
    status: Cycle | None = None
    not_before: int | None = None
    disk: str = ""
    device: str = ""
    simulated: bool = False
    real_effect: bool = True
    reason: str = ""


class EventGraphError(ValueError):
    """An event was told to take a status that its graph does not lead to."""


class EventBook:
    """All system events of one account."""

    def __init__(self, kernel: Kernel, fleet: Fleet, lifecycle: Lifecycle, publish: Publish) -> None:
        self._kernel = kernel
        self._fleet = fleet
        self._lifecycle = lifecycle
        self._publish = publish
        self._events: dict[str, Event] = {}
        self._by_instance: dict[str, list[Event]] = {}
        self._seq = 0
        self.durations = EventDurations()

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events.values())

    def find(self, id_: str, region: str = "") -> Event | None:
        """Return an event by id, if it is in `region` (empty means any)."""
        found = self._events.get(id_)
        return found if found is not None and region in {"", found.region} else None

    def of_instance(self, instance_id: str) -> Collection[Event]:
        """Return the events of an instance in order of publication."""
        return self._by_instance.get(instance_id, ())

    def instances(self) -> Collection[str]:
        """Return the ids of all instances that ever had an event."""
        return self._by_instance.keys()

    def simulated_scheduled(self) -> int:
        """Count the simulated events that wait for their time."""
        return sum(one.simulated and one.status.value is Cycle.SCHEDULED for one in self._events.values())

    def announce(self, instance: Instance, what: Announcement) -> Event:
        """Publish a new event about an instance or one of its disks."""
        now, first = self._kernel.clock.now(), what.status or what.type.first
        self._forget(now)
        event = Event(
            id=f"e-{region_code(instance.region)}{self._kernel.chance.token(17, 'events')}",
            type=what.type,
            region=instance.region,
            instance=instance.id,
            status=Timeline(first, now),
            published=now,
            disk=what.disk,
            device=what.device,
            not_before=what.not_before,
            simulated=what.simulated,
            real_effect=what.real_effect,
            reason=what.reason,
        )
        self.put(event)
        self._entered(event, None)
        return event

    def put(self, event: Event) -> Event:
        """Take an event in as it is, saying nothing and planning nothing: a world is being built."""
        self._seq += 1
        event.seq = self._seq
        self._events[event.id] = event
        self._by_instance.setdefault(event.instance, []).append(event)
        return event

    def cancel(self, event: Event) -> Event:
        """Withdraw an event. Raises EventGraphError when it is over."""
        return self._move(event, Cycle.CANCELED)

    def accept(self, event: Event) -> Event:
        """Let an inquiring event run now. Raises EventGraphError when it is not inquiring."""
        return self._move(event, Cycle.EXECUTING)

    def api_rebooted(self, instance_id: str) -> None:
        """RebootInstance was accepted for the instance."""
        self._answered(instance_id, Answer.REBOOT)

    def api_redeployed(self, instance_id: str) -> None:
        """RedeployInstance is about to be accepted. Raises Refused when all it would answer is simulated."""
        open_ = [one for one in self.of_instance(instance_id) if one.status.value in one.type.redeployable]
        if open_ and all(one.simulated for one in open_):
            raise Refused(REDEPLOY_SIMULATED)
        self._answered(instance_id, Answer.REDEPLOY)

    def started(self, instance_id: str) -> None:
        """The instance has reached Running: ends what the platform was doing to it, or counts as stop and start."""
        executing = [one for one in self.of_instance(instance_id) if self._awaits_restart(one)]
        for event in executing:
            self._move(event, Cycle.EXECUTED)
        found = self._fleet.find(instance_id)
        if not executing and found is not None and _was_stopped(found):
            self._answered(instance_id, Answer.RESTART)

    def released(self, instance_id: str) -> None:
        """The instance is gone, and its events with it."""
        for event in [one for one in self.of_instance(instance_id) if not one.over]:
            wanted = (Cycle.CANCELED, Cycle.EXECUTED, Cycle.AVOIDED)
            if event.type.effect is Effect.RELEASE:
                wanted = (Cycle.EXECUTED, Cycle.CANCELED, Cycle.AVOIDED)
            self._move(event, next(status for status in wanted if event.may_become(status)))

    def resume(self) -> int:
        """Plan the timers of every pending step anew; return how many there are."""
        pending = [one for one in self._events.values() if one.step is not None]
        for event in pending:
            self._plan(event)
        return len(pending)

    def clear(self) -> None:
        """Forget everything: a new world begins."""
        self._events.clear()
        self._by_instance.clear()
        self._seq = 0

    def _forget(self, now: int) -> None:
        """Let go of the oldest events that no call shows any more."""
        while self._events:
            oldest = next(iter(self._events.values()))
            if oldest.execute_finish is None or oldest.execute_finish > now - MEMORY:
                return
            del self._events[oldest.id]
            self._by_instance[oldest.instance].remove(oldest)
            if not self._by_instance[oldest.instance]:
                del self._by_instance[oldest.instance]

    def _move(self, event: Event, status: Cycle) -> Event:
        before = event.status.value
        if not event.may_become(status):
            raise EventGraphError(f"{event.type.name} {event.id} does not go from {before} to {status}")
        event.status.set(status, self._kernel.clock.now())
        self._entered(event, before)
        return event

    def _entered(self, event: Event, before: Cycle | None) -> None:
        """Do what belongs to the status just taken: times, journal, notification, effect, next step."""
        now, status = self._kernel.clock.now(), event.status.value
        event.step = None
        if status is Cycle.EXECUTING or event.over:
            event.execute_start = now if event.execute_start is None else event.execute_start
        if event.over:
            event.execute_finish = now
        self._kernel.journal.change("event.status", event.id, before, status)
        self._notify(event)
        if status is Cycle.SCHEDULED:
            self._then(event, Cycle.EXECUTING, now if event.not_before is None else event.not_before)
        elif status is Cycle.EXECUTING:
            self._execute(event)

    def _execute(self, event: Event) -> None:
        acted = event.real_effect and self._act(event)
        if event.status.value is not Cycle.EXECUTING:
            return  # the act was over in the same instant, and so is the event
        now = self._kernel.clock.now()
        if _ends_at_not_before(event):
            self._then(event, Cycle.EXECUTED, now if event.not_before is None else event.not_before)
        elif acted and event.type.recovers:
            lost = Cycle.FAILED if event.may_become(Cycle.FAILED) else Cycle.EXECUTED
            self._then(event, lost, now + _millis(self.durations.recovery_limit))
        elif not event.type.of_disk:
            self._then(event, Cycle.EXECUTED, now + _millis(self.durations.executing))

    def _act(self, event: Event) -> bool:
        match event.type.effect:
            case Effect.REBOOT:
                return self._lifecycle.platform_reboot(event.instance)
            case Effect.STOP:
                return self._lifecycle.platform_stop(event.instance)
            case Effect.REDEPLOY:
                return self._lifecycle.platform_redeploy(event.instance)
            case Effect.RELEASE:
                return self._lifecycle.release(event.instance)
        return False

    def _awaits_restart(self, event: Event) -> bool:
        executing = event.status.value is Cycle.EXECUTING and event.real_effect
        return executing and event.type.recovers and not _ends_at_not_before(event)

    def _answered(self, instance_id: str, answer: Answer) -> None:
        due = self._kernel.clock.now() + _millis(self.durations.avoiding)
        for event in self.of_instance(instance_id):
            redeployed = answer is Answer.REDEPLOY
            states = event.type.redeployable if redeployed else _AHEAD
            fits = answer in event.type.answers and not (redeployed and event.simulated)
            if fits and event.status.value in states and not event.answered:
                self._kernel.journal.change("event.answered", event.id, before=False, after=True)
                self._then(event, Cycle.AVOIDED, due)

    def finish_later(self, event: Event, due: int) -> Event:
        """Have an Executing event end at `due`; disk troubles end when somebody says so."""
        return self._then(event, Cycle.EXECUTED, due)

    def _then(self, event: Event, to: Cycle, due: int) -> Event:
        event.step = Step(to, due)
        self._plan(event)
        return event

    def _plan(self, event: Event) -> None:
        if (step := event.step) is not None:
            self._kernel.clock.call_at(step.due, lambda: self._arrive(event, step) if event.step is step else None)

    def _arrive(self, event: Event, step: Step) -> None:
        instance = self._fleet.find(event.instance)
        stopping = instance is not None and instance.status.value is Status.STOPPING
        if step.to is Cycle.EXECUTED and event.real_effect and event.type.effect is Effect.STOP and stopping:
            self._then(event, step.to, self._kernel.clock.now() + MILLIS_PER_SECOND)
        else:
            self._move(event, step.to)

    def _notify(self, event: Event) -> None:
        status, instance = event.status.value, self._fleet.find(event.instance)
        name = "" if instance is None else instance.name
        subject = f"disk/{event.disk}" if event.type.of_disk else f"instance/{event.instance}"
        self._publish(
            SystemEvent(
                product="ECS",
                name=event.type.notification(status),
                level=event.type.level_at(status),
                event_type=event.type.kind,
                status=str(status),
                region=event.region,
                resource=subject,
                resource_id=event.disk if event.type.of_disk else event.instance,
                at=self._kernel.clock.now(),
                content=event.content(instance_name=name),
                instance_name=name,
                tags={} if instance is None else instance.tags,
            )
        )


def _ends_at_not_before(event: Event) -> bool:
    return event.simulated and event.type.kind == EXCEPTION


def _was_stopped(instance: Instance) -> bool:
    """Say whether the present run began with a start, not with a reboot: Stopped, Starting, Running."""
    states = [status for _, status in instance.status.entries()[-3:]]
    return states[0] is Status.STOPPED if len(states) == 3 else True


def _millis(seconds: float) -> int:
    return round(seconds * MILLIS_PER_SECOND)
