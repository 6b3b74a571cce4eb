"""The ledger to Simple Log Service: one PutLogs for an excerpt, signed with the keys of an account.

What is needed is one POST of four small messages and its signature, which the tests check against what the vendor's
library makes of the same rows. The service takes rows twice when an answer was lost: their number and their seal tell
them apart. It refuses what is older than a week, so such a row stands in its index under the oldest time that is taken;
its own time is in the field `at`, as of every row.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from cloudheal.clouds.keys import KeyRing, Keys
from cloudheal.logs.wire import Writer
from cloudheal.ports.excerpt import Excerpt, Line, Post

PERMISSION = "log:PostLogStoreLogs"
TOPIC = "cloudheal"
#: What the service takes as a row's time is seven days old at most; an hour is for its clock and the way there.
OLDEST = timedelta(days=7) - timedelta(hours=1)
_NUMBER, _BYTES = 0, 2


@dataclass(frozen=True, slots=True)
class LogStore:
    """One Logstore of a project; `url` is the project's address."""

    url: str
    logstore: str
    keys: KeyRing = field(repr=False)
    now: Callable[[], datetime] = field(repr=False)
    post: Post = field(repr=False)

    def take(self, excerpt: Excerpt) -> bytes:
        """Write the rows; returns the answer. Raises Outlet*Error and Cloud*Error."""
        now = self.now()
        raw = log_group(excerpt, int((now - OLDEST).timestamp()))
        path = f"/logstores/{self.logstore}/shards/lb"
        body = zlib.compress(raw)
        headers = {"x-log-bodyrawsize": str(len(raw)), "x-log-compresstype": "deflate"}
        return self.post(f"{self.url.rstrip('/')}{path}", body, signed(self.keys.current(), path, body, headers, now))


def resource_of(account: str, url: str, logstore: str) -> str:
    """Name a Logstore as a policy does; its project is the first word of the address."""
    project = (urlsplit(url).hostname or "").partition(".")[0]
    return f"acs:log:*:{account}:project/{project}/logstore/{logstore}"


def signed(keys: Keys, path: str, body: bytes, headers: Mapping[str, str], now: datetime) -> Mapping[str, str]:
    """Return these headers with the service's own and its signature (version 1, HMAC-SHA1) over a POST."""
    checksum = hashlib.md5(body, usedforsecurity=False).hexdigest().upper()
    kind, date = "application/x-protobuf", format_datetime(now, usegmt=True)
    ours = {**headers, "x-log-apiversion": "0.6.0", "x-log-signaturemethod": "hmac-sha1"}
    if keys.token:
        ours["x-acs-security-token"] = keys.token
    told = "".join(f"{name}:{value}\n" for name, value in sorted(ours.items()))
    text = f"POST\n{checksum}\n{kind}\n{date}\n{told}{path}"
    signature = base64.b64encode(hmac.new(keys.secret.encode(), text.encode(), hashlib.sha1).digest()).decode()
    login = {"Authorization": f"LOG {keys.id}:{signature}"}
    return {**ours, "Content-MD5": checksum, "Content-Type": kind, "Date": date, **login}


def log_group(excerpt: Excerpt, oldest: int) -> bytes:
    """Return rows as a LogGroup; no row stands under a time before `oldest`."""
    written = Writer()
    for line in excerpt.lines:
        _part(written, 1, _log(line, oldest))
    _part(written, 3, TOPIC.encode())
    _part(written, 6, _pair("excerpt", excerpt.mark))
    return bytes(written.data)


def _log(line: Line, oldest: int) -> bytes:
    written = Writer().number(1 << 3 | _NUMBER).number(max(line.at, oldest))
    for name, value in _texts(line.facts):
        _part(written, 2, _pair(name, value))
    return bytes(written.data)


def _texts(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _pair(name: str, value: str) -> bytes:
    written = Writer()
    _part(written, 1, name.encode())
    _part(written, 2, value.encode(errors="replace"))
    return bytes(written.data)


def _part(written: Writer, place: int, content: bytes) -> Writer:
    return written.number(place << 3 | _BYTES).block(content)
