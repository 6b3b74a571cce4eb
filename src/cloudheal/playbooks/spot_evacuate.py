"""Take a spot server out of service before the cloud takes it away, and put another one in its place.

The cloud gives some five minutes' notice (S0.6). The replacement is ordered first, so that it boots while this server
drains: weight 0, a pause, removal, each on every port of every group and each read back, because the service reports
success for members that it did not find (S0.12, S0.15). The last server that serves in a group stays unless the rule
says `remove_last: true`; once a replacement serves there, it goes after all. A server that the cloud will only stop
(S0.13, Q32) keeps its membership with weight 0, since somebody may start it again.

With `evidence: true` how everything was is kept too (Q30), but only once the server is out of its groups: the notice is
minutes, nothing that is done here changes what the server would show, and what it shows goes with it. Reading
it holds up nothing but the wait for the replacement, which boots meanwhile.

What was and was not reached stands in the verdict's evidence, group by group.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Outcome
from cloudheal.act.playbook import Case, End, Playbook, Risk
from cloudheal.model.incident import Healed
from cloudheal.playbooks import evidence, leaving, replacing, sight
from cloudheal.playbooks.leaving import Groups, Home, Homes, SupersededError
from cloudheal.playbooks.replacing import Candidate, Purchase, offers_of, order_of_json, order_to_json
from cloudheal.playbooks.sight import UNWELL, health_of
from cloudheal.ports.cloud import Health, Reclaim
from cloudheal.settings.durations import Duration, duration_of

RUNNING = "Running"
#: Words of the vendor that confirm the notice: the lock, or a server that is on its way out already.
RECYCLING, LEAVING = "recycling", frozenset({"Stopping", "Stopped"})
#: How long the lock may take to show after the notice.
CONFIRM_SECONDS = 15.0
_PASSING = frozenset({Health.NORMAL, Health.UNCHECKED})
#: What is kept free of the notice for the removal itself.
RESERVE = timedelta(seconds=30)
#: A server that is gone may still be a member: the removal is worth trying for a while after the deadline.
GRACE = timedelta(minutes=1)
#: An order whose answer was lost holds nothing up before the drain; after it, it is repeated until that is clear.
TRIES_BEFORE, TRIES_AFTER = 1, 30
ORDER_UNCLEAR = "order_unclear"


class EvacuateParameters(BaseModel):
    """Parameters of the playbook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    drain: Duration = Field(duration_of("30s"), description="Weight 0 for so long before removal; 0s removes at once.")
    remove_last: bool = Field(default=False, description="Remove even the last healthy server of a group.")
    confirm: bool = Field(default=True, description="Act only on a server that the cloud shows as being reclaimed.")
    evidence: bool = Field(
        default=False,
        description="Keep how everything was, the end of the console included, before the server is gone; read once it "
        "is out of its groups, so that it delays nothing.",
    )
    replace: bool = Field(default=False, description="Order another server and put it into the same groups.")
    candidates: tuple[Candidate, ...] = Field(
        (Candidate(),), description="What may be ordered, in order.", min_length=1
    )
    pay_as_you_go: bool = Field(default=False, description="When the spot market has none, order at the full price.")
    orders_per_hour: int = Field(
        20, ge=1, le=1000, description="Servers that may be ordered in an hour, over all rules; then people are told."
    )
    replacement_timeout: Duration = Field(
        duration_of("10m"), description="How long the replacement may take to run and to be well."
    )
    healthy_timeout: Duration = Field(
        duration_of("2m"), description="How long the balancer's check may take to pass it; 0s does not wait for it."
    )


@dataclass(slots=True)
class _Story:
    """What was reached so far, for the evidence."""

    homes: Homes = ()
    kept: dict[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    offers: list[str] = field(default_factory=list)
    replacement: str = ""
    added: list[str] = field(default_factory=list)
    not_added: list[str] = field(default_factory=list)
    trouble: str = ""
    stays: bool = False

    def evidence(self) -> dict[str, str]:
        """Return what happened, group by group; what did not happen is left out."""
        still = {*self.left, *self.kept}
        told = {
            "drained" if self.stays else "removed": "; ".join(h.text for h in self.homes if str(h.place) not in still),
            "kept": "; ".join(f"{place}: {why}" for place, why in self.kept.items()),
            "still_in": "; ".join(one for one in self.left if one not in self.kept),
            "offers": "; ".join(self.offers),
            "replacement": self.replacement,
            "added": "; ".join(self.added),
            "not_added": "; ".join(self.not_added),
            "trouble": self.trouble,
        }
        return {name: text for name, text in told.items() if text}


def spot_evacuate(case: Case, hands: Hands) -> End:
    """Evacuate one spot server."""
    story = _Story()
    try:
        healed, code = _evacuate(case, hands, story)
    except SupersededError:
        healed, code = Healed.UNKNOWN, leaving.SUPERSEDED
    return End(healed, code, story.evidence())


def _evacuate(case: Case, hands: Hands, story: _Story) -> tuple[Healed, str]:
    parameters: EvacuateParameters = case.parameters
    seen = hands.read("look", lambda: _seen(case, confirm=parameters.confirm))
    refused = _refusal(seen, confirm=parameters.confirm)
    if refused is not None:
        return refused
    like = order_of_json(seen.value["like"]) if seen.value["like"] else None
    story.stays = like is not None and like.reclaim is Reclaim.STOP
    groups = Groups(case, hands, _deadline(case) + GRACE, parameters.remove_last)
    found = groups.find_first() or groups.find("all groups", thorough=True)
    if found is None:
        return Healed.UNKNOWN, "groups_unread"
    story.homes = found

    offers = offers_of(case, like, parameters.candidates, pay_as_you_go=parameters.pay_as_you_go) if like else ()
    purchase = Purchase(case, hands, offers if parameters.replace else (), parameters.orders_per_hour, story.offers)
    purchase.order(TRIES_BEFORE)
    _leave(case, hands, groups, found, story)

    rest = groups.find("groups after", thorough=True)
    known = {one.place for one in story.homes}
    late = tuple(one for one in rest or () if one.place not in known)
    story.homes += late
    _leave(case, hands, groups, late, story)
    if parameters.evidence and not evidence.gather(case, hands):
        raise SupersededError

    story.replacement = purchase.order(TRIES_AFTER)
    if purchase.unclear:
        story.trouble = ORDER_UNCLEAR
        story.offers.append(f"{purchase.unclear}: unclear")
    joined = bool(story.replacement) and _join(case, hands, story)
    if story.kept and joined:
        _leave_after_all(case, hands, groups, story)
    left = groups.find("groups at the end", thorough=True)
    if left is None:
        return Healed.UNKNOWN, "groups_unread"
    story.left = tuple(str(one.place) for one in left if not story.stays or any(m.weight for m in one.mine))
    return _verdict(parameters, story, joined=joined)


def _verdict(parameters: EvacuateParameters, story: _Story, *, joined: bool) -> tuple[Healed, str]:
    """Say how it ended: only what was read back counts, and the worst of it names the verdict."""
    replaced = not parameters.replace or bool(story.replacement)
    ends = (
        (any(one not in story.kept for one in story.left), Healed.NOT_HEALED, "still_in_group"),
        (bool(story.left), Healed.NOT_HEALED, leaving.LAST_HEALTHY),
        (story.trouble == ORDER_UNCLEAR, Healed.UNKNOWN, ORDER_UNCLEAR),
        (not replaced, Healed.NOT_HEALED, "not_replaced"),
        (parameters.replace and not joined, Healed.NOT_HEALED, story.trouble or "replacement_not_added"),
        (not story.homes and not parameters.replace, Healed.NOT_NEEDED, "in_no_group"),
    )
    return next(((healed, code) for holds, healed, code in ends if holds), (Healed.HEALED, "evacuated"))


def _seen(case: Case, *, confirm: bool) -> dict[str, Any]:
    """Look at the server and at what it was ordered with, once the cloud shows that it is being reclaimed."""

    def state() -> dict[str, Any]:
        server = case.compute.servers(case.resource.region, [case.resource.id]).get(case.resource.id)
        if server is None:
            return {"state": "", "confirmed": True, "spot": True}
        confirmed = RECYCLING in server.locks or server.state in LEAVING
        return {"state": server.state, "confirmed": confirmed, "spot": server.spot}

    if confirm:
        case.wait(CONFIRM_SECONDS, lambda: bool(state()["confirmed"]))
    like = case.orders.like(case.resource.region, case.resource.id)
    return {**state(), "like": order_to_json(like) if like else None}


def _refusal(seen: Outcome, *, confirm: bool) -> tuple[Healed, str] | None:
    """Say why this server must not be touched; None when it is being reclaimed."""
    if not seen.ok:
        return Healed.UNKNOWN, "unknown_state"
    if not seen.value["spot"]:
        return Healed.NOT_NEEDED, "not_spot"
    return (Healed.UNKNOWN, "unconfirmed") if confirm and not seen.value["confirmed"] else None


def _leave(case: Case, hands: Hands, groups: Groups, homes: Homes, story: _Story) -> None:
    """Drain, wait, remove; the last healthy one of a group stays for the time being."""
    going: list[Home] = []
    for home in homes:
        if home.is_last and not groups.remove_last:
            story.kept[str(home.place)] = leaving.LAST_HEALTHY
        else:
            going.append(home)
    if story.stays or case.parameters.drain:
        going = [home for home in going if _went(groups.drain(home), home, story)]
        if going and not story.stays:
            hands.read(f"drained {going[0].place}", lambda: _drained(case))
    if not story.stays:
        for home in going:
            _went(groups.remove(home), home, story)


def _went(outcome: Outcome, home: Home, story: _Story) -> bool:
    """Note a group in which the server turned out to be the last one. Other failures the last scan tells."""
    if outcome.code == leaving.LAST_HEALTHY:
        story.kept[str(home.place)] = leaving.LAST_HEALTHY
        return False
    return True


def _drained(case: Case) -> dict[str, bool]:
    """Wait while connections end, but leave time for the removal."""
    left = (_deadline(case) - RESERVE - case.now()).total_seconds()
    seconds = min(case.parameters.drain.total_seconds(), left)
    return {"over": seconds > 0 and case.wait(seconds, lambda: False)}


def _leave_after_all(case: Case, hands: Hands, groups: Groups, story: _Story) -> None:
    """Go out of the groups in which another one serves by now."""
    kept = dict(story.kept)
    story.kept.clear()
    again = groups.find("kept groups", thorough=True)
    for home in again or ():
        if str(home.place) in kept:
            _leave(case, hands, groups, (home,), story)


def _join(case: Case, hands: Hands, story: _Story) -> bool:
    """Put the replacement in once it runs and is well, as this server was; then wait for the balancers' checks."""
    parameters: EvacuateParameters = case.parameters
    server = story.replacement
    seen = hands.read("replacement runs", lambda: _comes_up(case, server))
    if not seen.ok or not seen.value["well"]:
        runs = seen.ok and seen.value["runs"]
        story.trouble = "replacement_not_healthy" if runs else "replacement_not_running"
        story.not_added = [home.text for home in story.homes]
        return False
    groups = Groups(case, hands, _deadline(case) + parameters.replacement_timeout + GRACE, remove_last=False)
    for home in story.homes:
        (story.added if groups.add(home, server).ok else story.not_added).append(home.text)
    if story.not_added:
        return False
    if story.added and parameters.healthy_timeout:
        healthy = hands.read("replacement healthy", lambda: _passes(case, server, story.homes))
        if not healthy.ok or not healthy.value["healthy"]:
            story.trouble = "replacement_not_healthy"
            return False
    return True


def _comes_up(case: Case, server: str) -> dict[str, bool]:
    """Wait until the replacement runs and nothing is said against its health."""
    runs = False

    def is_well() -> bool:
        nonlocal runs
        found = case.compute.servers(case.resource.region, [server]).get(server)
        runs = found is not None and found.state == RUNNING
        return runs and health_of(case, server) not in UNWELL

    return {"well": case.wait(case.parameters.replacement_timeout.total_seconds(), is_well), "runs": runs}


def _passes(case: Case, server: str, homes: Homes) -> dict[str, bool]:
    """Wait until every group that checks its members finds the replacement healthy."""
    wanted = {home.place for home in homes}

    def passes() -> bool:
        found = case.balancers.memberships(case.resource.region, server, thorough=False)
        if not wanted <= {group.place for group in found}:
            found = case.balancers.memberships(case.resource.region, server, thorough=True)
        groups = {group.place: group.of(server) for group in found}
        serving = [one for place in wanted for one in groups.get(place, ()) if one.weight > 0]
        return wanted <= groups.keys() and all(one.health in _PASSING for one in serving)

    return {"healthy": case.wait(case.parameters.healthy_timeout.total_seconds(), passes)}


def _deadline(case: Case) -> datetime:
    return case.deadline or case.occurred


SPOT_EVACUATE = Playbook(
    name="spot_evacuate",
    troubles=("interruption",),
    parameters=EvacuateParameters,
    verbs=("servers", "memberships", "named", "members", "set_weights", "remove", "add", "like", "order"),
    reversible=True,
    run=spot_evacuate,
    summary="Takes a spot server out of its balancers before the cloud takes it away, and puts another in its place.",
    risk=Risk.HIGH,
    promises=(
        "Every group that the server was in was read back without it, or with weight 0 if it will only be stopped.",
        "No group lost its last healthy server, unless the rule says remove_last.",
        "With replace: the new server runs and is well, in the same groups, ports and weights, and passes its checks.",
    ),
    options={"evidence": ("console", "health"), "replace": ("health",)},
    parts=(evidence, leaving, replacing, sight),
)
