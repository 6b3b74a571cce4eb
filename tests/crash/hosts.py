"""A host of its own for a worker: a network namespace with one link to the cloud and one to the database.

A link that goes down loses packets and tells nobody, as a broken switch does. Needs root and iproute2; where the
machine does not allow it, `allowed` says why.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

#: A part of the network for private use (RFC 2544, for measurements between hosts).
_NETWORK = "198.18"
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET of setns(2)


def ip(*words: str) -> str:
    """Run the network's command; raises CalledProcessError."""
    done = subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    return done.stdout


def not_allowed() -> str:
    """Say why this machine allows no namespaces; nothing when it does."""
    try:
        with Host():
            return ""
    except FileNotFoundError:
        return "iproute2 is not installed"
    except subprocess.CalledProcessError as problem:
        return f"no network namespaces here: {problem.stderr.strip()}"


def enter(name: str) -> None:
    """Move this thread, and those that it starts, to the host of that name."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/run/netns/{name}").open() as file:
        if libc.setns(file.fileno(), _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "setns")


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a host: the name of its end here, and the two addresses."""

    name: str
    here: str
    there: str

    def down(self) -> None:
        """Lose every packet from now on."""
        ip("link", "set", self.name, "down")


class Host:
    """A host, which is gone when its context ends."""

    def __init__(self) -> None:
        self.name = f"cloudheal-{os.getpid()}"
        part = os.getpid() % 256
        self.cloud, self.database = (
            Link(f"ch{kind}{os.getpid()}", f"{_NETWORK}.{part}.{low}", f"{_NETWORK}.{part}.{low + 1}")
            for kind, low in (("c", 1), ("d", 5))
        )

    def __enter__(self) -> Self:
        ip("netns", "add", self.name)
        try:
            for link in (self.cloud, self.database):
                self._plug(link)
        except subprocess.CalledProcessError:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, at: TracebackType | None
    ) -> None:
        self._remove()

    def _plug(self, link: Link) -> None:
        far = f"{link.name}x"
        ip("link", "add", link.name, "type", "veth", "peer", "name", far, "netns", self.name)
        ip("address", "add", f"{link.here}/30", "dev", link.name)
        ip("link", "set", link.name, "up")
        ip("-netns", self.name, "address", "add", f"{link.there}/30", "dev", far)
        ip("-netns", self.name, "link", "set", far, "up")

    def _remove(self) -> None:
        for words in (("link", "delete", self.cloud.name), ("link", "delete", self.database.name)):
            with suppress(subprocess.CalledProcessError):
                ip(*words)
        with suppress(subprocess.CalledProcessError):
            ip("netns", "delete", self.name)
