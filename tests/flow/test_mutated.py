"""Ten thousand bodies that nobody meant: each ends as an event, a duplicate or a dead letter, and the healer lives."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cloudheal.app import App
from cloudheal.model.event import Channel
from cloudheal.record.tables import DEAD_LETTER, EVENT
from tests.flow.watching import ACCOUNT, Watching, settings_of, world_of
from tests.sim.simulator import RunningSimulator

ROUNDS, BATCH = 10_000, 250
ARN = f"acs:ecs:cn-hangzhou:{ACCOUNT}:instance/i-web"
ENVELOPES: list[dict[str, Any]] = [
    {
        "product": "ECS", "name": "Instance:StateChange", "resourceId": ARN, "regionId": "cn-hangzhou",
        "userId": ACCOUNT, "level": "INFO", "ver": "1.0", "id": "4f6b-1", "eventTime": "20260302T110026.922+0800",
        "content": {"resourceId": "i-web", "resourceType": "ALIYUN::ECS::Instance", "state": "Stopped"},
    },
    {
        "product": "ECS", "name": "Instance:PreemptibleInstanceInterruption", "resourceId": ARN, "userId": ACCOUNT,
        "eventTime": "20260302T110027.108+0800", "content": {"instanceId": "i-web", "action": "delete"},
    },
    {
        "product": "ECS", "name": "Instance:SystemMaintenance.Reboot:Scheduled", "resourceId": ARN, "userId": ACCOUNT,
        "eventTime": "20260302T110028.108+0800",
        "content": {"eventId": "e-1", "instanceId": "i-web", "eventStatus": "Scheduled", "x": "2026-03-04T04:04Z"},
    },
    {
        "specversion": "1.0", "id": "e1", "source": "acs.ecs", "type": "ecs:Instance:StateChange", "subject": ARN,
        "time": "2026-03-02T03:00:27Z", "aliyunregionid": "cn-hangzhou", "aliyunaccountid": ACCOUNT,
        "data": {"resourceId": "i-web", "state": "Running"},
    },
    {
        "userId": ACCOUNT, "time": 1772420427000,
        "alert": {"product": "ECS", "eventName": "Instance:StateChange", "arn": ARN, "timestamp": 1772420427000,
                  "eventRawContent": '{"resourceId":"i-web","state":"Stopped"}'},
    },
]  # fmt: skip
#: Values that nobody expects where they are put.
ODD: list[Any] = [
    None, True, 0, -1, 1e308, 2**63, 2**200, "", " ", "\x00", "\ud800", "\U0010ffff", "a" * 70_000, [], {}, [[[]]],
    {"a": {"b": {}}}, "20260302T110026.922+0800", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "i-web", ARN,
    "'; DROP TABLE event; --", "../../etc/passwd", "{{7*7}}", "Instance:StateChange", "Deleted", ACCOUNT, ".", ":::",
]  # fmt: skip


def paths(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value."""
    if path:
        yield path
    if isinstance(document, dict):
        for name, value in document.items():
            yield from paths(value, (*path, name))


def changed(document: dict[str, Any], chance: Random) -> dict[str, Any]:
    """Return a copy with one value replaced, removed, or put under another name."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    *way, last = chance.choice(list(paths(copy)))
    place = copy
    for name in way:
        place = place[name]
    match chance.randrange(4):
        case 0:
            del place[last]
        case 1:
            place[str(chance.choice(["x", "", "__proto__", last * 2]))] = place.pop(last)
        case _:
            place[last] = chance.choice(ODD)
    return copy


def flipped(body: bytes, chance: Random) -> bytes:
    """Return a body with some bytes changed."""
    bytes_ = bytearray(body)
    for _ in range(chance.randrange(1, 5)):
        bytes_[chance.randrange(len(bytes_))] = chance.randrange(256)
    return bytes(bytes_)


def mutated(chance: Random) -> bytes:
    """Return a body that was an envelope once."""
    document = chance.choice(ENVELOPES)
    for _ in range(chance.randrange(4)):
        document = changed(document, chance)
    body = json.dumps(document, ensure_ascii=chance.random() < 0.9).encode("utf-8", "surrogatepass")
    damage: list[Callable[[], bytes]] = [
        lambda: body,
        lambda: base64.b64encode(body),
        lambda: flipped(body, chance),
        lambda: flipped(base64.b64encode(body), chance),
        lambda: body[: chance.randrange(len(body))],
        lambda: body + chance.randbytes(10),
        lambda: body.replace(b"{", b"[" * chance.randrange(1, 40)),
        lambda: body.decode("utf-8", "replace").encode("utf-16"),
        lambda: chance.randbytes(chance.randrange(200)),
    ]
    return chance.choice([*damage[:2], *damage])()


def resident_kilobytes() -> int:
    """Return how much memory this process has."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_ten_thousand_mutated_bodies_each_have_an_end(
    simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing raises, nothing is lost without a word, memory stays flat, and the next good event is taken."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    simulator.world(world_of([{"id": "i-web"}]))
    rule = {
        "name": "all",
        "when": {"type": ["Instance:StateChange"]},
        "resources": {"all": True},
        "playbook": "restart_stopped",
    }
    chance, early = Random(20260302), 0
    with App(settings_of(simulator, tmp_path, rules=[rule])).entering() as app:
        for start in range(0, ROUNDS, BATCH):
            bodies = [mutated(chance) for _ in range(BATCH)]
            taken = app.take(bodies, "mutated", Channel.FILE)
            assert taken.new + taken.duplicates + taken.dead == BATCH
            if start == ROUNDS // 5:
                early = resident_kilobytes()
        assert resident_kilobytes() - early < 40_000
        rows = Watching(app, simulator).rows
        assert len(rows(EVENT)) > 100
        letters = rows(DEAD_LETTER)
        assert len(letters) > 1000
        assert all(letter.reason for letter in letters)
        good = json.dumps(ENVELOPES[0] | {"eventTime": "20260303T110026.922+0800"}).encode()
        assert app.take([good], "good", Channel.FILE).new == 1
