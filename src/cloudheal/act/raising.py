"""What a step raised, as its checkpoint keeps it: the class alone.

The error itself is no JSON, its class would be another one on replay, and its words may hold anything, a secret too.
Read back it is one of two errors, the same at first and on every replay: the database refused something, which parks
the run, or the step's own code has a mistake, which ends it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cloudheal.act.outcome import EngineError, StepRaisedError

_RAISED, _BY_STORE = "cloudheal.raised", "by_store"


def kept(problem: Exception) -> dict[str, Any]:
    """Return the checkpoint of a step that raised."""
    return {_RAISED: type(problem).__name__, _BY_STORE: isinstance(problem, sa.exc.SQLAlchemyError)}


def result_of(step: str, checkpoint: Any) -> Any:
    """Return a step's result. Raises EngineError or StepRaisedError when it raised instead."""
    if not isinstance(checkpoint, dict) or _RAISED not in checkpoint:
        return checkpoint
    what = checkpoint[_RAISED]
    if checkpoint[_BY_STORE]:
        raise EngineError(f"step {step}: the database refused what it was asked: {what}")
    raise StepRaisedError(step, what)
