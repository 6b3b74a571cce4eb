"""The ledger is carried to other places row by row: nothing is lost, refused or removed on the way; both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from cloudheal.app.accounts import accounts_of
from cloudheal.app.ledger_outlets import LedgerOutlet, ledger_outlets_of
from cloudheal.app.serving import ServedElsewhereError
from cloudheal.clouds.alibaba.log_service import log_group, signed
from cloudheal.clouds.keys import Keys
from cloudheal.errors import CloudhealError
from cloudheal.metrics.counters import Counters
from cloudheal.ports.clock import Clock, SystemClock
from cloudheal.ports.excerpt import Excerpt, Line
from cloudheal.record import ledger_outlets
from cloudheal.record.database import Database
from cloudheal.record.ledger_outlets import carried, taken_by_all
from cloudheal.record.retention import remove_old_segments
from cloudheal.record.seal import Sealer, head_of
from cloudheal.record.tables import LEDGER
from cloudheal.settings.discretion import learn
from cloudheal.settings.schema import Settings
from cloudheal.testing.clock import VirtualClock
from tests.contract.ledger_receivers import KEY_ID, KEY_SECRET, SECRET, SOURCE, Hook, LogService
from tests.contract.log_receivers import Post, Receiver, receiving
from tests.contract.shell import shell
from tests.contract.test_inbox import NOON
from tests.contract.test_ledger import SECOND, filled, one_healing

ACCOUNT = {"name": "main", "cloud": "alibaba", "id": "1000000000000001", "regions": ["cn-hangzhou"]}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret of the webhook, and the keys of the account."""
    monkeypatch.setenv("HOOK", SECRET)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET)


@pytest.fixture
def hook() -> Hook:
    """A webhook that keeps what it is sent."""
    return Hook()


@pytest.fixture
def receiver(hook: Hook) -> Iterator[Receiver]:
    """Its server."""
    with receiving(Receiver(hook.answer)) as one:
        yield one


def settings(receiver: Receiver, to: str = "webhook", **more: Any) -> Settings:
    """Return settings with one outlet of the ledger."""
    signing = {"source": SOURCE, "secret_env": "HOOK"} if to == "webhook" else {"account": "main", "logstore": "audit"}
    outlet = {"name": "audit", "to": to, "url": receiver.url, **signing, **more}
    return Settings.model_validate({"accounts": [ACCOUNT], "outlets": [outlet]})


def outlet(
    chosen: Settings, database: Database, clock: Clock | None = None, counters: Counters | None = None
) -> LedgerOutlet:
    """Return the one outlet, as a process that has just begun has it."""
    clock, counters = clock or SystemClock(), counters or Counters()
    (one,) = ledger_outlets_of(chosen, database, "worker", clock, counters, accounts_of(chosen, now=clock.now))
    return one


def sealed(database: Database, rows: int = 0, segment_rows: int = 5000) -> int:
    """Seal what is there after so many more rows; returns the last id."""
    if rows:
        filled(database, rows)
    Sealer(database, "sealer", segment_rows).seal()
    with database.snapshot() as connection:
        return head_of(connection)[1]


def test_a_webhook_gets_every_sealed_row_once_and_signed(database: Database, receiver: Receiver, hook: Hook) -> None:
    """With what the ledger says of it, its segment and seal; what is not sealed waits; counted and shown."""
    counters = Counters()
    one = outlet(settings(receiver), database, counters=counters)
    with database.transaction() as connection:
        one_healing(connection)
    assert one.serve() == 0
    last = sealed(database)
    assert one.serve() == last
    assert one.serve() == 0
    with database.snapshot() as connection:
        head, _ = head_of(connection)
        rows = connection.execute(sa.select(LEDGER).order_by(LEDGER.c.id)).mappings().all()
        standing = carried(connection, "audit")
    assert head is not None
    assert [(row["id"], row["kind"], row.get("result", "")) for row in hook.rows.values()] == [
        (row["id"], row["kind"], row["result"]) for row in rows
    ]
    assert {row["seal"] for row in hook.rows.values()} == {head.hash}
    assert hook.marks == [f"{head.hash[:16]}-1-{last}"]
    assert (standing.last, standing.seal, standing.waits) == (last, head.hash, 0)
    assert f'cloudheal_outlet_sent_total{{kind="rows",outlet="audit"}} {last}' in counters.exposition()


def test_excerpts_are_of_one_segment_and_of_a_bounded_size(
    database: Database, receiver: Receiver, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the same place gives the same excerpt, whatever was sealed since: its mark is the same, too."""
    monkeypatch.setattr(ledger_outlets, "MOST_ROWS", 4)
    one = outlet(settings(receiver), database)
    sealed(database, 6)
    one.serve()
    sealed(database, 3)
    one.serve()
    assert [mark.partition("-")[2] for mark in hook.marks] == ["1-4", "5-6", "7-9"]
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE log_sent SET position = 4")
    before = list(hook.marks)
    assert outlet(settings(receiver), database).serve() == 5
    assert hook.marks == [*before, *before[1:]]
    assert len(hook.rows) == 9


def refused(status: int, _post: Post) -> tuple[int, bytes]:
    """Answer so, whatever is posted."""
    return status, b"no"


def test_a_receiver_that_refuses_holds_rows_up_and_loses_none(
    database: Database, receiver: Receiver, hook: Hook
) -> None:
    """Whatever it answers: a wrong login, a full disk, a body that it does not like; afterwards it gets all of them."""
    one = outlet(settings(receiver), database)
    sealed(database, 3)
    for status in (400, 401, 413, 503):
        receiver.answer = partial(refused, status)
        with pytest.raises(CloudhealError, match=str(status)):
            one.serve()
    with database.snapshot() as connection:
        assert carried(connection, "audit").waits == 3
    receiver.answer = hook.answer
    assert one.serve() == 3


def test_what_an_outlet_has_not_had_is_not_removed(database: Database, receiver: Receiver) -> None:
    """However old it is; what every outlet has, is. Without an outlet age alone decides."""
    sealed(database, 3)
    one = outlet(settings(receiver), database)
    later = NOON + timedelta(days=500)

    def removed(names: list[str]) -> int:
        with database.transaction() as connection:
            return remove_old_segments(connection, later + SECOND, later, taken_by_all(connection, names))

    assert removed(["audit"]) == 0
    one.serve()
    assert removed(["audit", "another"]) == 0
    assert removed(["audit"]) == 1
    sealed(database, 2)
    assert removed(["audit"]) == 0
    assert removed([]) == 1


def test_an_outlet_that_came_too_late_says_how_many_rows_it_cannot_have(
    database: Database, receiver: Receiver, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    """It begins with the oldest row that stands."""
    sealed(database, 3)
    with database.transaction() as connection:
        remove_old_segments(connection, NOON + timedelta(days=1), NOON)
    sealed(database, 2)
    assert outlet(settings(receiver), database).serve() == 3  # the removal is a row as well
    assert "outlet.too_late outlet=audit ledger_rows=3" in caplog.text
    assert sorted(row["id"] for row in hook.rows.values()) == [4, 5, 6]


def test_one_process_serves_an_outlet(database: Database, receiver: Receiver) -> None:
    """Another one finds it served and sends nothing."""
    sealed(database, 2)
    outlet(settings(receiver), database).serve()
    other = outlet(settings(receiver), database)
    other.worker = "other"
    with pytest.raises(ServedElsewhereError):
        other.serve()
    assert other.tick() == 0


def test_no_secret_of_the_settings_is_carried_out(database: Database, receiver: Receiver) -> None:
    """Whatever somebody wrote into a row's name."""
    chosen = settings(receiver)
    learn(chosen, {"HOOK": SECRET})
    with database.transaction() as connection:
        row = sa.insert(LEDGER).values(
            at=1, kind="hold.added", resource="", type="", result="", name=f"x {SECRET}", incident="", run="", body="{}"
        )
        connection.execute(row)
    sealed(database)
    assert outlet(chosen, database).serve() == 1
    assert SECRET.encode() not in receiver.posts[0].body
    assert b"x ***" in receiver.posts[0].body


def test_a_log_store_gets_rows_under_a_time_that_it_takes(database: Database) -> None:
    """Signed with the account's keys; a row that is older than the service takes stands under the oldest time."""
    clock = VirtualClock()
    now = clock.now().timestamp()
    service = LogService(lambda: clock.now().timestamp())
    with database.transaction() as connection:
        rows = [
            {
                "at": int((now - days * 86_400) * 1000),
                "kind": "decision",
                "resource": "i-1",
                "type": "",
                "result": "act",
            }
            for days in (30, 1)
        ]
        rest = {"name": "服务器", "incident": "", "run": "", "body": json.dumps({"walk": ["new"]})}
        connection.execute(sa.insert(LEDGER), [{**one, **rest} for one in rows])
    sealed(database)
    with receiving(Receiver(service.answer)) as receiver:
        assert outlet(settings(receiver, "sls"), database, clock).serve() == 2
        wrong = settings(receiver, "sls", name="wrong", logstore="nowhere")
        with pytest.raises(CloudhealError, match="LogStoreNotExist"):
            outlet(wrong, database, clock).serve()
    first, second = service.logs
    assert (first["id"], first["kind"], first["name"]) == ("1", "decision", "服务器")
    assert json.loads(first["body"]) == {"walk": ["new"]}
    assert second["at"].endswith("Z")
    assert service.times[0] > now - 7 * 86_400
    assert service.times[1] == int(now - 86_400)
    assert service.tags == [{"excerpt": f"{first['seal'][:16]}-1-2"}]


def test_keys_that_the_log_service_refuses_are_told_with_its_answer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with what to look at; nothing moves on."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "another-secret")
    sealed(database, 2)
    with (
        receiving(Receiver(LogService().answer)) as receiver,
        pytest.raises(CloudhealError, match="SignatureNotMatch"),
    ):
        outlet(settings(receiver, "sls"), database).serve()
    with database.snapshot() as connection:
        assert carried(connection, "audit").waits == 2


def test_a_log_group_and_its_signature_are_what_the_vendors_library_makes() -> None:
    """Bytes and signature of aliyun-log-python-sdk 0.9.52 for the same row, keys and moment."""
    now = datetime(2026, 3, 2, 4, tzinfo=UTC)
    about = {"x-log-bodyrawsize": "42", "x-log-compresstype": "deflate"}
    for token, expected in (("", "ciqLKsgfFpvlha4EthmWbDfQZDE="), ("a-token", "lUJTc6/43CxUk2DUDbjn7MHjBTY=")):
        keys = Keys(KEY_ID, KEY_SECRET, token)
        made = signed(keys, "/logstores/audit/shards/lb", b"body of bytes", about, now)
        assert made["Authorization"] == f"LOG LTAItest:{expected}"
        assert made["Content-MD5"] == "B1AF371FA430FA61C5A26740EF380868"
    row = Line(1_772_424_000, {"id": 7, "kind": "decision", "name": '服务器 "one"'})
    assert log_group(Excerpt(7, 7, 1, "aabbccddeeff0011" + "0" * 48, [row]), 0) == bytes.fromhex(
        "0a3a08c09694cd0612070a02696412013712100a046b696e6412086465636973696f6e12170a046e616d65120fe69c8de58aa1e599a8"
        "20226f6e65221a09636c6f75646865616c321f0a07657863657270741214616162626363646465656666303031312d372d37"
    )


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"to": "webhook", "secret_env": ""}, "expected secret_env and source"),
        ({"to": "sls", "account": "man"}, "no account man of Alibaba Cloud; did you mean main?"),
        ({"to": "sls", "logstore": ""}, "expected account and logstore"),
        ({"to": "webhook", "logs": ["shop"]}, "takes the ledger and no logs"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_what_was_expected(wrong: dict[str, Any], told: str) -> None:
    """Each with its reason."""
    with pytest.raises(ValidationError, match=told):
        settings(Receiver(url="http://127.0.0.1:1"), **wrong)


def test_an_operator_sees_how_far_the_ledger_was_carried(
    database: Database, database_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    """By outlet: the last row that it has, how many wait, and the seal; 1 when no outlet takes the ledger."""
    chosen = {"name": "audit", "to": "webhook", "url": receiver.url, "source": SOURCE, "secret_env": "HOOK"}
    operator = shell(tmp_path, database_url, outlets=[chosen])
    sealed(database, 3)
    outlet(settings(receiver), database).serve()
    filled(database, 2)
    (row,) = operator.json("audit", "sent")
    assert (row["name"], row["to"], row["taken"], row["waits"]) == ("audit", "webhook", 3, 2)
    assert "seal over it" in operator.done("audit", "sent")
    assert shell(tmp_path, database_url)("audit", "sent").code == 1
