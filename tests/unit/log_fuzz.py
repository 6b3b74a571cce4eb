"""Logs, dumps and plans that were damaged at random, for the compiled engine alone: a program to run under a sanitizer.

It asserts little: that lines are all accounted for, that what was counted is handed out, and that the process lives.
Run: python -m tests.unit.log_fuzz ROUNDS SEED
"""

from __future__ import annotations

import random
import sys
from contextlib import suppress

from cloudheal.logs import _native
from cloudheal.logs.counting import Limits
from cloudheal.logs.definition import UrlRule
from cloudheal.logs.native import NativeCounter, plan_of
from tests.unit.log_lines import FORMATS, definition, site, written

RULES = (UrlRule("/u/[a-z]+", "/u/{name}"),)
#: Pieces that matter to some format, thrown in anywhere.
PIECES = (
    b'"',
    b"\\",
    b"\n",
    b"\r",
    b" ",
    b", ",
    b" : ",
    b"[",
    b"]",
    b"-",
    b"/",
    b"?",
    b"\x00",
    b"\xff",
    b"1" * 45,
    b"e9",
)


def damaged(chance: random.Random, good: bytes) -> bytes:
    """Return bytes with a few places cut out, doubled, overwritten or filled with noise."""
    data = bytearray(good)
    for _ in range(chance.randrange(8)):
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + chance.choice((0, 0, 1, 5, 60, 400)))
        noise = chance.randbytes(chance.choice((1, 4, 30)))
        data[at:to] = chance.choice((b"", noise, chance.choice(PIECES), bytes(data[at:to]) * 2))
    return bytes(data)


def filled(chance: random.Random) -> dict[str, object]:
    """Return values for a line of any format."""
    times = ("10/Jul/2015:15:51:09 +0800", "2015-07-10T15:51:09+08:00", "1436514669.123")
    late = ("10/Jul/2015:15:59:60 -0100", "2015-07-10 15:51:09,5Z", "1436514669123")
    return {
        "host": "1.1.1.1",
        "user": chance.choice(("-", "a b")),
        "stamp": chance.choice((times, late)),
        "method": chance.choice(("GET", "")),
        "url": chance.choice(("/", "/item/1.gz", "/u/jo?x", f"/{chance.random()}", "/" + "1/" * 600, "/中")),
        "tail": chance.choice((" HTTP/1.1", "")),
        "status": chance.choice(("200", "404", "-")),
        "bytes": str(chance.randrange(10**6)),
        "took": chance.choice(("0.03", "0.010, 0.022 : 0.001", "-", "9" * 30)),
        "agent": chance.choice(("x", 'a\\"b')),
        "end": chance.choice(("", "\r")),
    }


def round_of(chance: random.Random) -> None:
    """Feed one counter of one format, dump, load, close."""
    name = chance.choice([*FORMATS])
    what = definition(name, chance.choice(((), RULES, None)))
    sizes = {
        "line": chance.choice((0, 100, 65_536)),
        "value": chance.choice((0, 5, 1024)),
        "urls": chance.choice((1, 99)),
    }
    limits = Limits(
        **sizes, groups=chance.choice((1, 20, 999)), minutes=2, memory=chance.choice((0, 9999, 1 << 20)), samples=50
    )
    counter = NativeCounter(what, limits)
    fed = counted = 0
    for _ in range(4):
        log = damaged(chance, b"\n".join(written(name, filled(chance)) for _ in range(chance.randrange(40))))
        came = counter.feed(log)
        fed += came.lines
        counted += came.counted
        assert came.lines == came.counted + came.rejected == len(log.removesuffix(b"\n").split(b"\n")) * bool(log)
        state = counter.dump()
        if chance.random() < 0.3:
            counter = NativeCounter(what, limits)
            counter.load(state)
        with suppress(ValueError):
            NativeCounter(what, limits).load(state[:16] + damaged(chance, state[16:]))
    assert sum(row.count for one in counter.close(1 << 40) if one.metric == "all" for row in one.rows) == counted


def plan_round(chance: random.Random) -> None:
    """Follow a damaged plan where the engine thinks that it can."""
    plan = bytearray(plan_of(definition("timed"), Limits(memory=1 << 20, samples=99, line=9999, value=99), 1))
    plan[chance.randrange(12, len(plan))] = chance.randrange(256)
    try:
        counter = _native.Counter(bytes(plan), lambda url: url)
    except (ValueError, MemoryError):
        return
    counter.feed(damaged(chance, site(20, 3)))
    counter.close(1 << 40)


def main(rounds: int, seed: int) -> None:
    """Go so many rounds."""
    chance = random.Random(seed)
    for _ in range(rounds):
        round_of(chance)
        plan_round(chance)
    print(f"{rounds} rounds")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
