"""The door by which a simulated cloud pushes events to the handler of a stage: an address that both know beforehand."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final

#: The one sender of a stage, and the variable in which its handler finds the secret of the path.
SENDER: Final = "eventbridge"
VARIABLE: Final = "STAGE_INGEST_SECRET"
#: It opens a listener on this machine, for as long as the stage is there.
SECRET: Final = "known-to-the-stage-only"  # noqa: S105 - guards nothing but a stage


@dataclass(frozen=True, slots=True)
class Door:
    """Where the handler listens."""

    port: int

    @property
    def url(self) -> str:
        """Where the cloud pushes to."""
        return f"http://127.0.0.1:{self.port}/ingest/{SENDER}/{SECRET}"


#: Of a stage whose events come by a queue.
NO_DOOR: Final = Door(0)


def free_door() -> Door:
    """Return a door at a port that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as tried:
        return Door(tried.getsockname()[1])
