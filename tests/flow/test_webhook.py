"""Events pushed over HTTP: who may push, how much, and that the answer comes after the commit."""

from __future__ import annotations

import base64
import http.client
import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from cloudheal.app import App
from cloudheal.errors import SettingsError
from cloudheal.model.event import Channel
from cloudheal.record.inbox import DeadLetter, add_dead_letter
from cloudheal.record.tables import DEAD_LETTER, EVENT
from cloudheal.sense.webhook import NONCE, SIGNATURE, TIMESTAMP, signature_of
from tests.conftest import ROOT
from tests.flow.watching import ACCOUNT, Watching, settings_of
from tests.sim.simulator import RunningSimulator

SECRET = "correct-horse-battery-staple"
BASIC = "aliyun:another-long-secret-word"
PATH = "0123456789abcdef0123456789abcdef"
OTHER = "2000000000000002"
LISTEN = {
    "port": 0,
    "sources": [
        {"name": "ours", "secret_env": "HOOK_SIGNED"},
        {"name": "aliyun", "proof": "basic", "secret_env": "HOOK_BASIC", "accounts": [OTHER], "max_bytes": 2048},
        {"name": "subscription", "proof": "path", "secret_env": "HOOK_PATH", "per_minute": 5},
    ],
}


def event(state: str = "Pending", id_: str = "i-web", account: str = ACCOUNT, second: int = 26) -> bytes:
    """Return an envelope as CloudMonitor pushes it."""
    return json.dumps({
        "product": "ECS", "name": "Instance:StateChange", "regionId": "cn-hangzhou", "userId": account,
        "eventTime": f"20260302T1100{second:02}.922+0800", "content": {"resourceId": id_, "state": state},
    }).encode()  # fmt: skip


class Hook:
    """A worker that listens, and a client that pushes."""

    def __init__(self, app: App, simulator: RunningSimulator) -> None:
        assert app.listener is not None
        self.app = app
        self.port = app.listener.port
        self.rows = Watching(app, simulator).rows

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Make a request; returns status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def pushed(self) -> list[sa.Row[Any]]:
        """Return the events that were pushed; polls find out that their servers do not exist."""
        return self.rows(EVENT, EVENT.c.channel == Channel.WEBHOOK.value)

    def signed(
        self, body: bytes, nonce: str, *, late: float = 0, secret: str = SECRET, over: bytes | None = None
    ) -> int:
        """Push as our own senders do; `over` is what is really signed."""
        timestamp = str(int(time.time() - late))
        signature = signature_of(secret, "ours", timestamp, nonce, body if over is None else over)
        shown = {TIMESTAMP: timestamp, NONCE: nonce, SIGNATURE: signature}
        return self.ask("POST", "/ingest/ours", body, shown)[0]


@pytest.fixture
def hook(simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    """A listening worker."""
    for name, value in {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
        "HOOK_SIGNED": SECRET,
        "HOOK_BASIC": BASIC,
        "HOOK_PATH": PATH,
    }.items():
        monkeypatch.setenv(name, value)
    simulator.control("POST", "reset")
    with App(settings_of(simulator, tmp_path, listen=LISTEN)).running() as app:
        yield Hook(app, simulator)


def test_a_signed_push_is_on_disk_when_it_is_answered(hook: Hook) -> None:
    """Answered with 200 after the commit; the same event by another push is a duplicate, not an error."""
    assert hook.signed(event(), "nonce-0001") == 200
    (row,) = hook.pushed()
    assert (row.channel, row.resource, row.account) == ("webhook", "i-web", ACCOUNT)
    assert hook.signed(event(), "nonce-0002") == 200
    assert len(hook.pushed()) == 1


def test_a_push_is_not_answered_well_when_it_cannot_be_kept(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that fails makes the sender come again, with the same push as it was signed."""
    with hook.app.database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE event RENAME TO elsewhere")
    assert hook.signed(event(), "nonce-0001") == 503
    with hook.app.database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO event")
    assert hook.signed(event(), "nonce-0001") == 200
    assert hook.signed(event(), "nonce-0001") == 409


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_program_of_the_page_pushes_what_it_reads(hook: Hook, tmp_path: Path, language: str) -> None:
    """As it stands there: taken once, and refused with another secret."""
    page = (ROOT / "docs" / language / "howto" / "operate.md").read_text()
    program = page.partition("```python\n# push.py\n")[2].partition("```")[0]
    (tmp_path / "push.py").write_text(program)

    def pushed(secret: str) -> tuple[int, str]:
        words = (sys.executable, "push.py", f"http://127.0.0.1:{hook.port}", "ours")
        done = subprocess.run(
            words,
            input=event(),
            capture_output=True,
            check=False,
            cwd=tmp_path,
            env={"PUSH_SECRET": secret},
            timeout=60,
        )
        return done.returncode, done.stdout.decode()

    assert pushed(SECRET) == (0, '200 {"result": "ok"}\n')
    assert pushed("guess-guess-guess-guess")[0] == 1
    assert len(hook.pushed()) == 1


def test_a_replayed_late_or_altered_push_is_refused(hook: Hook) -> None:
    """Once, within five minutes, with the body that was signed and our secret; nothing else leaves a trace."""
    assert hook.signed(event(), "nonce-0001") == 200
    assert hook.signed(event(second=27), "nonce-0001") == 409
    assert hook.signed(event(second=28), "nonce-0003", late=301) == 401
    assert hook.signed(event(second=28), "nonce-0003", late=-400) == 401
    assert hook.signed(event("Stopped"), "nonce-0004", over=event()) == 401
    assert hook.signed(event(second=29), "nonce-0005", secret="guess-guess-guess-guess") == 401
    assert hook.signed(event(second=29), "short") == 401
    assert hook.ask("POST", "/ingest/ours", event(second=30))[0] == 401
    assert len(hook.pushed()) == 1
    assert hook.rows(DEAD_LETTER) == []


def test_a_vendors_push_shows_its_password(hook: Hook) -> None:
    """Basic auth, right and wrong; an account that the source may not speak for; a body too large for it."""

    def push(password: str, body: bytes) -> int:
        shown = {"Authorization": "Basic " + base64.b64encode(password.encode()).decode()}
        return hook.ask("POST", "/ingest/aliyun", body, shown)[0]

    assert push(BASIC, event(account=ACCOUNT)) == 403
    assert push(BASIC + "x", event(account=OTHER)) == 401
    assert push(BASIC, b"x" * 3000) == 413
    assert hook.ask("POST", "/ingest/aliyun", event(), {"Authorization": "Basic !!!"})[0] == 401
    assert hook.pushed() == []
    assert push(BASIC, event(account=OTHER)) == 200  # on disk, as a dead letter: the settings do not list it
    (letter,) = hook.rows(DEAD_LETTER)
    assert OTHER in letter.reason


def test_a_push_of_unknown_length_is_refused_as_soon_as_it_is_too_large(hook: Hook) -> None:
    """In pieces whose end never comes, no more is taken in than the source may send."""
    login = base64.b64encode(BASIC.encode()).decode()
    head = (
        f"POST /ingest/aliyun HTTP/1.1\r\nHost: h\r\nAuthorization: Basic {login}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", hook.port), timeout=20) as client:
        client.sendall(head.encode() + b"bb8\r\n" + b"x" * 3000 + b"\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_secret_path_takes_json_and_forms_at_its_rate(hook: Hook) -> None:
    """The subscription's JSON and its form are the same event; the sixth push in a minute is put off."""
    raw = {"resourceId": "i-web", "state": "Stopped"}
    meta = {"name": "Instance:StateChange", "regionId": "cn-hangzhou", "eventTime": "20260302T110027.108+0800",
            "resourceId": f"acs:ecs:cn-hangzhou:{ACCOUNT}:instance/i-web"}  # fmt: skip
    alert = {"product": "ECS", "eventName": "Instance:StateChange", "eventContentMap": raw, "userId": ACCOUNT,
             "meta": {"sysEventMeta": meta}}  # fmt: skip
    document = {"userId": ACCOUNT, "alert": alert}
    form = urlencode({"userId": ACCOUNT, "alert": json.dumps(alert)}).encode()
    path = f"/ingest/subscription/{PATH}"
    assert hook.ask("POST", path, json.dumps(document).encode(), {"Content-Type": "application/json"})[0] == 200
    assert hook.ask("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded"})[0] == 200
    assert [row.status for row in hook.pushed()] == ["Stopped"]
    assert hook.ask("POST", "/ingest/subscription/" + "0" * 32, form)[0] == 401
    assert hook.ask("POST", "/ingest/subscription", form)[0] == 401
    statuses = [hook.ask("POST", path, event(second=n))[0] for n in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_hostile_bodies_end_as_dead_letters_and_the_listener_lives(hook: Hook) -> None:
    """Garbage, nesting, bombs of brackets, wrong types: kept with the reason, answered, and the next event is taken."""
    hostile = [b"", b"\xff\xfe\x00", b"[" * 5000, b'{"a":' * 5000, b'{"product": 3}', b"null", b'"x"', b"{}" * 100,
               json.dumps({"product": "ECS", "name": "Instance:StateChange", "content": None}).encode(),
               b'{"product":"ECS","name":"Instance:StateChange","content":{"resourceId":{"a":1}},"eventTime":1e308}',
               ("中" * 20000).encode()]  # fmt: skip
    for number, body in enumerate(hostile):
        assert hook.signed(body, f"nonce-{number:04}") == 200, body[:40]
    letters = hook.rows(DEAD_LETTER)
    assert len(letters) == len(hostile)
    assert all(letter.reason and letter.channel == Channel.WEBHOOK for letter in letters)
    assert hook.signed(event(), "nonce-last") == 200
    assert len(hook.pushed()) == 1


def test_a_header_that_is_no_text_is_a_strangers(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes that are not UTF-8 in place of a token are refused like a wrong one, and leave no trace in the log."""
    asked = {}
    for path in ("/healthz", "/metrics", "/ingest/aliyun"):
        with socket.create_connection(("127.0.0.1", hook.port), timeout=20) as line:
            method = b"POST" if path.startswith("/ingest") else b"GET"
            head = b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\nAuthorization: Bearer \xff\xfe"
            line.sendall(method + b" " + path.encode() + head + b"\r\n\r\n")
            asked[path] = line.makefile("rb").readline().split()[1]
    assert asked == {"/healthz": b"200", "/metrics": b"200", "/ingest/aliyun": b"401"}
    assert "Traceback" not in caplog.text


def test_a_dead_letter_of_a_source_is_replayed_within_what_the_source_may_say(hook: Hook) -> None:
    """A source that speaks for one account only does not speak for another when somebody replays what it sent."""
    letter = DeadLetter(hook.app.clock.now(), Channel.WEBHOOK, "webhook aliyun", "unknown then", event("Stopped"))
    with hook.app.database.transaction() as connection:
        number = add_dead_letter(connection, letter)
    assert "may not speak for" in hook.app.replay(number)
    assert hook.pushed() == []
    mine = replace(letter, origin="webhook ours")
    with hook.app.database.transaction() as connection:
        number = add_dead_letter(connection, mine)
    assert hook.app.replay(number) == ""
    assert len(hook.pushed()) == 1


def test_a_push_of_a_hundred_thousand_parts_is_one_dead_letter(hook: Hook) -> None:
    """It holds up nobody: taken apart it would keep the database from everybody else for minutes."""
    body = b"[" + b",".join(b"%d" % number for number in range(40_000)) + b"]"
    assert hook.signed(body, "nonce-0001") == 200
    (letter,) = hook.rows(DEAD_LETTER)
    assert (letter.raw, "a JSON list" in letter.reason) == (body, True)


def test_secrets_are_nowhere_to_be_found(hook: Hook, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Not in logs, answers, metrics, tables or representations, whatever is pushed and refused."""
    caplog.set_level(logging.DEBUG)
    answers = [
        hook.ask("POST", f"/ingest/subscription/{PATH}", event()),
        hook.ask("POST", f"/ingest/nobody/{PATH}", event()),
        hook.ask("GET", f"/ingest/subscription/{PATH}"),
        hook.ask(
            "POST", "/ingest/aliyun", event(), {"Authorization": "Basic " + base64.b64encode(BASIC.encode()).decode()}
        ),
        hook.ask("GET", "/healthz"),
        hook.ask("GET", "/metrics"),
    ]
    hook.signed(b"not an event", "nonce-0001")
    seen = caplog.text + repr(answers) + repr(hook.app.listener.__dict__ if hook.app.listener else "")
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("watch.db*"))
    for secret in (SECRET, BASIC, PATH, base64.b64encode(BASIC.encode()).decode()):
        assert secret not in seen
        assert secret.encode() not in stored


def test_the_worker_shows_its_health_and_its_numbers(hook: Hook) -> None:
    """/healthz says ok; /metrics counts events and requests; a worker that was declared dead is not ok."""
    hook.signed(event(), "nonce-0001")
    hook.ask("POST", "/ingest/nobody", event())
    status, text = hook.ask("GET", "/healthz")
    assert (status, json.loads(text)["ok"]) == (200, True)
    status, text = hook.ask("GET", "/metrics")
    lines = text.splitlines()
    assert 'cloudheal_events_total{channel="webhook",outcome="done"} 1' in lines
    assert 'cloudheal_webhook_requests_total{source="unknown",status="404"} 1' in lines
    assert "cloudheal_worker_alive 1" in lines
    with hook.app.database.transaction() as connection:
        connection.exec_driver_sql("UPDATE worker SET heir = 'another'")
    status, text = hook.ask("GET", "/healthz")
    assert (status, json.loads(text)["ok"]) == (503, False)


def test_a_missing_or_short_secret_is_refused_at_the_start(
    simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named, its value is not."""
    for name, value in {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOOK_SIGNED", "too-short")
    with pytest.raises(SettingsError, match="HOOK_SIGNED") as raised:
        App(settings_of(simulator, tmp_path, listen={"sources": LISTEN["sources"][:1]}))  # type: ignore[index]
    assert "too-short" not in str(raised.value)
