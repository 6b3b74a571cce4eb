"""One member of a consumer group on a topic, in an event loop: joins, reads, commits, leaves.

An offset is committed when its messages were acknowledged and never by the library on its own. When the group shares
its partitions out anew, what this member still has in hand of one that it lost is forgotten: whoever has it now begins
at the last commit, so that messages come again and none is skipped.

Whatever fails leaves the member as it is; its owner parts with it and joins anew, which begins at the last commit too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    UnknownTopicOrPartitionError,
)

from cloudheal.clouds.tencent.in_hand import InHand
from cloudheal.ports.queue import QueuedMessage, StillJoiningError
from cloudheal.settings.kafka import KafkaSettings

log = logging.getLogger("cloudheal.queue")

#: A member that was not heard of for so long is dead, and its partitions go to others.
SESSION_SECONDS = 10.0
#: A member that does not read for so long, because a commit of ours is stuck, has left.
STUCK_SECONDS = 300.0
#: What sharing out may take: the session of one who died, and the members asked one after another.
JOIN_SECONDS = 30.0
#: How long a member takes leave.
LEAVE_SECONDS = 3.0
#: What a read may take beyond its own wait.
_MARGIN_SECONDS = 0.5


class Member(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """A member of the group; every method runs in one event loop."""

    def __init__(self, settings: KafkaSettings, options: Mapping[str, Any]) -> None:
        """`options` are how the brokers are reached."""
        self._topic = settings.topic
        self._in_hand = InHand()
        self._shared_out = False
        self._since = time.monotonic()
        self._consumer = AIOKafkaConsumer(
            **options,
            group_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset=settings.begin,
            session_timeout_ms=int(SESSION_SECONDS * 1000),
            heartbeat_interval_ms=int(SESSION_SECONDS * 300),
            max_poll_interval_ms=int(STUCK_SECONDS * 1000),
        )

    async def join(self) -> Member:
        """Reach the brokers and ask for a share of the topic. Raises what the library raises."""
        try:
            await self._consumer.start()
            await self._look()
        except BaseException:
            await self.leave()
            raise
        self._since = time.monotonic()
        self._consumer.subscribe([self._topic], listener=self)
        return self

    async def leave(self) -> None:
        """Give every partition up; a broker that does not answer is not waited for."""
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._consumer.stop()
        except (KafkaError, OSError, TimeoutError, asyncio.CancelledError):  # the library cancels what it waits for
            with suppress(KafkaError, OSError, TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._consumer._client.close()  # noqa: SLF001 - stop() was cut short

    async def take(self, wait_seconds: float, most: int) -> list[QueuedMessage]:
        """Read messages; none after a while. Raises what the library raises, and StillJoiningError."""
        await self._commit()
        found: Mapping[TopicPartition, Sequence[Any]] = {}
        with suppress(TimeoutError):  # while partitions are shared out the library waits for that, however long
            async with asyncio.timeout(wait_seconds + _MARGIN_SECONDS):
                found = await self._consumer.getmany(timeout_ms=int(wait_seconds * 1000), max_records=most)
        if not found:
            await self._look()
            self._wait_for_share()
        return [self._given(one) for records in found.values() for one in records]

    async def acknowledge(self, handles: Sequence[str]) -> tuple[str, ...]:
        """Commit what is done with; returns the handles of messages that come again."""
        refused = self._in_hand.acknowledge(handles)
        lost = await self._commit()
        return tuple(one for one in handles if one in refused or int(one.partition("/")[0]) in lost)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Forget what others will have."""
        self._shared_out, self._since = False, time.monotonic()
        self._in_hand.forget([one.partition for one in revoked])

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Note that the partitions are shared out."""
        self._shared_out = True
        log.info("queue.joined queue=%s partitions=%s", self._topic, sorted(one.partition for one in assigned))

    async def _commit(self) -> Collection[int]:
        """Commit what is ready; returns the partitions that others have by now."""
        ready = self._in_hand.ready()
        if not ready:
            return ()
        try:
            await self._consumer.commit({TopicPartition(self._topic, place): at for place, at in ready.items()})
        except (CommitFailedError, IllegalStateError):
            self._in_hand.forget(ready)
            return list(ready)
        self._in_hand.commit(ready)
        return ()

    async def _look(self) -> None:
        """Ask whether the brokers answer and the topic is there."""
        try:
            topics = await self._consumer.topics()
        except KafkaError as problem:
            # Of brokers that are all away the library says no more than that it is an error.
            raise KafkaConnectionError(str(problem)) if type(problem) is KafkaError else problem from None
        if self._topic not in topics:
            raise UnknownTopicOrPartitionError(self._topic)

    def _wait_for_share(self) -> None:
        if self._shared_out:
            return
        if time.monotonic() - self._since > JOIN_SECONDS:
            raise KafkaTimeoutError("the group does not share its partitions out")
        raise StillJoiningError(f"queue {self._topic}: joining", vendor_code="Joining")

    def _given(self, record: Any) -> QueuedMessage:
        handle = self._in_hand.give(record.partition, record.offset)
        return QueuedMessage(record.value or b"", handle, f"{self._topic}/{handle}", 1)
