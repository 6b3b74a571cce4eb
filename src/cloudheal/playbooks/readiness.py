"""Waits until a command can be run inside a server: it runs, its agent answers, and where asked it can be reached.

That a server runs only means that it is powered on, and an agent that was online a moment ago may be the one from
before the trouble: it counts when its last sign of life is younger than that, as far as the cloud tells. Everything is
read anew each time. A look waits for a minute at most and for no longer than `until`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.playbook import Case
from cloudheal.decide.afresh import STOPPED
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.inventory import RUNNING
from cloudheal.playbooks import starting
from cloudheal.playbooks.ordering import PATIENCE
from cloudheal.playbooks.probing import QuestionParameters, finding, question_of
from cloudheal.playbooks.sight import server_of
from cloudheal.ports.cloud import Agent


class Voice(StrEnum):
    """What the cloud says of the agent inside a server that runs."""

    ONLINE = "online"
    OFFLINE = "offline"
    SILENT = "silent"
    """Said to be online, and not heard of since before the trouble."""
    NONE = "none"
    """The cloud knows of none: perhaps it is not installed."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A server as it was just seen; `state` is empty when there is none, None when it could not be read."""

    read: Outcome
    at: datetime
    state: str | None
    voice: str = ""
    reached: str = ""
    is_ready: bool = False

    @classmethod
    def of(cls, read: Outcome, otherwise: datetime) -> Self:
        """Read what a step saw; `otherwise` is when, if it saw nothing."""
        if not read.ok:
            return cls(read, otherwise, None)
        seen = read.value
        at = datetime.fromisoformat(seen["at"])
        return cls(read, at, seen["state"], seen["agent"], seen["reached"], seen["ready"])

    def told(self) -> Mapping[str, str]:
        """Return it as evidence; what is not known is left out."""
        state = self.read.code or self.read.kind.value if self.state is None else self.state
        facts = {"state": state, "agent": self.voice, "reached": self.reached}
        return {name: text for name, text in facts.items() if text}


def see(
    case: Case, hands: Hands, name: str, question: QuestionParameters | None, heard_since: datetime, until: datetime
) -> Ready:
    """Look until the server is ready, stopped or gone, for as long as a look may; agents must have been heard since."""

    def read() -> dict[str, Any]:
        looks: list[dict[str, Any]] = []

        def enough() -> bool:
            looks.append(_sample(case, question, heard_since))
            return looks[-1]["ready"] or looks[-1]["state"] in {"", STOPPED}

        left = min(PATIENCE, until - case.now())
        case.wait(max(left, timedelta()).total_seconds(), enough)
        return looks[-1] if looks else _tried(lambda: _sample(case, question, heard_since))

    seen = hands.read(name, read)
    at = hands.read(f"{name}: time", lambda: {"at": case.now().isoformat()})
    if seen.ok and "problem" in seen.value:
        seen = Outcome(Kind.TRANSIENT, seen.value["problem"])
    return Ready.of(seen, datetime.fromisoformat(at.value["at"]))


def _tried(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Look once more after a wait in which nothing could be read; a problem is told, because the wait is over."""
    try:
        return look()
    except (CloudPermanentError, CloudTransientError) as problem:
        return {"problem": problem.vendor_code or problem.code}


def _sample(case: Case, question: QuestionParameters | None, heard_since: datetime) -> dict[str, Any]:
    """Look once. Raises Cloud*Error."""
    server = server_of(case)
    seen = starting.told_of(case, server) if server else {"state": ""}
    voice = _voice_of(_agent(case), heard_since) if seen["state"] == RUNNING else ""
    reached, told = voice == Voice.ONLINE, ""
    if question is not None and reached:
        found = finding(case, question, lambda: server.address if server else "")
        reached, told = found.answers, f"{question_of(question)}: {found.seen}"
    return {"at": case.now().isoformat(), **seen, "agent": voice, "reached": told, "ready": reached}


def _agent(case: Case) -> Agent | None:
    return case.guests.agents(case.resource.region, [case.resource.id]).get(case.resource.id)


def _voice_of(agent: Agent | None, heard_since: datetime) -> Voice:
    if agent is None:
        return Voice.NONE
    if not agent.is_online:
        return Voice.OFFLINE
    heard = _moment(agent.seen)
    # Clouds tell whole seconds; a time that cannot be read, or none, proves nothing and objects to nothing.
    is_old = heard is not None and heard < heard_since.replace(microsecond=0)
    return Voice.SILENT if is_old else Voice.ONLINE


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
