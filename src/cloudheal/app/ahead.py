"""Does once ahead of time what an interruption waits for, because the first time takes several times as long.

Statements are put together, connections opened and threads started then. An interruption is seldom, so nearly every one
would be the first. Nothing stays of it: the commit of a message about a server that there is not is undone, and the
look that begins is of a run that there is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from cloudheal.act.engine import Engine
from cloudheal.clouds.alibaba.events import INTERRUPTION
from cloudheal.clouds.alibaba.samples import content_of, envelope_of, usual_status
from cloudheal.model.event import Channel
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.pipeline import Intake
from cloudheal.sense.reading import Message
from cloudheal.settings.accounts import AccountSettings

#: No cloud names a server so.
NOBODY = "i-ahead-of-time"


def go_ahead(intake: Intake, engine: Engine, accounts: Sequence[AccountSettings], now: datetime) -> int:
    """Walk the way of an interruption to its first call; returns how many messages went along it."""
    messages = list(interruptions(accounts, now))
    intake.rehearse(messages)
    engine.rehearse()
    return len(messages)


def interruptions(accounts: Sequence[AccountSettings], now: datetime) -> Iterator[Message]:
    """Yield a message as each account's cloud would write it; of Tencent Cloud no wording of such a one is known."""
    for account in accounts:
        if account.cloud is Cloud.ALIBABA:
            nobody = ResourceId(account.cloud, account.id, account.regions[0], "instance", NOBODY)
            content = content_of(INTERRUPTION, usual_status(INTERRUPTION), NOBODY, "ahead", now)
            document = envelope_of(nobody, INTERRUPTION, content, "ahead", now)
            yield Message(json.dumps(document).encode(), "ahead of time", Channel.QUEUE)
