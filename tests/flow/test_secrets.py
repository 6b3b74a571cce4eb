"""Law 11: no secret shows in what is printed, logged, stored, carried out or told, whatever goes wrong around it.

A worker with a distinctive secret wherever one can be set meets clouds, queues, notifiers, listeners and playbooks that
fail and quote all of them. Then everything that came of it is looked through, and the looking is put to the proof too.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa
import yaml

from cloudheal.settings.secrets import MASK
from tests.contract.postgres import postgres
from tests.contract.receivers import Webhook, serving
from tests.flow.careless import (
    CARELESS_PLAYBOOKS,
    SECRETS,
    environment_of,
    push,
    typed,
    working,
    write_settings,
    wrongs,
)
from tests.flow.leaks import Leaks
from tests.flow.operators import Operator, until
from tests.flow.test_cli_work import message
from tests.flow.test_restart import QUEUE
from tests.flow.watching import world_of
from tests.sim.simulator import RunningSimulator, started

#: Where what strangers sent is kept byte by byte, whatever it is.
RAW = frozenset({("dead_letter", "raw")})
LISTS = ("events", "incidents", "runs", "listeners list", "dead-letters list", "explain i-quoting", "check")
COMMANDS = (
    *LISTS,
    *(f"{words} --json" for words in LISTS),
    "instances",
    "approvals",
    "pace",
    "timeline i-quoting",
    "explain i-raising",
    "explain i-restart-stopped",
    "dead-letters replay 1",
    "playbooks show quoting",
    "rules list",
    "policy",
    "setup alibaba --yes",
    "audit verify",
    "audit search --limit 500",
    "audit export",
    "audit export -o ledger.jsonl",
    "backup b.zip",
)


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    """A simulator at which one of the two accounts may sign."""
    running = started("--account", f"{SECRETS['access key id']}:{SECRETS['access key secret']}", "--no-skew-check")
    yield running
    running.stop()


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.soak), "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database of each kind, with a password where there can be one."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'c.db'}"
        return
    with postgres() as server:
        address = sa.make_url(server.get_uri()).set(password=SECRETS["database password"])
        yield address.render_as_string(hide_password=False)


@pytest.fixture
def leaks() -> Leaks:
    """Look for every secret."""
    return Leaks(SECRETS, [])


@pytest.fixture
def chat() -> Iterator[Webhook]:
    """Whoever is notified, and does not take anything at first."""
    with serving(Webhook()) as receiver:
        receiver.status = 500
        yield receiver


@pytest.fixture
def careless(simulator: RunningSimulator, tmp_path: Path, chat: Webhook, database_url: str) -> Operator:
    """An operator in a world where everything fails; the watcher outside answers with 500 as well."""
    simulator.control("POST", "reset")
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    playbooks = ("restart_stopped", *CARELESS_PLAYBOOKS)
    simulator.world(world_of([{"id": f"i-{name.replace('_', '-')}", "tags": {"heal": name}} for name in playbooks]))
    operator = Operator(tmp_path, simulator, environment_of(chat.address, chat.address))
    write_settings(operator, database_url)
    return operator


def tables(operator: Operator) -> sa.Engine:
    """Return a way to the tables."""
    document = yaml.safe_load((operator.folder / "cloudheal.yaml").read_text(encoding="utf-8"))
    return sa.create_engine(document["database"].replace("postgresql:", "postgresql+psycopg:"))


def count(operator: Operator, question: str) -> int:
    """Ask the database for a number."""
    engine = tables(operator)
    with engine.connect() as connection:
        found = connection.execute(sa.text(question)).scalar_one()
    engine.dispose()
    return int(found)


@pytest.mark.timeout(400)
def test_nothing_that_goes_wrong_shows_a_secret(careless: Operator, chat: Webhook, leaks: Leaks) -> None:
    """Streams, every column of every table, every command, pages, notices, export and backup."""
    rules = ("restart-unexpected-stop", *CARELESS_PLAYBOOKS)
    assert all(
        shown.endswith("ended with 0\n") for _, shown in typed(careless, [f"rules promote {one}" for one in rules])
    )
    simulator = careless.simulator
    with working(careless) as worker:
        simulator.control("PUT", "faults", list(wrongs()))
        for number, answer in enumerate(push(worker)):
            leaks.look(f"answer {number}", answer)
        simulator.control("POST", "events", {"raw": " ".join(SECRETS.values()), "queue": QUEUE})
        simulator.chaos("power_off", *(f"i-{name}" for name in ("restart-stopped", *CARELESS_PLAYBOOKS)))

        def passed(question: str, least: int, seconds: float = 5) -> bool:
            simulator.advance(seconds)
            return count(careless, question) >= least

        until(lambda: passed("SELECT count(*) FROM incident WHERE ended IS NOT NULL", 4), 60, "four verdicts")
        tired = "SELECT count(*) FROM dead_letter WHERE origin LIKE 'listener %'"
        until(lambda: passed(tired, 3, 600), 60, "tired listeners")
        chat.status = 200
        until(lambda: passed("SELECT count(*) FROM delivery WHERE sent IS NOT NULL", 4), 60, "notices")
        for path in ("/healthz", "/metrics"):
            leaks.look(path, worker.ask("GET", path))
    leaks.look("stdout", worker.stdout.read_bytes())
    leaks.look("stderr", worker.stderr.read_bytes())
    for number, notice in enumerate(chat.received):
        leaks.look(f"notice {number}", json.dumps({name: part for name, part in notice.items() if name != "path"}))
    for words, shown in typed(careless, COMMANDS):
        leaks.look(words, shown)
    leaks.look("ledger.jsonl", (careless.folder / "ledger.jsonl").read_bytes())
    assert leaks.look_at_backup(careless.folder / "b.zip", RAW) > 100
    assert leaks.look_at_tables(tables(careless).url.render_as_string(hide_password=False), RAW) > 1000
    assert leaks.found == []


@pytest.fixture
def quiet(simulator: RunningSimulator, tmp_path: Path) -> Operator:
    """An operator with every secret, on SQLite, without a worker."""
    simulator.control("POST", "reset")
    operator = Operator(tmp_path, simulator, environment_of("127.0.0.1:9", "127.0.0.1:9"))
    write_settings(operator, f"sqlite:///{tmp_path / 'c.db'}")
    return operator


def test_what_a_sender_wrote_is_kept_as_it_was_and_shown_without_secrets(quiet: Operator, leaks: Leaks) -> None:
    """An event that names a server after a key, and a body full of keys: the bytes stay, no list shows them."""
    key = SECRETS["access key secret"]
    named = json.loads(message("i-named")) | {"instanceName": key}
    named["content"]["instanceName"] = key
    (quiet.folder / "sent.jsonl").write_text(json.dumps(named) + "\n" + " ".join(SECRETS.values()), encoding="utf-8")
    lists = ("events", "dead-letters list", "explain i-named", "audit search", "instances", "instances show i-named")
    commands = ("feed sent.jsonl", *lists, *(f"{words} --json" for words in lists), "audit export", "timeline i-named")
    shown = dict(typed(quiet, commands))
    for words, text in shown.items():
        leaks.look(words, text)
    assert leaks.found == []
    assert "i-named" in shown["events"]
    assert MASK in shown["audit export"]
    assert MASK in shown["audit search --json"]
    engine = tables(quiet)
    with engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT raw FROM event UNION ALL SELECT raw FROM dead_letter").scalars().all()
    engine.dispose()
    assert sorted(key.encode() in raw for raw in kept) == [True, True]


@pytest.mark.parametrize("database", ["closed", "unescaped", "no_port"])
def test_a_database_that_cannot_be_used_is_told_without_its_password(
    quiet: Operator, leaks: Leaks, database: str
) -> None:
    """A server that does not answer, a password that was not encoded, a password where the port should be."""
    plain = SECRETS["database password"].replace("/", "")
    url = {
        "closed": f"postgresql://healer:{quote(plain, safe='')}@127.0.0.1:9/cloudheal",
        "unescaped": f"postgresql://healer:{plain}@127.0.0.1:9/cloudheal",
        "no_port": f"postgresql://127.0.0.1:{quote(plain, safe='')}/cloudheal",
    }[database]
    write_settings(quiet, url)
    looking = Leaks({"database password": plain}, [])
    done = quiet("run", "--once")
    assert done.returncode in {1, 2}
    looking.look("run", done.stdout + done.stderr)
    for words, shown in typed(quiet, ("events", "check", "check --json", "feed cloudheal.yaml", "backup b.zip")):
        assert shown.endswith(("ended with 1\n", "ended with 2\n")), shown
        looking.look(words, shown)
    assert looking.found == []


def test_an_extension_that_cannot_be_loaded_is_told_without_what_it_quotes(quiet: Operator, leaks: Leaks) -> None:
    """File, line and class are named; the words of its error are shown without secrets, by every command."""
    broken = 'import os\nraise RuntimeError("no session for " + os.environ["EVERY_SECRET"])\n'
    (quiet.folder / "own" / "broken.py").write_text(broken, encoding="utf-8")
    done = quiet("run", "--once")
    assert "broken.py:2: RuntimeError: no session for ***" in done.stderr
    leaks.look("run", done.stdout + done.stderr)
    for words, shown in typed(quiet, ("check", "check --json", "playbooks list", "listeners list", "policy")):
        leaks.look(words, shown)
    assert leaks.found == []


DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": lambda secret: f"key={secret};",
    "in a URL": lambda secret: f"http://host/?key={quote(secret, safe='')}",
    "in lower case": lambda secret: quote(secret, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
    "in JSON": lambda secret: json.dumps({"key": secret}),
    "in a repr": repr,
    "in Base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "within Base64": lambda secret: base64.b64encode(f"user:{secret}:more".encode()).decode(),
    "within Base64 for URLs": lambda secret: base64.urlsafe_b64encode(f"us:{secret}".encode()).decode(),
    "in a URL within Base64": lambda secret: base64.b64encode(f"k={quote(secret, safe='')}".encode()).decode(),
    "folded": lambda secret: f"| {secret[:9]}\n   {secret[9:]} |",
    "cut at the end": lambda secret: secret[:15],
    "cut at the beginning": lambda secret: secret[-15:],
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_secret_that_was_planted_is_found(disguise: str) -> None:
    """The looking is no formality: it finds each secret in each disguise, and nothing where there is nothing."""
    for name, secret in SECRETS.items():
        leaks = Leaks(SECRETS, [])
        planted = f"2026-03-02T03:00:26.123Z INFO x failed said={DISGUISES[disguise](secret)} again_in=1s\n"
        assert leaks.look("a log", planted) == 1
        assert leaks.found == [f"{name} in a log"]
        assert leaks.look("a log", f"said={MASK} sha256={'0123456789abcdef' * 4}") == 0


def test_a_secret_that_was_planted_in_tables_or_a_backup_is_found(quiet: Operator, leaks: Leaks) -> None:
    """Also in a column of bytes, and in one row of many; only the columns that may hold it are left out."""
    (quiet.folder / "sent.jsonl").write_text(f"{message('i-a')}\n{SECRETS['signing key']}\n", encoding="utf-8")
    list(typed(quiet, ["feed sent.jsonl", "backup b.zip"]))
    engine = tables(quiet)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE event SET envelope_id = ?", (SECRETS["webhook path"],))
    engine.dispose()
    address = engine.url.render_as_string(hide_password=False)
    leaks.look_at_tables(address, RAW)
    assert leaks.found == ["webhook path in table event.envelope_id"]
    leaks.look_at_tables(address)
    assert leaks.found[1:] == ["signing key in table dead_letter.raw", "webhook path in table event.envelope_id"]
    leaks.look_at_backup(quiet.folder / "b.zip", RAW)
    assert len(leaks.found) == 3
    leaks.look_at_backup(quiet.folder / "b.zip")
    assert leaks.found[3:] == ["signing key in backup dead_letter.raw"]
