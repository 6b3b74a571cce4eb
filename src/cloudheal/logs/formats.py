r"""From what an operator copies out of a server's configuration to a format that lines are read by.

`nginx` and `apache` take the format string, or the whole directive (`log_format main '...' '...';`,
`LogFormat "..." name`); `preset` has the usual ones by name; `json_lines`, `key_value` and `regex` are for the logs of
applications. A format in which it cannot be told where a variable ends is refused here, by name, and not by ten
thousand rejected lines at night.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from types import MappingProxyType

from cloudheal.errors import SettingsError
from cloudheal.logs.definition import LINE, Ends, Field, LineFormat, Part, Style
from cloudheal.logs.variables import NGINX_TIMES, apache_field, ends_of, nginx_field, with_request
from cloudheal.settings.patterns import line_pattern

_COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
#: Formats by the names that people know them by.
PRESETS: Mapping[str, str] = MappingProxyType(
    {
        "combined": _COMBINED,
        "common": '$remote_addr $ident $remote_user [$time_local] "$request" $status $body_bytes_sent',
        # The sample of CloudMonitor's manual: seconds and bytes of the request stand before the status.
        "timed": '$remote_addr - $remote_user [$time_local] "$request" $request_time $request_length $status '
        '$body_bytes_sent "$http_referer" "$http_user_agent"',
    }
)

TIME = "time"
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_DIRECTIVE = re.compile(r"%(?:!?[\d,]+)?([<>])?(?:\{([^}]*)\})?(\^t[io]|[A-Za-z%])")
_NGINX_WHOLE = re.compile(r"\s*log_format\s+(\S+)\s+(?:escape=(\w+)\s+)?(.*?);?\s*", re.DOTALL)
_NGINX_PIECES = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\S+)""", re.DOTALL)
_APACHE_WHOLE = re.compile(r'\s*LogFormat\s+"((?:[^"\\]|\\.)*)"(?:\s+\S+)?\s*', re.DOTALL | re.IGNORECASE)
#: Forms of `%{...}t` that can be read, with the digits by which whole numbers are larger than seconds.
_APACHE_TIMES = ("", "sec", "msec", "usec", "%d/%b/%Y:%H:%M:%S %z", "%Y-%m-%dT%H:%M:%S%z", "%s")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def is_name(name: str) -> bool:
    """Say whether a field may be called so."""
    return name != LINE and _NAME.fullmatch(name) is not None


def preset(name: str) -> LineFormat:
    """Return a well-known format."""
    if name not in PRESETS:
        raise SettingsError(
            f"no format is called {name!r}",
            what_to_do=f"There are {', '.join(sorted(PRESETS))}; or give the format string of your server.",
        )
    return nginx(PRESETS[name])


def nginx(text: str) -> LineFormat:
    """Return the format of an nginx `log_format`."""
    body = _nginx_body(text)
    pieces: list[str | Field] = []
    end = 0
    # nginx writes the path and its query apart, with nothing between that would tell where one ends.
    body = re.sub(r"\$\{?uri\}?\$\{?is_args\}?\$\{?args\}?", "$request_uri", body)
    for found in _VARIABLE.finditer(body):
        name = found[1] or found[2]
        pieces += [body[end : found.start()], Field(TIME) if name in NGINX_TIMES else nginx_field(name)]
        end = found.end()
    return _template(text, [*pieces, body[end:]], "$time_local")


def apache(text: str) -> LineFormat:
    """Return the format of an Apache `LogFormat`."""
    whole = _APACHE_WHOLE.fullmatch(text)
    body = re.sub(r'\\(["\\])', r"\1", whole[1] if whole else text).replace("\\t", "\t")
    body = body.replace("%U%q", "%U")  # a query begins with its `?`, so both together are a URL as it was asked for
    pieces: list[str | Field] = []
    end = 0
    for found in _DIRECTIVE.finditer(body):
        pieces += [body[end : found.start()], *_apache_piece(found)]
        end = found.end()
    return _template(text, [*pieces, body[end:]], "%t")


def json_lines(fields: Iterable[Field], time: str, zone: int | None = None) -> LineFormat:
    """Return the format of lines that are one JSON object each; `a.b` is the field `b` of the object `a`."""
    return _declared(Style.JSON, "", tuple(fields), time, zone)


def key_value(fields: Iterable[Field], time: str = "", zone: int | None = None) -> LineFormat:
    """Return the format of lines with `key=value` and `key="some value"`; text between the pairs is passed over."""
    return _declared(Style.KEYVALUE, "", tuple(fields), time, zone)


def regex(pattern: str, fields: Iterable[Field], time: str, zone: int | None = None) -> LineFormat:
    """Return the format of lines that a regular expression matches as a whole; its named groups are the fields."""
    try:
        groups = [name.decode() for name in line_pattern(pattern).groupindex]
    except ValueError as error:
        raise SettingsError(
            f"the regular expression cannot be used: {error}",
            what_to_do=r"It is read as https://github.com/google/re2/wiki/Syntax says; a backslash in double quotes of"
            r" YAML is \\.",
        ) from error
    declared = {one.name: one for one in fields}
    for name in (*declared, time):
        if name not in groups:
            raise SettingsError(
                f"the regular expression has no group called {name!r}",
                what_to_do=f"Write (?P<{name}>...) where it stands, or leave the field out.",
            )
    every = tuple(declared.get(name) or Field(name) for name in groups)
    return _declared(Style.REGEX, pattern, every, time, zone)


def _nginx_body(text: str) -> str:
    whole = _NGINX_WHOLE.fullmatch(text)
    if not whole:
        return text.strip("\n")
    quoted = [
        re.sub(r"\\(['\"\\])", r"\1", next(one for one in piece if one is not None))
        for piece in (found.groups() for found in _NGINX_PIECES.finditer(whole[3]))
    ]
    return "".join(quoted)


def _apache_piece(found: re.Match[str]) -> list[str | Field]:
    name, letter = found[2] or "", found[3]
    if letter == "%":
        return ["%"]
    if letter == "t":
        form = name.removeprefix("begin:").removeprefix("end:")
        if form not in _APACHE_TIMES:
            raise SettingsError(
                f"the form of time {found[0]} is not known",
                what_to_do="Use %t, %{sec}t, %{msec}t, %{usec}t or %{%Y-%m-%dT%H:%M:%S%z}t.",
            )
        return [Field(TIME)] if form else ["[", Field(TIME), "]"]
    field = apache_field(letter, name)
    if field is None:
        raise SettingsError(
            f"there is no directive {found[0]}", what_to_do="See the list of mod_log_config; %% is a percent sign."
        )
    return [field]


def _template(text: str, pieces: list[str | Field], time: str) -> LineFormat:
    parts: list[Part] = []
    fields: list[Field] = []
    for piece in pieces:
        if isinstance(piece, Field):
            parts.append(Part(variable=piece.name, ends=ends_of(piece)))
            fields.append(piece)
        elif piece and parts and parts[-1].literal:
            parts[-1] = Part(parts[-1].literal + piece.encode())
        elif piece:
            parts.append(Part(piece.encode()))
    _check_parts(parts)
    if not any(one.name == TIME for one in fields):
        raise SettingsError(
            f"the format has no time, so nothing can be counted by the minute: {text}",
            what_to_do=f"Write {time} into it, in the server's configuration too.",
        )
    return LineFormat(Style.TEMPLATE, text, with_request(fields), TIME, tuple(parts))


def _check_parts(parts: list[Part]) -> None:
    for one, following in pairwise(parts):
        if one.variable and following.variable:
            raise SettingsError(
                f"nothing stands between {one.variable} and {following.variable}, so it cannot be told where one ends",
                what_to_do="Put a space or another character between them, in the server's configuration too.",
            )
        if one.ends is Ends.LISTED and following.literal.startswith((b" : ", b", ")):
            raise SettingsError(
                f"{following.literal.decode()!r} after {one.variable} is what stands between its own values as well",
                what_to_do="Put something else between them, in the server's configuration too.",
            )
    _check_names([one.variable for one in parts if one.variable])
    if any(b"\n" in one.literal or b"\r" in one.literal for one in parts):
        raise SettingsError("the format has a line break in it", what_to_do="An entry is one line.")


def _check_names(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(
                f"the format has {name} twice, and only one of them can be meant",
                what_to_do="Take one out; two of the server's names may be one field, as $uri and $request_uri.",
            )


def _declared(style: Style, text: str, fields: tuple[Field, ...], time: str, zone: int | None) -> LineFormat:
    names = [one.name for one in fields]
    _check_names(names)
    for name in names:
        if not is_name(name):
            raise SettingsError(
                f"a field cannot be called {name!r}",
                what_to_do=f"Use letters, digits, underscores and dots; {LINE!r} is the whole line and always there.",
            )
    if not time and style is not Style.KEYVALUE:
        raise SettingsError("it is not said which field has the time", what_to_do="Name it as `time`.")
    if zone is not None and abs(zone) >= 86_400:
        raise SettingsError("a zone is less than a day from UTC", what_to_do="Write it as +08:00.")
    return LineFormat(style, text, fields, time, zone=zone)
