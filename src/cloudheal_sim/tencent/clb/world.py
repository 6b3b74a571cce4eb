"""CLB's share of the world document; its form is in `world_parts`.

What is described as it is has been so for ever: its health checks are settled unless `since` or a history says
otherwise. What is still to come (health, tasks) is planned anew from the instants written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudheal_sim.kernel.clock import MILLIS_PER_DAY, iso_millis
from cloudheal_sim.kernel.health_watch import iso_or_ever
from cloudheal_sim.kernel.moments import instant_of, moments
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.kernel.world import WorldError, once, parsed
from cloudheal_sim.tencent.clb.model.balancer import LAYER_7, Balancer, Listener, Place
from cloudheal_sim.tencent.clb.model.target import Target
from cloudheal_sim.tencent.clb.model.task import Change, ClbTask
from cloudheal_sim.tencent.clb.world_parts import (
    BalancerPart,
    ChangePart,
    CheckPart,
    ClbPart,
    ClbTaskPart,
    ListenerPart,
    TargetPart,
)
from cloudheal_sim.tencent.places import DEFAULT_REGION, REGIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudheal_sim.kernel.health_checks import Check
    from cloudheal_sim.tencent.clb.model.target import Targets
    from cloudheal_sim.tencent.clb.state import Clb


class ClbSection:
    """Reads and writes one CLB."""

    keys = frozenset(ClbPart.model_fields)

    def __init__(self, clb: Clb) -> None:
        self._clb = clb

    def read(self, part: Mapping[str, Any]) -> ClbPart:
        """Validate without touching anything. Raises WorldError."""
        read = parsed(ClbPart, part, "tencent")
        once("tencent.balancers", [one.id for one in read.balancers])
        once("tencent.balancers.listeners", [one.id for balancer in read.balancers for one in balancer.listeners])
        places = {(balancer.id, *place) for balancer in read.balancers for place in _places(balancer)}
        for number, balancer in enumerate(read.balancers):
            if balancer.region is not None and balancer.region not in REGIONS:
                msg = (
                    f"tencent.balancers.{number}.region: no region {balancer.region!r}; known are {', '.join(REGIONS)}"
                )
                raise WorldError(msg)
        for number, task in enumerate(read.clb_tasks):
            if any((task.balancer, one.listener, one.location) not in places for one in task.changes):
                msg = f"tencent.clb_tasks.{number}.changes: expected listeners and rules of {task.balancer}"
                raise WorldError(msg)
        return read

    def install(self, parsed: ClbPart) -> None:
        """Replace the state; everything that is still to come is planned anew."""
        clb = self._clb
        clb.clear()
        clb.task_seconds = parsed.clb_task_seconds
        clb.watch.load(parsed.clb_servers)
        for balancer in parsed.balancers:
            clb.balancers[balancer.id] = self._balancer(balancer)
        for task in parsed.clb_tasks:
            clb.plan(clb.keep(self._task(task)))
        for made in clb.balancers.values():
            for _, place in made.places():
                for target in place.targets.value:
                    clb.meet(target)
            clb.plan_health(made)

    def dump(self) -> dict[str, object]:
        """Return the full form."""
        clb = self._clb
        places = [place for balancer in clb.balancers.values() for _, place in balancer.places()]
        return {
            "balancers": [_balancer_dump(one) for one in clb.balancers.values()],
            "clb_tasks": [_task_dump(one) for one in clb.tasks.values()],
            "clb_servers": clb.watch.dump(target.server for place in places for target in place.targets.value),
            "clb_task_seconds": clb.task_seconds,
        }

    def _balancer(self, part: BalancerPart) -> Balancer:
        region = REGIONS[part.region or self._region_of(part)]
        zone, number = region.zones[0], len(self._clb.balancers)
        return Balancer(
            id=part.id,
            region=region.id,
            name=part.id if part.name is None else part.name,
            kind=part.type,
            addresses=part.addresses or (f"198.51.100.{number % 250 + 1}",),
            zone=zone.id if part.zone is None else part.zone,
            vpc=zone.vpc if part.vpc is None else part.vpc,
            project=part.project,
            created=instant_of(part.created, self._clb.now - MILLIS_PER_DAY),
            tags=part.tags,
            listeners={one.id: self._listener(one) for one in part.listeners},
        )

    def _region_of(self, part: BalancerPart) -> str:
        """Return where the first known target is: a balancer that says nothing else is there too."""
        targets = [one for _, _, _, found in _held(part) for one in found]
        known = (self._clb.instance(one.server) for one in targets)
        return next((found.region for found in known if found is not None), DEFAULT_REGION)

    def _listener(self, part: ListenerPart) -> Listener:
        made = Listener(
            id=part.id,
            protocol=part.protocol,
            port=part.port,
            name=part.name or part.id,
            scheduler=part.scheduler,
            created=instant_of(part.created, self._clb.now - MILLIS_PER_DAY),
        )
        if not made.of_layer_7:
            targets = self._targets(part.targets)
            made.places[""] = Place(part.id, "", Timeline(targets, 0), part.check.built())
        for rule in part.rules:
            held = Timeline(self._targets(rule.targets), 0)
            made.places[rule.id] = Place(part.id, rule.id, held, rule.check.built(), rule.domain, rule.url)
        return made

    def _targets(self, parts: Iterable[TargetPart]) -> Targets:
        return tuple(
            Target(
                server=one.server,
                port=one.port,
                weight=one.weight,
                address=one.address,
                tag=one.tag,
                registered=instant_of(one.registered, self._clb.now - MILLIS_PER_DAY),
                since=instant_of(one.since, 0),
            )
            for one in parts
        )

    def _task(self, part: ClbTaskPart) -> ClbTask:
        return ClbTask(
            id=part.id,
            balancer=part.balancer,
            status=part.status,
            message=part.message,
            due=instant_of(part.due, None),
            changes=tuple(self._change(one) for one in part.changes),
            left_out=part.left_out,
        )

    def _change(self, part: ChangePart) -> Change:
        return Change(part.listener, part.location, self._targets(part.targets))


def _held(part: BalancerPart) -> Iterable[tuple[str, str, CheckPart, tuple[TargetPart, ...]]]:
    """Return listener, location, check and targets of everything that holds targets."""
    for listener in part.listeners:
        if listener.protocol not in LAYER_7:
            yield listener.id, "", listener.check, listener.targets
        for rule in listener.rules:
            yield listener.id, rule.id, rule.check, rule.targets


def _places(part: BalancerPart) -> set[tuple[str, str]]:
    return {(listener, location) for listener, location, _, _ in _held(part)}


def _balancer_dump(balancer: Balancer) -> dict[str, object]:
    return {
        "id": balancer.id,
        "region": balancer.region,
        "name": balancer.name,
        "type": balancer.kind,
        "addresses": list(balancer.addresses),
        "zone": balancer.zone,
        "vpc": balancer.vpc,
        "project": balancer.project,
        "created": iso_millis(balancer.created),
        "tags": dict(balancer.tags),
        "listeners": [_listener_dump(one) for one in balancer.listeners.values()],
    }


def _listener_dump(listener: Listener) -> dict[str, object]:
    written: dict[str, object] = {
        "id": listener.id,
        "protocol": listener.protocol,
        "port": listener.port,
        "name": listener.name,
        "scheduler": listener.scheduler,
        "created": iso_millis(listener.created),
    }
    if listener.of_layer_7:
        return {**written, "rules": [_rule_dump(one) for one in listener.places.values()]}
    place = listener.places[""]
    return {**written, "check": _check_dump(place.check), "targets": _targets_dump(place.targets.value)}


def _rule_dump(place: Place) -> dict[str, object]:
    return {
        "id": place.location,
        "domain": place.domain,
        "url": place.url,
        "check": _check_dump(place.check),
        "targets": _targets_dump(place.targets.value),
    }


def _check_dump(check: Check) -> dict[str, object]:
    return {"on": check.on, "interval": check.interval, "healthy": check.healthy, "unhealthy": check.unhealthy}


def _targets_dump(targets: Targets) -> list[dict[str, object]]:
    return [
        {
            "server": one.server,
            "port": one.port,
            "weight": one.weight,
            "address": one.address,
            "tag": one.tag,
            "registered": iso_millis(one.registered),
            "since": iso_or_ever(one.since),
        }
        for one in targets
    ]


def _task_dump(task: ClbTask) -> dict[str, object]:
    return {
        "id": task.id,
        "balancer": task.balancer,
        "status": task.status,
        "message": task.message,
        **moments(due=task.due),
        "changes": [
            {"listener": one.listener, "location": one.location, "targets": _targets_dump(one.targets)}
            for one in task.changes
        ],
        "left_out": task.left_out,
    }
