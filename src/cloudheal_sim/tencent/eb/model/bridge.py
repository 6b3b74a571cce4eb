"""The buses with their rules: takes events, matches them, delivers them at least once, and remembers the latest.

A delivery is disturbed by fault rules alone (lost, doubled, late); one that is not answered 2xx is tried twice more at
intervals of a minute, as an asynchronous function call is.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pydantic_core import to_json

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.courier import Courier
from cloudheal_sim.kernel.outbound import Push
from cloudheal_sim.tencent.eb.model.pattern import matches
from cloudheal_sim.tencent.eb.model.records import (
    SERVICE_BUS,
    Bus,
    Event,
    EventOptions,
    EventParcel,
    Function,
    Rule,
    Target,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.kernel.core import Kernel

#: Seconds before the second attempt and the third.
RETRIES = (60.0, 60.0)
#: Events that SearchLog can find.
MOST_EVENTS = 1000


class Bridge:
    """One account's EventBridge."""

    def __init__(self, kernel: Kernel, account: str) -> None:
        self.kernel = kernel
        self.account = account
        self.options = EventOptions()
        self.buses: dict[str, Bus] = {}
        self.rules: dict[str, Rule] = {}
        self.functions: dict[str, Function] = {}
        self.events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self.courier = Courier(kernel, self._hand_over, _again, RETRIES)
        self._batches: dict[tuple[str, str], tuple[int, EventParcel]] = {}

    def new_id(self, kind: str) -> str:
        """Draw an id such as `rule-c0ffee00`."""
        return f"{kind}-{self.kernel.chance.token(8, 'eb')}"

    def begin(self, buses: Iterable[Bus], rules: Iterable[Rule], functions: Iterable[Function]) -> None:
        """Replace everything: a new world begins."""
        self.buses = {SERVICE_BUS: Bus(id=SERVICE_BUS, name="default", description="云服务事件集", type="Cloud")}
        self.buses |= {one.id: one for one in buses}
        self.rules = {one.id: one for one in map(self._completed, rules)}
        self.functions = {one.name: one for one in functions}
        self._batches.clear()
        self.events.clear()

    def put_rule(self, rule: Rule) -> Rule:
        """Create a rule, or change the one of its id."""
        before, after = self.rules.get(rule.id), self._completed(rule)
        self.kernel.journal.change("event_rule", after.id, before and before.model_dump(), after.model_dump())
        self.rules[after.id] = after
        return after

    def publish(self, event: Event) -> Event:
        """Put an event on its bus: match it, remember it, and send it to whoever wants it."""
        document = event.document()
        wanted = [one for one in self.rules.values() if one.bus == event.bus and one.enabled]
        wanted = [one for one in wanted if matches(one.pattern, document)]
        noted = event.model_copy(update={"rules": tuple(one.id for one in wanted)})
        self.events.append(noted)
        self.kernel.journal.append(
            "event",
            service="eb",
            action=event.type,
            region=event.region,
            resources=(event.subject,),
            details={"id": event.id, "status": event.status, "rules": list(noted.rules)},
        )
        for rule in wanted:
            for target in rule.targets:
                self._send(rule, target, noted)
        return noted

    def _completed(self, rule: Rule) -> Rule:
        """Give a rule and its targets the ids that they lack."""
        targets = tuple(one if one.id else one.model_copy(update={"id": self.new_id("target")}) for one in rule.targets)
        id_ = rule.id or self.new_id("rule")
        return rule.model_copy(update={"id": id_, "name": rule.name or id_, "targets": targets})

    def _send(self, rule: Rule, target: Target, event: Event) -> None:
        arrivals = self.kernel.faults.arrivals("eb", event.type, event.region, (event.subject, target.id))
        delay = self.options.delay + target.batch_seconds
        for arrival in arrivals:
            due = arrival + round(delay * MILLIS_PER_SECOND)
            parcel = EventParcel(due=due, rule=rule.id, target=target, events=(event,))
            if target.in_batches:
                self._collect(parcel)
            else:
                self.courier.plan(parcel)
        if not arrivals:
            self._note(EventParcel(due=event.time, rule=rule.id, target=target, events=(event,)), "lost-event")

    def _collect(self, parcel: EventParcel) -> None:
        """Add an event to the batch that its target waits for, or open one."""
        key = (parcel.rule, parcel.target.id)
        number, waiting = self._batches.get(key, (0, None))
        room = waiting is not None and len(waiting.events) < parcel.target.batch_count
        if waiting is not None and room and waiting.due > self.kernel.clock.now():
            waiting = waiting.model_copy(update={"events": (*waiting.events, *parcel.events)})
            if self.courier.exchange(number, waiting):
                self._batches[key] = (number, waiting)
                return
        self._batches[key] = (self.courier.plan(parcel), parcel)

    def _hand_over(self, parcel: EventParcel) -> Push | None:
        target = parcel.target
        url, headers = target.url, {"Content-Type": "application/json"}
        if target.type == "scf":
            function = self.functions.get(target.function)
            url = function.url if function is not None else ""
            headers |= {"X-Scf-Request-Id": self.kernel.chance.uuid().lower(), "X-Scf-Function-Name": target.function}
        if not url:
            self._note(parcel, "recorded, not sent")
            return None
        first = parcel.events[0]
        return Push(
            url=url,
            body=to_json(self._body(parcel)),
            headers=headers,
            service="eb",
            name=first.type,
            resources=tuple(dict.fromkeys(one.subject for one in parcel.events)),
        )

    def _body(self, parcel: EventParcel) -> dict[str, object]:
        rule = self.rules.get(parcel.rule)
        bus = SERVICE_BUS if rule is None else rule.bus
        resource = f"qcs::eb:ap-guangzhou:uid{self.account}:{bus}/{parcel.rule}"
        documents = [one.document(resource) for one in parcel.events]
        return {"EventList": documents} if parcel.target.in_batches else documents[0]

    def _note(self, parcel: EventParcel, outcome: str) -> None:
        first = parcel.events[0]
        self.kernel.journal.append(
            "delivery",
            service="eb",
            action=first.type,
            region=first.region,
            resources=(first.subject,),
            code=outcome,
            details={"event": first.id, "rule": parcel.rule, "target": parcel.target.id},
        )


def _again(parcel: EventParcel, due: int) -> EventParcel:
    return parcel.model_copy(update={"due": due, "attempt": parcel.attempt + 1})
