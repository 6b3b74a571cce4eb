"""A second, independent signer: requests signed by hand, for tests that need what no SDK would send.

It shares no code with the simulator, so that a mistake in one shows against the other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
import uuid
from dataclasses import dataclass
from email.utils import formatdate
from itertools import count
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
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as JSON."""
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def code(self) -> str:
        """The error code, in JSON or XML; empty on success."""
        if self.status < 300:
            return ""
        if self.body.lstrip()[:1] == b"{":
            return str(self.json.get("Code", ""))
        return next(iter(self.texts("Code") or self.texts("ErrorCode")), "")

    def texts(self, name: str) -> list[str]:
        """The texts of all XML elements of that name, whatever their namespace."""
        elements = ET.fromstring(self.body).iter()
        return [element.text or "" for element in elements if element.tag.rpartition("}")[2] == name]


class HandSigned:
    """Signs and sends over one kept connection.

    With a `moment` (epoch seconds) every call is signed as of then and nonces are counted: the same calls are the same
    bytes each time, which a simulator without skew check takes.
    """

    def __init__(
        self, address: str, key: str = "testid", secret: str = "testsecret", moment: float | None = None
    ) -> None:
        self._moment = moment
        self._nonces = (f"{moment}-{number}" for number in count(1))
        self._connection = http.client.HTTPConnection(address, timeout=30)
        self._key = key
        self._secret = secret

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def rpc(self, version: str, action: str, **parameters: object) -> Answer:
        """Make one RPC call signed with version 1; names may be given with `__` for a dot."""
        named = {name.replace("__", "."): str(value) for name, value in parameters.items() if value is not None}
        flat = {
            "Action": action,
            "Version": version,
            "Format": "JSON",
            "RegionId": "cn-hangzhou",
            "AccessKeyId": self._key,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": uuid.uuid4().hex if self._moment is None else next(self._nonces),
            "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._moment)),
            **named,
        }
        query = "&".join(f"{quote(name, safe='~')}={quote(flat[name], safe='~')}" for name in sorted(flat))
        digest = self._hmac(f"GET&%2F&{quote(query, safe='~')}", f"{self._secret}&")
        return self.send("GET", f"/?{query}&Signature={quote(digest, safe='')}")

    def mns(self, method: str, target: str, body: str = "", **headers: str) -> Answer:
        """Make one MNS call."""
        content = body.encode()
        md5 = base64.b64encode(hashlib.md5(content).digest()).decode() if content else ""
        kind = "text/xml" if content else ""
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        canonical = {"x-mns-version": "2015-06-06", **own}
        date = formatdate(self._moment, usegmt=True)
        lines = "".join(f"{name}:{canonical[name]}\n" for name in sorted(canonical))
        signature = self._hmac(f"{method}\n{md5}\n{kind}\n{date}\n{lines}{target}", self._secret)
        common = {"Date": date, "Authorization": f"MNS {self._key}:{signature}", **canonical}
        typed = {"Content-MD5": md5, "Content-Type": kind} if content else {}
        return self.send(method, target, content, {**common, **typed})

    def send(
        self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send exactly this and read the answer."""
        self._connection.request(method, target, body, headers or {})
        answer = self._connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, named, answer.read())

    def _hmac(self, text: str, secret: str) -> str:
        return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()).decode()
