"""Formats as they are copied out of a server's configuration, and the lines they read or refuse."""

from __future__ import annotations

import pytest

from cloudheal.errors import SettingsError
from cloudheal.logs.counting import Limits, Reason
from cloudheal.logs.definition import Field, Kind, LineFormat
from cloudheal.logs.formats import apache, json_lines, key_value, nginx, preset, regex
from cloudheal.logs.reading import Read, Reader, Rejected, Value

TIMED = (
    b'192.168.1.2 - - [10/Jul/2015:15:51:09 +0800] "GET /ubuntu.iso?x=1 HTTP/1.0" 0.032 129 200 168 "-" '
    b'"Wget/1.11.4 Red Hat modified"'
)
NOON = 1436514669  # 10/Jul/2015:15:51:09 +0800


def read(format_: LineFormat, line: bytes) -> Read:
    """Read a line that is right."""
    found = Reader(format_).read(line)
    assert isinstance(found, Read), found
    return found


def values(format_: LineFormat, line: bytes, *names: str) -> tuple[Value, ...]:
    """Return some values of a line that is right."""
    found = read(format_, line).values
    return tuple(found[name] for name in names)


def test_the_sample_of_the_manual_is_read() -> None:
    """Time, response time in milliseconds, URL, status and size of CloudMonitor's sample line."""
    found = read(preset("timed"), TIMED)
    assert found.second == NOON
    names = ("request_time", "request_length", "status", "body_bytes_sent", "method", "url", "protocol")
    assert tuple(found.values[name] for name in names) == (32, 129, 200, 168, b"GET", b"/ubuntu.iso?x=1", b"HTTP/1.0")


def test_a_directive_is_taken_as_it_stands_in_the_configuration() -> None:
    """Name, quotes over several lines, the escape and the semicolon are no part of the format."""
    text = """log_format main escape=json '$remote_addr - $remote_user [$time_local] "$request" '
                      '$status "${http_user_agent}"';"""
    line = b'1.2.3.4 - - [10/Jul/2015:15:51:09 +0800] "GET / HTTP/1.1" 404 "a \\"b\\" c"'
    assert values(nginx(text), line, "status", "http_user_agent") == (404, b'a \\"b\\" c')


def test_a_json_format_of_nginx_is_a_template() -> None:
    """What nginx writes as JSON is read by its format string like any other."""
    text = '{"at":"$time_iso8601","uri":"$request_uri","rt":$request_time}'
    line = b'{"at":"2015-07-10T15:51:09+08:00","uri":"/a\\"b","rt":0.250}'
    assert values(nginx(text), line, "url", "request_time") == (b'/a\\"b', 250)
    assert read(nginx(text), line).second == NOON


def test_apaches_formats_have_the_same_fields() -> None:
    """LogFormat with its escapes, the status after redirects, times in microseconds, milliseconds and seconds."""
    line = b'::1 - jo [10/Jul/2015:07:51:09 +0000] "GET /x HTTP/1.1" 200 - "-" "a\\"b" %s 7'
    common = r'LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" {} %p" combined'
    for directive, written, unit in (("%D", b"32001", 32001), ("%{ms}T", b"32", 32), ("%T", b"3", 3)):
        found = read(apache(common.replace("{}", directive)), line.replace(b"%s", written))
        assert found.second == NOON
        assert found.values["request_time"] == unit
        assert found.values["body_bytes_sent"] is None
        assert found.values["http_user_agent"] == b'a\\"b'


@pytest.mark.parametrize(
    ("written", "total"),
    [(b"0.010, 0.022 : 0.001", 33), (b"-", None), (b"0.010, -", 10), (b"-, -", None), (b"0.5", 500)],
)
def test_several_tries_upstream_are_one_number(written: bytes, total: int | None) -> None:
    """Times add up, `-` is a try without an answer, and the space between them ends nothing."""
    format_ = nginx("$time_iso8601 $upstream_response_time $upstream_status $status")
    line = b"2015-07-10T07:51:09Z %s 502, 200 200" % written
    assert values(format_, line, "upstream_response_time", "upstream_status", "status") == (total, 200, 200)


def test_a_user_with_spaces_is_a_user() -> None:
    """A client chooses the name it logs in with; it moves no other field."""
    line = b'1.1.1.1 - a b c [10/Jul/2015:15:51:09 +0800] "GET / HTTP/1.1" 401 0'
    assert values(preset("common"), line.replace(b" - a", b" - a"), "remote_user", "status") == (b"a b c", 401)


@pytest.mark.parametrize(
    ("request_line", "parts"),
    [
        (b"GET / HTTP/1.1", (b"GET", b"/", b"HTTP/1.1")),
        (b"GET /a b HTTP/1.1", (b"GET", b"/a b", b"HTTP/1.1")),
        (b"GET /old", (b"GET", b"/old", b"-")),
        (b"\\x16\\x03\\x01", (b"-", b"-", b"-")),
        (b"", (b"-", b"-", b"-")),
        (b"-", (b"-", b"-", b"-")),
    ],
)
def test_anything_sent_as_a_request_is_a_line(request_line: bytes, parts: tuple[bytes, ...]) -> None:
    """A handshake on the wrong port is counted as what it is, and not thrown away."""
    line = b'1.1.1.1 - - [10/Jul/2015:15:51:09 +0800] "%s" 400 0' % request_line
    assert values(preset("common"), line, "method", "url", "protocol") == parts


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", Reason.SHAPE),
        (TIMED[:60], Reason.SHAPE),
        (TIMED + b" more", Reason.SHAPE),
        (TIMED[:120] + TIMED, Reason.SHAPE),
        (TIMED[:-30] + TIMED, Reason.SHAPE),
        (b"\x00\xff\xfe" * 9, Reason.SHAPE),
        (TIMED.replace(b"Jul", b"Jux"), Reason.TIME),
        (TIMED.replace(b"10/Jul", b"31/Jun"), Reason.TIME),
        (TIMED.replace(b"15:51", b"25:51"), Reason.TIME),
        (TIMED.replace(b" 200 ", b" 2x0 "), Reason.NUMBER),
        (TIMED.replace(b" 200 ", b" 99999999999999999 "), Reason.NUMBER),
        (TIMED.replace(b"Wget", b"W" * 70_000), Reason.LONG),
    ],
)
def test_what_is_no_line_is_rejected_with_its_reason(line: bytes, reason: Reason) -> None:
    """Cut, spliced, binary and oversize lines, impossible days, text for a number."""
    found = Reader(preset("timed")).read(line)
    assert isinstance(found, Rejected)
    assert found.reason is reason


def test_only_what_is_needed_is_read() -> None:
    """A strange size does not cost a line when nobody asked for sizes."""
    line = TIMED.replace(b" 168 ", b" huge ")
    assert isinstance(Reader(preset("timed"), {"status"}).read(line), Read)
    assert isinstance(Reader(preset("timed"), {"body_bytes_sent"}).read(line), Rejected)


def test_lines_end_with_a_carriage_return_too() -> None:
    """A log of another system is read as it is."""
    assert values(preset("timed"), TIMED + b"\r", "status") == (200,)


def test_json_lines_are_read() -> None:
    """Nested names with a dot, numbers exactly, escapes decoded, null as missing."""
    fields = [Field("cost", Kind.NUMBER, 3), Field("who.name"), Field("n", Kind.NUMBER)]
    format_ = json_lines(fields, "at", zone=8 * 3600)
    line = rb'{"at": "2015-07-10 15:51:09,123", "cost": 1.0005e1, "who": {"name": "a\u4e2d\n"}, "n": null}'
    assert values(format_, line, "cost", "who.name", "n") == (10005, "a中\n".encode(), None)
    assert read(format_, line).second == NOON
    for bad in (b"[1]", b'{"at":', b'{"a": "\xff"}', b"[" * 60_000):
        assert Reader(format_).read(bad) == Rejected(Reason.SHAPE)


def test_business_logs_of_pairs_are_read() -> None:
    """The time at the beginning, words between, values in quotation marks, a negative gauge."""
    format_ = key_value([Field("mean", Kind.NUMBER, 2), Field("name"), Field("transaction")])
    line = (
        b'[2015-07-10T07:51:09Z] INFO name=queue_size, mean=-212.975 note="mean=1 x" transaction="logService#acs/host"'
    )
    assert values(format_, line, "mean", "name", "transaction") == (-21297, b"queue_size", b"logService#acs/host")
    assert Reader(format_).read(b"mean=1") == Rejected(Reason.TIME, "")


def test_a_time_without_a_zone_needs_one() -> None:
    """Eight hours are never guessed."""
    line = b'{"at": "2015-07-10 15:51:09"}'
    assert Reader(json_lines([], "at")).read(line) == Rejected(Reason.TIME, "at")


def test_a_regular_expression_is_a_format() -> None:
    """Named groups are fields; the whole line has to match."""
    format_ = regex(r"(?P<at>\S+) (?P<level>[A-Z]+) took (?P<ms>\d+)", [Field("ms", Kind.NUMBER)], "at")
    assert values(format_, b"1436514669.123 ERROR took 12", "level", "ms", "line") == (
        b"ERROR",
        12,
        b"1436514669.123 ERROR took 12",
    )
    assert read(format_, b"1436514669123 ERROR took 12").second == NOON


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: nginx("$remote_addr $status"), "has no time"),
        (lambda: nginx("$time_local $host$status"), "nothing stands between host and status"),
        (lambda: nginx("$time_local $status $status"), "has status twice"),
        (lambda: nginx("$time_local $uri $request_uri"), "has url twice"),
        (lambda: nginx("$time_iso8601 $upstream_addr $upstream_response_time : $status"), "stands between its own"),
        (lambda: nginx("$time_local\n$status"), "line break"),
        (lambda: apache("%h %Z %t"), "no directive %Z"),
        (lambda: apache("%h %{%H:%M}t"), "form of time"),
        (lambda: preset("combine"), "no format is called 'combine'"),
        (lambda: regex("(?P<at>", [], "at"), "cannot be used: missing"),
        (lambda: regex("(?P<at>.)", [Field("x")], "at"), "no group called 'x'"),
        (lambda: json_lines([Field("a b")], "at"), "cannot be called 'a b'"),
        (lambda: json_lines([Field("line")], "at"), "cannot be called 'line'"),
        (lambda: json_lines([], ""), "which field has the time"),
    ],
)
def test_a_bad_format_is_refused_and_says_what_to_write(make: object, said: str) -> None:
    """The mistake is told when the definition is read, with the name of the variable and what to do."""
    assert callable(make)
    with pytest.raises(SettingsError, match=said) as told:
        make()
    assert told.value.what_to_do


def test_url_and_query_that_the_servers_write_together_are_one_url() -> None:
    """Apache's `%U%q` and nginx's `$uri$is_args$args` have nothing between them, and need nothing."""
    assert values(apache("%t %m %U%q %H"), b"[10/Jul/2015:15:51:09 +0800] GET /a?b HTTP/1.1", "url") == (b"/a?b",)
    assert values(nginx("$msec $uri$is_args$args x"), b"1436514669.001 /a?b x", "url") == (b"/a?b",)


def test_limits_are_those_handed_in() -> None:
    """A shorter longest line is obeyed."""
    assert Reader(preset("timed"), None, Limits(line=100)).read(TIMED) == Rejected(Reason.LONG)
