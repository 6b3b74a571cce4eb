"""Sensing: events of a fast feed that are read, deduplicated, matched with rules and committed, per second.

The feed is 100,000 messages as CloudMonitor puts them on a queue, of a fleet of 2,000 servers that the inventory
knows; a part of them is delivered twice. Every fifth tells of a stop that a rule matches and whose server it does not
select, which is a decision with its reason. They are taken in merged batches, on SQLite with WAL and synchronous FULL,
by one thread. Baselines of the same run: the plain sample loop (decode, dispatch, keep nothing), and ansible-rulebook
from PyPI with Java, which keeps nothing either.

Run: make bench, or python benchmarks/sense.py [EVENTS]
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from bench.feed import ACCOUNT, BEGIN, REGION, feed, rules
from bench.figures import Spent, met, shown, spending
from bench.rulebook import RulebookMissing, rulebook_seconds

from cloudheal.app import App
from cloudheal.model.event import Channel
from cloudheal.model.inventory import Description
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.settings.schema import Settings

EVENTS, BATCH, SERVERS = 100_000, 2_000, 2_000
GOAL, MOST_GROWTH, LEAST_LEAD = 20_000, 1.2, 10
#: Events given to ansible-rulebook; its start is measured apart and taken off.
RULEBOOK_EVENTS = 5_000


def sensed(messages: Sequence[bytes], rule_count: int) -> Spent:
    """Take all messages in, with so many rules, into a new database that knows the fleet."""
    account = {"name": "prod", "cloud": "alibaba", "id": ACCOUNT, "regions": [REGION], "endpoint": "http://127.0.0.1:9"}
    with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as folder:
        database = f"sqlite:///{Path(folder) / f'{uuid.uuid4().hex}.db'}"
        document = {"accounts": [account], "database": database, "rules": rules(rule_count)}
        with App(Settings.model_validate(document)).entering() as app:
            app.intake.learn([_known(number) for number in range(SERVERS)])
            new = 0
            with spending() as spent:
                for start in range(0, len(messages), BATCH):
                    new += app.take(messages[start : start + BATCH], "queue bench", Channel.QUEUE).new
    assert new == len(set(messages)), (new, len(messages))
    return spent


def _known(number: int) -> Description:
    server = ResourceId(Cloud.ALIBABA, ACCOUNT, REGION, "instance", f"i-bp1{number:06d}")
    return Description(server, BEGIN - timedelta(hours=1), "Running", name=server.id, tags={"env": "test"})


def sample_loop(messages: Sequence[bytes]) -> Spent:
    """Do what the vendor's sample does: decode, dispatch by name, and keep nothing."""
    seen: dict[str, int] = {}

    def state_change(event: dict[str, dict[str, str]]) -> None:
        seen[event["content"]["state"]] = seen.get(event["content"]["state"], 0) + 1

    handlers = {"Instance:StateChange": state_change}
    with spending() as spent:
        for message in messages:
            event = json.loads(base64.b64decode(message))
            handlers[event["name"]](event)
    return spent


def main() -> int:
    """Measure and print everything."""
    os.environ |= {"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret"}
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    messages = list(feed(count, SERVERS))
    sensed(messages[:BATCH], 1)  # statements are compiled once for a process
    few, many = sensed(messages, 1), sensed(messages, 1_000)
    again = sensed(messages, 1)
    few = min(few, again, key=lambda spent: spent.cpu)
    per_cpu, growth = count / few.cpu, many.cpu / few.cpu
    figure = f"{per_cpu:,.0f} ({count / few.wall:,.0f})"
    shown("events sensed a second of CPU (of wall clock), 1 rule", figure, f">= {GOAL:,}: {met(per_cpu >= GOAL)}")
    goal = f"<= {MOST_GROWTH}: {met(growth <= MOST_GROWTH)}"
    shown("cost with 1,000 rules, as a multiple of 1 rule", f"{growth:.2f}", goal)
    loop = sample_loop(messages)
    shown("the sample loop, which keeps nothing, a second of CPU", f"{count / loop.cpu:,.0f}", "- (baseline)")
    shown("sensing as a share of the sample loop", f"{loop.cpu / few.cpu:.2f}")
    try:
        seconds = rulebook_seconds(RULEBOOK_EVENTS)
    except RulebookMissing as reason:
        shown("ansible-rulebook", f"skipped: {reason}")
        return 0
    theirs = RULEBOOK_EVENTS / seconds
    lead = (count / few.wall) / theirs
    shown("ansible-rulebook, events a second of wall clock", f"{theirs:,.0f}", "- (baseline)")
    goal = f">= {LEAST_LEAD}: {met(lead >= LEAST_LEAD)}"
    shown("sensing as a multiple of ansible-rulebook, wall clock", f"{lead:.1f}", goal)
    return 0


if __name__ == "__main__":
    sys.exit(main())
