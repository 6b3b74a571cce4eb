"""Steps for taking a server out of its balancer's groups, and putting it or another one in, for playbooks that do so.

The ports and weights found first are what counts for the whole run. Each change is read back; what a busy balancer
refused and what got lost is sent again until the group reads as wanted or time is up: setting a weight, removing and
adding do no harm when repeated. Just before each change the group is read afresh, and the last server that serves in
it is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Self

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.playbook import Case
from cloudheal.model.deed import Deed
from cloudheal.ports.cloud import MOST_MEMBERS, Group, Health, Member, Place
from cloudheal.verify.membership import is_able, is_last_healthy, is_member, lacking, receives

#: How long a group may take to read as wanted before the change is sent again; the balancer's busy spells are shorter.
PATIENCE_SECONDS = 3.0
#: Against a clock that stands still: nobody sends one change more often.
MOST_TRIES = 100
LAST_HEALTHY = "last_healthy"
SUPERSEDED = "superseded"


class SupersededError(Exception):
    """The run is not ours any more, or a person said stop: nothing further may be done."""


@dataclass(frozen=True, slots=True)
class Home:
    """One group that the server was found in: its members there, and which other servers could serve."""

    place: Place
    mine: tuple[Member, ...]
    able: tuple[str, ...]
    is_last: bool

    @classmethod
    def of(cls, group: Group, server: str) -> Self:
        """Note what is found of a server in a group."""
        able = {one.server for one in group.members if one.server != server and _could_serve(group, one)}
        return cls(group.place, group.of(server), tuple(sorted(able)), is_last_healthy(group, server))

    @property
    def text(self) -> str:
        """`balancer/group 8080@30,9090@100`, as evidence shows it."""
        return f"{self.place} {','.join(f'{one.port}@{one.weight}' for one in self.mine)}"

    def to_json(self) -> dict[str, Any]:
        """Return the form that is checkpointed."""
        return {
            "place": asdict(self.place),
            "mine": [asdict(one) for one in self.mine],
            "able": list(self.able),
            "is_last": self.is_last,
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a checkpoint back."""
        mine = tuple(Member(**(one | {"health": Health(one["health"])})) for one in document["mine"])
        return cls(Place(**document["place"]), mine, tuple(document["able"]), document["is_last"])


Homes = tuple[Home, ...]


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one case's server; gives up changing them at `give_up` on the operator's clock.

    Where changing them only `helps` it is no attempt at healing.
    """

    case: Case
    hands: Hands
    give_up: datetime
    remove_last: bool
    helps: bool = False

    def find_first(self) -> Homes | None:
        """Find most of the groups quickly: those of the last sweep, else those that the cloud's own filter names."""
        return self._find("known groups", self._known) or self.find("groups", thorough=False)

    def find(self, name: str, *, thorough: bool) -> Homes | None:
        """Find the groups that the server is in; None when they could not be read until time was up."""
        return self._find(name, partial(self._found, thorough=thorough))

    def _find(self, name: str, look: Callable[[], dict[str, Any]]) -> Homes | None:
        for attempt in range(1, MOST_TRIES):
            read = self.hands.read(f"{name} {attempt}", look)
            if read.ok:
                return tuple(sorted((Home.of_json(one) for one in read.value["homes"]), key=lambda one: one.place))
            if read.kind is Kind.PERMANENT or self._late(f"{name} {attempt} wait"):
                break
        return None

    def drain(self, home: Home) -> Outcome:
        """Set the server's weights in a group to 0, so that it is given nothing new."""
        server = self.case.resource.id
        drained = [replace(one, weight=0) for one in home.mine if one.weight > 0]
        return self._change("drain", home, drained, self.case.balancers.set_weights, lambda m: not receives(m, server))

    def remove(self, home: Home) -> Outcome:
        """Take the server out of a group, on every port."""
        server = self.case.resource.id
        return self._change(
            "remove", home, home.mine, self.case.balancers.remove, lambda members: not is_member(members, server)
        )

    def add(self, home: Home, server: str) -> Outcome:
        """Put another server into a group, with the ports and weights that this one had."""
        wanted = [replace(one, server=server, address="") for one in home.mine]
        return self._change(
            "add", home, wanted, self.case.balancers.add, lambda members: not lacking(wanted, members), joins=True
        )

    def restore(self, home: Home) -> Outcome:
        """Give the server the weights back that a drain took, where they are 0 still; what somebody changed stays."""
        server, place = self.case.resource, home.place
        taken = [one for one in home.mine if one.weight > 0]

        def owed(members: Sequence[Member]) -> list[Member]:
            drained = {one.port for one in members if one.server == server.id and one.weight == 0}
            return [one for one in taken if one.port in drained]

        def look() -> dict[str, Any]:
            return {"ports": [one.port for one in owed(self.case.balancers.members(server.region, place))]}

        seen = self.hands.read(f"restore {place} look", look)
        if not seen.ok:
            return seen
        entries = [one for one in taken if one.port in seen.value["ports"]]
        return self._change(
            "restore", home, entries, self.case.balancers.set_weights, lambda members: not owed(members), joins=True
        )

    def _change(
        self,
        name: str,
        home: Home,
        entries: Sequence[Member],
        verb: Callable[[str, Place, Sequence[Member], float], str],
        is_done: Callable[[Sequence[Member]], bool],
        *,
        joins: bool = False,
    ) -> Outcome:
        """Send a change, by the twenty, until the group reads as wanted. Raises SupersededError."""
        region, place = self.case.resource.region, home.place
        before = home.to_json()

        def done() -> bool:
            return is_done(self.case.balancers.members(region, place))

        def send(part: Sequence[Member], seconds: float) -> Outcome:
            if not joins and self._is_last_now(home):
                return Outcome(Kind.REFUSED, LAST_HEALTHY)
            return Outcome(Kind.OK, request_id=verb(region, place, part, seconds))

        sent = Outcome(Kind.OK)
        for attempt in range(1, MOST_TRIES):
            for number, part in enumerate(_parts(entries), 1):
                step = f"{name} {place} {attempt}.{number}"
                sent = self.hands.act_repeatable(step, before, partial(send, part), lambda _: done(), helps=self.helps)
                if sent.kind is Kind.REFUSED and sent.code == SUPERSEDED:
                    raise SupersededError
                if sent.kind in {Kind.REFUSED, Kind.PERMANENT}:
                    return sent
            back = self.hands.read(f"{name} {place} {attempt} read back", lambda: self._read_back(done))
            if back.value["done"]:
                return Outcome(Kind.OK, request_id=sent.request_id)
            if back.value["late"]:
                break
        return Outcome(Kind.TRANSIENT, sent.code or "not_taken_up", sent.request_id)

    def _is_last_now(self, home: Home) -> bool:
        """Read the group afresh, and say whether nobody would be left in it to serve."""
        if self.remove_last:
            return False
        members = self.case.balancers.members(self.case.resource.region, home.place)
        others = any(one.weight > 0 and one.server in home.able for one in members)
        # A server that serves nothing (drained, or failing its check beside nobody) may go whoever is left.
        serves = receives(members, self.case.resource.id) and (home.is_last or bool(home.able))
        return serves and not others

    def _known(self) -> dict[str, Any]:
        server = self.case.resource
        groups = self.case.balancers.named(server.region, server.id, self.case.places())
        return {"homes": [Home.of(group, server.id).to_json() for group in groups]}

    def _found(self, *, thorough: bool) -> dict[str, Any]:
        server = self.case.resource
        groups = self.case.balancers.memberships(server.region, server.id, thorough=thorough)
        return {"homes": [Home.of(group, server.id).to_json() for group in groups]}

    def _read_back(self, done: Callable[[], bool]) -> dict[str, bool]:
        return {"done": self.case.wait(PATIENCE_SECONDS, done), "late": self.case.now() >= self.give_up}

    def _late(self, name: str) -> bool:
        return bool(self.hands.read(name, lambda: self._read_back(lambda: False)).value["late"])


def taken_out(deeds: Sequence[Deed]) -> dict[Place, Home]:
    """Return the groups in which a run drained its server and did not give it back, as they were before."""
    owed: dict[Place, Home] = {}
    for deed in deeds:
        verb, _, _ = deed.name.partition(" ")
        if verb == "drain" and deed.may_have_happened:
            home = Home.of_json(deed.before)
            owed.setdefault(home.place, home)
        elif verb == "restore" and deed.outcome == Kind.OK:
            owed.pop(Home.of_json(deed.before).place, None)
    return owed


def given_back(deeds: Sequence[Deed]) -> list[Place]:
    """Return the groups in which a run gave its server the weights back."""
    return [
        Home.of_json(one.before).place for one in deeds if one.name.startswith("restore ") and one.outcome == Kind.OK
    ]


def _could_serve(group: Group, member: Member) -> bool:
    return is_able(member, checked=any(one.health in {Health.NORMAL, Health.ABNORMAL} for one in group.members))


def _parts(entries: Sequence[Member]) -> Iterator[Sequence[Member]]:
    for start in range(0, len(entries), MOST_MEMBERS):
        yield entries[start : start + MOST_MEMBERS]
