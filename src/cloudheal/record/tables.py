"""The tables, for both dialects. Instants are epoch milliseconds (UTC), documents are JSON text."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()
#: SQLite numbers rows by itself only in a column of exactly this type.
_ROW = sa.BigInteger().with_variant(sa.Integer, "sqlite")

#: Numbers of events are never used twice: lifecycle and ledger name them for longer than they are kept.
EVENT = sa.Table(
    "event",
    METADATA,
    sa.Column("id", _ROW, primary_key=True, autoincrement=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("envelope_id", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("cloud", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("occurred", sa.BigInteger, nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Index("event_by_resource", "resource", "occurred"),
    sa.Index("event_by_time", "occurred"),
    sqlite_autoincrement=True,
)

DEAD_LETTER = sa.Table(
    "dead_letter",
    METADATA,
    sa.Column("id", _ROW, primary_key=True, autoincrement=True),
    sa.Column("received", sa.BigInteger, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("copies", sa.Integer, nullable=False),
    sa.Column("replayed", sa.BigInteger),
)

LISTENER_TASK = sa.Table(
    "listener_task",
    METADATA,
    sa.Column("id", _ROW, primary_key=True, autoincrement=True),
    sa.Column("event", _ROW, sa.ForeignKey("event.id"), nullable=False),
    sa.Column("listener", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due", sa.BigInteger, nullable=False),
    sa.Column("owner", sa.Text, nullable=False, server_default=""),
    sa.Column("claimed_until", sa.BigInteger, nullable=False, server_default="0"),  # by the database's clock
    sa.Column("done", sa.BigInteger),
    sa.Column("outcome", sa.Text, nullable=False, server_default=""),
    sa.Column("problem", sa.Text, nullable=False, server_default=""),
    sa.Column("letter", sa.BigInteger),
    sa.UniqueConstraint("event", "listener", name="listener_task_once"),
    sa.Index(
        "listener_task_open",
        *("listener", "resource", "id"),
        sqlite_where=sa.text("done IS NULL"),
        postgresql_where=sa.text("done IS NULL"),
    ),
    sa.Index("listener_task_by_letter", "letter"),
)

RUN = sa.Table(
    "run",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("incident", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("playbook", sa.Text, nullable=False),
    sa.Column("playbook_digest", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("look", sa.Integer, nullable=False, server_default="0"),
    sa.Column("owner", sa.Text, nullable=False, server_default=""),
    sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
    sa.Column("recoveries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_eligible", sa.BigInteger),
    sa.Column("waits_for", sa.Text, nullable=False, server_default=""),
    sa.Column("approved_by", sa.Text, nullable=False, server_default=""),
    sa.Column("asks", sa.Text, nullable=False, server_default=""),  # the question whose answer it waits for
    sa.Column("waits_since", sa.BigInteger),  # since when it waits, as the watch saw it
    sa.Column("escalated", sa.BigInteger),  # when people were told of that
    sa.Column("group", sa.Text, nullable=False, server_default=""),  # its incident's, as the next one
    sa.Column("occurred", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("looks", sa.Integer, nullable=False, server_default="0"),  # what it has spent: looks that ended,
    sa.Column("calls", sa.Integer, nullable=False, server_default="0"),  # calls of the cloud,
    sa.Column("worked", sa.BigInteger, nullable=False, server_default="0"),  # and milliseconds at work
    sa.Index("run_by_state", "state", "next_eligible"),
    sa.Index("run_by_wait", "state", "waits_for", "rule", "occurred"),
    sa.Index("run_by_owner", "owner", "state"),
    sa.Index("run_by_incident", "incident"),
    sa.Index("run_by_question", "asks", sqlite_where=sa.text("asks <> ''"), postgresql_where=sa.text("asks <> ''")),
    sa.Index(
        "run_by_waits_since",
        "waits_since",
        sqlite_where=sa.text("waits_since IS NOT NULL"),
        postgresql_where=sa.text("waits_since IS NOT NULL"),
    ),
)

#: The slot of a run that waits for one, and what operators said about it; times are None while it has none.
PLAN = sa.Table(
    "plan",
    METADATA,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("earliest", sa.BigInteger),
    sa.Column("begin", sa.BigInteger),
    sa.Column("end", sa.BigInteger),
    sa.Column("deadline", sa.BigInteger),
    sa.Column("policy", sa.Text, nullable=False, server_default=""),
    sa.Column("why", sa.Text, nullable=False, server_default="{}"),
    sa.Column("binding", sa.Text, nullable=False, server_default=""),
    sa.Column("then", sa.Text, nullable=False, server_default=""),
    sa.Column("pinned", sa.BigInteger),
    sa.Column("anywhere", sa.Boolean, nullable=False, default=False),
    sa.Column("left", sa.Boolean, nullable=False, default=False),
    sa.Column("said_by", sa.Text, nullable=False, server_default=""),
    sa.Column("stale", sa.Boolean, nullable=False, default=True),
    sa.Column("version", sa.Integer, nullable=False, server_default="0"),
    sa.Index("plan_stale", "stale"),
    sa.Index("plan_by_binding", "binding"),
    sa.Index(
        "plan_pinned",
        "pinned",
        sqlite_where=sa.text("pinned IS NOT NULL"),
        postgresql_where=sa.text("pinned IS NOT NULL"),
    ),
)

WORKER = sa.Table(
    "worker",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("heartbeat", sa.BigInteger, nullable=False),
    sa.Column("heir", sa.Text, nullable=False, server_default=""),
    sa.Column("draining", sa.Boolean, nullable=False, default=False),  # it begins nothing new
    sa.Column("rules", sa.Text, nullable=False, server_default="{}"),  # by name the version and the mode that it has
)

#: An operator's word to every worker; a row stands while it is in force.
CONTROL = sa.Table(
    "control",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
)

STEP = sa.Table(
    "step",
    METADATA,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("look", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("before", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),  # on the operator's clock; the others are the database's
    sa.Column("intended", sa.BigInteger, nullable=False),
    sa.Column("call_by", sa.BigInteger, nullable=False),
    sa.Column("done", sa.BigInteger),
    sa.Column("outcome", sa.Text, nullable=False, server_default=""),
    sa.Column("value", sa.Text, nullable=False, server_default="{}"),
    sa.Column("code", sa.Text, nullable=False, server_default=""),
    sa.Column("request_id", sa.Text, nullable=False, server_default=""),
    # What was done in the last hour is counted by every decision; most steps only read.
    sa.Index(
        "step_by_deed",
        "at",
        sqlite_where=sa.text("kind <> 'read'"),
        postgresql_where=sa.text("kind <> 'read'"),
    ),
)

INCIDENT = sa.Table(
    "incident",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("cloud", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("trouble", sa.Text, nullable=False),
    sa.Column("trouble_id", sa.Text, nullable=False, server_default=""),
    sa.Column("group", sa.Text, nullable=False, server_default=""),
    sa.Column("occurred", sa.BigInteger, nullable=False),
    sa.Column("detected", sa.BigInteger, nullable=False),
    sa.Column("acted", sa.BigInteger),
    sa.Column("ended", sa.BigInteger),
    sa.Column("verdict", sa.Text, nullable=False, server_default=""),
    sa.Column("evidence", sa.Text, nullable=False, server_default="{}"),
    sa.Index(
        "incident_open",
        *("cloud", "account", "region", "kind", "resource", "trouble", "trouble_id"),
        unique=True,
        sqlite_where=sa.text("ended IS NULL"),
        postgresql_where=sa.text("ended IS NULL"),
    ),
    sa.Index(
        "incident_open_by_event",
        "trouble_id",
        sqlite_where=sa.text("ended IS NULL"),
        postgresql_where=sa.text("ended IS NULL"),
    ),
    sa.Index("incident_by_end", "ended"),
    sa.Index("incident_by_resource", "resource", "occurred"),
    sa.Index("incident_by_group", "group", "trouble", "detected"),
)

DECISION = sa.Table(
    "decision",
    METADATA,
    sa.Column("id", _ROW, primary_key=True, autoincrement=True),
    sa.Column("event", _ROW, sa.ForeignKey("event.id"), nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("rule_digest", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False, server_default=""),
    sa.Column("stations", sa.Text, nullable=False),
    sa.Column("decided", sa.BigInteger, nullable=False),
    sa.Column("next_eligible", sa.BigInteger),
    sa.Column("incident", sa.Text, nullable=False, server_default=""),
    sa.Index("decision_by_event", "event"),
    sa.Index(
        "decision_by_incident",
        "incident",
        sqlite_where=sa.text("incident <> ''"),
        postgresql_where=sa.text("incident <> ''"),
    ),
)

HOLD = sa.Table(
    "hold",
    METADATA,
    sa.Column("id", _ROW, primary_key=True, autoincrement=True),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("until", sa.BigInteger),
    sa.Column("lifted", sa.BigInteger),
    sa.Index("hold_by_scope", "scope"),
)

GRANT = sa.Table(
    "grant_row",
    METADATA,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("granted", sa.BigInteger, nullable=False),
)

APPROVAL = sa.Table(
    "approval",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False, server_default=""),  # what it is about beyond its run, such as a storm
    sa.Column("asked", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger, nullable=False),
    sa.Column("may_answer", sa.Text, nullable=False, server_default="[]"),
    sa.Column("answer", sa.Text, nullable=False, server_default=""),
    sa.Column("answered_by", sa.Text, nullable=False, server_default=""),
    sa.Column("answered", sa.BigInteger),
    sa.Index("approval_by_run", "run"),
    sa.Index("approval_by_answer", "answer"),
)

PROMOTION = sa.Table(
    "promotion",
    METADATA,
    sa.Column("id", _ROW, primary_key=True, autoincrement=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("promoted", sa.BigInteger, nullable=False),
    sa.Index("promotion_by_rule", "rule", "digest"),
)

RESOURCE = sa.Table(
    "resource",
    METADATA,
    sa.Column("cloud", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("zone", sa.Text, nullable=False, server_default=""),
    sa.Column("group", sa.Text, nullable=False, server_default=""),
    sa.Column("state", sa.Text, nullable=False, server_default=""),
    sa.Column("since", sa.BigInteger, nullable=False),  # since when the state is known
    sa.Column("as_of", sa.BigInteger, nullable=False),  # when it was last observed
    sa.Column("tags", sa.Text, nullable=False, server_default="{}"),
    sa.Column("locks", sa.Text, nullable=False, server_default="[]"),
    sa.Column("attributes", sa.Text, nullable=False, server_default="{}"),
    sa.Column("described", sa.BigInteger),  # when the cloud last described it whole
    sa.Column("first_seen", sa.BigInteger, nullable=False),
    sa.Column("released", sa.BigInteger),
    # No index names a state: events change it by the thousand.
    sa.Index("resource_by_group", "cloud", "account", "group"),
    sa.Index("resource_by_release", "released"),
    sa.Index("resource_by_id", "id"),
)

#: In which groups of which balancers a server was when they were last swept.
MEMBERSHIP = sa.Table(
    "membership",
    METADATA,
    sa.Column("cloud", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, primary_key=True),
    sa.Column("server", sa.Text, primary_key=True),
    sa.Column("balancer", sa.Text, primary_key=True),
    sa.Column("group", sa.Text, primary_key=True),
)

LIFECYCLE = sa.Table(
    "lifecycle",
    METADATA,
    sa.Column("id", _ROW, primary_key=True, autoincrement=True),
    sa.Column("cloud", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("event", sa.BigInteger, nullable=False),  # also after the event has left
    sa.Column("channel", sa.Text, nullable=False),
    sa.Index("lifecycle_by_resource", "resource", "at"),
)

#: What the clouds plan for resources, or do to them: one row for an event, at the furthest status that anybody told.
SYSTEM_EVENT = sa.Table(
    "system_event",
    METADATA,
    sa.Column("cloud", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("published", sa.BigInteger),
    sa.Column("not_before", sa.BigInteger),
    sa.Column("finished", sa.BigInteger),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("impact", sa.Text, nullable=False, server_default=""),
    sa.Column("disk", sa.Text, nullable=False, server_default=""),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Column("first_heard", sa.BigInteger, nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False),  # when we learned what stands here
    sa.Column("channels", sa.Text, nullable=False, server_default=""),  # by which ways it was heard of
    sa.Index("system_event_by_resource", "resource"),
    sa.Index("system_event_by_status", "status", "not_before"),
    sa.Index("system_event_by_change", "changed"),
    sa.Index("system_event_by_end", "finished"),
)

#: Drills: a row for each server, written before its cloud is asked to simulate an event about it.
DRILL = sa.Table(
    "drill",
    METADATA,
    sa.Column("drill", sa.Text, primary_key=True),
    sa.Column("cloud", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("region", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("resource", sa.Text, primary_key=True),
    sa.Column("label", sa.Text, nullable=False, server_default=""),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("not_before", sa.BigInteger, nullable=False),
    sa.Column("real", sa.Boolean, nullable=False),  # real actions are allowed on this server
    sa.Column("event", sa.Text, nullable=False, server_default=""),  # empty until the cloud has told the id
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("problem", sa.Text, nullable=False, server_default=""),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger, nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False),
    sa.Index("drill_by_resource", "resource"),
    sa.Index("drill_by_event", "event"),
    sa.Index("drill_by_change", "changed"),
)

POLL = sa.Table(
    "poll",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("due", sa.BigInteger, nullable=False),
    sa.Column("ended", sa.BigInteger),
    sa.Column("outcome", sa.Text, nullable=False, server_default=""),
)

#: What is watched about the healer itself: `since` is when it became bad.
WATCH = sa.Table(
    "watch",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("looked", sa.BigInteger, nullable=False),
    sa.Column("since", sa.BigInteger),
    sa.Column("value", sa.Float, nullable=False),
)

CANARY = sa.Table(
    "canary",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("sent", sa.BigInteger, nullable=False),
    sa.Column("returned", sa.BigInteger),
    sa.Index("canary_by_queue", "queue", "sent"),
)

NONCE = sa.Table(
    "nonce",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("nonce", sa.Text, primary_key=True),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Index("nonce_by_until", "until"),
)

LEASE = sa.Table(
    "lease",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
)

#: Ids of ledger rows are never used twice, also when retention has emptied the table.
LEDGER = sa.Table(
    "ledger",
    METADATA,
    sa.Column("id", _ROW, primary_key=True, autoincrement=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("event", sa.BigInteger),
    sa.Column("incident", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Index("ledger_by_time", "at"),
    sa.Index("ledger_by_resource", "resource", "id"),
    sa.Index("ledger_by_type", "type", "id"),
    sa.Index("ledger_by_result", "result", "id"),
    # Most rows are events, which belong to no incident yet; these two indexes leave them out.
    sa.Index(
        "ledger_by_incident",
        *("incident", "id"),
        sqlite_where=sa.text("incident <> ''"),
        postgresql_where=sa.text("incident <> ''"),
    ),
    sa.Index("ledger_by_run", "run", "id", sqlite_where=sa.text("run <> ''"), postgresql_where=sa.text("run <> ''")),
    sqlite_autoincrement=True,
)

SEAL = sa.Table(
    "seal",
    METADATA,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("newest", sa.BigInteger, nullable=False),
    sa.Column("sealed", sa.BigInteger, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("leaves", sa.LargeBinary, nullable=False),
    sa.Column("removed", sa.BigInteger),
)

OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("id", _ROW, primary_key=True, autoincrement=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("bundle", sa.Text, nullable=False),
    sa.Column("facts", sa.Text, nullable=False),
    sa.Column("done", sa.BigInteger),
    sa.Index("outbox_by_done", "done", "id"),
    sqlite_autoincrement=True,
)

DELIVERY = sa.Table(
    "delivery",
    METADATA,
    sa.Column("notice", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("due", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("sent", sa.BigInteger),
    sa.Column("given_up", sa.BigInteger),
    sa.Column("problem", sa.Text, nullable=False, server_default=""),
    sa.Index(
        "delivery_by_due",
        "due",
        sqlite_where=sa.text("sent IS NULL AND given_up IS NULL"),
        postgresql_where=sa.text("sent IS NULL AND given_up IS NULL"),
    ),
    sa.Index("delivery_by_key", "target", "key", "sent"),
)

#: How far each file of a log was read on each host; written in one transaction with what was counted up to there.
LOG_POSITION = sa.Table(
    "log_position",
    METADATA,
    sa.Column("definition", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("file", sa.Text, nullable=False),  # device:inode, which may be larger than any integer column
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("head", sa.Text, nullable=False),
    sa.Column("tail", sa.Text, nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False),  # nanoseconds
    sa.Column("skipping", sa.Boolean, nullable=False),
    sa.Column("finished", sa.BigInteger, nullable=False),  # seconds; 0 while more may come
)

#: The open minutes of a log on a host, and how much of it was counted in all; `version` counts the commits.
LOG_OPEN = sa.Table(
    "log_open",
    METADATA,
    sa.Column("definition", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),  # of the last row of log_minute
    sa.Column("newest", sa.BigInteger, nullable=False),  # the newest line, seconds
    sa.Column("lines", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.BigInteger, nullable=False),
    sa.Column("late", sa.BigInteger, nullable=False),
    sa.Column("written", sa.BigInteger, nullable=False),
    sa.Column("closed", sa.BigInteger, nullable=False),  # the second up to which minutes are over, and stored
    sa.Column("state", sa.LargeBinary, nullable=False),
)

#: What was counted: a row for each time that a minute was closed, and longer ones that old minutes were added up to.
LOG_MINUTE = sa.Table(
    "log_minute",
    METADATA,
    sa.Column("definition", sa.Text, primary_key=True),
    sa.Column("metric", sa.Text, primary_key=True),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),  # seconds
    sa.Column("minutes", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("error", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.LargeBinary, nullable=False),
    sa.Index("log_minute_by_age", "minutes", "start"),
    sa.Index("log_minute_by_sequence", "definition", "host", "sequence"),
)

#: Alarms on log metrics: up to where each was evaluated, and what it was then.
LOG_ALARM = sa.Table(
    "log_alarm",
    METADATA,
    sa.Column("definition", sa.Text, primary_key=True),
    sa.Column("alarm", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("upto", sa.BigInteger, nullable=False),  # the end of the last period that was evaluated
    sa.Column("judged", sa.Text, nullable=False),  # by host the number of the last minute that was, wherever it lies
    sa.Column("escalated", sa.BigInteger),  # when the second group was told that it fires on
    sa.Column("acknowledged", sa.BigInteger),  # when somebody said that they see to it
    sa.Column("acknowledged_by", sa.Text, nullable=False),
)

#: How each series of an alarm stands, and what people know of it.
LOG_ALARM_SERIES = sa.Table(
    "log_alarm_series",
    METADATA,
    sa.Column("definition", sa.Text, primary_key=True),
    sa.Column("alarm", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),  # a digest: values out of logs may be longer than an index takes
    sa.Column("series", sa.Text, nullable=False),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("history", sa.Text, nullable=False),
    sa.Column("quiet", sa.Integer, nullable=False),
    sa.Column("missing", sa.Integer, nullable=False),
    sa.Column("period", sa.BigInteger, nullable=False),
    sa.Column("value", sa.Float),
    sa.Column("references", sa.Text, nullable=False),
    sa.Column("in_hours", sa.Boolean, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("heard", sa.BigInteger, nullable=False),
    sa.Column("fired", sa.Integer, nullable=False),
    sa.Column("told", sa.BigInteger),
    sa.Column("told_levels", sa.Text, nullable=False),
    sa.Column("untold", sa.Integer, nullable=False),
    sa.Column("untold_since", sa.BigInteger),
    sa.Column("owed", sa.Boolean, nullable=False),
    sa.Column("trail", sa.Text, nullable=False),  # how it came there, for corrections of periods that are over
    sa.Index("log_alarm_series_by_level", "level"),
)

#: How far log series were sent through each outlet: by host the number of a minute, by metric the end of a window.
LOG_SENT = sa.Table(
    "log_sent",
    METADATA,
    sa.Column("outlet", sa.Text, primary_key=True),
    sa.Column("definition", sa.Text, primary_key=True),
    sa.Column("part", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("epoch", sa.Text, nullable=False),
)

#: How far the minutes that other hosts ship were received: by their numbers, and how many of ours that made.
LOG_RECEIVED = sa.Table(
    "log_received",
    METADATA,
    sa.Column("definition", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("stored", sa.BigInteger, nullable=False),
    sa.Column("closed", sa.BigInteger, nullable=False),  # the second up to which the host has sent everything
    sa.Column("written", sa.BigInteger, nullable=False),
)
