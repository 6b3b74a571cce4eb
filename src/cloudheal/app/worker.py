"""One worker: the stages on one database, with the threads that keep them going."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from cloudheal.act.engine import Engine, LookLeft
from cloudheal.app.accounts import accounts_of
from cloudheal.app.ahead import go_ahead
from cloudheal.app.attribution import Attribution
from cloudheal.app.chores import Chores
from cloudheal.app.dead_man import DeadMan
from cloudheal.app.drills import drill_desk
from cloudheal.app.extensions import extensions_of
from cloudheal.app.following import POLL_SECONDS as READ_SECONDS
from cloudheal.app.following import following_of
from cloudheal.app.heart import BEAT_SECONDS, Heart
from cloudheal.app.ledger_outlets import ledger_outlets_of
from cloudheal.app.loads import loads_of, terms_with_logs
from cloudheal.app.log_outlets import outlets_of
from cloudheal.app.lookout import Lookout
from cloudheal.app.narrator import narrate
from cloudheal.app.outage import Outage
from cloudheal.app.parts import Site, keeper_of, poller_of, sender_of, series_keeper_of
from cloudheal.app.queue_state import QueueStates
from cloudheal.app.queues import Receivers
from cloudheal.app.rules import rules_of
from cloudheal.app.succession import Succession
from cloudheal.app.tally import Tally
from cloudheal.app.watch import Watch
from cloudheal.clouds.entrances import parts_of
from cloudheal.clouds.reading import document_for
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.logs.declared import definitions_of
from cloudheal.metrics.counters import Counters
from cloudheal.model.event import Channel, Event, Fate, most_telling
from cloudheal.pipeline import Healer, Intake, Taken, Waker
from cloudheal.pipeline.courtesy import Courtesy
from cloudheal.pipeline.deciding import Decider
from cloudheal.pipeline.group_commit import FEW_TOGETHER, MOST_TOGETHER, GroupCommit
from cloudheal.pipeline.intentions import Intentions
from cloudheal.pipeline.listening import Patrol, Teller
from cloudheal.pipeline.plans import Planner
from cloudheal.pipeline.waits import Waits
from cloudheal.ports.clock import Clock
from cloudheal.ports.probes import Probes
from cloudheal.probes.http import http
from cloudheal.probes.tcp import tcp
from cloudheal.record.database import open_database
from cloudheal.record.inbox import DeadLetter, mark_replayed
from cloudheal.record.listeners import is_owed, reopen_tasks
from cloudheal.record.lists import dead_letter
from cloudheal.record.log_alarms import marks
from cloudheal.record.schema import migrate
from cloudheal.record.seal import Sealer
from cloudheal.record.sole import sole_engine
from cloudheal.record.waiting import goes_on_by
from cloudheal.record.workers import EVERYONE, at_work
from cloudheal.sense.reading import Message, read
from cloudheal.sense.webhook import origin_of
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.discretion import learn
from cloudheal.settings.listen import ListenSettings
from cloudheal.settings.schema import Settings
from cloudheal.settings.watch import DeadManSettings
from cloudheal.sources.followed_clock import clock_of

if TYPE_CHECKING:
    from cloudheal.pipeline.log_alarms import LogAlarms
    from cloudheal.sources.webhook import Listener

log = logging.getLogger("cloudheal.app")

#: Sealing and sending; what is committed is proven and told within about this time.
CHORE_SECONDS = 1.0
#: A run that goes on within such a moment is waited for by whoever ends when nothing is at work.
MOMENT = timedelta(seconds=5)
#: How often the due times of polls are asked for.
POLL_SECONDS = 1.0


class App:
    """One worker: engine, intake and healer on one database."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        learn(settings, os.environ)
        self.settings = settings
        self.clock = clock or clock_of(settings.clock)
        self.worker = f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}"
        self.stopping = threading.Event()
        self._tending = threading.Lock()
        self.outage = Outage()
        self.extensions = extensions_of(settings)
        self.rules = rules_of(settings)
        self.attribution = Attribution(settings.accounts)
        self.database = open_database(settings.database)
        self.counters = Counters()
        self.database.observers.extend((Tally(self.counters).note, narrate))
        self.accounts = accounts_of(settings, self.counters, self.clock.now)
        self.engine = Engine(self.database, self.worker, self._look)
        self.succession = Succession(self.database, self.engine, self.worker, self.clock, settings.lease_seconds)
        courtesy = Courtesy(overtaken=partial(self.counters.count, "cloudheal_commits_overtaken_total"))
        self.waker = Waker(self.database, self.engine, self.rules, self.clock, _new_id, settings.maintenance, courtesy)
        self.planner = Planner(
            store=self.database,
            worker=self.worker,
            rules=self.rules,
            playbooks=self.extensions.library.playbooks,
            settings=terms_with_logs(settings),
            clock=self.clock,
            new_id=_new_id,
            load_of=loads_of(settings, self.accounts, self.database).of,
            courtesy=courtesy,
        )
        self.drills = drill_desk(settings, self.accounts, self.database, self.clock)
        self.waits = Waits(self.clock, time.monotonic, self._until_rung)
        decider = Decider(
            looks=self.engine,
            rules=self.rules,
            playbooks=self.extensions.library.playbooks,
            trouble_of=self.extensions.trouble_of,
            clock=self.clock,
            new_id=_new_id,
            worker=self.worker,
        )
        self.healer = Healer(
            store=self.database,
            steps=self.engine,
            worker=self.worker,
            rules=self.rules,
            playbooks=self.extensions.library.playbooks,
            verbs=self.accounts.verbs_of,
            probes=Probes(tcp, http),
            clock=self.clock,
            wait=self.waits.wait,
            pause=self._pause,
            freed=self.waker.fill,
            again=decider.again,
            new_id=_new_id,
            intent=Intentions(self.database, self.rules, self.accounts.trail_of, self.clock).of,
            allowance=self.drills.allowance,
            courtesy=courtesy,
            settle_seconds=settings.settle_seconds,
        )
        self.intake = Intake(
            store=self.database,
            decider=decider,
            wanted_by=self.extensions.audience.wanted_by,
            reader=self.attribution.read,
            lookup=lambda subjects: self.poller.lookup(subjects),  # noqa: PLW0108 - the poller needs the intake
            heard=self.waits.ring,
            courtesy=courtesy,
        )
        most = FEW_TOGETHER if any(one.queue and one.queue.urgent for one in settings.accounts) else MOST_TOGETHER
        self.group = GroupCommit(self.intake, self.counters, courtesy=courtesy, most=most)
        self.urgent = GroupCommit(self.intake, self.counters, courtesy=courtesy, is_urgent=True)
        self.queues = QueueStates(self.clock.now)
        site = Site(settings, self.database, self.worker, self.clock)
        sealer = Sealer(self.database, self.worker)
        self.keeper = keeper_of(site, sealer, self.engine.forget)
        self.sender = sender_of(site)
        self.poller = poller_of(site, self.intake, self.accounts, self.extensions)
        self.log_alarms = self._log_alarms(settings) if any(one.is_watched for one in settings.logs) else None
        self.definitions = definitions_of(settings)
        self.following = following_of(settings, self.database, self.definitions, self.clock, self.counters)
        self.series = series_keeper_of(site)
        self.chores = Chores(self.stopping, self.outage, self.counters)
        # What else wants a connection, and waits for others with it, must not keep the heart from beating.
        self.pulse = self.database if self.database.is_sqlite else open_database(settings.database)
        self.heart = Heart(
            database=self.pulse,
            worker=self.worker,
            engine=self.engine,
            sealer=sealer,
            chores=self.chores,
            outage=self.outage,
            stopping=self.stopping,
            rules=settings.rules,
            lease_seconds=settings.lease_seconds,
            is_tending=self._tending.locked,
        )
        audience = self.extensions.audience
        self.tellers = [
            Teller(self.database, audience, name, self.worker, self.clock, document_for, stopping=self.stopping)
            for name in audience.subscriptions
        ]
        self.patrol = Patrol(self.tellers, settings.watch.listener_call)
        self.watch = Watch(
            database=self.database,
            worker=self.worker,
            clock=self.clock,
            counters=self.counters,
            stopping=self.stopping,
            queues=self.queues,
            settings=settings.watch,
            accounts=settings.accounts,
            outage=self.outage,
            chores=self.chores,
            patrol=self.patrol,
            following=self.following,
            roles=self.accounts.roles,
        )
        self.lookout = Lookout(
            store=self.database,
            worker=self.worker,
            accounts=settings.accounts,
            settings=settings.watch,
            connect=self.accounts.connected,
            clock=self.clock,
            new_id=lambda: uuid.uuid4().hex,
        )
        served = (settings, self.database, self.worker, self.clock, self.counters)
        self.outlets = [*outlets_of(*served), *ledger_outlets_of(*served, self.accounts)]
        self.dead_man = self._dead_man(settings.watch.dead_man) if settings.watch.dead_man else None
        self.listener = self._listener(site, settings.listen) if settings.listen else None

    @contextmanager
    def running(self) -> Iterator[App]:
        """Be a worker until the block ends: engine, heartbeat, taking over from dead workers.

        Raises InUseError when another worker has the SQLite file, SchemaError when its tables are not ours.
        """
        with sole_engine(self.database) as alone:
            migrate(self.database)
            with self._working(alone=alone):
                yield self

    @contextmanager
    def _working(self, *, alone: bool) -> Iterator[App]:
        self.engine.start(held=self.heart.learn())
        beating = self.heart.start()
        tending = threading.Thread(target=self._tend, name="cloudheal-tend", daemon=True)
        tending.start()
        polling = threading.Thread(target=self.poll, name="cloudheal-poll", daemon=True)
        polling.start()
        for name, work in self._chores().items():
            self.chores.start(name, work, CHORE_SECONDS)
        for name, work in self.following.works().items():
            self.chores.start(name, work, READ_SECONDS)
        try:
            # Alone on its file, a worker need not wait for leases: whoever else is on record is dead.
            if not self.heart.draining:
                self.succession.take_over(EVERYONE if alone else None)
            if self.listener:
                self.listener.start()
            yield self
        finally:
            self.stopping.set()
            if self.listener:
                self.listener.stop()
            beating.join(timeout=5)
            tending.join(timeout=5)
            polling.join(timeout=15)
            if left := self.chores.join(timeout := 15):
                log.warning("worker.left_chores worker=%s after=%ds chores=%s", self.worker, timeout, ",".join(left))
            self.following.end()
            self.heart.sign_off(all_done=self.engine.stop())
            self.pulse.close()
            self.database.close()

    @contextmanager
    def entering(self) -> Iterator[App]:
        """Take events in until the block ends, beside any worker: what must be healed is queued, not begun here."""
        migrate(self.database)
        self.engine.connect()
        try:
            yield self
        finally:
            self.engine.disconnect()
            self.database.close()

    def _chores(self) -> Mapping[str, Callable[[], object]]:
        """Return the work beside healing, each done in a thread: what is slow keeps nothing else from its pace."""
        chores: dict[str, Callable[[], object]] = {
            "keep": self.keeper.tick,
            "notify": self.sender.send_due,
            "watch": self.lookout.tick,
            "plan": self.planner.tick,
            "series": self.series.tick,
        }
        if self.log_alarms is None and self._fired_once():
            self.log_alarms = self._log_alarms(self.settings)
        if self.log_alarms is not None:
            chores["log alarms"] = self._watch_logs
        if self.following.followers:
            chores["watch logs"] = self.following.warn
        listening = {f"listener {one.listener}": one.tick for one in self.tellers}
        dead_man = {"dead-man": self.dead_man.tick} if self.dead_man else {}
        outlets = {f"outlet {one.name}": one.tick for one in self.outlets}
        return {**chores, "patrol": self.patrol.tick, **listening, **outlets, **dead_man}

    def take(self, bodies: Sequence[bytes], origin: str, channel: Channel, *, is_urgent: bool = False) -> Taken:
        """Take in messages that came by any channel; urgent ones before all others."""
        group = self.urgent if is_urgent else self.group
        taken = group.take([Message(body, origin, channel) for body in bodies])
        for outcome, number in Counter(one.fate for one in taken.fared).items():
            self.counters.count("cloudheal_events_total", number, channel=channel, outcome=outcome)
        return taken

    def replay(self, number: int) -> str:
        """Read a dead letter again and take it in; returns why it still cannot be, empty when it was."""
        with self.database.snapshot() as connection:
            letter = dead_letter(connection, number)
        if letter is None:
            return "no dead letter of that number waits"
        if letter.origin.startswith("listener "):
            return self._tell_again(number)
        message = Message(letter.raw, letter.origin, letter.channel)
        found = read([message], self.intake.reader, self.clock.now())
        if found.unreadable:
            return found.unreadable[0].reason
        if strangers := self._not_spoken_for(letter, found.events):
            return f"its source may not speak for account {strangers[0]}"
        (fared,) = self.group.take([message]).fared
        if fared.fate is Fate.DEAD_LETTER:
            return "it still cannot be stored"
        with self.database.transaction() as connection:
            mark_replayed(connection, number, self.clock.now())
        return ""

    def _not_spoken_for(self, letter: DeadLetter, events: Sequence[Event]) -> list[str]:
        """Return the accounts of events that the source of a pushed message may not speak for."""
        sources = self.settings.listen.sources if self.settings.listen else []
        theirs = [one.accounts for one in sources if letter.origin == origin_of(one.name) and one.accounts]
        return sorted({one.subject.account for one in events} - set(theirs[0])) if theirs else []

    def _tell_again(self, number: int) -> str:
        with self.database.transaction() as connection:
            reopen_tasks(connection, number, self.clock.now())
            mark_replayed(connection, number, self.clock.now())
        return ""

    def is_busy(self) -> bool:
        """Say whether a run is at work, about to be or only pausing, or a listener is to be told of something now."""
        now = self.clock.now()
        with self.database.snapshot() as connection:
            pausing = not self.heart.draining and goes_on_by(connection, now + MOMENT)
            return (
                at_work(connection) or pausing or is_owed(connection, list(self.extensions.audience.subscriptions), now)
            )

    def tend(self) -> None:
        """See to what waits and has its time: a worker does every second, and who has no second to lose at once."""
        with self._tending:
            self.chores.attempt("tend", self._tend_once)

    def go_ahead(self) -> bool:
        """Do once ahead of time what an interruption waits for; False when that failed, or when nothing begins here."""

        def rehearse() -> int:
            return go_ahead(self.intake, self.engine, self.settings.accounts, self.clock.now())

        return self.engine.begins_here and self.chores.attempt("ahead of time", rehearse)

    def consume(self, account: AccountSettings, *, once: bool = False) -> int:
        """Take messages from an account's queues until told to stop; returns how many. A poor queue is waited for."""

        def take(bodies: Sequence[bytes], origin: str, is_urgent: bool) -> Sequence[Fate]:  # noqa: FBT001 - of two lanes
            parts = [parts_of(body) if account.kafka else [body] for body in bodies]
            taken = self.take([part for one in parts for part in one], origin, Channel.QUEUE, is_urgent=is_urgent)
            fared = iter(taken.fared)
            return [most_telling([one.fate for one in islice(fared, len(part))]) for part in parts]

        connect, idle = self.accounts.connected, lambda: self.heart.draining
        receivers = Receivers(account, take, self.stopping, self.queues, self.counters, connect, idle)
        return receivers.receive(once=once)

    def poll(self) -> None:
        """Look at the servers whenever that is due, until told to stop; no failure of a look ends it."""
        while not self.stopping.wait(POLL_SECONDS):
            if not self.heart.draining:
                self.chores.attempt("poll", self._poll_once)

    def _poll_once(self) -> None:
        try:
            self.poller.tick()
        except (CloudTransientError, CloudPermanentError) as problem:
            log.warning("poll.failed error=%s", type(problem).__name__)

    def _listener(self, site: Site, listen: ListenSettings) -> Listener:
        from cloudheal.app.log_pages import LogPages  # noqa: PLC0415 - a web server, which most do without
        from cloudheal.app.pushes import listener_of  # noqa: PLC0415 - same

        logs = LogPages(self.database, self.definitions, self.clock, self.counters)
        return listener_of(site, listen, self.attribution.read, self._take_pushed, self.watch, logs)

    def _take_pushed(self, bodies: Sequence[bytes], origin: str) -> Taken:
        return self.take(bodies, origin, Channel.WEBHOOK)

    def _log_alarms(self, settings: Settings) -> LogAlarms:
        from cloudheal.app.log_alarms import alarms_of  # noqa: PLC0415 - most installations have none

        return alarms_of(settings, self.database, self.intake, self.worker, self.clock)

    def _fired_once(self) -> bool:
        """Say whether there were alarms on logs before: what fires and is not defined any more is to recover."""
        with self.database.snapshot() as connection:
            return bool(marks(connection))

    def _watch_logs(self) -> int:
        """Evaluate the alarms on logs; while an operator drains the workers nothing new is raised."""
        return 0 if self.heart.draining or self.log_alarms is None else self.log_alarms.tick()

    def _dead_man(self, settings: DeadManSettings) -> DeadMan:
        return DeadMan(self.database, self.worker, settings, self.watch.health, self.clock)

    def _look(self, run: str, look: int) -> None:
        self.healer.look(run, look)

    def _tend(self) -> None:
        """See every second to what waits; nothing that fails ends this."""
        while not self.stopping.wait(BEAT_SECONDS):
            self.tend()

    def _tend_once(self) -> None:
        self.heart.keep_queue()
        if self.heart.draining:
            self.intake.begin_stranded()
            return
        self.succession.resume_idle()
        if self.outage.over_for(self.settings.lease_seconds):
            self.succession.take_over()
        self.waker.tick()
        self.intake.begin_stranded()

    def _until_rung(self, bell: threading.Event, seconds: float) -> None:
        """Wait in real time until a bell rings. Raises LookLeft when the worker is told to stop."""
        bell.wait(seconds)
        if self.stopping.is_set():
            raise LookLeft

    def _pause(self, seconds: float) -> None:
        """Wait in real time. Raises LookLeft when the worker is told to stop: a wait cut short would mean something."""
        if self.stopping.wait(seconds):
            raise LookLeft


def _new_id() -> str:
    return uuid.uuid4().hex
