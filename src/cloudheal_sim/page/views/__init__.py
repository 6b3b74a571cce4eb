"""Read models of the page: each function answers one view with one page of rows, ready for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.page.views.events import events
from cloudheal_sim.page.views.faults import faults
from cloudheal_sim.page.views.head import head
from cloudheal_sim.page.views.instances import instances
from cloudheal_sim.page.views.journal import journal
from cloudheal_sim.page.views.options import options
from cloudheal_sim.page.views.queues import queues

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudheal_sim.page.query import Query
    from cloudheal_sim.simulator import Simulator

VIEWS: Mapping[str, Callable[[Simulator, Query], Mapping[str, object]]] = {
    "events": events,
    "faults": faults,
    "instances": instances,
    "journal": journal,
    "options": options,
    "queues": queues,
}

__all__ = ["VIEWS", "head"]
