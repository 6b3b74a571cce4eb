"""MNS by hand: signed requests sent with http.client, answers as bytes.

For what the SDKs hide: exact headers and bodies, wrong signatures, hostile documents.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from tests.sim.signing import MNS_VERSION, Answer, mns_signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sim.simulator import RunningSimulator

NAMESPACE = "http://mns.aliyuncs.com/doc/v1/"


@dataclass(slots=True)
class RawMns:
    """A signing client; every part of a request can be replaced, None leaves a header out."""

    address: str
    key: str = "testid"
    secret: str = "testsecret"
    headers: dict[str, str | None] = field(default_factory=dict)

    def ask(self, method: str, target: str, body: bytes | str = b"", **headers: str | None) -> Answer:
        """Send one signed request on a connection of its own; `x_mns_marker` is the header x-mns-marker."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            return self.ask_on(connection, method, target, body, **headers)
        finally:
            connection.close()

    def ask_on(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: bytes | str = b"",
        **headers: str | None,
    ) -> Answer:
        """Send one signed request on a connection that is kept."""
        data = body.encode() if isinstance(body, str) else body
        wanted = self.signed(method, target, data, {name.replace("_", "-"): value for name, value in headers.items()})
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in wanted.items():
            connection.putheader(name, value)
        connection.endheaders(data)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def signed(self, method: str, target: str, body: bytes, changes: dict[str, str | None]) -> dict[str, str]:
        """Return the headers of a request; those that are named in `changes` are sent as they are there."""
        headers: dict[str, str | None] = {
            "host": self.address,
            "date": formatdate(usegmt=True),
            "x-mns-version": MNS_VERSION,
            "content-length": str(len(body)),
        }
        if body:
            headers["content-type"] = "text/xml;charset=UTF-8"
            headers["content-md5"] = base64.b64encode(hashlib.md5(body).hexdigest().encode()).decode()
        headers |= {**self.headers, **changes}
        kept = {name: value for name, value in headers.items() if value is not None}
        kept.setdefault("authorization", f"MNS {self.key}:{mns_signature(method, target, kept, self.secret)}")
        return {name: value for name, value in kept.items() if value}

    # --- what most tests begin with ---

    def queue(self, name: str = "q", **attributes: object) -> str:
        """Create a queue and return its name."""
        answer = self.ask("PUT", f"/queues/{name}", document("Queue", attributes))
        assert answer.status == 201, answer.body
        return name

    def send(self, body: str, queue: str = "q", **facts: object) -> Answer:
        """Send a message."""
        return self.ask("POST", f"/queues/{queue}/messages", document("Message", {"MessageBody": body, **facts}))

    def receive(self, queue: str = "q", query: str = "") -> Answer:
        """Receive."""
        return self.ask("GET", f"/queues/{queue}/messages{query}")

    def counts(self, queue: str = "q") -> tuple[int, int, int]:
        """Return how many messages are active, inactive, delayed."""
        answer = self.ask("GET", f"/queues/{queue}")
        active, inactive, delayed = (int(answer.text(f"{name}Messages")) for name in ("Active", "Inactive", "Delay"))
        return active, inactive, delayed


def document(root: str, facts: dict[str, Any] | list[tuple[str, Any]]) -> str:
    """Write a request document; nested facts become nested elements."""
    return f'<?xml version="1.0" encoding="utf-8"?><{root} xmlns="{NAMESPACE}">{_inner(facts)}</{root}>'


def _inner(facts: Any) -> str:
    if isinstance(facts, dict):
        facts = list(facts.items())
    if isinstance(facts, list):
        return "".join(f"<{name}>{_inner(value)}</{name}>" for name, value in facts)
    return str(facts).replace("&", "&amp;").replace("<", "&lt;")


class Background:
    """A call in a thread of its own, for polls that wait."""

    def __init__(self, call: Callable[[], Answer]) -> None:
        self._answers: list[Answer] = []
        self._thread = threading.Thread(target=lambda: self._answers.append(call()), daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> bool:
        """Whether there is no answer yet."""
        return not self._answers

    def answer(self) -> Answer:
        """Wait for the answer and return it."""
        self._thread.join(30)
        assert self._answers, "no answer within 30 s"
        return self._answers[0]


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError(f"{what} did not happen within 10 s")


def polls(sim: RunningSimulator) -> int:
    """Count the receives that have no answer yet."""
    entries = sim.journal(service="mns", kind="request")
    return sum(
        entry.get("action", "").endswith("ReceiveMessage") and not entry.get("status") and not entry.get("code")
        for entry in entries
    )
