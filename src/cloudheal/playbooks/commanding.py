"""The step that runs a command inside a server: sent once, and what came of it read until it is over.

Its token is made from the run, the step and the command, so that one whose answer was lost is sent again and is the
same run of it. What one look has sent a later one finds in the journal, and only reads. A command is sent byte for
byte; of its output the end is kept, without what looks like a secret.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind
from cloudheal.act.playbook import Case, Refusal
from cloudheal.model.decision import Reason
from cloudheal.model.deed import Deed
from cloudheal.playbooks.evidence import masked
from cloudheal.playbooks.ordering import PATIENCE, PAUSE, LookOverError, ordered, token_of
from cloudheal.ports.cloud import Command, Made, Result

#: Characters of the end of an output that are kept, where nobody wants more.
TAIL = 400


@dataclass(frozen=True, slots=True)
class Errand:
    """A command and the name of its step; one that only helps is no attempt at healing."""

    name: str
    command: Command
    helps: bool = True
    tail: int = TAIL

    def is_sent_by(self, deed: Deed) -> bool:
        """Say whether an entry of the journal is this errand, taken by the cloud."""
        return deed.name.rpartition(" ")[0] == self.name and deed.outcome == Kind.OK and bool(deed.value)


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a command; `status` is the vendor's word or, where it was refused, its code."""

    id: str
    status: str = ""
    exit_code: int | None = None
    output: str = ""

    @property
    def went_well(self) -> bool:
        """True when it ended by itself and without an error."""
        return self.exit_code == 0

    @property
    def code(self) -> str:
        """How it ended, as verdicts say it; empty when it went well."""
        if self.went_well:
            return ""
        return "command_failed" if self.status else "command_timeout"

    @property
    def text(self) -> str:
        """Everything in one line."""
        parts = (self.status or self.id, "" if self.exit_code is None else str(self.exit_code), self.output)
        return " ".join(one for one in parts if one).strip()

    def told(self) -> dict[str, str]:
        """Return it as evidence; what is not known is left out."""
        code = "" if self.exit_code is None else str(self.exit_code)
        facts = {"command": self.id, "exit_code": code, "output": self.output.strip()}
        return {name: text for name, text in facts.items() if text}


def is_sent(errand: Errand, deeds: Sequence[Deed]) -> bool:
    """Say whether an earlier look has sent an errand."""
    return any(errand.is_sent_by(one) for one in deeds)


def done(case: Case, hands: Hands, errand: Errand, deeds: Sequence[Deed], at: datetime) -> Ran:
    """Run a command once, and read what came of it; `at` is when this look began. Raises LookOverError."""
    sent = [one for one in deeds if errand.is_sent_by(one)]
    if sent:
        return _seen(case, hands, errand, str(sent[0].value["id"]), sent[0].at)
    words = json.dumps(asdict(errand.command), ensure_ascii=False, sort_keys=True)
    token = token_of(case.run, errand.name, words)

    def send(seconds: float) -> Made:
        return case.guests.run_command(case.resource.region, case.resource.id, errand.command, token, seconds)

    asked = ordered(case, hands, errand.name, {"token": token}, send, helps=errand.helps)
    if asked.kind is Kind.PERMANENT:
        return Ran("", asked.code)
    return _seen(case, hands, errand, str(asked.value["id"]), at)


def _seen(case: Case, hands: Hands, errand: Errand, id_: str, since: datetime) -> Ran:
    """Read until it is over, for no longer than a look may wait. Raises LookOverError."""

    def read() -> dict[str, Any]:
        found: list[Result | None] = []

        def over() -> bool:
            found.append(case.guests.command_result(case.resource.region, case.resource.id, id_))
            return found[-1] is not None and found[-1].is_over

        case.wait(PATIENCE.total_seconds(), over)
        last = found[-1] if found else None
        at = case.now().isoformat()
        if last is None or not last.is_over:
            return {"at": at, "over": False}
        output = masked(last.output)[-errand.tail :]
        return {"at": at, "over": True, "status": last.status, "exit_code": last.exit_code, "output": output}

    seen = hands.read(f"{errand.name} result", read)
    if seen.ok and seen.value["over"]:
        return Ran(id_, seen.value["status"], seen.value["exit_code"], seen.value["output"])
    # The cloud ends a command by its own limit; what is still open a minute later never ends.
    latest = since + timedelta(seconds=errand.command.timeout) + PATIENCE
    if seen.ok and datetime.fromisoformat(seen.value["at"]) >= latest:
        return Ran(id_)
    raise LookOverError(Refusal(Reason.UNDERWAY, after=PAUSE))
