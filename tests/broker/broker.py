"""The broker: frames in, frames out, one thread for each connection.

Requests and answers are packed with the structures of aiokafka; what they mean, and when they are answered, is decided
here. Every request that this broker does not know ends the connection, as an unsupported version does.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from aiokafka.protocol import admin, commit, coordination, fetch, group, metadata, offset, produce
from aiokafka.protocol.api import RequestHeader_v1
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from tests.broker.group import Group

#: The one version of each request that is spoken here.
SPOKEN: dict[int, Any] = {
    one.API_KEY: one
    for one in (
        produce.ProduceRequest_v3,
        fetch.FetchRequest_v4,
        offset.OffsetRequest_v1,
        metadata.MetadataRequest_v1,
        commit.OffsetCommitRequest_v2,
        commit.OffsetFetchRequest_v1,
        coordination.FindCoordinatorRequest_v0,
        group.JoinGroupRequest_v1,
        group.HeartbeatRequest_v0,
        group.LeaveGroupRequest_v0,
        group.SyncGroupRequest_v0,
        admin.SaslHandShakeRequest_v1,
        admin.ApiVersionRequest_v0,
        admin.SaslAuthenticateRequest_v0,
    )
}
UNKNOWN_TOPIC, NO_TOPIC_RIGHT, BAD_LOGIN, BAD_MECHANISM = 3, 29, 58, 33
_BEFORE_LOGIN = frozenset({17, 18, 36})


@dataclass
class Topic:
    """The partitions of one topic, each a list of times and values."""

    partitions: list[list[tuple[int, bytes | None]]]


@dataclass
class Broker:
    """One node. `login` is the user and password that it asks for; `tls` what it shows."""

    topics: dict[str, Topic] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None
    compression: int = 0
    on_commit: Callable[[], bool] = lambda: True
    """Is asked before an offset is committed; False loses the request and ends the connection."""
    refused: bool = False
    """True while nobody may read any topic."""
    silent: bool = False
    """True while requests are read and never answered."""
    port: int = 0
    groups: dict[str, Group] = field(default_factory=lambda: defaultdict(Group))
    seen: list[str] = field(default_factory=list)
    """The names of all requests."""
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _listening: socket.socket | None = None
    _open: set[socket.socket] = field(default_factory=set)

    @property
    def address(self) -> str:
        """Where it is."""
        return f"localhost:{self.port}"

    def start(self) -> Broker:
        """Listen, at the port of before if there was one."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()
        threading.Thread(target=self._bury, args=(self._listening,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Go away; topics and groups are on disk, so to speak."""
        if self._listening is not None:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._listening = None
        for one in list(self._open):
            with_shutdown(one)

    def create(self, topic: str, partitions: int = 1) -> None:
        """Make a topic."""
        self.topics[topic] = Topic([[] for _ in range(partitions)])

    def put(self, topic: str, *values: bytes | None, partition: int = 0, at: float | None = None) -> None:
        """Put messages on a partition, as a producer does."""
        with self._changed:
            moment = int((at if at is not None else time.time()) * 1000)
            self.topics[topic].partitions[partition] += [(moment, one) for one in values]
            self._changed.notify_all()

    def committed(self, group_: str, topic: str, partition: int = 0) -> int:
        """Return how far a group is; -1 when it never committed."""
        return self.groups[group_].committed.get((topic, partition), -1)

    def _accept(self, listening: socket.socket) -> None:
        while self._listening is listening:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _bury(self, listening: socket.socket) -> None:
        tick = threading.Event()
        while self._listening is listening:
            tick.wait(0.1)
            for one in list(self.groups.values()):
                one.bury()

    def _serve(self, plain: socket.socket) -> None:
        try:
            connection = self.tls.wrap_socket(plain, server_side=True) if self.tls else plain
            with connection, connection.makefile("rb") as stream:
                self._open.add(connection)
                _Connection(self, connection).serve(stream)
        except OSError:
            pass
        finally:
            self._open.discard(plain)
            plain.close()

    def batch(self, topic: str, partition: int, start: int, most: int) -> bytes:
        """Return the messages from an offset as one batch, no more of them than fit."""
        found = self.topics[topic].partitions[partition][start:]
        if not found:
            return b""
        builder = DefaultRecordBatchBuilder(2, self.compression, 0, -1, -1, -1, max(most, 1 << 20))
        for number, (moment, value) in enumerate(found):
            if builder.append(number, moment, None, value, []) is None:
                break
        packed = bytes(builder.build())
        return struct.pack(">q", start) + packed[8:]  # the broker writes the offset; the checksum leaves it out

    def wait(self, wants: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is there."""
        with self._changed:
            return self._changed.wait_for(wants, seconds)


def with_shutdown(one: socket.socket) -> None:
    """Break a connection off."""
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _Connection:
    """One client's connection."""

    def __init__(self, broker: Broker, connection: socket.socket) -> None:
        self._broker = broker
        self._connection = connection
        self._known = broker.login is None
        self._answers: dict[int, Callable[[Any], tuple[Any, ...] | None]] = {
            0: self._produce,
            1: self._fetch,
            2: self._offsets,
            3: self._metadata,
            8: self._commit,
            9: self._committed,
            10: lambda _: (0, 0, "localhost", broker.port),
            11: self._join,
            12: lambda asked: (self._group(asked).beat(asked.member_id, asked.generation_id),),
            13: lambda asked: (self._group(asked).leave(asked.member_id),),
            14: lambda asked: self._group(asked).sync(
                asked.member_id, asked.generation_id, dict(asked.group_assignment)
            ),
            17: lambda asked: (0 if asked.mechanism == "PLAIN" else BAD_MECHANISM, ["PLAIN"]),
            18: lambda _: (0, [(key, one.API_VERSION, one.API_VERSION) for key, one in SPOKEN.items()]),
            36: self._login,
        }

    def serve(self, stream: Any) -> None:
        """Answer one request after the other, until the client or this broker goes."""
        while len(head := stream.read(4)) == 4:
            body = BytesIO(stream.read(struct.unpack(">i", head)[0]))
            key, version, number, _client = RequestHeader_v1.SCHEMA.decode(body)
            spoken = SPOKEN.get(key)
            if spoken is None or version != spoken.API_VERSION:
                return
            if not self._known and key not in _BEFORE_LOGIN:
                return
            self._broker.seen.append(spoken.__name__.partition("Request")[0])
            answer = self._answers[key](spoken.decode(body))
            if answer is None:
                return
            if not self._broker.silent:
                packed = struct.pack(">i", number) + spoken.RESPONSE_TYPE(*answer).encode()
                self._connection.sendall(struct.pack(">i", len(packed)) + packed)

    def _group(self, asked: Any) -> Group:
        return self._broker.groups[asked.group]

    def _login(self, asked: Any) -> tuple[Any, ...]:
        _, user, password = asked.sasl_auth_bytes.decode().split("\0")
        self._known = (user, password) == self._broker.login
        return (0, "", b"") if self._known else (BAD_LOGIN, "Authentication failed", b"")

    def _metadata(self, asked: Any) -> tuple[Any, ...]:
        names = list(self._broker.topics) if asked.topics is None else asked.topics
        topics = [self._topic(name) for name in names]
        return [(0, "localhost", self._broker.port, None)], 0, topics

    def _topic(self, name: str) -> tuple[Any, ...]:
        found = self._broker.topics.get(name)
        if found is None:
            return UNKNOWN_TOPIC, name, False, []
        if self._broker.refused:
            return NO_TOPIC_RIGHT, name, False, []
        return 0, name, False, [(0, number, 0, [0], [0]) for number in range(len(found.partitions))]

    def _fetch(self, asked: Any) -> tuple[Any, ...]:
        wanted = [(topic, *part) for topic, parts in asked.topics for part in parts]

        def there() -> bool:
            return any(at < len(self._broker.topics[topic].partitions[number]) for topic, number, at, _ in wanted)

        self._broker.wait(there, asked.max_wait_time / 1000)
        return 0, [
            (topic, [self._part(topic, number, at, most) for number, at, most in parts])
            for topic, parts in asked.topics
        ]

    def _part(self, topic: str, number: int, at: int, most: int) -> tuple[Any, ...]:
        end = len(self._broker.topics[topic].partitions[number])
        return number, 0, end, end, [], self._broker.batch(topic, number, at, most)

    def _offsets(self, asked: Any) -> tuple[Any, ...]:
        def place(topic: str, number: int, moment: int) -> tuple[int, int, int, int]:
            return number, 0, -1, len(self._broker.topics[topic].partitions[number]) if moment == -1 else 0

        return ([(topic, [place(topic, *part) for part in parts]) for topic, parts in asked.topics],)

    def _produce(self, asked: Any) -> tuple[Any, ...]:
        done = []
        for topic, parts in asked.topics:
            for number, packed in parts:
                at = len(self._broker.topics[topic].partitions[number])
                self._broker.put(topic, *_values(packed), partition=number)
                done.append((topic, [(number, 0, at, -1)]))
        return done, 0

    def _join(self, asked: Any) -> tuple[Any, ...]:
        joined = self._group(asked).join(asked.member_id, asked.session_timeout / 1000, asked.group_protocols)
        return (
            joined.error,
            joined.generation,
            joined.protocol,
            joined.leader,
            joined.member or asked.member_id,
            list(joined.members),
        )

    def _commit(self, asked: Any) -> tuple[Any, ...] | None:
        if not self._broker.on_commit():
            return None
        offsets = {(topic, number): at for topic, parts in asked.topics for number, at, _ in parts}
        name, generation = asked.consumer_id, asked.consumer_group_generation_id
        error = self._broker.groups[asked.consumer_group].commit(name, generation, offsets)
        return ([(topic, [(number, error) for number, _, _ in parts]) for topic, parts in asked.topics],)

    def _committed(self, asked: Any) -> tuple[Any, ...]:
        known = self._broker.groups[asked.consumer_group].committed
        return (
            [
                (topic, [(number, known.get((topic, number), -1), "", 0) for number in parts])
                for topic, parts in asked.topics
            ],
        )


def _values(packed: bytes) -> list[bytes | None]:
    records, found = MemoryRecords(packed), []
    while (batch := records.next_batch()) is not None:
        found += [one.value for one in batch]
    return found
