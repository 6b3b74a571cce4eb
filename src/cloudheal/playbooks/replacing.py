"""Steps for ordering a server in place of another one, for playbooks that need them: one server for one incident.

Candidates are tried in order; one that is sold out, too dear or not allowed gives way to the next. Each has a token
made from the run, the step and the candidate, so that an order whose answer was lost is sent again without buying
twice; no other candidate is tried before that order's fate is known. There is a limit of orders in an hour, over all
runs: a mass reclaim, or a notice that comes again and again, does not buy without end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.playbook import Case
from cloudheal.model.deed import ORDER, ORDERS_USED
from cloudheal.playbooks.leaving import SUPERSEDED, SupersededError
from cloudheal.ports.cloud import Order, Reclaim

#: Codes that hold for every candidate: trying the next one is pointless.
_OF_ALL = (ORDERS_USED, "InsufficientBalance", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Idempotent")
_MOST_TAGS = 20
_PAUSE_SECONDS = 2.0


class Candidate(BaseModel):
    """One thing that may be ordered; what is left out is as the present server has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str = Field("", description="Instance type.")
    switch: str = Field("", description="Subnet (vSwitch), which also decides the zone.")
    image: str = Field("", description="Image.")


@dataclass(frozen=True, slots=True)
class Offer:
    """One order that may be sent, with its token."""

    order: Order
    token: str

    @property
    def text(self) -> str:
        """`type in switch, spot`, as evidence shows it."""
        return f"{self.order.type} in {self.order.switch}, {'spot' if self.order.spot else 'pay as you go'}"


@dataclass(slots=True)
class Purchase:
    """The order of one case, which may be continued until it is clear what came of it."""

    case: Case
    hands: Hands
    offers: tuple[Offer, ...]
    most: int
    """Servers that may be ordered in an hour, over all runs."""
    tried: list[str] = field(default_factory=list)
    server: str = ""
    _offer: int = 0
    _tries: int = 0

    @property
    def unclear(self) -> str:
        """The offer of which nobody knows yet what came of it; empty when there is none."""
        is_open = not self.server and self._offer < len(self.offers)
        return self.offers[self._offer].text if is_open else ""

    def order(self, tries: int) -> str:
        """Go through the offers, repeating an unclear one up to `tries` times; returns the server, if there is one."""
        repeats = 0
        while self.unclear and repeats < tries:
            offer = self.offers[self._offer]
            sent = self._send(offer)
            if sent.ok:
                self.server = str(sent.value["server"])
                self.tried.append(f"{offer.text}: ordered")
            elif sent.kind is Kind.PERMANENT or sent.code == ORDERS_USED:
                self.tried.append(f"{offer.text}: {sent.code}")
                self._offer = len(self.offers) if sent.code.startswith(_OF_ALL) else self._offer + 1
            else:
                repeats += 1
                if repeats < tries:
                    self.hands.read(f"order {self._tries} wait", self._pause)
        return self.server

    def _send(self, offer: Offer) -> Outcome:
        self._tries += 1
        region = self.case.resource.region

        def call(seconds: float) -> Outcome:
            made = self.case.orders.order(region, offer.order, offer.token, seconds)
            return Outcome(Kind.OK, request_id=made.request_id, value={"server": made.server})

        before = {"offer": offer.text, "token": offer.token}
        sent = self.hands.act_repeatable(f"{ORDER} {self._tries}", before, call, None, most_orders=self.most)
        if sent.kind is Kind.REFUSED and sent.code == SUPERSEDED:
            raise SupersededError
        return sent

    def _pause(self) -> dict[str, bool]:
        return {"over": self.case.wait(_PAUSE_SECONDS, lambda: False)}


def offers_of(case: Case, like: Order, candidates: tuple[Candidate, ...], *, pay_as_you_go: bool) -> tuple[Offer, ...]:
    """Return what may be ordered for a case, in order: every candidate on the spot market, then at the full price."""
    return tuple(_offers(case, like, candidates, (True, False) if pay_as_you_go else (True,)))


def _offers(case: Case, like: Order, candidates: tuple[Candidate, ...], markets: tuple[bool, ...]) -> Iterator[Offer]:
    own = [(key, value) for key, value in like.tags.items() if key != "replaces"]
    tags = dict(own[: _MOST_TAGS - 1])
    for spot in markets:
        for number, candidate in enumerate(candidates):
            order = replace(
                like,
                type=candidate.type or like.type,
                switch=candidate.switch or like.switch,
                zone="" if candidate.switch else like.zone,
                image=candidate.image or like.image,
                spot=spot,
                price_limit=like.price_limit if spot else 0.0,
                tags={**tags, "replaces": case.resource.id},
            )
            said = f"{case.run}|order|{number}|{spot}|{order.type}|{order.switch}|{order.image}"
            yield Offer(order, f"cloudheal-{hashlib.sha256(said.encode()).hexdigest()[:40]}")


def order_to_json(order: Order) -> dict[str, Any]:
    """Return the form that is checkpointed."""
    return asdict(order)


def order_of_json(document: Mapping[str, Any]) -> Order:
    """Read a checkpoint back."""
    return Order(
        **{
            **document,
            "security_groups": tuple(document["security_groups"]),
            "reclaim": Reclaim(document["reclaim"]),
        }
    )
