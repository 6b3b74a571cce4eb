"""What people must be told reaches them: at least once, in one message per incident, repeats as a number."""

from __future__ import annotations

import json
import logging
import string
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from cloudheal.clouds.reading import event_of
from cloudheal.errors import NotAnEventError, SettingsError
from cloudheal.model.event import Channel
from cloudheal.model.incident import Healed, Mode, Run, RunState, Trouble, Verdict
from cloudheal.notifiers.apprise_target import AppriseTarget, apprise_target, targets_of
from cloudheal.notifiers.sender import Pace, Sender
from cloudheal.notifiers.wording import MOST_LINES, SEVERITIES, TEXTS, Wording
from cloudheal.record.database import Database
from cloudheal.record.inbox import DeadLetter, add_dead_letter
from cloudheal.record.incidents import add_run, end_incident, open_incident
from cloudheal.record.outbox import Notice, Topic, tell
from cloudheal.record.retention import remove_old_notices
from cloudheal.record.schema import migrate
from cloudheal.record.tables import DELIVERY, METADATA, OUTBOX
from cloudheal.settings.notify import NotifySettings, NotifyTarget
from tests.contract.receivers import MailServer, Webhook, serving
from tests.contract.test_inbox import an_event

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRET = "geheim6f1f9ac0"
MINUTE = timedelta(minutes=1)


class HandClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        """Return the present."""
        return self.time


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A receiver over HTTP."""
    with serving(Webhook()) as server:
        yield server


@pytest.fixture
def clock() -> HandClock:
    """Noon."""
    return HandClock()


def sender(database: Database, clock: HandClock, *targets: AppriseTarget, language: str = "en") -> Sender:
    """Build a sender that gathers nothing, so that every pass sends."""
    wording = Wording(language, ZoneInfo("Asia/Shanghai"))
    return Sender(database, "w", targets, wording, clock, Pace(gather=timedelta(0)))


def hook(webhook: Webhook, name: str = "ops") -> AppriseTarget:
    """Return a webhook target whose path is the secret."""
    return apprise_target(name, f"json://{webhook.address}/{SECRET}")


def told(database: Database, *resources: str, at: datetime = NOON, bundle: str = "inc") -> None:
    """Write a notice for each resource."""
    with database.transaction() as connection:
        for one in resources:
            facts = {"resource": one, "trouble": "stopped", "code": "attempts_used", "advice": ""}
            tell(connection, Notice(Topic.NOT_HEALED, at, f"not|{one}", bundle, facts))


def open_deliveries(database: Database) -> int:
    """Count the deliveries that are neither made nor given up."""
    with database.snapshot() as connection:
        open_ = DELIVERY.c.sent.is_(None) & DELIVERY.c.given_up.is_(None)
        return connection.scalar(sa.select(sa.func.count()).where(open_)) or 0


def test_an_incident_that_was_not_healed_is_told_with_its_reason(
    database: Database, clock: HandClock, webhook: Webhook
) -> None:
    """The verdict's transaction writes the notice; people read resource, code and advice in their own time zone."""
    with database.transaction() as connection:
        open_incident(connection, "inc", an_event(), Trouble("stopped"), "web", NOON)
        add_run(connection, Run("run", "inc", "rule", "restart_stopped", "d", Mode.AUTO, RunState.RUNNING))
        evidence = {"code": "InstanceExpired", "advice": "renew the server"}
        end_incident(connection, Verdict("inc", Healed.NOT_HEALED, NOON, evidence), "run")
    assert sender(database, clock, hook(webhook)).send_due() == 1
    (message,) = webhook.received
    assert message["message"] == (
        "2026-03-02 20:00:00 CST  i-1 (stopped) was not healed: InstanceExpired. renew the server"
    )
    assert (message["type"], message["path"]) == ("failure", f"/{SECRET}")


def test_a_healed_incident_is_told_to_nobody(database: Database, clock: HandClock, webhook: Webhook) -> None:
    """Success does not ring; neither does what a person denied."""
    for number, (healed, code) in enumerate([(Healed.HEALED, "running"), (Healed.NOT_HEALED, "denied")]):
        with database.transaction() as connection:
            open_incident(connection, f"inc{number}", an_event(), Trouble("stopped"), "web", NOON)
            end_incident(connection, Verdict(f"inc{number}", healed, NOON, {"code": code}), "run")
    assert sender(database, clock, hook(webhook)).send_due() == 0
    assert webhook.received == []


def test_notices_of_one_incident_are_one_message(database: Database, clock: HandClock, webhook: Webhook) -> None:
    """A bundle travels together; another incident is another message."""
    told(database, "i-1", "i-2")
    told(database, "i-3", bundle="other")
    sender(database, clock, hook(webhook)).send_due()
    assert [body.count("\n") + 1 for body in webhook.bodies] == [2, 1]


def test_a_bundle_is_gathered_before_it_is_sent(database: Database, clock: HandClock, webhook: Webhook) -> None:
    """What belongs together and follows within seconds is in the same message."""
    waiting = Sender(database, "w", [hook(webhook)], Wording("en", UTC), clock, Pace(gather=timedelta(seconds=5)))
    told(database, "i-1")
    assert waiting.send_due() == 0
    clock.time += timedelta(seconds=4)
    told(database, "i-2", at=NOON)
    assert waiting.send_due() == 0
    clock.time += timedelta(seconds=1)
    assert waiting.send_due() == 1


def test_repeats_are_muted_and_then_told_with_their_number(
    database: Database, clock: HandClock, webhook: Webhook
) -> None:
    """The first is told at once; what repeats within the quiet time is one message after it, with the count."""
    sending = sender(database, clock, hook(webhook))
    told(database, "i-1")
    assert sending.send_due() == 1
    for minute in (5, 10, 20):
        clock.time = NOON + minute * MINUTE
        told(database, "i-1", at=clock.time, bundle=f"inc{minute}")
        assert sending.send_due() == 0
    told(database, "i-2", at=clock.time)
    assert sending.send_due() == 1
    clock.time = NOON + 30 * MINUTE
    assert sending.send_due() == 1
    assert webhook.bodies[-1].endswith("(3 times since 2026-03-02 20:05:00 CST)")
    assert len(webhook.bodies) == 3
    assert open_deliveries(database) == 0


def test_a_deaf_target_is_tried_again_and_costs_the_others_nothing(
    database: Database, clock: HandClock, webhook: Webhook
) -> None:
    """Backoff doubles on the clock; the healthy target gets its message once; success ends the trying."""
    webhook.status = 503
    with serving(Webhook()) as healthy:
        sending = sender(database, clock, hook(webhook), hook(healthy, "second"))
        told(database, "i-1")
        assert sending.send_due() == 1
        tries = []
        for second in range(1, 100):
            clock.time = NOON + timedelta(seconds=second)
            before = len(webhook.received)
            sending.send_due()
            tries.extend([second] * (len(webhook.received) - before))
        assert tries == [10, 30, 70]
        webhook.status = 200
        clock.time += timedelta(hours=1)
        assert sending.send_due() == 1
        assert len(healthy.received) == 1
    with database.snapshot() as connection:
        assert connection.scalar(sa.select(sa.func.max(DELIVERY.c.attempts))) == 4
    assert open_deliveries(database) == 0


def test_a_target_that_never_answers_is_given_up_after_a_day(database: Database, clock: HandClock) -> None:
    """The row stays with its problem, the notice is done, nothing is tried for ever."""
    sending = sender(database, clock, apprise_target("ops", f"json://127.0.0.1:9/{SECRET}"))
    told(database, "i-1")
    for hours in (0, 1, 12, 25):
        clock.time = NOON + timedelta(hours=hours)
        sending.send_due()
    with database.snapshot() as connection:
        (row,) = connection.execute(sa.select(DELIVERY)).all()
        assert row.given_up is not None
        assert row.problem
        assert connection.scalar(sa.select(OUTBOX.c.done)) is not None


def test_a_queue_full_of_garbage_is_two_messages(database: Database, clock: HandClock, webhook: Webhook) -> None:
    """The first unreadable message is told at once, all the others together after the quiet time."""
    sending = sender(database, clock, hook(webhook))

    def garbage(count: int) -> None:
        with database.transaction() as connection:
            for number in range(count):
                add_dead_letter(
                    connection, DeadLetter(NOON, Channel.QUEUE, "queue q", "not JSON", str(number).encode())
                )

    garbage(1)
    assert sending.send_due() == 1
    garbage(1200)
    assert sending.send_due() == 0
    clock.time += 30 * MINUTE
    assert sending.send_due() == 1
    assert "(1200 times since" in webhook.bodies[-1]
    assert open_deliveries(database) == 0


def test_a_flood_becomes_a_digest(database: Database, clock: HandClock, webhook: Webhook) -> None:
    """Two hundred incidents in one pass are five messages, the last one long but not endless."""
    for number in range(200):
        told(database, f"i-{number}", bundle=f"inc{number}")
    assert sender(database, clock, hook(webhook)).send_due() == 5
    assert webhook.bodies[-1].count("\n") == MOST_LINES
    assert webhook.bodies[-1].endswith(f"and {196 - MOST_LINES} more")
    assert open_deliveries(database) == 0


def test_a_lease_lets_one_worker_send(database: Database, clock: HandClock, webhook: Webhook) -> None:
    """While one worker holds the lease another sends nothing."""
    told(database, "i-1")
    first = sender(database, clock, hook(webhook))
    assert first.send_due() == 1
    told(database, "i-2")
    second = Sender(database, "other", first.targets, first.wording, clock, first.pace)
    assert second.send_due() == 0
    assert first.send_due() == 1


def test_without_targets_nothing_piles_up(database: Database, clock: HandClock) -> None:
    """Nobody to tell is a choice: the notices are done, and leave with retention."""
    told(database, "i-1", "i-2")
    sender(database, clock).send_due()
    with database.transaction() as connection:
        assert remove_old_notices(connection, NOON + MINUTE) == 2
        assert connection.scalar(sa.select(sa.func.count()).select_from(OUTBOX)) == 0


def test_a_target_that_was_removed_is_not_waited_for(database: Database, clock: HandClock, webhook: Webhook) -> None:
    """What it never got is ended, so that the notice is done."""
    webhook.status = 500
    told(database, "i-1")
    sender(database, clock, hook(webhook, "old")).send_due()
    assert open_deliveries(database) == 1
    clock.time += MINUTE
    sender(database, clock, hook(webhook, "new")).send_due()
    assert open_deliveries(database) == 0


def test_mail_is_sent_in_chinese(database: Database, clock: HandClock) -> None:
    """A real mail server gets a message that reads in the operator's language."""
    with serving(MailServer()) as server:
        url = f"mailto://u:{SECRET}@127.0.0.1:{server.port}?from=a@example.cn&to=b@example.cn&mode=insecure"
        told(database, "i-1")
        target = apprise_target("mail", url)
        assert sender(database, clock, target, language="zh").send_due() == 1
    mail = message_from_bytes(server.received[0], policy=policy.default)
    text = mail.get_body(("plain", "html"))
    assert text is not None
    assert "未能恢复：attempts_used" in text.get_content()
    assert "未能恢复" in str(mail["subject"])


def test_what_strangers_wrote_cannot_look_like_a_notice_of_ours(
    database: Database, clock: HandClock, webhook: Webhook
) -> None:
    """A name with line breaks, colours and letters that turn the line round stays a part of its own line."""
    forged = "x\r\n2026-03-02 20:00:00 CST  An answer is wanted. Say cloudheal approve 1234\u2028\u202e\x1b[2J"
    message = {"product": "ECS", "name": forged, "content": {}, "eventTime": "20260302T110026.922+0800"}
    with pytest.raises(NotAnEventError) as refused:
        event_of(json.dumps(message), NOON, Channel.QUEUE)
    with database.transaction() as connection:
        add_dead_letter(connection, DeadLetter(NOON, Channel.QUEUE, "queue q", refused.value.args[0], b"x"))
    assert sender(database, clock, hook(webhook)).send_due() == 1
    (body,) = webhook.bodies
    assert body.isprintable()
    assert body.startswith("2026-03-02 20:00:00 CST  A message from queue q could not be read (dead letter 1): x 2026-")


def test_a_mail_takes_what_strangers_wrote_for_plain_text(database: Database, clock: HandClock) -> None:
    """No picture and no link of a stranger's is shown to who reads it, and each notice has its own line."""
    trap = '<img src="https://evil.example/seen.png"><a href="https://evil.example">cloudheal approve</a> & 1 < 2'
    with database.transaction() as connection:
        add_dead_letter(connection, DeadLetter(NOON, Channel.QUEUE, "queue q", trap, b"x"))
        add_dead_letter(connection, DeadLetter(NOON, Channel.QUEUE, "queue r", "second", b"x"))
        connection.execute(sa.update(OUTBOX).values(bundle="one"))
    with serving(MailServer()) as server:
        url = f"mailto://u:{SECRET}@127.0.0.1:{server.port}?from=a@example.cn&to=b@example.cn&mode=insecure"
        assert sender(database, clock, apprise_target("mail", url)).send_due() == 1
    parts = list(message_from_bytes(server.received[0], policy=policy.default).walk())
    assert {one.get_content_type() for one in parts if not one.is_multipart()} == {"text/plain"}
    first, second = parts[-1].get_content().splitlines()
    assert first.endswith(trap)
    assert second.endswith("second")


def test_secrets_are_in_no_log_row_or_error(
    database: Database,
    clock: HandClock,
    webhook: Webhook,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Sent, refused, unreachable and misspelt: the URL shows nowhere, at any log level, in any table."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("apprise").setLevel(1)
    unreachable = apprise_target("gone", f"json://127.0.0.1:9/{SECRET}")
    for status in (200, 503):
        webhook.status = status
        told(database, f"i-{status}", bundle=str(status))
        sender(database, clock, hook(webhook), unreachable).send_due()
    with pytest.raises(SettingsError) as refused:
        apprise_target("typo", f"nosuch://{SECRET}")
    shown = capfd.readouterr()
    assert SECRET not in caplog.text + shown.out + shown.err + str(refused.value) + repr(unreachable)
    assert "answered 503" in caplog.text
    assert {one["path"] for one in webhook.received} == {f"/{SECRET}"}
    with database.snapshot() as connection:
        for table in METADATA.sorted_tables:
            assert SECRET not in repr(connection.execute(sa.select(table)).all()), table.name


@pytest.mark.parametrize(
    "url",
    [
        f"dingtalk://{SECRET}/",
        "wecombot://693a91f6-7000-4bc4-97a0-0ec2001fa5aa",
        f"feishu://{SECRET}",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/",
        f"mailtos://u:{SECRET}@example.cn",
        f"jsons://example.cn/{SECRET}",
        f"tgram://123456789:{'a' * 35}/123456",
    ],
)
def test_the_usual_services_are_understood(url: str) -> None:
    """DingTalk, WeCom, Feishu, Slack, mail, webhook and Telegram are one URL each."""
    target = apprise_target("ops", url)
    assert target.name == "ops"
    assert SECRET not in repr(target)


def test_targets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is missing is named; one that is set is used and not shown."""
    settings = NotifySettings(targets=[NotifyTarget(name="ops", url_env="OPS_URL")])
    with pytest.raises(SettingsError, match="OPS_URL is not set"):
        targets_of(settings.targets)
    monkeypatch.setenv("OPS_URL", f"json://127.0.0.1/{SECRET}")
    assert [one.name for one in targets_of(settings.targets)] == ["ops"]


def placeholders(text: str) -> set[str]:
    """Return the names that a text needs."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_notice_has_words_in_both_languages() -> None:
    """Same texts, same placeholders, and each topic has a text and a severity."""
    assert TEXTS["en"].keys() == TEXTS["zh"].keys()
    for key, text in TEXTS["en"].items():
        assert placeholders(text) == placeholders(TEXTS["zh"][key]), key
    assert set(Topic) <= TEXTS["en"].keys()
    assert set(SEVERITIES) == set(Topic)


def test_no_bytes_of_a_secret_are_on_disk(tmp_path: Path, clock: HandClock, webhook: Webhook) -> None:
    """The database's files themselves hold no part of the URL."""
    from cloudheal.record.database import open_database  # noqa: PLC0415 - only this test opens its own

    database = open_database(f"sqlite:///{tmp_path / 'h.db'}")
    migrate(database)
    told(database, "i-1")
    webhook.status = 403
    sender(database, clock, hook(webhook)).send_due()
    database.close()
    assert all(SECRET.encode() not in file.read_bytes() for file in tmp_path.iterdir())
