"""The second, independent signer: every way of signing, by hand, for tests that need what no SDK would send.

It shares no code with the simulator, so that a mistake in one shows against the other. Every part of a call can be set,
spoilt or left out before it is signed.
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
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Mapping

ECS, SLB, CMS, STS, LOCATION, VPC, ACTIONTRAIL = (
    "2014-05-26",
    "2014-05-15",
    "2019-01-01",
    "2015-04-01",
    "2015-06-12",
    "2016-04-28",
    "2020-07-06",
)
MNS_VERSION = "2015-06-06"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as JSON."""
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def root(self) -> ET.Element:
        """The body as XML."""
        return ET.fromstring(self.body)

    @property
    def code(self) -> str:
        """The error code, in JSON or XML; empty on success."""
        if self.status < 300:
            return ""
        if self.body.lstrip()[:1] == b"{":
            return str(self.json.get("Code", ""))
        return next(iter(self.texts("Code") or self.texts("ErrorCode")), "")

    def text(self, name: str) -> str:
        """Return the text of the first XML element of that name, which must be there."""
        found = self.texts(name)
        assert found, f"no {name} in {self.body!r}"
        return found[0]

    def texts(self, name: str) -> list[str]:
        """Return the texts of all XML elements of that name, whatever their namespace."""
        return [element.text or "" for element in self.root.iter() if element.tag.rpartition("}")[2] == name]


def encoded(text: str) -> str:
    """Percent-encode as the vendor wants it."""
    return quote(text, safe="~")


def query_of(parameters: Mapping[str, str]) -> str:
    """Write parameters as a query string or form."""
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in parameters.items())


def timestamp(shift: float = 0, moment: float | None = None) -> str:
    """Write an instant (epoch seconds), the present one if none is given, moved by `shift` seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((time.time() if moment is None else moment) + shift))


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
    text = f"{method}&%2F&{encoded(query_of(dict(sorted(parameters.items()))))}"
    algorithm = "sha256" if parameters.get("SignatureMethod") == "HMAC-SHA256" else "sha1"
    return {**parameters, "Signature": _digest(f"{secret}&", text, algorithm)}


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


def mns_signature(method: str, target: str, headers: Mapping[str, str], secret: str = "testsecret") -> str:
    """Sign an MNS call; header names are lower case."""
    own = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-mns-"))
    head = [method, *(headers.get(name, "") for name in ("content-md5", "content-type", "date"))]
    return _digest(secret, "\n".join(head) + f"\n{own}{target}")


def _digest(secret: str, text: str, algorithm: str = "sha1") -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), algorithm).digest()).decode()


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
        fixed = {} if self._moment is None else {"SignatureNonce": next(self._nonces)}
        unsigned = common(version, action, AccessKeyId=self._key, Timestamp=timestamp(moment=self._moment), **fixed)
        return self.send("GET", f"/?{query_of(signed('GET', {**unsigned, **named}, self._secret))}")

    def mns(self, method: str, target: str, body: str = "", **headers: str) -> Answer:
        """Make one MNS call."""
        content = body.encode()
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        wanted = {"date": formatdate(self._moment, usegmt=True), "x-mns-version": MNS_VERSION, **own}
        if content:
            wanted["content-md5"] = base64.b64encode(hashlib.md5(content).digest()).decode()
            wanted["content-type"] = "text/xml"
        wanted["authorization"] = f"MNS {self._key}:{mns_signature(method, target, wanted, self._secret)}"
        return self.send(method, target, content, wanted)

    def send(
        self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send exactly this and read the answer."""
        self._connection.request(method, target, body, headers or {})
        answer = self._connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, named, answer.read())
