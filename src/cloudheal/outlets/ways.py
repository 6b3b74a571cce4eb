"""How each kind of receiver is spoken to: the settings of an outlet become something that sends."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cloudheal.errors import SettingsError
from cloudheal.outlets import clickhouse, otlp, remote_write
from cloudheal.outlets.posting import OutletAwayError, OutletRefusedError, post
from cloudheal.outlets.sample import Sample
from cloudheal.outlets.shipment import Shipment, packed
from cloudheal.sense.webhook import NONCE, SIGNATURE, TIMESTAMP, signature_of
from cloudheal.settings.outlets import OutletSettings

#: A secret that is shorter could be guessed; the other cloudheal refuses it as well.
SHORTEST_SECRET = 16


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
    secret = environment.get(settings.secret_env, "") if settings.secret_env else ""
    if settings.secret_env and not secret:
        raise SettingsError(f"outlets.{settings.name}: {settings.secret_env} is not set in the environment")
    if settings.to == "cloudheal":
        return _cloudheal(settings, secret, now)
    login = _login(settings, secret)
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


def _cloudheal(settings: OutletSettings, secret: str, now: Callable[[], datetime]) -> Way:
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(
            f"outlets.{settings.name}: {settings.secret_env} is shorter than {SHORTEST_SECRET} characters",
            what_to_do="Make a secret, such as with: openssl rand -hex 32",
        )
    url = f"{settings.url.rstrip('/')}/ship/{settings.source}"

    def ship(shipment: Shipment) -> bytes:
        body, moment, nonce = packed(shipment), str(int(now().timestamp())), secrets.token_hex(16)
        signature = signature_of(secret, settings.source, moment, nonce, body)
        signed = {TIMESTAMP: moment, NONCE: nonce, SIGNATURE: signature}
        return post(url, body, {"Content-Type": "application/octet-stream", **signed})

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
