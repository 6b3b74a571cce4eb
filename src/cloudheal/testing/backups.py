"""Disks and copies of them, as a cloud keeps them: a copy takes its time, a disk has one in the making at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from cloudheal.errors import CloudPermanentError
from cloudheal.ports.cloud import Made, Snapshot
from cloudheal.testing.clock import VirtualClock
from cloudheal.testing.faults import Line


class FakeBackups:
    """The disks of one region; `lasts` is how long a copy takes."""

    def __init__(self, clock: VirtualClock, line: Line, actions: list[str]) -> None:
        self.lasts = timedelta(seconds=20)
        self._clock = clock
        self._line = line
        self._actions = actions
        self._disks: dict[str, tuple[str, ...]] = {}
        self._copies: dict[str, Snapshot] = {}
        self._tokens: dict[str, tuple[str, str]] = {}
        self._failing = 0

    # --- what there is, and what happens to it ---------------------------------------------------

    def attach(self, server: str, *disks: str) -> tuple[str, ...]:
        """Give a server these disks; without a name: one of its own."""
        self._disks[server] = disks or (f"d-{server.partition('-')[2]}",)
        return self._disks[server]

    def copied(self, disk: str, *, ago: timedelta) -> Snapshot:
        """Let a disk have been copied so long ago."""
        return self._keep(Snapshot(f"s-old{len(self._copies) + 1}", disk, self._clock.now() - ago, is_done=True))

    def fail_next(self, times: int = 1) -> None:
        """Let the next copies fail while they are made."""
        self._failing = times

    # --- the port --------------------------------------------------------------------------------

    def disks(self, region: str, server: str) -> tuple[str, ...]:  # noqa: ARG002 - one region
        """Return the ids of the disks that are attached to a server."""
        return self._line.call("disks", lambda: self._disks.get(server, ()))[0]

    def snapshots(self, region: str, server: str) -> tuple[Snapshot, ...]:  # noqa: ARG002 - one region
        """Return the copies that there are of a server's disks, the newest first."""
        mine = [one for one in self._copies.values() if one.disk in self._disks.get(server, ())]
        newest = tuple(sorted(mine, key=lambda one: (one.created, one.id), reverse=True))
        return self._line.call("snapshots", lambda: newest)[0]

    def snapshot(self, region: str, disk: str, name: str, token: str, seconds: float) -> Made:  # noqa: ARG002
        """Begin to copy a disk; the same token brings the same copy."""
        return Made(*self._line.call("snapshot", lambda: self._begun(disk, token)))

    def _begun(self, disk: str, token: str) -> str:
        if token in self._tokens:
            copied, made = self._tokens[token]
            if copied != disk:
                raise CloudPermanentError("another disk had this token", vendor_code="IdempotentParameterMismatch")
            return made
        if not any(disk in disks for disks in self._disks.values()):
            raise CloudPermanentError(f"no disk {disk}", vendor_code="InvalidDiskId.NotFound")
        if any(one.disk == disk and not (one.is_done or one.has_failed) for one in self._copies.values()):
            raise CloudPermanentError(f"{disk} is copied", vendor_code="IncorrectDiskStatus.CreatingSnapshot")
        made = f"s-{len(self._copies) + 1}"
        self._tokens[token] = (disk, made)
        self._keep(Snapshot(made, disk, self._clock.now()))
        self._actions.append(f"snapshot {disk}")
        self._clock.plan(self.lasts, self._end_of(made))
        return made

    def _end_of(self, made: str) -> Callable[[], object]:
        fails = self._failing > 0
        self._failing -= int(fails)
        return lambda: self._keep(replace(self._copies[made], is_done=not fails, has_failed=fails))

    def _keep(self, copy: Snapshot) -> Snapshot:
        self._copies[copy.id] = copy
        return copy
