"""Steps that prepare a server for a reboot: copies of its disks, leaving its balancers, a command inside it.

Each may be begun in one look and be done in a later one, so each goes by the run's journal and by what the cloud shows.
A copy or a command carries a token made from the run and the step: one whose answer was lost is sent again and is the
same. What fails is told by a code and left to the caller's policy; a guard that objects ends the look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind
from cloudheal.act.playbook import Case, Refusal
from cloudheal.model.decision import Reason
from cloudheal.model.deed import Deed
from cloudheal.playbooks import commanding, leaving
from cloudheal.playbooks.commanding import Errand
from cloudheal.playbooks.leaving import Groups, Home, taken_out
from cloudheal.playbooks.ordering import PATIENCE, PAUSE, LookOverError, ordered, raise_if_held, token_of
from cloudheal.ports.cloud import Command, Made, Place, Snapshot
from cloudheal.verify.membership import receives

#: How long the groups may take to read as wanted.
GIVE_UP = timedelta(minutes=2)
#: The step that keeps that a slot passed before anything but preparing was done: what comes after it is prepared anew.
SLOT_PASSED = "slot passed"
#: A disk that is copied already by somebody else; waiting for that copy does as well.
_COPIED_ALREADY = "IncorrectDiskStatus.CreatingSnapshot"


class NotPreparedError(Exception):
    """A preparation failed; `code` says which, `detail` what was seen."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code, self.detail = code, detail


@dataclass(slots=True)
class Preparation:
    """The preparing of one server, as far as it has come."""

    case: Case
    hands: Hands
    at: datetime
    """When this look began."""
    deeds: Sequence[Deed] = ()
    owed: dict[Place, Home] = field(default_factory=dict)
    """The groups in which the server was drained, as they were before."""
    told: dict[str, str] = field(default_factory=dict)
    """What was reached, for the evidence."""
    _made: set[str] = field(default_factory=set)
    """Copies that this run ordered in its slot."""
    _lately: Sequence[Deed] = ()
    """What was done in this slot."""
    _slot: str = ""
    """Tells the orders of this slot from those of earlier ones; empty in the first."""

    def __post_init__(self) -> None:
        self.owed = taken_out(self.deeds)
        passed = [number for number, one in enumerate(self.deeds, 1) if one.name == SLOT_PASSED]
        self._lately, self._slot = self.deeds[passed[-1] if passed else 0 :], f" {len(passed)}" if passed else ""
        self._made = {str(one.value["id"]) for one in self._lately if one.name.startswith("snapshot ") and one.value}

    # --- copies of disks -------------------------------------------------------------------------

    def copy_disks(self, fresh: timedelta, limit: timedelta) -> None:
        """See that each disk has a copy that is fresh or of this run. Raises NotPreparedError, LookOverError."""
        since = self.at - fresh
        for disk in [one for one in self._copies("copies").missing(self._made, since) if not self._begun(one)]:
            self._order_copy(disk)
        done = self._copies("copies made", wait=lambda now: now.is_settled(self._made, since))
        missing = done.missing(self._made, since)
        failed = sorted(one.id for one in done.copies if one.has_failed and one.id in self._made)
        if failed and missing:
            raise NotPreparedError("snapshot_failed", ", ".join(failed))
        began = min((one.at for one in self._lately if one.name.startswith("snapshot ")), default=self.at)
        if missing and self.at - began >= limit:
            raise NotPreparedError("snapshot_timeout", ", ".join(missing))
        if missing:
            raise LookOverError(Refusal(Reason.UNDERWAY, after=PAUSE))
        self.told["snapshots"] = ", ".join(sorted(one.id for one in done.good(self._made, since).values()))

    def _copies(self, name: str, wait: Callable[[_Copies], bool] = lambda _: True) -> _Copies:
        def read() -> dict[str, Any]:
            found: list[_Copies] = []

            def over() -> bool:
                found.append(_Copies.read(self.case))
                return wait(found[-1])

            self.case.wait(PATIENCE.total_seconds(), over)
            return (found[-1] if found else _Copies.read(self.case)).to_json()

        seen = self.hands.read(name, read)
        if not seen.ok:
            raise NotPreparedError("disks_unread", seen.code)
        return _Copies.of_json(seen.value)

    def _begun(self, disk: str) -> bool:
        return any(one.name.startswith(f"snapshot {disk} ") and one.outcome == Kind.OK for one in self._lately)

    def _order_copy(self, disk: str) -> None:
        name = f"cloudheal-before-{self.case.trouble.id}"[:128]
        token = token_of(self.case.run, f"snapshot{self._slot}", disk)

        def send(seconds: float) -> Made:
            return self.case.backups.snapshot(self.case.resource.region, disk, name, token, seconds)

        sent = ordered(self.case, self.hands, f"snapshot {disk}", {"disk": disk, "token": token}, send)
        if sent.kind is Kind.PERMANENT and sent.code != _COPIED_ALREADY:
            raise NotPreparedError("snapshot_failed", f"{disk}: {sent.code}")
        if sent.ok:
            self._made.add(str(sent.value["id"]))

    # --- balancers -------------------------------------------------------------------------------

    def leave_balancers(self, drain: timedelta, *, remove_last: bool) -> None:
        """Give the server weight 0 in every group and wait a while. Raises NotPreparedError, LookOverError."""
        groups = Groups(self.case, self.hands, self.at + GIVE_UP, remove_last, helps=True)
        found = groups.find("groups", thorough=True)
        if found is None:
            raise NotPreparedError("groups_unread")
        for home in found:
            if receives(home.mine, self.case.resource.id):
                self._drain(groups, home)
        self.told["taken_out"] = "; ".join(home.text for home in self.owed.values())
        if self.owed and drain:
            self.hands.read("drained", lambda: {"over": self.case.wait(drain.total_seconds(), lambda: False)})

    def _drain(self, groups: Groups, home: Home) -> None:
        if home.is_last and not groups.remove_last:
            raise NotPreparedError(leaving.LAST_HEALTHY, str(home.place))
        # A change whose answer was lost may have been made: it is owed from here on.
        self.owed.setdefault(home.place, home)
        drained = groups.drain(home)
        if not drained.ok:
            raise_if_held(drained)
            code = leaving.LAST_HEALTHY if drained.code == leaving.LAST_HEALTHY else "drain_failed"
            raise NotPreparedError(code, f"{home.place}: {drained.code}")

    def put_back(self) -> bool:
        """Give the server its old weights back, exactly where it was drained; False when some group did not take them.

        Raises LookOverError.
        """
        at = self.hands.read("put back at", lambda: {"at": self.case.now().isoformat()}).value["at"]
        groups = Groups(self.case, self.hands, datetime.fromisoformat(at) + GIVE_UP, remove_last=True, helps=True)
        back: list[Home] = []
        still: list[Home] = []
        for home in list(self.owed.values()):
            restored = groups.restore(home)
            raise_if_held(restored)
            (back if restored.ok else still).append(home)
            if restored.ok:
                del self.owed[home.place]
        self.told |= {"put_back": _listed(back)} if back else {}
        self.told |= {"still_out": _listed(still)} if still else {}
        return not still

    @property
    def out(self) -> str:
        """The groups in which the server has weight 0 because of us, with its weights before."""
        return _listed(list(self.owed.values()))

    # --- a command -------------------------------------------------------------------------------

    def run_command(self, command: Command) -> None:
        """Run a command inside the server and see that it went well. Raises NotPreparedError, LookOverError."""
        ran = commanding.done(self.case, self.hands, Errand(f"command{self._slot}", command), self._lately, self.at)
        if not ran.went_well:
            raise NotPreparedError(ran.code, ran.text)
        self.told["command"] = ran.id


@dataclass(frozen=True, slots=True)
class _Copies:
    """The disks of a server and the copies that there are of them, the newest first."""

    disks: tuple[str, ...]
    copies: tuple[Snapshot, ...]

    @classmethod
    def read(cls, case: Case) -> _Copies:
        """Read both. Raises Cloud*Error."""
        region, server = case.resource.region, case.resource.id
        return cls(case.backups.disks(region, server), case.backups.snapshots(region, server))

    def is_settled(self, made: AbstractSet[str], since: datetime) -> bool:
        """Say whether there is nothing to wait for: every disk has a good copy, or one of this run has failed."""
        return not self.missing(made, since) or any(one.has_failed and one.id in made for one in self.copies)

    def good(self, made: AbstractSet[str], since: datetime) -> dict[str, Snapshot]:
        """Return by disk the newest copy that is done and either of this run or not older than `since`."""
        found: dict[str, Snapshot] = {}
        for one in self.copies:
            if one.is_done and (one.id in made or one.created >= since):
                found.setdefault(one.disk, one)
        return found

    def missing(self, made: AbstractSet[str], since: datetime) -> list[str]:
        """Return the disks without such a copy."""
        good = self.good(made, since)
        return [disk for disk in self.disks if disk not in good]

    def to_json(self) -> dict[str, Any]:
        """Return the form that is checkpointed."""
        copies = [[one.id, one.disk, one.created.isoformat(), one.is_done, one.has_failed] for one in self.copies]
        return {"disks": list(self.disks), "copies": copies}

    @classmethod
    def of_json(cls, seen: Mapping[str, Any]) -> _Copies:
        """Read a checkpoint back."""
        copies = (
            Snapshot(id_, disk, datetime.fromisoformat(made), done, failed)
            for id_, disk, made, done, failed in seen["copies"]
        )
        return cls(tuple(seen["disks"]), tuple(copies))


def _listed(homes: Sequence[Home]) -> str:
    return "; ".join(home.text for home in homes)
