"""What can go wrong with a call: refused, throttled, lost on the way there, lost on the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from cloudheal.errors import CloudPermanentError, CloudTransientError

T = TypeVar("T")


class Kind(StrEnum):
    """How a call goes wrong."""

    REFUSED = "refused"
    THROTTLED = "throttled"
    CALL_LOST = "call lost"
    ANSWER_LOST = "answer lost"


@dataclass(slots=True)
class _Fault:
    verb: str
    kind: Kind
    code: str
    times: int


@dataclass(slots=True)
class Line:
    """The line to a fake cloud: numbers its requests and spoils those that were to be spoilt."""

    _faults: list[_Fault] = field(default_factory=list)
    _number: int = 0
    asked: set[str] = field(default_factory=set)
    """The verbs of every call so far."""

    def spoil(self, verb: str, kind: Kind, code: str, times: int) -> None:
        """Spoil the next calls of a verb."""
        self._faults.append(_Fault(verb, kind, code, times))

    def call(self, verb: str, do: Callable[[], T]) -> tuple[T, str]:
        """Make a call; returns its result and the request id. Raises Cloud*Error, as the port says."""
        self._number += 1
        self.asked.add(verb)
        request = f"request-{self._number}"
        fault = next(self._matching(verb), None)
        if fault is None:
            return self._done(do, request), request
        fault.times -= 1
        match fault.kind:
            case Kind.REFUSED:
                raise CloudPermanentError(f"{verb} was refused", vendor_code=fault.code, request_id=request)
            case Kind.THROTTLED:
                raise CloudTransientError(
                    f"{verb} was put off", vendor_code=fault.code, request_id=request, refused=True
                )
            case Kind.ANSWER_LOST:
                do()
        raise CloudTransientError(f"{verb} got no answer to rely on", vendor_code=fault.code)

    def _done(self, do: Callable[[], T], request: str) -> T:
        try:
            return do()
        except CloudPermanentError as problem:
            problem.request_id = request
            raise

    def _matching(self, verb: str) -> Iterator[_Fault]:
        return (one for one in self._faults if one.verb == verb and one.times > 0)


def in_time(seconds: float) -> None:
    """Check that a call has time to be sent in. Raises ValueError."""
    if seconds <= 0:
        raise ValueError("a call needs time to be sent in")
