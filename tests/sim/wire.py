"""Raw HTTP to a simulator, and both RPC signatures by hand: for tests of bytes that no SDK would send.

It shares no code with the simulator. Every part of a request can be set, spoilt or left out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import time
import uuid
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote
from xml.etree import ElementTree as ET

ECS, SLB, CMS, STS, LOCATION, VPC = (
    "2014-05-26",
    "2014-05-15",
    "2019-01-01",
    "2015-04-01",
    "2015-06-12",
    "2016-04-28",
)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as JSON."""
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def xml(self) -> ET.Element:
        """The body as XML."""
        return ET.fromstring(self.body)

    @property
    def code(self) -> str:
        """The error code in either form."""
        if self.body.startswith(b"{"):
            return str(self.json.get("Code", ""))
        return self.xml.findtext("Code") or ""


def encoded(text: str) -> str:
    """Percent-encode as the vendor wants it."""
    return quote(text, safe="~")


def query_of(parameters: dict[str, str]) -> str:
    """Write parameters as a query string or form."""
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in parameters.items())


def timestamp(shift: float = 0) -> str:
    """Write the present instant, moved by `shift` seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + shift))


def common(version: str, action: str, **more: str) -> dict[str, str]:
    """Return the parameters of a version 1 call before it is signed; an empty value of `more` stays."""
    return {
        "Action": action,
        "Version": version,
        "Format": "JSON",
        "RegionId": "cn-hangzhou",
        "AccessKeyId": "testid",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": timestamp(),
        **more,
    }


def without(parameters: dict[str, str], *names: str) -> dict[str, str]:
    """Return the parameters without some of them."""
    return {name: value for name, value in parameters.items() if name not in names}


def signed(method: str, parameters: dict[str, str], secret: str = "testsecret") -> dict[str, str]:
    """Add the version 1 signature."""
    canonical = query_of(dict(sorted(parameters.items())))
    text = f"{method}&%2F&{encoded(canonical)}"
    algorithm = "sha256" if parameters.get("SignatureMethod") == "HMAC-SHA256" else "sha1"
    digest = hmac.new(f"{secret}&".encode(), text.encode(), algorithm).digest()
    return {**parameters, "Signature": base64.b64encode(digest).decode()}


def acs3(
    method: str,
    host: str,
    headers: dict[str, str],
    query: dict[str, str],
    body: bytes = b"",
    key: tuple[str, str] = ("testid", "testsecret"),
) -> dict[str, str]:
    """Return the headers of an ACS3 call; `headers` carries x-acs-action and x-acs-version at least."""
    own = {
        "host": host,
        "x-acs-date": timestamp(),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        **headers,
    }
    names = sorted(own)
    lines = "".join(f"{name}:{own[name].strip()}\n" for name in names)
    canonical = "\n".join(
        (method, "/", query_of(dict(sorted(query.items()))), lines, ";".join(names), own["x-acs-content-sha256"])
    )
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key[1].encode(), text.encode(), "sha256").hexdigest()
    own["Authorization"] = f"ACS3-HMAC-SHA256 Credential={key[0]},SignedHeaders={';'.join(names)},Signature={signature}"
    return own


class Wire:
    """One TCP connection to a simulator; what is written and read is bytes."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self.address = address
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> Wire:
        """Write bytes."""
        self.socket.sendall(data)
        return self

    def read(self, *, head: bool = False) -> Reply:
        """Read one answer; to a HEAD request it has no body."""
        line = self._file.readline()
        assert line.startswith(b"HTTP/1."), f"not HTTP: {line!r}"
        headers = {}
        while (field := self._file.readline().strip()) != b"":
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = 0 if head else int(headers.get("content-length", 0))
        return Reply(int(line.split()[1]), headers, self._file.read(length))

    def ask(self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Reply:
        """Send one request and read its answer."""
        return self.send(message(self.address, method, target, headers, body)).read(head=method == "HEAD")

    def get(self, parameters: dict[str, str], secret: str = "testsecret") -> Reply:
        """Make one version 1 call with everything in the query."""
        return self.ask("GET", f"/?{query_of(signed('GET', parameters, secret))}")

    def post(self, parameters: dict[str, str], secret: str = "testsecret") -> Reply:
        """Make one version 1 call with everything in a form."""
        form = query_of(signed("POST", parameters, secret)).encode()
        return self.ask("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, form)


def message(host: str, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """Write one HTTP request."""
    lines = {
        "Host": host,
        **({"Content-Length": str(len(body))} if body or method == "POST" else {}),
        **(headers or {}),
    }
    if "host" in lines:
        del lines["Host"]
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body
