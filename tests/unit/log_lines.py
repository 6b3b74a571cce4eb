"""Logs as servers write them, and as crashes, clients and disks make of them, for all that reads logs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from cloudheal.logs.definition import (
    AllOf,
    AnyOf,
    Compare,
    Definition,
    Function,
    LineFormat,
    Measure,
    Metric,
    Operator,
    UrlRule,
    Urls,
)
from cloudheal.logs.formats import apache, nginx, preset

FORMATS = {
    "combined": preset("combined"),
    "common": preset("common"),
    "timed": preset("timed"),
    "upstream": nginx(
        '$remote_addr [$time_iso8601] $request_method $uri$is_args$args "$http_x_forwarded_for" $status '
        "$body_bytes_sent $upstream_response_time $upstream_status $request_time"
    ),
    "json": nginx('{"t":$msec,"u":"$request_uri","m":"$request_method","s":$status,"b":$body_bytes_sent}'),
    "apache": apache(r"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D"),
}

_URLS = st.sampled_from(
    [
        *("/", "/item/123?x=1", "/item/4/5.tar.gz", "/u/3f2504e0-4f89-11d3-9a0c-0305e82c3301/x", "/deadbeef1/facade"),
        *("/a b", "/x.json#f", "/u/jo", "//1//", "/12345678901234567890/ff", "/中/1", "-", "", "/\\x22/1.a.b.c"),
        *("/1.abcdefghi", "/" + "1/" * 600, "/" + "x" * 1030 + "/1?y"),
    ]
)
_AGENTS = st.sampled_from(
    ["-", "", "curl/8", 'a\\"b', "b\\\\", "Mozilla (X; Y) \\x22", "__other__", "\x1b[2J", "中", "\xad"]
)
_NUMBERS = st.sampled_from(
    ["-", "", "0", "7", "127", "128", "9999", "1048576", "x", "1e3", "12.", "999999999999999", "-4"]
)
_TIMES = st.sampled_from(
    ["0.000", "0.032", "1.5", "12.3456", "-", "", "0.010, 0.022 : 0.001", "-, 0.5", "9,9", "0.1, ", " : "]
)
_STAMPS = st.sampled_from(
    [
        ("10/Jul/2015:15:51:09 +0800", "2015-07-10T15:51:09+08:00", "1436514669.123"),
        ("10/Jul/2015:15:51:60 +0800", "2015-07-10T07:51:60Z", "1436514669"),
        ("10/Jul/2015:15:52:00 +0800", "2015-07-10T15:52:00,123456+0800", "1436514720.000"),
        ("29/Feb/2016:00:00:00 -1130", "2016-02-29T00:00:00-11:30", "1456745400.9"),
        ("29/Feb/2015:00:00:00 +0000", "2015-02-29T00:00:00Z", "12"),
        ("01/Jan/1970:00:00:00 +0000", "1970-01-01T00:00:00Z", "100000000"),
        ("10/Jul/2015:15:51:09 +2400", "2015-07-10T15:51:09", "1436514669123"),
    ]
)
_FILLED = st.fixed_dictionaries(
    {
        "host": st.sampled_from(["1.1.1.1", "::1", "-", ""]),
        "user": st.sampled_from(["-", "jo", "a b", "a [b", ""]),
        "stamp": _STAMPS,
        "method": st.sampled_from(["GET", "POST", "-", ""]),
        "url": _URLS,
        "tail": st.sampled_from([" HTTP/1.1", "", " HTTP/2.0 ", " FTP/1"]),
        "status": st.sampled_from(["200", "200", "304", "399", "400", "404", "502", "-", "2x0", "502, 200"]),
        "bytes": _NUMBERS,
        "took": _TIMES,
        "agent": _AGENTS,
        "end": st.sampled_from(["", "", "", "\r", " "]),
    }
)


def written(name: str, of: Mapping[str, Any]) -> bytes:
    """Return a line of the format of this name with these values, right or not."""
    clf, iso, number = of["stamp"]
    request = f"{of['method']} {of['url']}{of['tail']}"
    head = f'{of["host"]} - {of["user"]} [{clf}] "{request}"'
    texts: dict[str, str] = {
        "combined": f'{head} {of["status"]} {of["bytes"]} "-" "{of["agent"]}"',
        "common": f"{head} {of['status']} {of['bytes']}",
        "timed": f'{head} {of["took"]} 129 {of["status"]} {of["bytes"]} "-" "{of["agent"]}"',
        "upstream": f'{of["host"]} [{iso}] {of["method"]} {of["url"]} "{of["agent"]}" {of["status"]} {of["bytes"]} '
        f"{of['took']} {of['status']} {of['took']}",
        "json": f'{{"t":{number},"u":"{of["url"]}","m":"{of["method"]}","s":{of["status"]},"b":{of["bytes"]}}}',
        "apache": f'{head} {of["status"]} {of["bytes"]} "-" "{of["agent"]}" {of["bytes"]}',
    }
    return f"{texts[name]}{of['end']}".encode()


@st.composite
def logs(draw: st.DrawFn, name: str) -> bytes:
    """Return a log of this format: right lines, wrong ones, and some that were cut, spliced or overwritten."""
    lines = [written(name, one) for one in draw(st.lists(_FILLED, max_size=12))]
    log = bytearray(b"\n".join(lines) + draw(st.sampled_from([b"", b"\n", b"\n\n"])))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(log)))
        to = min(len(log), at + draw(st.integers(0, 40)))
        log[at:to] = draw(
            st.one_of(st.binary(max_size=12), st.sampled_from([b"", b'"', b"\\", b"\n", b"[", b" : ", b", "]))
        )
    return bytes(log)


def metrics(format_: LineFormat) -> tuple[Metric, ...]:
    """Return metrics that ask for everything of a format's fields: every statistic, filters, groups."""
    names = {one.name for one in format_.fields}
    took = next((one for one in ("request_time", "upstream_response_time") if one in names), "body_bytes_sent")
    figures = (
        Measure("n", Function.COUNT, "status"),
        Measure("sum", Function.SUM, took),
        Measure("least", Function.LEAST, "body_bytes_sent"),
        Measure("p", Function.PERCENTILE, took, (50.0, 90.0, 99.0, 99.9)),
        Measure("spread", Function.DISTRIBUTION, took, (0.0, 0.032, 0.5, 1000.0)),
        Measure("urls", Function.DISTINCT, "url"),
        Measure("sizes", Function.DISTINCT, "body_bytes_sent"),
    )
    good = AllOf((Compare("status", Operator.FROM, "200"), Compare("status", Operator.UP_TO, "399")))
    odd = AnyOf(
        (
            AllOf((Compare("url", Operator.CONTAINS, "item"), Compare("method", Operator.UNEQUAL, "POST"))),
            AnyOf((Compare("line", Operator.LACKS, "HTTP/1.1"), Compare("status", Operator.EQUAL, "404"))),
        )
    )
    return (
        Metric("all", measures=figures),
        Metric("good", good, by=("url",), measures=figures),
        Metric("odd", odd, by=("status", "method"), measures=figures[:2]),
        Metric("sizes", Compare("body_bytes_sent", Operator.ABOVE, "-5"), by=("body_bytes_sent", took)),
        Metric("none", AnyOf(())),
    )


def definition(name: str, rules: tuple[UrlRule, ...] | None = ()) -> Definition:
    """Return a definition over a format that asks for everything; None: URLs are left as they are."""
    format_ = FORMATS[name]
    urls = None if rules is None else Urls("url", rules)
    return Definition(name, ("access.log",), format_, metrics(format_), urls)


def site(lines: int, urls: int = 1000, seed: int = 1) -> bytes:
    """Return a log of a busy site in the format `timed`, 20,000 lines a minute."""
    chance = random.Random(seed)
    paths = [f"/api/v1/shop/{number}/item?session={number * 7919}" for number in range(urls)]
    out = []
    for number in range(lines):
        minute, second = divmod(number * 60 // 20_000, 60)
        out.append(
            f"10.0.{number % 256}.{number % 199} - - "
            f"[10/Jul/2015:{15 + minute // 60:02}:{minute % 60:02}:{second:02} +0800] "
            f'"GET {chance.choice(paths)} HTTP/1.1" {chance.lognormvariate(-3, 1):.3f} {chance.randrange(900)} '
            f"{chance.choice((200, 200, 200, 304, 404, 500))} {chance.randrange(20_000)} "
            '"https://www.example.com/start" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"\n'
        )
    return "".join(out).encode()
