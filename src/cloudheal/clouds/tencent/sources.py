"""The topic of CKafka: read as a member of a consumer group, acknowledged by committing offsets.

Needs the package aiokafka (the extra `kafka`); imported only for accounts that have a topic. Each connection has an
event loop of its own in a thread, so that the group hears of it while its owner is busy with a commit. No real CKafka
was tried: the protocol is proven against a broker of the tests (UNVERIFIED: the form of the SASL user).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.conn import create_conn
from aiokafka.errors import ConsumerStoppedError, IllegalOperation, KafkaConnectionError, KafkaError

from cloudheal.clouds.tencent.kafka_member import Member
from cloudheal.errors import CloudPermanentError, CloudTransientError, SettingsError
from cloudheal.ports.queue import QueuedMessage, QueueProblem
from cloudheal.settings.kafka import KafkaSettings, Login

#: What one request may take; above the session of a member that died, for whom a join waits.
REQUEST_SECONDS = 15.0
#: What reaching the brokers, a commit, or a look at the topic may take.
CALL_SECONDS = 10.0
#: How long the loop's thread is waited for.
_STOP_SECONDS = 5.0
_RAISED = (KafkaError, ConsumerStoppedError, IllegalOperation, OSError, TimeoutError)
_MISSING = frozenset({"UnknownTopicOrPartitionError", "InvalidTopicError"})
_REFUSED = frozenset({
    "AuthenticationFailedError",
    "AuthenticationMethodNotSupported",
    "ClusterAuthorizationFailedError",
    "GroupAuthorizationFailedError",
    "IllegalSaslStateError",
    "SaslAuthenticationFailed",
    "SSLCertVerificationError",
    "TopicAuthorizationFailedError",
    "UnsupportedSaslMechanismError",
})  # fmt: skip
_THROTTLED = frozenset({"QuotaViolationError"})
_UNREACHABLE = frozenset({"KafkaConnectionError", "KafkaTimeoutError", "NodeNotReadyError", "Unreachable"})
_T = TypeVar("_T")


class KafkaQueue:
    """One topic as a queue. Used by one thread; joins the group when messages are first asked for."""

    def __init__(self, settings: KafkaSettings, login: Login) -> None:
        """Raises SettingsError when the certificates cannot be read."""
        self.name = settings.topic
        self._settings = settings
        self._options = _options(settings, login)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._member: Member | None = None

    def close(self) -> None:
        """Leave the group and close every connection."""
        if self._loop is None or self._thread is None:
            return
        self._part()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=_STOP_SECONDS)
        self._loop.close()
        self._loop = self._thread = None

    def receive(self, wait_seconds: int, most: int) -> list[QueuedMessage]:
        """Wait for messages and take up to `most`; none after `wait_seconds`.

        Raises StillJoiningError while the group shares its partitions out, and Cloud*Error.
        """
        if self._member is None:
            self._member = self._ask(self._join(), CALL_SECONDS)
        return self._ask(self._member.take(wait_seconds, most), wait_seconds + CALL_SECONDS)

    def extend(self, handle: str, _seconds: int) -> str:
        """Return the handle: a message stays with the member that has its partition."""
        return handle

    def acknowledge(self, handles: Sequence[str]) -> tuple[str, ...]:
        """Commit what is done with; returns the handles of what comes again. Raises Cloud*Error."""
        return self._ask(self._member.acknowledge(handles), CALL_SECONDS) if self._member else tuple(handles)

    def give_back(self, _handles: Sequence[str]) -> None:
        """Leave the group: its members, this one among them when it joins anew, begin at the last commit."""
        self._part()

    def send(self, body: str) -> str:
        """Put a message on the topic; returns where it stands. Raises Cloud*Error."""
        return self._ask(self._send(body.encode()), CALL_SECONDS)

    def oldest(self) -> datetime | None:
        """Look at the oldest message that the group has not committed; when it was put there. Raises Cloud*Error."""
        return self._ask(self._oldest(), CALL_SECONDS)

    def problem_of(self, error: CloudTransientError | CloudPermanentError) -> QueueProblem:
        """Say which of the problems an error is."""
        code = error.vendor_code
        if code in _MISSING:
            return QueueProblem.MISSING
        if code in _REFUSED:
            return QueueProblem.REFUSED
        if code in _UNREACHABLE:
            return QueueProblem.UNREACHABLE
        return QueueProblem.THROTTLED if code in _THROTTLED else QueueProblem.FAILED

    def _ask(self, work: Coroutine[Any, Any, _T], seconds: float) -> _T:
        """Do something in the loop; after a failure the member is parted with, and the next read joins anew."""
        asked = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), self._running())
        try:
            return asked.result()
        except _RAISED as problem:
            self._part()
            raise translated(self.name, problem) from problem

    def _part(self) -> None:
        if self._member is not None:
            member, self._member = self._member, None
            with contextlib.suppress(*_RAISED):
                asyncio.run_coroutine_threadsafe(member.leave(), self._running()).result()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name=f"kafka-{self.name}", daemon=True)
            self._thread.start()
        return self._loop

    async def _join(self) -> Member:
        try:
            return await Member(self._settings, self._options).join()
        except KafkaConnectionError:
            await self._knock()
            raise

    async def _knock(self) -> None:
        """Raise why no broker lets us in; the library tells only that none does."""
        first: Exception | None = None
        for one in self._settings.servers:
            host, _, port = one.rpartition(":")
            try:
                connection = await create_conn(host, int(port), **_without_servers(self._options))
            except _RAISED as problem:
                first = first or problem
            else:
                await connection.close()
                return
        if first is not None:
            raise first

    async def _send(self, body: bytes) -> str:
        producer = AIOKafkaProducer(**self._options, acks="all")
        try:
            await producer.start()
            sent = await producer.send_and_wait(self.name, body)
        finally:
            await producer.stop()
        return f"{sent.partition}/{sent.offset}"

    async def _oldest(self) -> datetime | None:
        consumer = AIOKafkaConsumer(
            **self._options, group_id=self._settings.group, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        try:
            await consumer.start()
            late = await self._late(consumer)
            if not late:
                return None
            consumer.assign(list(late))
            for place, offset in late.items():
                consumer.seek(place, offset)
            found: dict[TopicPartition, int] = {}
            while len(found) < len(late):
                read = await consumer.getmany(*(late.keys() - found.keys()), timeout_ms=1000)
                found |= {place: records[0].timestamp for place, records in read.items() if records}
            return datetime.fromtimestamp(min(found.values()) / 1000, UTC)
        except KafkaConnectionError:
            await self._knock()
            raise
        finally:
            await consumer.stop()

    async def _late(self, consumer: Any) -> dict[TopicPartition, int]:
        """Return the partitions that hold what the group has not committed, each with where that begins."""
        if self.name not in await consumer.topics():
            raise CloudPermanentError(f"queue {self.name} does not exist", vendor_code="UnknownTopicOrPartitionError")
        places = [TopicPartition(self.name, one) for one in await consumer._client._wait_on_metadata(self.name)]  # noqa: SLF001 - partitions of a topic that is not subscribed to
        ends, begins = await consumer.end_offsets(places), await consumer.beginning_offsets(places)
        unread = ends if self._settings.begin == "latest" else begins
        at = {one: max(await self._committed(consumer, one, unread[one]), begins[one]) for one in places}
        return {one: offset for one, offset in at.items() if offset < ends[one]}

    async def _committed(self, consumer: Any, place: TopicPartition, unread: int) -> int:
        committed = await consumer.committed(place)
        return unread if committed is None else int(committed)


def translated(queue: str, problem: BaseException) -> CloudTransientError | CloudPermanentError:
    """Turn what the library raised into one of our two."""
    code = type(problem).__name__
    if code in _MISSING:
        what = "Create the topic, or correct kafka.topic; a user who may not read a topic does not see it either."
        return CloudPermanentError(f"queue {queue}: {code}", vendor_code=code, what_to_do=what)
    if code in _REFUSED:
        what = "Check kafka.user and the password, kafka.mechanism and kafka.ca_file, and what the user may read."
        return CloudPermanentError(f"queue {queue}: {code}", vendor_code=code, what_to_do=what)
    known = code if isinstance(problem, KafkaError) else "Unreachable"
    return CloudTransientError(f"queue {queue}: {code}", vendor_code=known)


def _options(settings: KafkaSettings, login: Login) -> dict[str, Any]:
    transport = ("SASL_" if login.user else "") + ("SSL" if settings.tls else "PLAINTEXT")
    named = {"sasl_plain_username": login.user, "sasl_plain_password": login.password} if login.user else {}
    return {
        "bootstrap_servers": settings.servers,
        "client_id": "cloudheal",
        "request_timeout_ms": int(REQUEST_SECONDS * 1000),
        "security_protocol": transport if login.user or settings.tls else "PLAINTEXT",
        "ssl_context": _trust(settings.ca_file) if settings.tls else None,
        "sasl_mechanism": settings.mechanism,
        **named,
    }


def _without_servers(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "bootstrap_servers"}


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as problem:
        raise SettingsError(
            f"kafka.ca_file: {ca_file} holds no certificates: {problem.strerror or type(problem).__name__}"
        ) from None
