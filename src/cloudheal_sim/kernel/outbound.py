"""The only way out of the simulator: HTTP pushes to webhooks and topic subscribers.

By default it calls loopback addresses only, so that a message or a rule cannot make the simulator call someone else's
server; other hosts are allowed by name when it is started. Every push is one attempt, and it is in the journal. Who
wants it tried again keeps it, with the instant of the next attempt, in the state that a world document shows.
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudheal_sim.kernel.journal import Journal

#: The documented limit of a webhook answer: 5 s, then the attempt counts as failed.
ATTEMPT_SECONDS = 5.0
HTTP_OK = range(200, 300)


@dataclass(frozen=True, slots=True)
class Push:
    """One HTTP request to be made, and what the journal says of it."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"
    service: str = ""
    name: str = ""
    resources: tuple[str, ...] = field(default=())


class Outbound:
    """Makes pushes in the background; a failing receiver never holds anything else up."""

    def __init__(self, journal: Journal, hosts: frozenset[str] = frozenset()) -> None:
        self._journal = journal
        self._hosts = hosts
        self._tasks: dict[asyncio.Task[bool], Push] = {}
        self._session: aiohttp.ClientSession | None = None

    def allows(self, url: str) -> bool:
        """Say whether this URL may be called: http(s), and loopback or a host named at the start."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            return False
        return parts.scheme in {"http", "https"} and (host in self._hosts or _is_loopback(host))

    def send(self, push: Push, on_result: Callable[[bool], object] | None = None) -> bool:
        """Start a push; return False (and journal why) when its URL may not be called."""
        if not self.allows(push.url):
            self._note(push, 0, "refused: only loopback and hosts allowed at start may be called")
            return False
        task = asyncio.get_running_loop().create_task(self._deliver(push))
        self._tasks[task] = push
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        if on_result is not None:
            task.add_done_callback(lambda done: None if done.cancelled() else on_result(done.result()))
        return True

    def abandon(self) -> int:
        """Stop all pushes, because a new world begins; nobody hears how they ended. Returns how many there were."""
        stopped = [push for task, push in self._tasks.items() if task.cancel()]
        for push in stopped:
            self._note(push, 0, "abandoned: a new world began")
        return len(stopped)

    async def close(self) -> None:
        """Stop all pushes and close connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _deliver(self, push: Push) -> bool:
        status, problem = await self._attempt(push)
        self._note(push, status, problem)
        return status in HTTP_OK

    async def _attempt(self, push: Push) -> tuple[int, str]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ATTEMPT_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        try:
            async with self._session.request(
                push.method, push.url, data=push.body, headers=push.headers, allow_redirects=False
            ) as answer:
                return answer.status, ""
        except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
            return 0, f"{type(problem).__name__}: {problem}"[:200]

    def _note(self, push: Push, status: int, problem: str) -> None:
        self._journal.append(
            "delivery",
            service=push.service,
            action=push.name,
            resources=push.resources,
            status=status,
            code=problem,
            details={"url": _shown(push.url)},
        )


def _shown(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(unreadable)"
    return parts._replace(query="", fragment="", netloc=parts.netloc.rpartition("@")[2]).geturl()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
