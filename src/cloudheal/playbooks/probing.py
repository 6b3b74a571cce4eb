"""The step that asks a server itself whether it serves, again and again, until it answers or its time is over.

Where it asks comes from the rule alone. Of the server only its private address gets into the question, as its cloud
describes it now, and only where that is the plain address of a machine; a name, a tag or a message never does.

What came of it is kept in the journal, so that a later look asks on within the same time, and not again what was
answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case
from cloudheal.model.deed import Deed
from cloudheal.playbooks.leaving import SupersededError
from cloudheal.playbooks.ordering import PATIENCE
from cloudheal.playbooks.sight import server_of
from cloudheal.ports.probes import Finding
from cloudheal.settings.durations import Duration, duration_of

#: The step that keeps what came of a probe.
PROBE = "probe"
ADDRESS = "{address}"
NO_ADDRESS = Finding(answers=False, seen="the cloud describes no valid private address of it")
#: The longest that one question may take.
LONGEST = timedelta(seconds=30)
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
_URL = re.compile(rf"https?://(?:\{{address\}}|\[[0-9A-Fa-f:.]+\]|{_HOST})(?::\d{{1,5}})?(?:[/?][!\"$-z|~]*)?")


class QuestionParameters(BaseModel):
    """A question to a server over the network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tcp: int | None = Field(None, ge=1, le=65535, description="The port that must take a connection.")
    host: str = Field("", description="Where that port is; empty: at the server's private address.")
    http: str = Field("", description="The address that must answer; `{address}` is the server's private address.")
    status: int = Field(200, ge=200, le=599, description="The status that it must answer with.")
    timeout: Duration = Field(duration_of("5s"), description="How long one question may take, at most 30s.")

    @model_validator(mode="after")
    def _is_one_question(self) -> Self:
        if (self.tcp is None) == (not self.http):
            raise ValueError("a probe is either tcp: PORT or http: ADDRESS")
        if self.host and (self.tcp is None or not (re.fullmatch(_HOST, self.host) or ip_of(self.host))):
            raise ValueError("host is a name or an IP address, and belongs to tcp")
        if self.http and not (_URL.fullmatch(self.http) and _has_port(self.http)):
            raise ValueError(
                f"http is http://HOST:PORT/PATH, where HOST may be {ADDRESS}, without a user or a fragment"
            )
        if not timedelta() < self.timeout <= LONGEST:
            raise ValueError("timeout is more than 0s and at most 30s")
        return self


class ProbeParameters(QuestionParameters):
    """What a server must answer before it serves again."""

    within: Duration = Field(duration_of("5m"), description="How long the server may take to answer.")


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of a probe so far, in words too; `is_over` when no time is left to ask again."""

    answers: bool
    is_over: bool
    told: str


def ask(case: Case, hands: Hands, probe: ProbeParameters, past: Sequence[Deed], began: datetime) -> Probed:
    """Ask for a while, where no earlier look was answered. Raises SupersededError."""
    earlier = [one.before for one in past if one.name == PROBE]
    answered = next((str(one["told"]) for one in earlier if one["answers"]), "")
    if answered:
        return Probed(answers=True, is_over=True, told=answered)
    since = min((datetime.fromisoformat(one["since"]) for one in earlier), default=began)
    until = since + probe.within
    seen = hands.read("probe asked", partial(_asked, case, probe, until)).value
    if not hands.note(PROBE, {**seen, "since": since.isoformat()}):
        raise SupersededError
    return Probed(seen["answers"], datetime.fromisoformat(seen["at"]) >= until, seen["told"])


def ip_of(text: str) -> IPv4Address | IPv6Address | None:
    """Return the plain address of a machine; None for everything else, a zone behind an address included."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return None if "%" in text else found


def _asked(case: Case, probe: ProbeParameters, until: datetime) -> dict[str, Any]:
    """Ask until there is an answer, for no longer than a look may wait."""
    findings = [Finding(answers=False, seen="the server could not be read")]
    address = cache(partial(_address, case))

    def answers() -> bool:
        findings.append(finding(case, probe, address))
        return findings[-1].answers

    left = min(PATIENCE, until - case.now())
    case.wait(max(left, timedelta()).total_seconds(), answers)
    last = findings[-1]
    return {"at": case.now().isoformat(), "answers": last.answers, "told": f"{question_of(probe)}: {last.seen}"}


def finding(case: Case, probe: QuestionParameters, address: Callable[[], str]) -> Finding:
    """Ask once. Raises Cloud*Error when the server's address is wanted and cannot be read."""
    seconds = probe.timeout.total_seconds()
    own = ADDRESS in probe.http or (probe.tcp is not None and not probe.host)
    ip = ip_of(address()) if own else None
    if own and ip is None:
        return NO_ADDRESS
    if probe.tcp is not None:
        return case.probes.tcp(str(ip) if own else probe.host, probe.tcp, seconds)
    host = f"[{ip}]" if isinstance(ip, IPv6Address) else str(ip)
    return case.probes.http(probe.http.replace(ADDRESS, host), probe.status, seconds)


def _address(case: Case) -> str:
    server = server_of(case)
    return server.address if server else ""


def question_of(probe: QuestionParameters) -> str:
    """Name the question as the rule has it; what stands behind a question mark may be a secret."""
    if probe.tcp is not None:
        return f"tcp {probe.host}:{probe.tcp}" if probe.host else f"tcp {probe.tcp}"
    return f"http {probe.http.partition('?')[0]}"


def _has_port(url: str) -> bool:
    try:
        return urlsplit(url.replace(ADDRESS, "address")).port != 0
    except ValueError:
        return False
