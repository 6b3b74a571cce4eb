"""Canaries: messages of our own, sent through the real queue to prove that what is sent there arrives here.

A canary is no event: it has a form of its own that no reader of events accepts and no rule can match, so that it can
never open an incident. Its id is drawn for one flight and means something only to the database that sent it.
"""

from __future__ import annotations

import json
import re

_BODY = re.compile(rb'\{"cloudheal": "canary", "id": "([0-9a-f]{32})"\}')


def canary_body(id_: str) -> str:
    """Return the message that carries a canary; `id_` has 32 hexadecimal digits."""
    return json.dumps({"cloudheal": "canary", "id": id_})


def canary_of(body: bytes) -> str | None:
    """Return the id of the canary that a message carries; None when it is something else."""
    found = _BODY.fullmatch(body)
    return found[1].decode() if found else None
