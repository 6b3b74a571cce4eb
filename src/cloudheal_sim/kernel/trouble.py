"""What chaos has in store for one server, whichever cloud keeps it: the record, and its form in a world document."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, Field

from cloudheal_sim.kernel.moments import instant_of, moments
from cloudheal_sim.kernel.world import Part

if TYPE_CHECKING:
    from cloudheal_sim.kernel.journal import Journal


@dataclass(slots=True)
class Trouble:
    """What chaos has in store for one server."""

    hung: bool = False
    agent_offline: bool = False
    fail_starts: int = 0
    """Starts that will still fail; below 0 means all of them."""
    slow_boot: float = 0.0
    """Seconds added to every boot."""
    crash_after: float | None = None
    """Seconds from Running to the next fall; None when it does not crash."""
    crash_due: int | None = None
    """When the present run falls, epoch milliseconds."""

    def spoils_start(self, journal: Journal, id_: str) -> bool:
        """Say whether the boot that ends now is one that fails; each such counts down."""
        if self.fail_starts > 0:
            self.fail_starts -= 1
            journal.change("instance.fail_starts", id_, self.fail_starts + 1, self.fail_starts)
            return True
        return self.fail_starts < 0

    def end_run(self, journal: Journal, id_: str) -> None:
        """Forget what ends with a run: a planned crash, and a hang."""
        self.crash_due = None
        if self.hung:
            self.hung = False
            journal.change("instance.hung", id_, before=True, after=False)


class TroublePart(Part):
    """What chaos has in store for a server."""

    hung: bool = False
    agent_offline: bool = False
    fail_starts: int = 0
    slow_boot: float = Field(0.0, ge=0)
    crash_after: float | None = Field(None, ge=0)
    crash_due: AwareDatetime | None = None


def load_trouble(part: TroublePart | None) -> Trouble | None:
    """Make the record of a part; None for no part."""
    if part is None:
        return None
    facts = part.model_dump(exclude={"crash_due"})
    return Trouble(**facts, crash_due=instant_of(part.crash_due, None))


def dump_trouble(trouble: Trouble) -> dict[str, object]:
    """Return the full form of a record."""
    return {**asdict(trouble), "crash_due": None, **moments(crash_due=trouble.crash_due)}
