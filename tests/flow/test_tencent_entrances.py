"""The ways in for Tencent Cloud's events: pushes and callbacks over HTTP, files; mutated bodies on any of them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner

from cloudheal.app import App
from cloudheal.cli import app as cli
from cloudheal.model.event import Channel
from cloudheal.record.tables import DEAD_LETTER, DECISION, EVENT
from cloudheal.settings.schema import Settings
from cloudheal.testing.clock import START, VirtualClock
from tests.conftest import ROOT
from tests.flow.tencent import ACCOUNT, RULE, account_of, called, pushed, settings_of
from tests.flow.test_mutated import changed, flipped

WEB = "ins-heal0001"
PATH = "0123456789abcdef0123456789abcdef"
LISTEN = {
    "port": 0,
    "sources": [
        {"name": "eventbridge", "proof": "path", "secret_env": "HOOK_PATH"},
        {"name": "others", "proof": "path", "secret_env": "HOOK_PATH", "accounts": ["100000000002"]},
    ],
}
FAULT = START - timedelta(minutes=1)
Ask = Callable[[str, bytes], tuple[int, dict[str, Any]]]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """A worker's way in; its cloud does not answer, which nothing here asks for."""
    keys = {"TENCENTCLOUD_SECRET_ID": "AKIDtest", "TENCENTCLOUD_SECRET_KEY": "testsecret", "HOOK_PATH": PATH}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    running = App(settings_of("http://127.0.0.1:9", tmp_path, listen=LISTEN), VirtualClock())
    with running.entering():
        yield running


@pytest.fixture
def ask(app: App) -> Iterator[Ask]:
    """Push a body to a source; returns status and answer."""
    assert app.listener is not None
    port = app.listener.start()

    def push(source: str, body: bytes) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", f"/ingest/{source}/{PATH}", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read())
        connection.close()
        return answer.status, told

    yield push
    app.listener.stop()


def rows(app: App, table: sa.Table) -> list[sa.Row[Any]]:
    """Read a table."""
    with app.database.snapshot() as connection:
        return list(connection.execute(sa.select(table)).all())


def test_a_pushed_event_is_on_disk_when_it_is_answered(app: App, ask: Ask) -> None:
    """Once or twice, alone or in a list: each event is a row of its own account."""
    assert ask("eventbridge", pushed(WEB, "1", FAULT, id_="a")) == (200, {"result": "ok"})
    batch = [json.loads(pushed(WEB, "1", FAULT, id_="a")), json.loads(pushed(WEB, "0", START, id_="b"))]
    assert ask("eventbridge", json.dumps({"EventList": batch}).encode())[0] == 200
    assert [(one.channel, one.account, one.status) for one in rows(app, EVENT)] == [
        ("webhook", ACCOUNT, "1"),
        ("webhook", ACCOUNT, "0"),
    ]


def test_a_callback_is_answered_as_its_sender_expects_after_the_commit_only(app: App, ask: Ask) -> None:
    """With the session and 0; not at all when nothing could be kept, so that it is sent again."""
    body = called(WEB, "1", FAULT)
    session = json.loads(body)["sessionId"]
    with app.database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE event RENAME TO elsewhere")
    status, told = ask("eventbridge", body)
    assert (status, "retCode" in told) == (503, False)
    with app.database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO event")
    assert ask("eventbridge", body) == (200, {"result": "ok", "sessionId": session, "retCode": 0})
    assert [one.source for one in rows(app, EVENT)] == ["tencent.monitor"]


def test_a_source_speaks_for_its_own_accounts_only(app: App, ask: Ask) -> None:
    """Also when one event of many is another's, and when the account is found by the settings alone."""
    batch = [json.loads(pushed(WEB, "1", FAULT)), {"nothing": "readable"}]
    for body in (pushed(WEB, "1", FAULT), json.dumps(batch).encode(), called(WEB, "1", FAULT)):
        assert ask("others", body)[0] == 403
    assert rows(app, EVENT) == []


def test_what_cannot_be_read_is_kept_with_the_reason(app: App, ask: Ask) -> None:
    """It is answered, because it would never be read."""
    assert ask("eventbridge", pushed(WEB, "1", FAULT, subject=None, data={}))[0] == 200
    assert ask("eventbridge", called(WEB, "7", FAULT))[0] == 200
    assert [one.reason for one in rows(app, DEAD_LETTER)] == [
        "the event names no resource, neither as subject nor in its data",
        "alarmStatus is neither 1 nor 0",
    ]


def test_a_message_without_an_account_is_no_guess_among_several(tmp_path: Path, app: App) -> None:
    """Two accounts that watch the region: neither's key is used for it."""
    both = [
        account_of("http://127.0.0.1:9"),
        account_of("http://127.0.0.1:9", name="desk", id="100000000002", app_id=""),
    ]
    settings = Settings.model_validate({"accounts": both, "database": f"sqlite:///{tmp_path / 'two.db'}"})
    with App(settings, VirtualClock()).entering() as two:
        two.take([called(WEB, "1", FAULT), pushed(WEB, "1", FAULT)], "test", Channel.WEBHOOK)
        (letter,) = rows(two, DEAD_LETTER)
        assert letter.reason == "the message names no account, and several could be meant: shop, desk"
        assert [one.account for one in rows(two, EVENT)] == [ACCOUNT]


def mutated(chance: Random) -> bytes:
    """Return a body that was a message once."""
    whole = [pushed(WEB, "1", FAULT), pushed(WEB, "-", FAULT, "cvm:ErrorEvent:InstanceDiskErrorInquiring"),
             called(WEB, "0", FAULT, START)]  # fmt: skip
    document = json.loads(chance.choice(whole))
    for _ in range(chance.randrange(4)):
        document = changed(document, chance)
    body = json.dumps(document, ensure_ascii=chance.random() < 0.9).encode("utf-8", "surrogatepass")
    return chance.choice([body, body, flipped(body, chance), body[: chance.randrange(len(body))]])


def test_mutated_bodies_each_have_an_end(app: App) -> None:
    """An event, a duplicate or a dead letter with a reason; nothing raises, and the next good one is taken."""
    chance, ended = Random(20260302), 0
    for _ in range(4):
        taken = app.take([mutated(chance) for _ in range(250)], "mutated", Channel.FILE)
        ended += taken.new + taken.duplicates + taken.dead
    letters = rows(app, DEAD_LETTER)
    assert ended == 1000
    assert len(letters) > 150
    assert all(one.reason for one in letters)
    assert len(rows(app, EVENT)) > 150
    assert app.take([pushed("ins-good0001", "1", FAULT)], "good", Channel.FILE).new == 1


def test_files_are_fed_and_rules_are_tried_on_them(tmp_path: Path, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line may hold a list; a rule for every source, or for events alone, says which of them it is for."""
    rules = [RULE, RULE | {"name": "events", "when": {"source": ["tencent.cvm"], "data": {"status": ["1"]}}}]
    document = {"accounts": [account_of("http://127.0.0.1:9")], "rules": rules}
    config = tmp_path / "cloudheal.yaml"
    config.write_text(yaml.safe_dump({**document, "database": f"sqlite:///{tmp_path / 'fed.db'}"}))
    batch = {"EventList": [json.loads(pushed(WEB, "1", FAULT, "cvm:ErrorEvent:ping_unreachable"))]}
    events = tmp_path / "events.jsonl"
    events.write_bytes(json.dumps(batch).encode() + b"\n" + called(WEB, "1", FAULT) + b"\n")
    fed = CliRunner().invoke(cli, ["feed", str(events), "-c", str(config), "--json"])
    assert json.loads(fed.stdout) == {"messages": 2, "new": 2, "duplicates": 0, "dead": 0, "acting": 0}
    tried = CliRunner().invoke(cli, ["rules", "test", str(events), "-c", str(config), "--json"])
    found = [[one["failures"] == [] for one in message["rules"]] for message in json.loads(tried.stdout)]
    assert found == [[True, True], [True, False]]
    assert rows(app, DECISION) == []


def test_the_sample_events_of_the_example_are_for_its_rules(tmp_path: Path) -> None:
    """Each of them, in whichever spelling and form, is for the rule that is meant; a recovery for none."""
    example = ROOT / "examples" / "06-bring-back"
    document = yaml.safe_load((example / "cloudheal.yaml").read_text(encoding="utf-8"))
    config = tmp_path / "cloudheal.yaml"
    config.write_text(yaml.safe_dump(document | {"database": f"sqlite:///{tmp_path / 'rules.db'}"}))
    tried = CliRunner().invoke(cli, ["rules", "test", str(example / "events.jsonl"), "-c", str(config), "--json"])
    found = [[one["rule"] for one in told["rules"] if one["reason"]] for told in json.loads(tried.stdout)]
    assert found == [
        ["restore-shop"],
        [],
        ["rerun-shop"],
        ["killed-for-memory"],
        ["tell-about-read-only-disks"],
        ["larger-connection-table"],
        ["restore-shop"],
    ]


def test_a_backtest_of_an_outage_that_both_channels_tell_opens_one_incident(tmp_path: Path) -> None:
    """Also when its recovery comes first, which joins it as the other channel's word does."""
    document = {"accounts": [account_of("http://127.0.0.1:9")], "rules": [RULE]}
    config = tmp_path / "cloudheal.yaml"
    config.write_text(yaml.safe_dump({**document, "database": f"sqlite:///{tmp_path / 'back.db'}"}))
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join([pushed(WEB, "0", START), pushed(WEB, "1", FAULT), called(WEB, "1", FAULT)]))
    told = json.loads(CliRunner().invoke(cli, ["backtest", str(events), "-c", str(config), "--json"]).stdout)
    assert [(one["reason"], one["would"]) for one in told["counts"]] == [("act", 1), ("joined", 2)]
    assert told["began"] == 1
