"""The variables of nginx and the directives of Apache: what their fields are called here, and what they hold.

The two call the same thing by different names; here it has one. What is in no table is text under the server's own
name, so that a variable of tomorrow's nginx needs no release of ours. `$request` is taken apart into `method`, `url`
and `protocol` besides.
"""

from __future__ import annotations

import re

from cloudheal.logs.definition import Ends, Field, Kind, Several

_N = Kind.NUMBER

#: Fields that the request line gives besides itself.
REQUEST_FIELDS = (Field("method"), Field("url"), Field("protocol"))

#: Fields that are not text, or not called as nginx calls them.
NGINX: dict[str, Field] = {
    "request_method": Field("method"),
    "request_uri": Field("url"),
    "uri": Field("url"),
    "document_uri": Field("url"),
    "server_protocol": Field("protocol"),
    "status": Field("status", _N),
    "body_bytes_sent": Field("body_bytes_sent", _N),
    "bytes_sent": Field("bytes_sent", _N),
    "bytes_received": Field("bytes_received", _N),
    "request_length": Field("request_length", _N),
    "request_time": Field("request_time", _N, 3),
    "session_time": Field("session_time", _N, 3),
    "content_length": Field("content_length", _N),
    "connection": Field("connection", _N),
    "connection_requests": Field("connection_requests", _N),
    "connection_time": Field("connection_time", _N, 3),
    "gzip_ratio": Field("gzip_ratio", _N, 2),
    "remote_port": Field("remote_port", _N),
    "server_port": Field("server_port", _N),
    "pid": Field("pid", _N),
    "upstream_connect_time": Field("upstream_connect_time", _N, 3, Several.SUM),
    "upstream_first_byte_time": Field("upstream_first_byte_time", _N, 3, Several.SUM),
    "upstream_header_time": Field("upstream_header_time", _N, 3, Several.SUM),
    "upstream_queue_time": Field("upstream_queue_time", _N, 3, Several.SUM),
    "upstream_response_time": Field("upstream_response_time", _N, 3, Several.SUM),
    "upstream_bytes_received": Field("upstream_bytes_received", _N, 0, Several.SUM),
    "upstream_bytes_sent": Field("upstream_bytes_sent", _N, 0, Several.SUM),
    "upstream_response_length": Field("upstream_response_length", _N, 0, Several.SUM),
    "upstream_status": Field("upstream_status", _N, 0, Several.LAST),
}
NGINX_TIMES = ("time_local", "time_iso8601", "msec")

#: Texts that hold several values with `, ` between.
_LISTED = ("http_x_forwarded_for", "proxy_add_x_forwarded_for")
_SPACED = ("remote_user",)

#: Apache's directives of one letter.
APACHE: dict[str, Field] = {
    "a": Field("remote_addr"),
    "A": Field("server_addr"),
    "B": Field("body_bytes_sent", _N),
    "b": Field("body_bytes_sent", _N),
    "D": Field("request_time", _N, 6, written=6),
    "f": Field("filename"),
    "h": Field("remote_addr"),
    "H": Field("protocol"),
    "I": Field("request_length", _N),
    "k": Field("connection_requests", _N),
    "l": Field("ident"),
    "L": Field("log_id"),
    "m": Field("method"),
    "O": Field("bytes_sent", _N),
    "p": Field("server_port", _N),
    "P": Field("pid", _N),
    "q": Field("args"),
    "r": Field("request"),
    "R": Field("handler"),
    "s": Field("status", _N),
    "S": Field("bytes_transferred", _N),
    "T": Field("request_time", _N),
    "u": Field("remote_user"),
    "U": Field("url"),
    "v": Field("server_name"),
    "V": Field("host"),
    "X": Field("connection_status"),
}
#: The units of `%{...}T`: digits of the field.
_APACHE_UNITS = {"s": 0, "ms": 3, "us": 6}
#: `%{...}x`: what the name in braces is of.
_APACHE_NAMED = {"i": "http_", "o": "sent_http_", "C": "cookie_", "e": "env_", "n": "note_"}


def nginx_field(name: str) -> Field:
    """Return the field of an nginx variable."""
    return NGINX.get(name) or Field(name)


def apache_field(letter: str, name: str) -> Field | None:
    """Return the field of a directive, `name` being what stands in braces; None when there is no such directive."""
    if letter == "T" and name in _APACHE_UNITS:
        digits = _APACHE_UNITS[name]
        return Field("request_time", _N, digits, written=digits)
    if name and letter in _APACHE_NAMED:
        return Field(_APACHE_NAMED[letter] + re.sub(r"\W", "_", name).lower())
    return APACHE.get(letter)


def ends_of(field: Field) -> Ends:
    """Return how the text of a field ends in a template."""
    if field.several or field.name in _LISTED:
        return Ends.LISTED
    return Ends.SPACED if field.name in _SPACED else Ends.PLAIN


def with_request(fields: list[Field]) -> tuple[Field, ...]:
    """Return the fields, and those of the request line where it is among them and they are not."""
    names = {one.name for one in fields}
    more = REQUEST_FIELDS if "request" in names else ()
    return (*fields, *(one for one in more if one.name not in names))
