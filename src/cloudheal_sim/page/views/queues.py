"""Queues with what is in them by state, and one page of the messages of the queue that a person chose.

Looking changes nothing: no message becomes hidden, no count of receives grows. Bodies that are Base64 of text, as the
event bus sends them, are shown decoded.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from itertools import islice
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.mns.model.message import State
from cloudheal_sim.page.query import PAGE, Slice
from cloudheal_sim.page.views.journal import cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.alibaba.mns.model.message import Message
    from cloudheal_sim.alibaba.mns.model.queue import Queue
    from cloudheal_sim.page.query import Query
    from cloudheal_sim.simulator import Simulator

#: Characters of a body in a row, and in the details.
_SHORT, _LONG = 160, 20_000
_WORDS = {State.ACTIVE: "visible", State.INACTIVE: "invisible", State.DELAYED: "delayed"}


def queues(simulator: Simulator, query: Query) -> Mapping[str, object]:
    """Return one page of the queues whose name holds `q`, and the messages of the one named `queue`."""
    known, text = keyed(simulator), query.text("q").lower()
    found = [key for key in sorted(known) if text in known[key].name.lower()]
    slice_ = Slice.of(len(found), query.whole("page", 1))
    chosen = known.get(query.text("queue"))
    return {
        "rows": [_row(key, known[key]) for key in found[slice_.start : slice_.start + PAGE]],
        "slice": slice_.shown(),
        "messages": None if chosen is None else _messages(chosen, query),
    }


def keyed(simulator: Simulator) -> dict[str, Queue]:
    """Return the queues of every account; those of another than the first are named with it."""
    mns = simulator.alibaba.mns
    return {
        name if id_ == mns.account else f"{id_}/{name}": queue
        for id_, account in mns.accounts.items()
        for name, queue in account.queues.items()
    }


def readable(body: str) -> tuple[str, bool]:
    """Return a body as people can read it, and whether it was Base64 of text."""
    try:
        text = b64decode(body, validate=True).decode()
    except (binascii.Error, ValueError):
        return body, False
    is_text = bool(text) and all(char.isprintable() or char in "\r\n\t" for char in text)
    return (text, True) if is_text else (body, False)


def _row(key: str, queue: Queue) -> dict[str, object]:
    attributes = queue.attributes
    return {
        "key": key,
        "name": key,
        "region": queue.region,
        **{word: queue.counts[state] for state, word in _WORDS.items()},
        "visibility": attributes.visibility_timeout,
        "delay": attributes.delay_seconds,
        "polling": attributes.polling_wait_seconds,
        "retention": attributes.message_retention_period,
    }


def _messages(queue: Queue, query: Query) -> Mapping[str, object]:
    slice_ = Slice.of(len(queue.messages), query.whole("messages", 1))
    page = islice(queue.messages.values(), slice_.start, slice_.start + PAGE)
    opened = (queue.messages.get(int(key)) for key in query.opened() if key.isascii() and key.isdigit())
    return {
        "queue": queue.name,
        "rows": [_message(message) for message in page],
        "slice": slice_.shown(),
        "open": {str(message.seq): _whole(message) for message in opened if message is not None},
    }


def _message(message: Message) -> dict[str, object]:
    return {
        "key": message.seq,
        "short": f"…{message.id[-8:]}",
        "state": _WORDS[message.state],
        "enqueued": message.enqueued,
        "next_visible": message.due or None,
        "dequeued": message.dequeue_count,
        "priority": message.draft.priority,
        "body": cut(readable(message.body)[0], _SHORT),
    }


def _whole(message: Message) -> dict[str, object]:
    text, is_decoded = readable(message.body)
    return {
        "id": message.id,
        "body": cut(_indented(text), _LONG),
        "decoded": is_decoded,
        "size": len(message.body.encode()),
    }


def _indented(text: str) -> str:
    """Lay a JSON object out for reading; anything else stays as it is."""
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else None
        return text if document is None else json.dumps(document, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
