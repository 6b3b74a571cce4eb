"""Alarms of policies: raised by what happens to instances, kept with their history, and sent to their callbacks.

An alarm begins once for one policy, name and instance; it ends when what was wrong is right again, and that is told
too. A call that is not answered 2xx within five seconds is tried three times more.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pydantic_core import to_json

from cloudheal_sim.kernel.courier import Courier
from cloudheal_sim.kernel.outbound import Push
from cloudheal_sim.tencent.happenings import ENDED
from cloudheal_sim.tencent.monitor.model.documents import callback_document
from cloudheal_sim.tencent.monitor.model.records import Alarm, Callback, CallbackParcel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.happenings import Happening

#: Seconds before each further attempt; three of them are documented, the interval is by feel.
RETRIES = (5.0, 5.0, 5.0)
#: Alarms on record that are over; those that last are kept, however many there are.
MOST_OVER = 1000


class Alarms:
    """All alarms of one account."""

    def __init__(self, kernel: Kernel, account: str) -> None:
        self.kernel = kernel
        self.account = account
        self.callbacks: tuple[Callback, ...] = ()
        self._lasting: dict[tuple[str, str, str], Alarm] = {}
        self._over: deque[Alarm] = deque(maxlen=MOST_OVER)
        self.courier = Courier(kernel, _push, _again, RETRIES)

    @property
    def history(self) -> list[Alarm]:
        """All alarms on record, by their begin."""
        return sorted((*self._over, *self._lasting.values()), key=lambda one: (one.first, one.session))

    def hear(self, happening: Happening) -> int:
        """Raise or end the alarms of what happened to an instance; return how many policies were concerned."""
        if not happening.kind.alarms:
            return 0
        kind, instance = happening.kind, happening.instance
        found = [one for one in self.callbacks if _watches(one.events, kind.alarm) and _of(one, instance)]
        for callback in found:
            if happening.status == ENDED:
                self._end(callback, kind.alarm, instance)
            else:
                self._begin(callback, instance, self._new(callback, instance, kind.alarm, kind.title))
        return len(found)

    def metric(self, instance: Instance, asked: Alarm) -> int:
        """Raise or end a metric alarm as the document of the control API says; return how many policies it concerns."""
        found = [one for one in self.callbacks if _watches(one.metrics, asked.name) and _of(one, instance)]
        for callback in found:
            if asked.status == ENDED:
                self._end(callback, asked.name, instance)
            else:
                made = self._new(callback, instance, asked.name, asked.title)
                shown = {"kind": "metric", "operator": asked.operator, "threshold": asked.threshold}
                self._begin(callback, instance, made.model_copy(update={**shown, "value": asked.value}))
        return len(found)

    def _new(self, callback: Callback, instance: Instance, name: str, title: str) -> Alarm:
        return Alarm(
            session=f"S{self.kernel.chance.token(12, 'alarms')}",
            policy=callback.policy,
            policy_name=callback.name,
            name=name,
            title=title,
            instance=instance.id,
            region=instance.region,
            first=self.kernel.clock.now(),
        )

    def _begin(self, callback: Callback, instance: Instance, alarm: Alarm) -> None:
        self._note(alarm)
        self._tell(callback, instance, alarm)

    def _note(self, alarm: Alarm) -> None:
        """Keep an alarm; one that comes again takes the place of the one before, which is over without an end."""
        key = (alarm.policy, alarm.name, alarm.instance)
        before = self._lasting.pop(key, None) if alarm.status != ENDED else None
        if before is not None:
            self._over.append(before)
        if alarm.status == ENDED:
            self._over.append(alarm)
        else:
            self._lasting[key] = alarm

    def _end(self, callback: Callback, name: str, instance: Instance) -> None:
        lasting = self._lasting.pop((callback.policy, name, instance.id), None)
        if lasting is not None:
            ended = lasting.model_copy(update={"status": ENDED, "ended": self.kernel.clock.now()})
            self._note(ended)
            self._tell(callback, instance, ended)

    def _tell(self, callback: Callback, instance: Instance, alarm: Alarm) -> None:
        before = "1" if alarm.status == ENDED else None
        self.kernel.journal.change("alarm.status", f"{alarm.policy}/{alarm.instance}", before, alarm.status)
        document = callback_document(alarm, instance, self.account, self.kernel.clock.now())
        for due in self.kernel.faults.arrivals("monitor", alarm.name, alarm.region, (alarm.instance,)):
            self.courier.plan(
                CallbackParcel(due=due, url=callback.url, name=alarm.name, instance=alarm.instance, document=document)
            )

    def replace(
        self, callbacks: Iterable[Callback], history: Iterable[Alarm], parcels: Iterable[CallbackParcel]
    ) -> int:
        """Begin with these; return how many calls are under way."""
        self.callbacks = tuple(callbacks)
        self._lasting.clear()
        self._over.clear()
        for alarm in history:
            self._note(alarm)
        return self.courier.replace(parcels)


def _watches(names: tuple[str, ...], name: str) -> bool:
    return not names or name in names


def _of(callback: Callback, instance: Instance) -> bool:
    return not callback.instances or instance.id in callback.instances


def _push(parcel: CallbackParcel) -> Push:
    return Push(
        url=parcel.url,
        body=to_json(parcel.document),
        headers={"Content-Type": "application/json"},
        service="monitor",
        name=parcel.name,
        resources=(parcel.instance,),
    )


def _again(parcel: CallbackParcel, due: int) -> CallbackParcel:
    return parcel.model_copy(update={"due": due, "attempt": parcel.attempt + 1})
