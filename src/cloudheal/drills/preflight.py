"""Before a drill begins: what it is about to touch, who will answer, and whether it can work at all.

What would make the drill meaningless (nobody handles anything, nothing is selected) or harmful (a step for simulators
before a real account) refuses it. What makes it come out otherwise than people expect (a pause, a hold, a rule in
shadow) is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from cloudheal.drills.ground import Ground
from cloudheal.drills.looks import by_place
from cloudheal.drills.outcome import Note, Scope
from cloudheal.drills.scenario import SIMULATED, Scenario, Targets
from cloudheal.drills.scope import answering, chosen_among, lost_among, servers_on_record
from cloudheal.errors import CloudPermanentError, CloudTransientError, RefusedError
from cloudheal.model.drill import MOST_SCHEDULED
from cloudheal.model.inventory import RUNNING
from cloudheal.model.resource import Resource, ResourceId
from cloudheal.model.system_event import Cycle
from cloudheal.record.draining import is_draining
from cloudheal.record.holds import EVERYTHING, holds_on
from cloudheal.record.workers import is_anyone_alive

#: Servers for which one call asks.
MOST_IN_A_CALL = 100


class PreflightError(RefusedError):
    """The drill cannot be run like this; nothing was created."""

    code = "drill.preflight"


@dataclass(frozen=True, slots=True)
class Ready:
    """What the drill is about: its servers, and what was told of them."""

    servers: tuple[ResourceId, ...]
    scope: Scope


def preflight(ground: Ground, scenario: Scenario, *, allow_real: bool) -> Ready:
    """Look whether the drill can be run. Raises PreflightError."""
    _check_steps(ground, scenario, allow_real=allow_real)
    known = targets_of(ground, scenario.targets)
    ill = list(_illnesses(ground, scenario))
    if ill:
        raise PreflightError("; ".join(ill), what_to_do="cloudheal check says more; then try again.")
    servers = tuple(one.id for one in known)
    places = by_place(servers)
    chunks = sum(ceil(len(there) / MOST_IN_A_CALL) for there in places.values())
    rules = list(_answering(ground, scenario, known))
    scope = Scope(
        account=", ".join(dict.fromkeys(f"{cloud}/{account}" for cloud, account, _ in places)),
        region=", ".join(dict.fromkeys(region for _, _, region in places)),
        servers=tuple(one.id for one in servers),
        rules=tuple(rules),
        real=scenario.actions == "real",
        calls=chunks * len([one for one in scenario.steps if one.announce]),
        scheduled=_room(ground, scenario, servers),
        notes=tuple(_notes(ground, scenario, known, rules)),
    )
    return Ready(servers, scope)


def targets_of(ground: Ground, targets: Targets) -> list[Resource]:
    """Return the servers of a drill as they are known. Raises PreflightError when there are none."""
    there = servers_on_record(ground.database)
    chosen, lost = chosen_among(there, targets), lost_among(there, targets)
    if lost:
        advice = "cloudheal instances lists what is known; a worker's sweep finds new servers."
        raise PreflightError(f"no such server is known: {', '.join(lost)}", what_to_do=advice)
    if not chosen:
        raise PreflightError("the targets select no server", what_to_do="cloudheal instances lists what is known.")
    return (of_one_group(chosen) if targets.one_group else chosen)[: targets.count]


def of_one_group(servers: Sequence[Resource]) -> list[Resource]:
    """Return those of the group that has the most of these servers."""
    members = Counter(one.group for one in servers)
    largest = max(sorted(members), key=members.__getitem__)
    return [one for one in servers if one.group == largest]


def _check_steps(ground: Ground, scenario: Scenario, *, allow_real: bool) -> None:
    """Refuse, by number and name, what cannot be done here."""
    for number, step in enumerate(scenario.steps, 1):
        if step.kind in SIMULATED and ground.cloud is None:
            message = f"step {number} ({step.title}) can be done to a simulated cloud only, and this account is real"
            raise PreflightError(message, what_to_do="--simulator runs the scenario on a simulated cloud of its own.")
        if step.kind == "handler" and ground.handler is None:
            message = f"step {number} ({step.title}) is for a handler of the drill's own; this one is not"
            raise PreflightError(message, what_to_do="--simulator runs the scenario with a handler of its own.")
    if scenario.actions == "real" and not allow_real and ground.handler is None:
        message = f"{scenario.name} lets the handler act for real on its targets, and nobody has said so"
        raise PreflightError(message, what_to_do="--real-actions says it; --simulator rehearses it first.")
    if scenario.actions == "dry" and allow_real and ground.handler is None:
        message = f"{scenario.name} expects dry actions, so real ones would make it fail"
        raise PreflightError(message, what_to_do="Leave --real-actions out, or write `actions: real` into the file.")


def _illnesses(ground: Ground, scenario: Scenario) -> Iterator[str]:
    """Tell what would keep anything from happening."""
    starts = any(one.handler == "start" for one in scenario.steps)
    with ground.database.snapshot() as connection:
        if not starts and not is_anyone_alive(connection, round(ground.settings.lease_seconds * 1000)):
            yield "nobody handles events: no worker is alive (cloudheal run)"
    yield from (f"queue {name} does not answer: {why}" for name, why in ground.queues().items() if why)


def _answering(ground: Ground, scenario: Scenario, known: Sequence[Resource]) -> Iterator[str]:
    """Name the rules that select a target, and of them those that are about what is announced."""
    servers = [(one.id, one) for one in known]
    types = [f"Instance:{one}" for one in scenario.announced]
    now = ground.clock.now()
    for one in answering(ground.database, ground.rules, ground.rules_for, servers, types, now):
        yield f"{one.rule} ({one.playbook}, {one.mode.value})"


def _room(ground: Ground, scenario: Scenario, servers: Sequence[ResourceId]) -> int:
    """Count the simulated events that wait for their time. Raises PreflightError when there is no room for more."""
    if not scenario.announced:
        return 0
    waiting = 0
    for cloud, account in dict.fromkeys((one.cloud, one.account) for one in servers):
        try:
            regions = ground.desk.regions_of(cloud, account)
            listed = [one for region in regions for one in ground.desk.drills_of(cloud, account).simulated(region)]
        except (CloudTransientError, CloudPermanentError) as problem:
            message = f"the simulated events of account {account} cannot be listed: {problem.vendor_code}"
            raise PreflightError(message, what_to_do="cloudheal check tries the permission.") from problem
        scheduled = sum(one.status == Cycle.SCHEDULED for one in listed)
        mine = sum(one.account == account for one in servers)
        if scheduled + mine > MOST_SCHEDULED:
            message = f"account {account} may have {MOST_SCHEDULED} simulated events before them: {scheduled} are there"
            raise PreflightError(f"{message}, {mine} are wanted", what_to_do="cloudheal drill cancel takes some back.")
        waiting += scheduled
    return waiting


def _notes(ground: Ground, scenario: Scenario, known: Sequence[Resource], rules: Sequence[str]) -> Iterator[Note]:
    now = ground.clock.now()
    with ground.database.snapshot() as connection:
        groups = {one.group for one in known if one.group}
        scopes = [EVERYTHING, *(one.id.id for one in known), *sorted(groups)]
        for hold in holds_on(connection, scopes, now):
            code = "paused" if hold.scope == EVERYTHING else "held"
            yield Note(code, {"scope": hold.scope, "who": hold.who, "reason": hold.why})
        if is_draining(connection):
            yield Note("draining")
    if not rules and scenario.announced:
        yield Note("no_rule")
    down = [one.id.id for one in known if one.state != RUNNING]
    if down:
        yield Note("not_running", {"servers": ", ".join(down)})
