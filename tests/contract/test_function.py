"""The entrance for functions: commits on PostgreSQL before it returns, acts inline within its limit, refuses SQLite."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from cloudheal.errors import SettingsError
from cloudheal.function import handle, handler, main_handler
from cloudheal.record.database import open_database
from cloudheal.record.promotions import promote
from cloudheal.record.schema import migrate
from cloudheal.record.tables import DEAD_LETTER, EVENT, INCIDENT, RUN, WORKER
from cloudheal.settings import Settings, load_settings
from tests.flow.tencent import RULE as PING_RULE
from tests.flow.tencent import account_of, pushed
from tests.sim.simulator import RunningSimulator

ACCOUNT = "1000000000000001"
ARN = f"acs:ecs:cn-hangzhou:{ACCOUNT}:instance/i-web"
ENVELOPE = {
    "product": "ECS", "name": "Instance:StateChange", "resourceId": ARN, "regionId": "cn-hangzhou", "userId": ACCOUNT,
    "content": {"resourceId": "i-web", "state": "Stopped"},
}  # fmt: skip
RULE: dict[str, Any] = {
    "name": "restart",
    "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
    "resources": {"all": True},
    "desired": "on",
    "playbook": "restart_stopped",
    "mode": "auto",
}
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def config(simulator: RunningSimulator, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file as a function has it: one account, one trusted rule, PostgreSQL."""
    file = tmp_path / "cloudheal.yaml"
    for name, value in {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
        "CLOUDHEAL_CONFIG": str(file),
    }.items():
        monkeypatch.setenv(name, value)
    simulator.control("POST", "reset")
    server = {"id": "i-web", "region": "cn-hangzhou", "status": "Running"}
    world = {"instances": [server], "durations": {"starting": 1, "stopping": 0.1}}
    simulator.world({"regions": ["cn-hangzhou"], "alibaba": world})
    account = {"name": "a", "cloud": "alibaba", "id": ACCOUNT, "regions": ["cn-hangzhou"], "endpoint": simulator.url}
    document = {"accounts": [account], "database": database_url, "rules": [RULE], "settle_seconds": 0.5}
    file.write_text(yaml.safe_dump(document))
    settings = load_settings(file)
    database = open_database(database_url)
    migrate(database)
    with database.transaction() as connection:
        promote(connection, settings.rules, "test", _now())
    database.close()
    return file


def _now() -> Any:
    from cloudheal.ports import SystemClock  # noqa: PLC0415

    return SystemClock().now()


def rows(database_url: str, table: sa.Table) -> list[sa.Row[Any]]:
    """Read a table."""
    database = open_database(database_url)
    with database.snapshot() as connection:
        found = list(connection.execute(sa.select(table)).all())
    database.close()
    return found


def context(seconds: int) -> SimpleNamespace:
    """Return what the platform says of the call."""
    return SimpleNamespace(request_id="r-1", function=SimpleNamespace(name="heal", timeout=seconds))


def stopped(second: int = 0) -> bytes:
    """Return the envelope of a stop."""
    return json.dumps(ENVELOPE | {"eventTime": f"20260302T1100{second:02}.922+0800"}).encode()


def test_an_event_is_committed_when_the_handler_returns(config: Path, database_url: str) -> None:
    """Event, incident and run are there for a resident worker; a repeated call is a duplicate; nothing was started."""
    assert json.loads(handler(stopped(), context(60))) == {"new": 1, "duplicates": 0, "dead": 0, "acting": 1}
    assert json.loads(handler(stopped(), context(60)))["duplicates"] == 1
    (event,) = rows(database_url, EVENT)
    assert (event.channel, event.resource) == ("function", "i-web")
    (run,) = rows(database_url, RUN)
    assert (run.state, run.owner) == ("starting", "")


def test_inline_acts_before_it_returns(config: Path, database_url: str, simulator: RunningSimulator) -> None:
    """The server runs again when the handler returns, and no worker is left on the list."""
    config.write_text(config.read_text() + "function: {act: inline}\n")
    simulator.control("POST", "chaos", {"do": "power_off", "instances": ["i-web"]})
    handler(stopped(), context(60))
    (incident,) = rows(database_url, INCIDENT)
    assert incident.verdict == "healed"
    assert rows(database_url, WORKER) == []


def test_inline_gives_up_in_time_and_the_timer_goes_on(
    config: Path, database_url: str, simulator: RunningSimulator
) -> None:
    """Ten seconds before its limit it stops, with the run unfinished; a call by the timer ends it, with one start."""
    world = simulator.control("GET", "world")
    world["alibaba"]["durations"]["starting"] = 6
    simulator.world(world)
    config.write_text(config.read_text() + "function: {act: inline}\nlease_seconds: 1\n")
    simulator.control("POST", "chaos", {"do": "power_off", "instances": ["i-web"]})
    began = time.monotonic()
    handler(stopped(), context(13))
    assert time.monotonic() - began < 13
    assert [row.ended for row in rows(database_url, INCIDENT)] == [None]
    timer = b'{"triggerTime":"2026-03-02T03:01:00Z","triggerName":"minute","payload":""}'
    assert json.loads(handler(timer, context(40)))["new"] == 0
    assert [row.verdict for row in rows(database_url, INCIDENT)] == ["healed"]
    assert len(simulator.journal(action="StartInstance")) == 1


def test_every_form_of_the_event_argument_is_taken(config: Path, database_url: str) -> None:
    """One envelope, a list from EventBridge, text, an object; what is no event is a dead letter, not an error."""
    cloud_event = {
        "specversion": "1.0", "id": "e1", "source": "acs.ecs", "type": "ecs:Instance:StateChange", "subject": ARN,
        "time": "2026-03-02T03:00:27Z", "aliyunregionid": "cn-hangzhou", "aliyunaccountid": ACCOUNT,
        "data": {"resourceId": "i-web", "state": "Running"},
    }  # fmt: skip
    settings = load_settings(config)
    assert (
        json.loads(handler(json.dumps([cloud_event, cloud_event | {"time": "2026-03-02T03:00:28Z"}]), context(60)))[
            "new"
        ]
        == 2
    )
    assert json.loads(handler(cloud_event, None))["duplicates"] == 1
    assert json.loads(handler(b"\xff not an event", context(60)))["dead"] == 1
    assert handle(settings, [], 0) == {"new": 0, "duplicates": 0, "dead": 0, "acting": 0}
    assert len(rows(database_url, EVENT)) == 2
    assert len(rows(database_url, DEAD_LETTER)) == 1


def test_no_text_poisons_the_database(config: Path, database_url: str) -> None:
    """Half characters and zero bytes are refused or kept escaped; nothing raises, so nothing is repeated."""
    timed = ENVELOPE | {"eventTime": "20260302T110026.922+0800"}
    for odd in ("\ud800", "a\x00b"):
        for body in (
            timed | {"content": {"resourceId": "i-web", "state": odd}},
            timed | {"name": f"Instance:{odd}", "content": {}, "resourceId": ""},
            timed | {"userId": odd},
        ):
            assert json.loads(handler(json.dumps(body), None))["dead"] == 1, body
    kept = timed | {"content": {"resourceId": "i-web", "state": "Running", "note": "a\x00b"}}
    assert json.loads(handler(json.dumps(kept), None))["new"] == 1
    (event,) = rows(database_url, EVENT)
    assert json.loads(event.data)["note"] == "a\x00b"


def test_sqlite_is_refused_by_name(config: Path, tmp_path: Path) -> None:
    """A file that ends with the instance would lose what was acknowledged."""
    document = yaml.safe_load(config.read_text()) | {"database": f"sqlite:///{tmp_path}/f.db"}
    with pytest.raises(SettingsError, match=r"postgresql.*SQLite"):
        handle(Settings.model_validate(document), [], 0)


def test_scf_hands_over_one_event_or_a_list_and_both_are_committed(
    config: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dictionaries, as its runtime makes them; a fault opens one run, and a repeated call is a duplicate."""
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", "AKIDtest")
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", "testsecret")
    document = yaml.safe_load(config.read_text())
    document |= {"accounts": [account_of("http://127.0.0.1:9")], "rules": [PING_RULE]}
    config.write_text(yaml.safe_dump(document))
    database = open_database(database_url)
    with database.transaction() as connection:
        promote(connection, load_settings(config).rules, "test", _now())
    database.close()
    fault, over = (json.loads(pushed("ins-heal0001", status, _now(), id_=status)) for status in ("1", "0"))
    limit = {"time_limit_in_ms": 60_000, "memory_limit_in_mb": 512, "function_version": "$LATEST"}
    expected = {"new": 1, "duplicates": 0, "dead": 0, "acting": 1}
    assert json.loads(main_handler(fault, limit)) == expected
    assert json.loads(main_handler({"EventList": [fault, over]}, limit)) | {"acting": 0} == {
        "new": 1,
        "duplicates": 1,
        "dead": 0,
        "acting": 0,
    }
    timer = {"Type": "Timer", "TriggerName": "minute", "Time": "2026-03-01T03:00:00Z", "Message": ""}
    assert json.loads(main_handler(timer, limit))["new"] == 0
    (run,) = rows(database_url, RUN)
    assert (run.playbook, run.state) == ("restore_after_ping_loss", "starting")


def test_scf_refuses_sqlite_by_name(config: Path, database_url: str, tmp_path: Path) -> None:
    """Its file would end with the function's instance."""
    document = yaml.safe_load(config.read_text()) | {"database": f"sqlite:///{tmp_path / 'x.db'}"}
    config.write_text(yaml.safe_dump(document))
    with pytest.raises(SettingsError, match="SQLite"):
        main_handler({}, {"time_limit_in_ms": 3000})
