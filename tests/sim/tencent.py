"""A second, independent signer of API 3.0, and calls to a simulator in this process or over TCP.

It shares no code with the simulator. Every part of a call can be set, spoilt or left out before it is signed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import http.client
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from tencentcloud.common import credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from cloudheal_sim.kernel.clock import Mode
from cloudheal_sim.kernel.wire import HttpRequest
from cloudheal_sim.simulator import Options, Simulator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.kernel.journal import Entry

CVM, CLB, STS, TAT, MONITOR, EB = (
    *("2017-03-12", "2018-03-17", "2018-08-13"),
    *("2020-10-28", "2018-07-24", "2021-04-16"),
)
SERVICES = {CVM: "cvm", CLB: "clb", STS: "sts", TAT: "tat", MONITOR: "monitor", EB: "eb"}
FORM = "application/x-www-form-urlencoded"
KEY = ("AKIDtest", "testsecret")
#: 2026-03-02T03:00:00Z.
MOMENT = 1_772_420_400


@dataclass(frozen=True, slots=True)
class Tc3:
    """One call before it is signed; a header of `more` replaces or adds, one that is None is left out."""

    action: str
    version: str = CVM
    body: bytes = b"{}"
    method: str = "POST"
    query: str = ""
    host: str = "cvm.tencentcloudapi.com"
    signed_host: str | None = None
    service: str | None = None
    stamp: int = MOMENT
    date: str | None = None
    region: str | None = "ap-guangzhou"
    content_type: str = "application/json"
    names: tuple[str, ...] = ("content-type", "host")
    key: tuple[str, str] = KEY
    unsigned: bool = False
    more: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, action: str, version: str = CVM, /, **parameters: object) -> Tc3:
        """Return a POST with these parameters as JSON."""
        return cls(action, version, body=json.dumps(parameters).encode())

    @property
    def day(self) -> str:
        """The UTC date of the timestamp, unless another is asked for."""
        return self.date or datetime.fromtimestamp(self.stamp, UTC).strftime("%Y-%m-%d")

    def headers(self) -> dict[str, str]:
        """Return all headers, signed."""
        own = {
            "host": self.host,
            "content-type": self.content_type,
            "x-tc-action": self.action,
            "x-tc-version": self.version,
            "x-tc-timestamp": str(self.stamp),
            "x-tc-region": self.region,
            "x-tc-content-sha256": "UNSIGNED-PAYLOAD" if self.unsigned else None,
        }
        own["authorization"] = self.authorization({name: value or "" for name, value in own.items()})
        own |= {name.lower(): value for name, value in self.more.items()}
        return {name: value for name, value in own.items() if value is not None}

    def canonical(self, headers: Mapping[str, str]) -> str:
        """Return the canonical request."""
        values = {**headers, "host": self.signed_host or self.host}
        lines = "".join(f"{name}:{values[name].strip().lower()}\n" for name in sorted(self.names))
        payload = b"UNSIGNED-PAYLOAD" if self.unsigned else self.body if self.method == "POST" else b""
        return "\n".join((self.method, "/", self.query, lines, ";".join(self.names), _sha256(payload)))

    def authorization(self, headers: Mapping[str, str]) -> str:
        """Return the Authorization header."""
        scope = f"{self.day}/{self.service or SERVICES.get(self.version, 'cvm')}/tc3_request"
        text = "\n".join(("TC3-HMAC-SHA256", str(self.stamp), scope, _sha256(self.canonical(headers).encode())))
        key = f"TC3{self.key[1]}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        credential_ = f"Credential={self.key[0]}/{scope}"
        return f"TC3-HMAC-SHA256 {credential_}, SignedHeaders={';'.join(self.names)}, Signature={signature}"

    def request(self) -> HttpRequest:
        """Return the call as the simulator's server would read it."""
        target = f"/?{self.query}" if self.query else "/"
        return HttpRequest(self.method, target, self.headers(), self.body if self.method == "POST" else b"")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of API 3.0."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def response(self) -> dict[str, Any]:
        """What stands below `Response`."""
        assert self.headers["content-type"] == "application/json"
        response: dict[str, Any] = json.loads(self.body)["Response"]
        assert response["RequestId"]
        return response

    @property
    def code(self) -> str:
        """The error code, empty on success."""
        return str(self.response.get("Error", {}).get("Code", ""))

    @property
    def message(self) -> str:
        """The error message, empty on success."""
        return str(self.response.get("Error", {}).get("Message", ""))


def v1_form(
    parameters: Mapping[str, str], *, method: str = "POST", host: str, secret: str = "testsecret", sha: str = "sha1"
) -> str:
    """Return the parameters of an older call as a form, signed as text."""
    text = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    digest = hmac.new(secret.encode(), f"{method}{host}/?{text}".encode(), sha).digest()
    return urlencode({**parameters, "Signature": base64.b64encode(digest).decode()})


def v1(action: str, version: str = CVM, **more: str) -> dict[str, str]:
    """Return the parameters of an older call before it is signed."""
    return {
        "Action": action,
        "Version": version,
        "Region": "ap-guangzhou",
        "Timestamp": str(MOMENT),
        "Nonce": "11886",
        "SecretId": KEY[0],
        "SignatureMethod": "HmacSHA1",
        **more,
    }


class Inside:
    """A simulator in this process whose time moves only when told to, and the calls to it."""

    def __init__(self, world: Mapping[str, Any] | None = None, **options: Any) -> None:
        document = {"tencent": dict(world or {})}
        self.simulator = Simulator(
            Options(mode=Mode.STEPPED, **{"now": MOMENT * 1000, "world": document, "seed": 7, **options})
        )

    async def send(self, call: Tc3 | HttpRequest) -> Answer:
        """Make a call."""
        reply = await self.simulator.handle(call.request() if isinstance(call, Tc3) else call)
        return Answer(reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.body)

    async def call(self, action: str, version: str = CVM, /, **parameters: object) -> Answer:
        """Make a call as of the simulator's own time."""
        now = self.simulator.kernel.clock.now() // 1000
        return await self.send(replace(Tc3.of(action, version, **parameters), stamp=now))

    async def done(self, action: str, version: str = CVM, /, **parameters: object) -> dict[str, Any]:
        """Make a call that must succeed and return its answer."""
        answer = await self.call(action, version, **parameters)
        assert not answer.code, answer.response
        return answer.response

    async def refused(self, action: str, version: str = CVM, /, **parameters: object) -> str:
        """Make a call that must be refused and return the code."""
        answer = await self.call(action, version, **parameters)
        assert answer.code, answer.response
        return answer.code

    def advance(self, seconds: float) -> Self:
        """Let time pass."""
        self.simulator.kernel.clock.advance(seconds)
        return self

    async def pushed(self, count: int) -> list[Entry]:
        """Wait until so many pushes were answered or given up; returns their entries in the journal."""
        async with asyncio.timeout(20):
            while True:
                found = [one for one in self.simulator.kernel.journal.entries() if one.kind == "delivery"]
                if len(found) >= count:
                    break
                await asyncio.sleep(0)
        for _ in range(3):  # until whoever waits for the answer has heard of it
            await asyncio.sleep(0)
        return found

    def chaos(self, deed: str, *ids: str, **options: object) -> Self:
        """Do something to resources."""
        self.simulator.chaos.do(deed, ids, options)
        return self


class OverTcp:
    """Signs and sends over one kept connection, as of a moment or of now."""

    def __init__(self, address: str, moment: int) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=30)
        self._address = address
        self._moment = moment

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def call(self, action: str, version: str = CVM, /, **parameters: object) -> Answer:
        """Make one call."""
        call = replace(Tc3.of(action, version, **parameters), host=self._address, stamp=self._moment)
        self._connection.request("POST", "/", call.body, call.headers())
        answer = self._connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


def profile(
    address: str, method: str = "POST", sign: str = "TC3-HMAC-SHA256", language: str = "zh-CN"
) -> ClientProfile:
    """Return the SDK's settings for a simulator."""
    http_profile = HttpProfile(protocol="http", endpoint=address, reqTimeout=20, reqMethod=method)
    return ClientProfile(httpProfile=http_profile, signMethod=sign, language=language)


def sdk(client: Any, address: str, **settings: str) -> Any:
    """Return a client of the official SDK for a simulator."""
    return client(credential.Credential(*KEY), "ap-guangzhou", profile(address, **settings))


def asked(request: Any, **parameters: object) -> Any:
    """Fill a request of the official SDK in."""
    request.from_json_string(json.dumps(parameters))
    return request


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
