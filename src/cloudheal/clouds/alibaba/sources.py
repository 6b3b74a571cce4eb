"""The queue: messages are taken with a long poll and given back to the queue unless they are acknowledged.

An empty poll is silence, not an error; a queue that does not exist, a refused key and a broken network are told apart.
Acknowledging checks each item's answer: what was not deleted comes again and is recognised as a duplicate.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from mns.account import Account
from mns.auth import Credentials, CredentialsProvider
from mns.mns_exception import MNSClientNetworkException, MNSExceptionBase, MNSServerException
from mns.queue import Message

from cloudheal.clouds.alibaba.mns_client import QuickClient
from cloudheal.clouds.keys import KeyRing, Keys
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.ports.queue import QueuedMessage, QueueProblem
from cloudheal.settings.discretion import discreet

MOST_MESSAGES = 16
MOST_WAIT_SECONDS = 30
#: What a call may take beyond its long poll; the vendor's client sets no limit of its own for https.
CALL_SECONDS = 10
_GONE = frozenset({"MessageNotExist", "ReceiptHandleError"})
_MISSING = "QueueNotExist"
#: Short-lived keys that have run out.
_RUN_OUT = "SecurityTokenExpired"
_REFUSED = (
    *("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Forbidden", "AccessIDAuth"),
    *("SecurityToken", "MissingSecurityToken", "InvalidSecurityToken"),
)
_THROTTLED = ("QpsLimitExceeded", "Throttling", "FlowControl")
_UNREACHABLE = "NetWorkException"


class Provider(CredentialsProvider):  # type: ignore[misc]  # the vendor's client has no types
    """What the vendor's client asks for keys, at every call; not shared between threads."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._used: Keys | None = None

    def get_credentials(self) -> Credentials:
        """Return the keys of this moment, in the vendor's own words. Raises Cloud*Error."""
        self._used = keys = self._keys.current()
        return Credentials(keys.id, keys.secret, keys.token)

    def run_out(self) -> bool:
        """Hear that the keys of the last call were taken for expired; says whether the next call has others."""
        return self._used is not None and self._keys.run_out(self._used)


class MnsQueue:
    """One MNS queue of one account. Not shared between threads: the vendor's client keeps one connection."""

    def __init__(self, endpoint: str, keys: KeyRing, queue: str) -> None:
        self.name = queue
        self._provider = Provider(keys)
        account = Account(endpoint, credentials_provider=self._provider)
        account.mns_client = self._client = QuickClient(endpoint, credentials_provider=self._provider)
        limit = MOST_WAIT_SECONDS + CALL_SECONDS
        self._client.http.conn.timeout = self._client.http.conn.connection_timeout = limit
        self._queue = account.get_queue(queue)
        self._queue.set_encoding(False)

    def close(self) -> None:
        """Close the connection."""
        self._client.close_connection()

    def receive(self, wait_seconds: int, most: int = MOST_MESSAGES) -> list[QueuedMessage]:
        """Wait for messages and take up to `most`; none after `wait_seconds`. Raises Cloud*Error."""
        try:
            taken = self._queue.batch_receive_message(most, wait_seconds)
        except MNSServerException as problem:
            if problem.type == "MessageNotExist":
                return []
            raise self._told(problem) from problem
        except MNSExceptionBase as problem:
            raise self._told(problem) from problem
        return [_queued(one) for one in taken]

    def extend(self, handle: str, seconds: int) -> str | None:
        """Keep a message from others for so long from now; returns its new handle, the old one is dead.

        None when the handle had expired: the message comes again. Raises Cloud*Error.
        """
        try:
            changed = self._queue.change_message_visibility(handle, seconds)
        except MNSServerException as problem:
            if problem.type in _GONE:
                return None
            raise self._told(problem) from problem
        except MNSExceptionBase as problem:
            raise self._told(problem) from problem
        return str(changed.receipt_handle)

    def give_back(self, handles: Sequence[str]) -> None:
        """Let others have messages after a second, instead of after their visibility time. Raises Cloud*Error."""
        for handle in handles:
            self.extend(handle, 1)

    def send(self, body: str) -> str:
        """Put a message on the queue; returns its id. Raises Cloud*Error."""
        try:
            return str(self._queue.send_message(Message(body)).message_id)
        except MNSExceptionBase as problem:
            raise self._told(problem) from problem

    def oldest(self) -> datetime | None:
        """Look at the message that comes next, without taking it; when it was put there. Raises Cloud*Error."""
        try:
            seen = self._queue.peek_message()
        except MNSServerException as problem:
            if problem.type == "MessageNotExist":
                return None
            raise self._told(problem) from problem
        except MNSExceptionBase as problem:
            raise self._told(problem) from problem
        return datetime.fromtimestamp(int(seen.enqueue_time) / 1000, UTC)

    def acknowledge(self, handles: Sequence[str]) -> tuple[str, ...]:
        """Delete messages; returns the handles that the queue refused. Raises Cloud*Error."""
        refused: list[str] = []
        for start in range(0, len(handles), MOST_MESSAGES):
            part = list(handles[start : start + MOST_MESSAGES])
            try:
                self._queue.batch_delete_message(part)
            except MNSServerException as problem:
                if not problem.sub_errors and problem.type not in _GONE:
                    raise self._told(problem) from problem
                named = [str(one.get("ReceiptHandle", "")) for one in problem.sub_errors or ()]
                refused += named or part
            except MNSExceptionBase as problem:
                raise self._told(problem) from problem
        return tuple(refused)

    def _told(self, problem: MNSExceptionBase) -> CloudTransientError | CloudPermanentError:
        error = translated(self.name, problem)
        if error.vendor_code == _RUN_OUT and self._provider.run_out():
            message = f"queue {self.name}: the keys had run out"
            return CloudTransientError(message, vendor_code=_RUN_OUT, request_id=error.request_id, refused=True)
        return error

    def problem_of(self, error: CloudTransientError | CloudPermanentError) -> QueueProblem:
        """Say which of the problems an error is."""
        code = error.vendor_code
        if code == _MISSING:
            return QueueProblem.MISSING
        if code.startswith(_REFUSED):
            return QueueProblem.REFUSED
        if code == _UNREACHABLE:
            return QueueProblem.UNREACHABLE
        return QueueProblem.THROTTLED if code.startswith(_THROTTLED) else QueueProblem.FAILED


def _queued(one: Message) -> QueuedMessage:
    count = int(one.dequeue_count)
    # The first time a message is taken the answer holds both ends of the span; later it holds only one.
    hidden = (int(one.next_visible_time) - int(one.first_dequeue_time)) / 1000 if count == 1 else 0.0
    return QueuedMessage(_raw(one.message_body), one.receipt_handle, one.message_id, count, max(hidden, 0.0))


def _raw(body: str | bytes) -> bytes:
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body


def translated(queue: str, problem: MNSExceptionBase) -> CloudTransientError | CloudPermanentError:
    """Turn what the vendor's client raised into one of our two."""
    code = discreet(str(getattr(problem, "type", "") or type(problem).__name__))
    request_id = str(getattr(problem, "req_id", "") or getattr(problem, "request_id", "") or "")
    if (code == _MISSING or code.startswith(_REFUSED)) and not isinstance(problem, MNSClientNetworkException):
        what = "Create it with: cloudheal setup alibaba" if code == _MISSING else "Check the account's keys."
        return CloudPermanentError(f"queue {queue}: {code}", vendor_code=code, request_id=request_id, what_to_do=what)
    return CloudTransientError(f"queue {queue}: {code}", vendor_code=code, request_id=request_id)
