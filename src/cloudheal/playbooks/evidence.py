"""The evidence bundle: how everything was before anything is done, gathered once and kept in the run's journal.

It holds the system event, the server with its health and locks, the end of its console, and what our own ledger says
of it lately. What cannot be read is said to be unreadable, with the reason; a bundle that is not whole holds nothing
up. What looks like a secret is masked: a console shows whatever anybody printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.deed import EVIDENCE
from cloudheal.model.incident import DISK, OF_EVENTS
from cloudheal.settings.discretion import discreet

#: Characters of a console's end, and entries of the ledger, that are kept.
MOST_CONSOLE, MOST_ENTRIES = 4000, 50
MASK = "***"
_SECRETS = re.compile(
    r"(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))"
    r"|(?P<key>\b(?:LTAI|AKID|AKIA|STS\.)[0-9A-Za-z.]{8,}\b)"
    r"|(?P<bearer>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"
    r"|(?P<login>://[^\s/:@]*:)[^\s/@]+(?=@)"
    r"|(?P<named>[\w-]*(?:passw(?:or)?d|passwd|pwd|secret|token|api[_-]?key|credential)[\w-]*[\"']?\s*[:=]\s*[\"']?)"
    r"[^\s\"',;&]+",
    re.IGNORECASE | re.DOTALL,
)


def gather(case: Case, hands: Hands, found: Mapping[str, Any] | None = None) -> bool:
    """Gather the bundle and keep it, with what a playbook `found`; False when the run is not ours any more.

    Where an earlier look has kept one there is no second one.
    """
    kept = hands.read("evidence kept", lambda: {"kept": any(one.name == EVIDENCE for one in case.memory.deeds())})
    if kept.value.get("kept"):
        return True
    bundle = hands.read("gather evidence", lambda: _bundle(case))
    return hands.note(EVIDENCE, {**bundle.value, **(found or {})})


def masked(text: str) -> str:
    """Return a text without the secrets that we know and without what looks like one."""
    return _SECRETS.sub(_mask, discreet(text))


def _mask(found: re.Match[str]) -> str:
    kept = next((found[name] for name in ("bearer", "login", "named") if found[name]), "")
    return f"{kept}{MASK}"


def _bundle(case: Case) -> dict[str, Any]:
    region, server = case.resource.region, case.resource.id
    return {
        "at": case.now().isoformat(),
        "run": case.run,
        "resource": str(case.resource),
        "trouble": str(case.trouble),
        "event": _tried(lambda: _event(case)),
        "server": _tried(lambda: _server(case)),
        "health": _tried(lambda: case.system_events.health(region, [server]).get(server, "")),
        "console": _tried(lambda: masked(case.guests.console(region, server))[-MOST_CONSOLE:]),
        "ledger": [masked(one) for one in case.memory.ledger(MOST_ENTRIES)],
    }


def _tried(read: Callable[[], object]) -> object:
    """Read a part; one that cannot be read is no reason not to keep the others."""
    try:
        return read()
    except (CloudPermanentError, CloudTransientError) as problem:
        return {"unreadable": problem.vendor_code or type(problem).__name__}


def _event(case: Case) -> Mapping[str, str]:
    if case.trouble.kind not in OF_EVENTS:
        return {}
    read = case.system_events.disk_events if case.trouble.kind == DISK else case.system_events.system_events
    found = read(case.resource.region, [case.trouble.id]).get(case.trouble.id)
    if found is None:
        return {}
    times = {"published": found.published, "not_before": found.not_before, "finished": found.finished}
    return {
        "id": found.id,
        "type": found.type,
        "status": found.status,
        "reason": masked(found.reason),
        "impact": found.impact,
        "disk": found.disk,
        "simulated": "yes" if found.simulated else "no",
        **{name: at.isoformat() if at else "" for name, at in times.items()},
    }


def _server(case: Case) -> Mapping[str, Any]:
    found = case.compute.servers(case.resource.region, [case.resource.id]).get(case.resource.id)
    if found is None:
        return {}
    return {
        "state": found.state,
        "name": found.name,
        "zone": found.zone,
        "locks": list(found.locks),
        "started": found.started,
        "expires": found.expires.isoformat() if found.expires else "",
        "tags": {key: masked(f"{key}={value}").partition("=")[2] for key, value in found.tags.items()},
    }
