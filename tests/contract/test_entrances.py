"""One core, four entrances: the same messages make the same rows, whichever way they came."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.app import App
from cloudheal.function import handle
from cloudheal.model.event import Channel
from cloudheal.record.database import open_database
from cloudheal.record.tables import DEAD_LETTER, DECISION, EVENT, INCIDENT, LIFECYCLE, METADATA, RESOURCE, RUN
from cloudheal.sense.webhook import NONCE, SIGNATURE, TIMESTAMP, signature_of
from cloudheal.settings import Settings
from tests.sim.simulator import RunningSimulator

ACCOUNT = "1000000000000001"
SECRET = "correct-horse-battery-staple"
ARN = f"acs:ecs:cn-hangzhou:{ACCOUNT}:instance/i-web"
OLD = {"product": "ECS", "resourceId": ARN, "regionId": "cn-hangzhou", "userId": ACCOUNT, "level": "INFO"}
STOPPED = OLD | {
    "name": "Instance:StateChange", "eventTime": "20260302T110026.922+0800",
    "content": {"resourceId": "i-web", "state": "Stopped"},
}  # fmt: skip
RECLAIMED = OLD | {
    "name": "Instance:PreemptibleInstanceInterruption", "eventTime": "20260302T110126.922+0800",
    "content": {"instanceId": "i-web", "action": "delete"},
}  # fmt: skip
CLOUD_EVENT = {
    "specversion": "1.0", "id": "e1", "source": "acs.ecs", "type": "ecs:Instance:StateChange", "subject": ARN,
    "time": "2026-03-02T02:59:27Z", "aliyunregionid": "cn-hangzhou", "aliyunaccountid": ACCOUNT,
    "data": {"resourceId": "i-web", "state": "Running", "名": "值"},
}  # fmt: skip
BODIES = [
    json.dumps(STOPPED).encode(),
    base64.b64encode(json.dumps(STOPPED).encode()),
    json.dumps(RECLAIMED).encode(),
    json.dumps(CLOUD_EVENT, ensure_ascii=False).encode(),
    b"not an event",
]
RULE: dict[str, Any] = {
    "name": "restart",
    "when": {"type": ["Instance:StateChange"]},
    "resources": {"all": True},
    "playbook": "restart_stopped",
}
#: What differs by the entrance, or by when the row was written.
OWN = {
    "id",
    "attributes",
    "channel",
    "origin",
    "digest",
    "received",
    "decided",
    "as_of",
    "since",
    "first_seen",
    "described",
    "event",
}
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def settings(simulator: RunningSimulator, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """One account with a queue, and one sender that signs."""
    for name, value in {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
        "HOOK": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    queue = {"endpoint": simulator.url, "name": "q", "wait_seconds": 0}
    account = {"name": "a", "cloud": "alibaba", "id": ACCOUNT, "regions": ["cn-hangzhou"], "endpoint": simulator.url}
    return Settings.model_validate({
        "accounts": [account | {"queue": queue}],
        "database": database_url,
        "rules": [RULE],
        "listen": {"port": 0, "sources": [{"name": "ours", "secret_env": "HOOK"}]},
    })  # fmt: skip


def by_queue(settings: Settings, simulator: RunningSimulator, _folder: Path) -> None:
    """Have the messages on the queue."""
    for body in BODIES:
        simulator.control("POST", "events", {"raw": body.decode(), "queue": "q"})
    with App(settings).entering() as app:
        app.consume(settings.accounts[0], once=True)


def by_webhook(settings: Settings, _simulator: RunningSimulator, _folder: Path) -> None:
    """Push the messages."""
    app = App(settings)
    app.poll = lambda: None  # type: ignore[method-assign]  # what it finds is no part of this
    with app.running():
        assert app.listener is not None
        for number, body in enumerate(BODIES):
            timestamp, nonce = str(int(time.time())), f"nonce-{number:04}"
            signature = signature_of(SECRET, "ours", timestamp, nonce, body)
            connection = http.client.HTTPConnection("127.0.0.1", app.listener.port, timeout=20)
            shown = {TIMESTAMP: timestamp, NONCE: nonce, SIGNATURE: signature}
            connection.request("POST", "/ingest/ours", body, shown)
            assert connection.getresponse().status == 200
            connection.close()


def by_file(settings: Settings, _simulator: RunningSimulator, _folder: Path) -> None:
    """Feed the messages, as `cloudheal feed` does."""
    with App(settings).entering() as app:
        app.take(BODIES, "file", Channel.FILE)


def by_function(settings: Settings, _simulator: RunningSimulator, _folder: Path) -> None:
    """Call the function for each message."""
    for body in BODIES:
        handle(settings, [body], 0)


Entrance = Callable[[Settings, RunningSimulator, Path], None]


def rows_after(entrance: Entrance, settings: Settings, simulator: RunningSimulator, folder: Path) -> dict[str, Any]:
    """Return every row that an entrance left, without what is its own."""
    simulator.control("POST", "reset")
    server = {"id": "i-web", "region": "cn-hangzhou", "status": "Running"}
    simulator.world({"regions": ["cn-hangzhou"], "alibaba": {"instances": [server], "queues": [{"name": "q"}]}})
    database = open_database(settings.database)
    METADATA.drop_all(database.writing)
    METADATA.create_all(database.writing)
    entrance(settings, simulator, folder)
    with database.snapshot() as connection:
        found = {
            table.name: sorted(
                repr({str(name): value for name, value in row.items() if name not in OWN})
                for row in connection.execute(sa.select(table)).mappings()
            )
            for table in (EVENT, DEAD_LETTER, DECISION, INCIDENT, RUN, LIFECYCLE, RESOURCE)
        }
    database.close()
    return found


def test_every_entrance_leaves_the_same_rows(settings: Settings, simulator: RunningSimulator, tmp_path: Path) -> None:
    """Events, dead letters, decisions, lifecycle and inventory are equal but for channel and time of arrival."""
    expected = rows_after(by_file, settings, simulator, tmp_path)
    assert {name: len(rows) for name, rows in expected.items()} == {
        "event": 3, "dead_letter": 1, "decision": 1, "incident": 0, "run": 0, "lifecycle": 2, "resource": 1,
    }  # fmt: skip
    for entrance in (by_queue, by_webhook, by_function):
        found = rows_after(entrance, settings, simulator, tmp_path)
        for name, rows in expected.items():
            assert found[name] == rows, (entrance.__name__, name)
