"""The way to the files of one log: looked at and opened, and what cannot be is remembered with the system's reason.

A file that cannot be read, or need not be, is left alone until its size or its time of change is another one.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from cloudheal.ports.log_files import Trouble
from cloudheal.sources.log_listing import Entry, entry_at
from cloudheal.sources.log_opened import Opened, open_log


@dataclass(slots=True)
class Door:
    """Opens the files of one log."""

    troubles: dict[str, Trouble] = field(default_factory=dict)
    """By path, as of the last look around."""
    _left: dict[tuple[int, int], tuple[int, int, Trouble | None]] = field(default_factory=dict)

    def entry(self, path: str) -> Entry | None:
        """Look at a path; nothing when no file is there, or it may not be looked at."""
        try:
            return entry_at(path)
        except OSError as problem:
            self.fails(path, problem)
            return None

    def open(self, path: str) -> Opened | None:
        """Open a file; nothing when it is not there any more, or may not be read."""
        try:
            return open_log(path)
        except FileNotFoundError:
            return None
        except OSError as problem:
            self.fails(path, problem)
            return None

    def fails(self, path: str, problem: BaseException) -> Trouble:
        """Note that a file cannot be read."""
        number = getattr(problem, "errno", None)
        why = errno.errorcode.get(number, str(number)) if number else type(problem).__name__
        self.troubles[path] = Trouble(path, why)
        return self.troubles[path]

    def leave(self, entry: Entry, trouble: Trouble | None = None) -> Trouble | None:
        """Leave a file alone until it changes."""
        self._left[entry.key] = (entry.size, entry.changed, trouble)
        return trouble

    def is_left(self, entry: Entry) -> bool:
        """Say whether a file is left alone as it is now; what is wrong with it is still wrong."""
        size, changed, trouble = self._left.get(entry.key, (-1, -1, None))
        if (size, changed) != (entry.size, entry.changed):
            return False
        if trouble is not None:
            self.troubles[entry.path] = trouble
        return True

    def judge_anew(self) -> int:
        """Leave nothing alone any more: what files are compared with has changed. Returns how many files that are."""
        count = len(self._left)
        self._left.clear()
        return count


def close(opened: Opened | None) -> bool:
    """Close a file; False when there is none."""
    if opened is not None:
        opened.close()
    return opened is not None
