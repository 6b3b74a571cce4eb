"""Everything that `check` looks at, in the order in which an operator would mend it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa

from cloudheal.app import App, accounts_of, extensions_of, open_account, rules_of
from cloudheal.app.loads import loads_of, named_loads
from cloudheal.cli.plan_texts import why_no_load
from cloudheal.decide.checking import never_matches
from cloudheal.errors import SettingsError
from cloudheal.logs.declared import definitions_of
from cloudheal.model.incident import Mode
from cloudheal.ports.account import Duties
from cloudheal.record.database import Database, DatabaseUnreachableError, open_database
from cloudheal.record.inventory import groups_of_servers
from cloudheal.record.promotions import effective_mode
from cloudheal.record.schema import SchemaError, migrate
from cloudheal.record.tables import PROMOTION
from cloudheal.record.versions import outdated
from cloudheal.sense.triggers import examples
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.loader import located
from cloudheal.settings.schema import Settings
from cloudheal.sources.followed_clock import clock_of

#: So many groups are listed where one is not known.
MOST_NAMED = 10
#: What it is about, the code, the level, the facts.
Seen = tuple[str, str, str, Mapping[str, str]]


def examine(settings: Settings, config: Path) -> Iterator[Seen]:
    """Look at settings, rules, database and every account."""
    yield from _rules(settings, config)
    yield from _unused(settings)
    yield from in_clear(settings)
    yield from _logs(settings, config)
    yield from _database(settings)
    for account in settings.accounts:
        yield from _account(settings, account)
    yield from _traffic(settings)
    yield from _start(settings, config)


def _unused(settings: Settings) -> Iterator[Seen]:
    """Name what the settings hold from the vendor's old sample and nothing uses."""
    for account in settings.accounts:
        if account.vsever_group_id:
            yield account.name, "settings.unused", "warning", {"field": "vsever_group_id"}


def in_clear(settings: Settings) -> Iterator[Seen]:
    """Name the vendor's addresses that are spoken to without encryption, as the vendor's old sample does."""
    for account in settings.accounts:
        parts = urlsplit(account.queue.endpoint if account.queue else "")
        if parts.scheme == "http" and (parts.hostname or "").endswith(".aliyuncs.com"):
            yield account.name, "settings.in_clear", "warning", {"field": "queue.endpoint", "host": str(parts.hostname)}


def _traffic(settings: Settings) -> Iterator[Seen]:
    """Read the usual traffic that the plan goes by; without it slots are the earliest, so this is no error."""
    named = named_loads(settings)
    if not named:
        return
    database = open_database(settings.database)
    try:
        loads = loads_of(settings, accounts_of(settings), database)
    except SettingsError:
        return  # told already
    else:
        now = clock_of(settings.clock).now()
        for one in named:
            problem = loads.of(one, now).problem
            code, level = ("load.bad", "warning") if problem else ("load.ok", "ok")
            yield "maintenance", code, level, {"source": one.source, "problem": why_no_load(problem, settings.language)}
    finally:
        database.close()


def _start(settings: Settings, config: Path) -> Iterator[Seen]:
    """Put a worker together without starting it: whatever else it refuses, such as a secret that is not there."""
    try:
        with located(config):
            rules_of(settings)
            accounts_of(settings)
    except SettingsError:
        return  # told already
    try:
        App(settings).database.close()
    except SettingsError as problem:
        yield "settings", "settings.bad", "error", {"problem": str(problem.args[0])}


def verbs_of(settings: Settings) -> frozenset[str]:
    """Return the verbs of watching, and of the playbooks of rules that may act, now or when they are promoted."""
    grouped = any(one.group_by == "server_group" for one in settings.accounts)
    asked = {"memberships": grouped, "system_events": settings.poll.system_events is not None}
    known = extensions_of(settings).library.playbooks
    of_rules = {verb for rule in settings.rules if rule.playbook in known for verb in known[rule.playbook].verbs}
    asked["disk_events"] = asked["system_events"] and "disk_events" in of_rules
    watching = {verb for verb, wanted in asked.items() if wanted}
    acting = (rule for rule in settings.rules if rule.mode is not Mode.SHADOW)
    needed = {verb for rule in acting if rule.playbook in known for verb in known[rule.playbook].needs(rule.parameters)}
    return frozenset(watching | needed)


def _verbs_if_known(settings: Settings) -> frozenset[str]:
    """Return the verbs; none when an extension cannot be loaded, which is told by its file and line."""
    try:
        return verbs_of(settings)
    except SettingsError:
        return frozenset()


def _rules(settings: Settings, config: Path) -> Iterator[Seen]:
    try:
        with located(config):
            rules_of(settings)
    except SettingsError as problem:
        yield "settings", "settings.bad", "error", {"problem": str(problem.args[0])}
        return
    yield "settings", "settings.ok", "ok", {"rules": str(len(settings.rules))}
    if not settings.rules:
        yield "rules", "rules.none", "warning", {}
    yield from idle(settings)


def idle(settings: Settings) -> Iterator[Seen]:
    """Name the rules that never act, whatever comes, and say when nobody is told of what they need a person for."""
    library = extensions_of(settings).library
    for rule in settings.rules:
        about = {"rule": rule.name, "playbook": rule.playbook}
        failed = never_matches(rule, examples(library.playbooks[rule.playbook].troubles, library.triggers))
        if failed:
            yield rule.name, "rules.never", "warning", {**about, "failed": failed}
        if rule.resources.selects_nothing:
            yield rule.name, "rules.selects_nothing", "warning", about
    if settings.rules and not settings.notify.targets:
        yield "notify", "notify.nobody", "warning", {}


def _logs(settings: Settings, config: Path) -> Iterator[Seen]:
    try:
        with located(config):
            definitions = definitions_of(settings)
    except SettingsError as problem:
        yield "logs", "logs.bad", "error", {"problem": str(problem.args[0])}
        return
    for one in definitions:
        yield one.name, "logs.ok", "ok", {"log": one.name, "metrics": str(len(one.metrics))}


def _database(settings: Settings) -> Iterator[Seen]:
    database = open_database(settings.database)
    kind = "sqlite" if database.is_sqlite else "postgresql"
    try:
        migrate(database)
        _write(database)
    except sa.exc.SQLAlchemyError as problem:
        reason = str(getattr(problem, "orig", None) or type(problem).__name__).partition("\n")[0]
        where = f"{database.file}: " if database.file else ""
        yield "database", "database.bad", "error", {"reason": f"{where}{reason}"}
    except DatabaseUnreachableError:
        folder = str(database.file.parent) if database.file else "-"
        yield "database", DatabaseUnreachableError.code, "error", {"folder": folder}
    except SchemaError as problem:
        facts = {"problem": str(problem.args[0]), "advice": problem.what_to_do}
        yield "database", "database.schema", "error", facts
    else:
        yield "database", "database.sqlite" if database.is_sqlite else "database.ok", "ok", {"kind": kind}
        yield from _trust(settings, database)
        yield from _groups(settings, database)
    finally:
        database.close()


def _write(database: Database) -> int:
    """Write a row and take it back, which a read-only folder, a full disk or a missing right does not allow."""
    with database.writing.connect() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        row = {"rule": "check", "digest": "", "mode": "shadow", "who": "check", "promoted": 0}
        written = connection.execute(sa.insert(PROMOTION).values(row)).rowcount
        connection.rollback()
        return written


def _groups(settings: Settings, database: Database) -> Iterator[Seen]:
    """Name groups of the plan that no known server is in; before servers are known nothing can be said."""
    named = [*(one.group for one in settings.maintenance.groups), *(log.group for log in settings.logs if log.group)]
    with database.snapshot() as connection:
        known = groups_of_servers(connection)
    known += [f"rule:{rule.name}" for rule in settings.rules] if known else []
    for group in dict.fromkeys(named):
        if known and group not in known:
            yield "maintenance", "group.unknown", "warning", {"group": group, "known": ", ".join(known[:MOST_NAMED])}


def _trust(settings: Settings, database: Database) -> Iterator[Seen]:
    with database.snapshot() as connection:
        for rule in settings.rules:
            if rule.mode is not Mode.SHADOW and effective_mode(connection, rule) is Mode.SHADOW:
                yield rule.name, "rules.shadow", "warning", {"rule": rule.name, "mode": rule.mode.value}
        for one in outdated(connection, settings.rules, round(settings.lease_seconds * 1000)):
            facts = {"worker": one.worker, "rule": one.rule, "mode": one.mode or "-"}
            yield one.rule, "rules.outdated", "warning", facts


def _account(settings: Settings, account: AccountSettings) -> Iterator[Seen]:
    try:
        found = open_account(account)
    except SettingsError as problem:
        yield account.name, "keys.missing", "error", {"problem": str(problem.args[0])}
        return
    for finding in found.examine(Duties(_verbs_if_known(settings)), clock_of(settings.clock)):
        yield account.name, finding.code, finding.level, finding.facts
