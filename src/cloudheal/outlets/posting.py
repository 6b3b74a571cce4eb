"""A POST to whoever receives log series, and what its answer means: sent, to be sent again, or never to be.

Answers that speak of the body mean that it is refused however often it is sent; whatever else goes wrong, a login or an
address that is not right included, is somebody's to mend, and the same is sent again afterwards. Of an address its host
and port are told, because the rest may be a secret.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit

from cloudheal.errors import PermanentError, TransientError
from cloudheal.settings.discretion import discreet

SECONDS = 15.0
#: Of an answer no more is read than says what happened.
MOST_ANSWER = 4096
_NEVER = frozenset({400, 413, 415, 422})
_LOGIN = "; is what secret_env names right, and auth?"
_REMEDIES = {401: _LOGIN, 403: _LOGIN, 404: "; is url right, and does the receiver take this?"}


class OutletAwayError(TransientError):
    """A receiver of log series did not take them now."""

    code = "outlet.away"


class OutletRefusedError(PermanentError):
    """A receiver of log series refuses what is sent, however often it is."""

    code = "outlet.refused"


class _Straight(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else: a redirected POST becomes a GET, whose answer would pass for the receiver's."""

    def redirect_request(self, *_asked: object) -> None:
        """Return nothing, so that the redirect is the answer."""


_STRAIGHT = urllib.request.build_opener(_Straight)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Post a body; returns the answer. Raises OutletAwayError and OutletRefusedError."""
    asked = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310 - named by the settings
    try:
        with _STRAIGHT.open(asked, timeout=SECONDS) as answer:
            return bytes(answer.read(MOST_ANSWER))
    except urllib.error.HTTPError as problem:
        with problem:
            said = _shown(problem.read(MOST_ANSWER))
        kind = OutletRefusedError if problem.code in _NEVER else OutletAwayError
        raise kind(f"{_place(url)} answered {problem.code}: {said}{_REMEDIES.get(problem.code, '')}") from None
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise OutletAwayError(f"{_place(url)} does not answer: {_reason(problem)}") from None


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or {'https': 443}.get(parts.scheme, 80)}"


def _reason(problem: Exception) -> str:
    """Return the system's word for what is wrong, or the kind of the error where there is none."""
    inner = getattr(problem, "reason", problem)
    return getattr(inner, "strerror", None) or type(inner).__name__


def _shown(answer: bytes) -> str:
    """Return the beginning of an answer as one line: it is a stranger's text."""
    text = discreet(answer.decode(errors="replace"))[:200]
    return "".join(one if one.isprintable() else " " for one in text).strip()
