"""Taste: which of the beginnings that a job may have is the best, and how that is explained.

Measured low traffic first, of the server itself or else of its group. Then the last opening of the windows (or the
first, where the group says so), because the platform often cancels what it announced. Then the earliest time.
"""

from __future__ import annotations

from cloudheal.decide.planning.grid import Grid, lowest
from cloudheal.decide.planning.jobs import Job
from cloudheal.decide.planning.load import Traffic, places, traffic
from cloudheal.decide.planning.opening import Openings, openings
from cloudheal.model.plan import Choice, LoadProfile, PlanRequest, Prefer, Terms, Why
from cloudheal.model.window import Window

_DEFAULT = Terms()


class Taste:
    """Answers for one request; what several jobs share is worked out once."""

    def __init__(self, request: PlanRequest, grid: Grid) -> None:
        self._request, self._grid = request, grid
        self._openings: dict[tuple[Window, ...], Openings] = {}
        self._of_group: dict[str, Openings | None] = {}
        self._places: dict[str, tuple[int, ...]] = {}
        self._traffic: dict[tuple[int, int], Traffic] = {}

    def terms(self, group: str) -> Terms:
        """Return what a group agrees to."""
        return self._request.terms.get(group, _DEFAULT)

    def openings(self, group: str) -> Openings | None:
        """Return when the windows of a group are open; None when it has none and any time is good."""
        if group not in self._of_group:
            windows = self.terms(group).windows
            if windows and windows not in self._openings:
                self._openings[windows] = openings(windows, self._grid)
            self._of_group[group] = self._openings[windows] if windows else None
        return self._of_group[group]

    def best(self, job: Job, begins: int) -> int:
        """Return the best of some beginnings, not none."""
        measured = self._measured(job)
        if measured is not None:
            begins = measured.quietest(begins)
        opened = self.openings(job.group)
        if opened is None or self.terms(job.group).prefer is Prefer.FIRST:
            return lowest(begins)
        first = opened.first_cells[opened.around(begins.bit_length() - 1)]
        return lowest(begins >> first) + first

    def why(self, job: Job, begin: int) -> Why:
        """Return the reason for a beginning."""
        opened, measured = self.openings(job.group), self._measured(job)
        opening = opened.stretches[opened.around(begin)] if opened else None
        if measured is not None:
            return Why(Choice.LOW_TRAFFIC, opening, measured.load(begin), measured.busier(begin))
        return Why(Choice.WINDOW if opening else Choice.EARLIEST, opening)

    def _measured(self, job: Job) -> Traffic | None:
        profile = self.terms(job.group).profile
        return None if profile is None else self._traffic_of(profile, job.cells)

    def _traffic_of(self, profile: LoadProfile, length: int) -> Traffic:
        key = (id(profile), length)
        if key not in self._traffic:
            if profile.zone not in self._places:
                self._places[profile.zone] = places(profile.zone, self._grid)
            self._traffic[key] = traffic(profile, length, self._places[profile.zone])
        return self._traffic[key]
