"""The loop of a function in SCF's Custom Runtime: it fetches one call after the other and tells how each ended.

The platform starts the process, which says that it is ready, and asks for the next call; that question is answered when
there is one, however long that takes. What a call returns is its answer. What it raises is its error: nothing was
committed then, and the platform repeats the call. When the runtime's API does not answer as it should the process ends,
and the platform starts another one; a call that was committed is known when it comes again. The form of an error is not
documented (UNVERIFIED); it is told as JSON.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from typing import NoReturn, TypeAlias

from cloudheal.errors import PermanentError

log = logging.getLogger("cloudheal.function")

#: What is called: with the event's bytes and what the platform says of the call.
Handler: TypeAlias = Callable[[object, object], str]
HOST, PORT = "SCF_RUNTIME_API", "SCF_RUNTIME_API_PORT"
READY, NEXT = "/runtime/init/ready", "/runtime/invocation/next"
RESPONSE, ERROR = "/runtime/invocation/response", "/runtime/invocation/error"
#: What an answer may take; there is none for the next call, for which the vendor forbids one.
SECONDS = 10.0
_LIMITS = ("memory_limit_in_mb", "time_limit_in_ms")


class RuntimeApiError(PermanentError):
    """The runtime's API did not answer as it should."""

    code = "function.runtime"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the function."""

    event: bytes
    context: Mapping[str, str | int]


class RuntimeApi:
    """The HTTP API by which the platform and a runtime talk; no proxy stands between them."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> RuntimeApi:
        """Return the API that the platform names. Raises RuntimeApiError where there is none."""
        host, port = environment.get(HOST, ""), environment.get(PORT, "")
        if not host or not port.isdecimal():
            raise RuntimeApiError(
                f"{HOST} and {PORT} do not name an address",
                what_to_do="This is started by SCF, in a function whose runtime is CustomRuntime.",
            )
        return cls(host, int(port))

    def ready(self) -> None:
        """Say that calls may come; an empty body would be refused."""
        self._ask("POST", READY, b" ", SECONDS)

    def next(self) -> Call:
        """Wait for a call."""
        headers, event = self._ask("GET", NEXT, None, None)
        return Call(event, _context(headers))

    def respond(self, answer: str) -> None:
        """Tell what a call returned."""
        self._ask("POST", RESPONSE, answer.encode("utf-8", "replace"), SECONDS)

    def fail(self, problem: Exception) -> None:
        """Tell what a call raised."""
        told = {"errorType": type(problem).__name__, "errorMessage": str(problem)}
        self._ask("POST", ERROR, json.dumps(told).encode(), SECONDS)

    def _ask(self, method: str, path: str, body: bytes | None, seconds: float | None) -> tuple[HTTPMessage, bytes]:
        connection = HTTPConnection(self._host, self._port, timeout=seconds)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            read = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeApiError(f"{method} {path} was answered with {answer.status}")
        return answer.headers, read


def serve(handler: Handler) -> NoReturn:
    """Take calls until the platform ends the process. Raises what keeps it from talking to the platform."""
    api = RuntimeApi.of(os.environ)
    api.ready()
    while True:
        _take(api, handler)


def _take(api: RuntimeApi, handler: Handler) -> None:
    call = api.next()
    try:
        answer = handler(call.event, call.context)
    except Exception as problem:
        log.exception("function.failed request_id=%s", call.context.get("request_id", ""))
        api.fail(problem)
    else:
        api.respond(answer)


def _context(headers: HTTPMessage) -> Mapping[str, str | int]:
    """Return what the platform says of a call; a limit that is no number is left out."""
    limits = {name: int(text) for name in _LIMITS if (text := headers.get(name, "")).strip().isdecimal()}
    return {"request_id": headers.get("request_id", ""), **limits}
