"""The ledger to a receiver of anybody's making: JSON lines in a signed POST.

The header X-Cloudheal-Excerpt names the rows; what is sent again after a crash has the same. Whoever answers with 2xx
has the rows for good, so a receiver answers when they are stored. Every other answer means that they come again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from cloudheal.outlets.signing import Signer
from cloudheal.ports.excerpt import Excerpt, Post

MARK = "X-Cloudheal-Excerpt"


@dataclass(frozen=True, slots=True)
class LedgerWebhook:
    """One receiver."""

    url: str = field(repr=False)
    signer: Signer
    post: Post

    def take(self, excerpt: Excerpt) -> bytes:
        """Post the rows; returns the answer. Raises Outlet*Error."""
        lines = (json.dumps(one.facts, ensure_ascii=False) + "\n" for one in excerpt.lines)
        body = "".join(lines).encode(errors="replace")
        headers = {"Content-Type": "application/x-ndjson", MARK: excerpt.mark, **self.signer.signed(body)}
        return self.post(self.url, body, headers)
