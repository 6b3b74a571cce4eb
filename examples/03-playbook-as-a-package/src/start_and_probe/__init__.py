"""Start a server that stopped, and believe that it is well only when its service answers on a TCP port."""

import socket
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cloudheal.extend import (
    Case,
    Duration,
    End,
    Hands,
    Healed,
    Kind,
    Outcome,
    Playbook,
    Reason,
    Refusal,
    Risk,
    duration_of,
    reason_of,
)


class Parameters(BaseModel):
    """What a rule gives under `with:`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("{name}", description="Where the service listens; {name} and {id} are the server's.")
    port: int = Field(ge=1, le=65535, description="The service's port.")
    timeout: Duration = Field(duration_of("5m"), description="How long start and service may take together.")


#: A start that was not sent (throttled, or cut off by a crash) is tried again, each time after a fresh look.
TRIES = 5
#: How often a locked server is looked at again.
LOCK_PAUSE = duration_of("5m")


def start_and_probe(case: Case, hands: Hands) -> End | Refusal:
    """Heal one stopped server."""
    for number in range(1, TRIES + 1):
        seen = hands.read(f"look {number}", lambda: look(case))
        if not seen.ok:
            return End(Healed.UNKNOWN, "unknown_state", {"code": seen.code})
        server = seen.value
        if server.get("state") != "Stopped":
            return End(Healed.NOT_NEEDED, "not_stopped", {"state": str(server.get("state", "gone"))})
        if server["locks"]:
            return Refusal(Reason.LOCKED, server["locks"][0], after=LOCK_PAUSE)
        if not case.desired_on:
            return Refusal(Reason.UNEXPLAINED)
        started = hands.act(
            f"start {number}", server, lambda seconds: start(case, seconds), lambda _: has_left_stopped(case)
        )
        if started.kind is not Kind.TRANSIENT:
            break
    if not started.ok:
        return not_started(started)

    host = case.parameters.host.format(name=server["name"], id=case.resource.id)
    probed = hands.read("probe", lambda: {"answers": wait_for(case, host)})
    answers = probed.ok and probed.value["answers"]
    return End(
        Healed.HEALED if answers else Healed.NOT_HEALED,
        "service_answers" if answers else "service_silent",
        {"service": f"{host}:{case.parameters.port}", "request_id": started.request_id},
    )


def not_started(started: Outcome) -> End | Refusal:
    """Say what follows from a start that did not take place, or of which nobody knows."""
    reason = reason_of(started.code) if started.kind is Kind.REFUSED else None
    if reason is not None and reason is not Reason.SUPERSEDED:
        return Refusal(reason)  # a pause or a hold came in between: the run waits for its end
    return End(Healed.NOT_HEALED if started.kind is Kind.PERMANENT else Healed.UNKNOWN, started.code)


def look(case: Case) -> dict[str, Any]:
    """Read the server afresh; nothing of it when it is gone."""
    found = case.compute.servers(case.resource.region, [case.resource.id]).get(case.resource.id)
    return {} if found is None else {"state": found.state, "locks": list(found.locks), "name": found.name}


def start(case: Case, seconds: float) -> Outcome:
    """Send the call, within so many seconds."""
    return Outcome(Kind.OK, request_id=case.compute.start(case.resource.region, case.resource.id, seconds))


def has_left_stopped(case: Case) -> bool:
    """Say whether a start whose answer was lost took place."""
    return look(case).get("state") != "Stopped"


def wait_for(case: Case, host: str) -> bool:
    """Wait until the server runs and its port takes a connection."""
    port, seconds = case.parameters.port, case.parameters.timeout.total_seconds()
    return case.wait(seconds, lambda: look(case).get("state") == "Running" and answers(host, port))


def answers(host: str, port: int) -> bool:
    """Say whether somebody takes connections at a port."""
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


START_AND_PROBE = Playbook(
    name="start_and_probe",
    summary="Starts a stopped server and waits until its service answers.",
    troubles=("stopped",),
    parameters=Parameters,
    verbs=("servers", "start"),
    risk=Risk.LOW,
    reversible=True,
    promises=("The server was read back as Running.", "Its port took a TCP connection."),
    run=start_and_probe,
)
