"""What runs have spent, kept with them: looks that ended, calls of the cloud, and the time that looks were at work.

A look that died with its process has told nobody what it spent; its repetition tells of its own calls only.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from cloudheal.record.tables import RUN

_SPEND = (
    sa.update(RUN)
    .where(RUN.c.id == sa.bindparam("of"))
    .values(
        looks=RUN.c.looks + 1,
        calls=RUN.c.calls + sa.bindparam("sent", type_=sa.Integer),
        worked=RUN.c.worked + sa.bindparam("took", type_=sa.BigInteger),
    )
)


def spend(connection: sa.Connection, run: str, calls: int, took: timedelta) -> bool:
    """Add what one look spent, in the transaction that ends it; False when there is no such run."""
    millis = round(took / timedelta(milliseconds=1))
    return connection.execute(_SPEND, {"of": run, "sent": calls, "took": millis}).rowcount == 1
