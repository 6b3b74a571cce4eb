"""How each kind of receiver is spoken to: the settings of an outlet become something that sends."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cloudheal.outlets import clickhouse, otlp, remote_write
from cloudheal.outlets.posting import OutletAwayError, OutletRefusedError, post
from cloudheal.outlets.sample import Sample
from cloudheal.outlets.shipment import Shipment, packed
from cloudheal.outlets.signing import Signer, secret_of, signer_of
from cloudheal.settings.outlets import OutletSettings


@dataclass(frozen=True, slots=True)
class Way:
    """One of the two is what the receiver takes."""

    samples: Callable[[Sequence[Sample]], int] | None = None
    minutes: Callable[[Shipment], object] | None = None
    wants_closed: bool = False
    """It is to be told up to where everything was sent, although there is nothing new."""

    def send(self, samples: Sequence[Sample]) -> int:
        """Send figures; returns how many of them were refused. Raises Outlet*Error."""
        return self.samples(samples) if self.samples else 0

    def ship(self, shipment: Shipment) -> None:
        """Send minutes. Raises OutletAwayError, also for what is refused: nothing of them may be left out."""
        if self.minutes:
            try:
                self.minutes(shipment)
            except OutletRefusedError as problem:
                raise OutletAwayError(str(problem.args[0])) from problem


def way_of(settings: OutletSettings, environment: Mapping[str, str], host: str, now: Callable[[], datetime]) -> Way:
    """Return how an outlet is served by a host. Raises SettingsError naming a variable, never its value."""
    host = settings.instance or host
    if settings.to == "cloudheal":
        return _cloudheal(settings, signer_of(settings, environment, now))
    login = _login(settings, secret_of(settings, environment))
    if settings.to == "clickhouse":
        return _clickhouse(settings, login)
    if settings.to == "otlp":
        return Way(
            samples=lambda some: otlp.rejected(
                post(settings.url, otlp.export_request(some, host), {**otlp.HEADERS, **login})
            )
        )
    headers = {**remote_write.HEADERS, **login}
    return Way(samples=lambda some: 0 * len(post(settings.url, remote_write.write_request(some, host), headers)))


def _cloudheal(settings: OutletSettings, signer: Signer) -> Way:
    url = f"{settings.url.rstrip('/')}/ship/{settings.source}"

    def ship(shipment: Shipment) -> bytes:
        body = packed(shipment)
        return post(url, body, {"Content-Type": "application/octet-stream", **signer.signed(body)})

    return Way(minutes=ship, wants_closed=True)


def _clickhouse(settings: OutletSettings, login: Mapping[str, str]) -> Way:
    insert = clickhouse.statement(settings.url, clickhouse.insertion(settings.table))
    made = False

    def ship(shipment: Shipment) -> bytes:
        nonlocal made
        if not made:
            post(settings.url, clickhouse.creation(settings.table).encode(), {**clickhouse.STATEMENT, **login})
        made = False  # after a failure it is made anew: the receiver may have lost it
        answer = post(insert, clickhouse.rows_of(shipment), {**clickhouse.HEADERS, **login})
        made = True
        return answer

    return Way(minutes=ship)


def _login(settings: OutletSettings, secret: str) -> Mapping[str, str]:
    if not secret:
        return {}
    if settings.auth == "basic":
        return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    return {"Authorization": f"Bearer {secret}"}
