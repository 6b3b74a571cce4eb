"""One log that is written under one path, through every rotation: what is new in it, oldest first, each line once.

A file is known by device and inode, and when those do not tell by its content: it is compressed, it was copied before
it was truncated, or its inode was given to another file. What appears beside the live file is

- the file that was being read, renamed: it is in hand already, or found by its inode;
- a copy of a file in hand, finished or under way: left alone for as long as the file itself is there;
- what a truncated file held, or what was compressed before it was read to its end: read from where reading stopped;
- else new, if it was written to after the oldest file that is not done with: it came and went while nobody looked.

What is older than that was there before anybody followed this log, or is done with. All of this is decided anew from
the places, so that a process that dies at any moment is followed by one that does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from cloudheal.ports.log_files import Place, Trouble
from cloudheal.sources.log_compare import holds, is_all_of, is_copy
from cloudheal.sources.log_door import Door, close
from cloudheal.sources.log_file import LogFile, TruncatedError, new_place
from cloudheal.sources.log_listing import Entry, Listing, entry_at
from cloudheal.sources.log_names import is_packed
from cloudheal.sources.log_opened import UNREADABLE, Opened

#: Bytes read of a file before another one has its turn.
TURN = 8 << 20
#: A file that is not the live one any more is done with when it was quiet for so long, a deleted one later: of that
#: nothing could be read afterwards.
LINGER_SECONDS, DELETED_SECONDS = 10.0, 60.0
#: What a truncated file held is looked for, for so long, in files that appear beside it.
SEARCH_SECONDS = 60.0
#: How long a file that is done with is remembered after it has gone.
REMEMBER_SECONDS = 86_400


@dataclass(slots=True, eq=False)
class Stream:
    """One live path and what rotation made of it."""

    path: str
    number: Callable[[], int]
    """Gives each file its number."""
    tick: Callable[[], float]
    """Seconds of a clock that only goes forward."""
    seconds: Callable[[], int]
    """The present, in seconds since 1970."""
    is_elsewhere: Callable[[tuple[int, int]], bool] = lambda _: False
    """Says whether a file belongs to another stream of the same log."""
    files: list[LogFile] = field(default_factory=list)
    door: Door = field(default_factory=Door)
    is_due: bool = True
    """Something happened that only a look around explains."""
    _live: tuple[int, int] = (0, 0)
    _looked: tuple[int, int] = (0, 0)
    """The live file at the last look around."""
    _listing: Listing = field(default_factory=Listing)
    _marks: dict[tuple[int, int], int] = field(default_factory=dict)
    _quiet: dict[int, tuple[object, float]] = field(default_factory=dict)
    """By number of a file: how it stands, and since when."""

    def resume(self, places: Sequence[Place]) -> int:
        """Stand where these places are; nothing is opened before the next look around."""
        self.files = [LogFile(one) for one in places]
        return len(self.files)

    def notice(self) -> bool:
        """Look at the live path; True when a look around is due."""
        try:
            entry = entry_at(self.path)
        except OSError:
            entry = None
        self._live = entry.key if entry else (0, 0)
        if entry and entry.key != self._looked and all(one.key != entry.key for one in self.files):
            self.is_due = True
        return self.is_due

    def read(self) -> Iterator[bytes]:
        """Yield what is new; the rest of a file that was truncated comes after the next look around."""
        for file in tuple(self.files):
            try:
                yield from file.blocks(TURN)
            except TruncatedError:
                self._truncated(file)
            except UNREADABLE as problem:
                self._leave(file, problem)

    def finish(self, linger: float = LINGER_SECONDS) -> Iterator[bytes]:
        """Yield what stands after the last line break of files that are done with, and close those."""
        for file in self.files:
            if file.opened is None or not self._is_done(file, file.opened, linger):
                continue
            try:
                rest = file.rest()
            except UNREADABLE:
                rest = b""
            self._let_go(file)
            file.place = replace(file.place, finished=self.seconds())
            if rest:
                yield rest

    def mark(self) -> int:
        """Note when files were written to, before the folder is listed; returns how many are in hand.

        Whatever appears after the listing was then written to later than any of this says.
        """
        live = self.door.entry(self.path)
        self._marks = {live.key: live.changed} if live else {}
        for file in self.files:
            if file.opened is not None:
                self._marks[file.key] = file.opened.stat().st_mtime_ns
        return len(self._marks)

    def look_around(self, listing: Listing, matched: Collection[str]) -> int:
        """Find every file of this log; returns how many are in hand. `mark` comes first, then the listing.

        `matched` are the paths that the settings name: of a log that was never seen only these are read.
        """
        self.is_due, self._listing = False, listing
        self.door.troubles.clear()
        # Of a log that is known all files are read; of a new one those that are named, and the live one.
        since, wanted = self._since(), None if self.files else {self.path, *matched}
        self._check()
        self._find_by_inode()
        while True:
            fresh = [self._settle(one, wanted) for one in self._strangers(since, wanted)]
            if not self._check():
                break
            for file in fresh:  # they were compared with a file that was not the same any more
                if file is not None and file in self.files and not file.place.offset:
                    close(file.let_go())
                    self.files.remove(file)
        self.files.sort(key=lambda one: (one.key == self._live, one.place.changed, one.place.number))
        self._looked = self._live
        for file in self.files:
            if file.opened is not None:
                file.place = replace(file.place, changed=max(file.place.changed, self._marks.get(file.key, 0)))
        self._forget()
        return sum(one.opened is not None for one in self.files)

    def close(self) -> int:
        """Close every file; returns how many there are."""
        for file in self.files:
            close(file.let_go())
        return len(self.files)

    # --- what became of files that are known ---

    def _since(self) -> int:
        """Return when the oldest file that is not done with was last written to; what is older is none of ours."""
        pending = [one.place.changed for one in self.files if not one.place.finished]
        return min(pending) if pending else max((one.place.changed for one in self.files), default=0)

    def _check(self) -> bool:
        """Find out which files in hand were truncated; True when one was."""
        found = False
        for file in tuple(self.files):
            try:
                file.check()
            except TruncatedError:
                found = self._truncated(file)
            except UNREADABLE as problem:
                self._leave(file, problem)
        return found

    def _truncated(self, file: LogFile) -> bool:
        """Begin such a file anew, and look for what it held in others; True."""
        opened = file.let_go()
        self._orphan(file)
        if opened is not None:
            self._begin(opened, file.path)
        self.is_due = True
        return True

    def _begin(self, opened: Opened, path: str) -> LogFile:
        place = new_place(self.number(), self.path, opened)
        if path == self.path and self.files:
            place = replace(place, changed=self._since())
        file = LogFile(place)
        file.take_up(opened, path)
        self.files.append(file)
        return file

    def _orphan(self, file: LogFile) -> bool:
        """Note that what a file held is to be found by its content; False when nothing of it was read."""
        file.place = replace(file.place, device=0, inode=0)
        self.door.judge_anew()
        if not file.place.offset:
            self.files.remove(file)
        return file.place.offset > 0

    def _find_by_inode(self) -> int:
        """Take up the files that are known by their inode and not in hand; returns how many."""
        away = [one for one in self.files if one.opened is None and one.place.inode]
        return sum(self._found_again(one) for one in away)

    def _found_again(self, file: LogFile) -> bool:
        """Go on in a file where its inode is, if that is still the file; True when it is in hand now."""
        path, finished = self._listing.of_inode(file.place.inode), file.place.finished
        entry = self.door.entry(path) if path else None
        if entry is None or entry.key != file.key:
            if not finished:
                self._orphan(file)
            return False
        if not file.place.offset:
            # An inode alone proves nothing: the file is looked at like one that was never seen.
            if not finished or file.place.changed != entry.changed:
                self.files.remove(file)
            return False
        if self.door.is_left(entry):
            return False
        if self._take_up(file, entry):
            if finished and (is_packed(entry.path) or entry.size <= file.place.offset):
                self._put_away(file, entry, finished)
            return file.opened is not None
        if entry.path not in self.door.troubles:  # the inode was given to another file
            self._orphan(file)
        return False

    def _put_away(self, file: LogFile, entry: Entry, finished: int) -> LogFile:
        """Leave a file alone until it changes."""
        self._let_go(file)
        file.place = replace(file.place, finished=finished)
        self.door.leave(entry)
        return file

    def _take_up(self, file: LogFile, entry: Entry) -> bool:
        """Open a file where it is and go on in it; False when it holds something else."""
        opened = self.door.open(entry.path)
        if opened is None:
            return False
        try:
            taken = file.take_up(opened, entry.path)
        except UNREADABLE as problem:
            self.door.leave(entry, self.door.fails(entry.path, problem))
            taken = False
        if not taken:
            close(opened)
        return taken

    def _leave(self, file: LogFile, problem: BaseException) -> Trouble:
        """Close a file that cannot be read, and leave it alone until it changes."""
        trouble = self.door.fails(file.path, problem)
        if file.opened is not None:
            status = file.opened.stat()
            self.door.leave(Entry(file.path, *file.key, status.st_size, status.st_mtime_ns), trouble)
        self._let_go(file)
        return trouble

    def _is_done(self, file: LogFile, opened: Opened, linger: float) -> bool:
        """Say whether nothing more is expected of a file in hand."""
        if file.key == self._live:
            self._quiet.pop(file.place.number, None)
            return opened.packed and self._is_quiet(file, 0)
        return self._is_quiet(file, max(linger, DELETED_SECONDS) if opened.stat().st_nlink == 0 and linger else linger)

    def _is_quiet(self, file: LogFile, seconds: float) -> bool:
        stands, now = (file.place.offset, file.waiting()), self.tick()
        before, since = self._quiet.get(file.place.number, (None, now))
        if before != stands:
            self._quiet[file.place.number] = (stands, now)
            return False
        return now - since >= seconds

    def _forget(self) -> int:
        """Give up searches that took too long, and forget what is done with and gone; returns how many are left."""
        now, kept = self.seconds(), []
        for file in self.files:
            if file.is_orphan and self._is_quiet(file, SEARCH_SECONDS):
                file.place = replace(file.place, finished=now)
            gone = file.place.finished and not self._is_there(file)
            if not gone or now - file.place.finished < REMEMBER_SECONDS:
                kept.append(file)
        self.files = kept
        numbers = {one.place.number for one in kept}
        self._quiet = {number: one for number, one in self._quiet.items() if number in numbers}
        return len(kept)

    # --- what files are that are not known ---

    def _strangers(self, since: int, wanted: Collection[str] | None) -> list[Entry]:
        """Return the files that are not known and not too old, the live one first."""
        known = {one.key for one in self.files}
        live = self.door.entry(self.path)
        self._live = live.key if live else (0, 0)
        if wanted is not None and live is not None:
            since = live.changed
        rotated = self._listing.rotated_from(self.path)
        chosen = [one for one in rotated if one.changed >= since or (wanted and one.path in wanted)]
        unique = {one.key: one for one in (*([live] if live else ()), *chosen)}
        found = (one for one in unique.values() if one.key not in known and not self.door.is_left(one))
        return [one for one in found if not self.is_elsewhere(one.key)]

    def _is_there(self, file: LogFile) -> bool:
        return bool(file.place.inode) and self._listing.of_inode(file.place.inode) is not None

    def _settle(self, entry: Entry, wanted: Collection[str] | None) -> LogFile | None:
        """Find out what a file is and go on in it, begin it, or leave it; returns the file that it is now."""
        opened = self.door.open(entry.path)
        if opened is None:
            return None
        try:
            file = self._placed(opened, entry, wanted=wanted is None or entry.path in wanted)
        except UNREADABLE as problem:
            self.door.leave(entry, self.door.fails(entry.path, problem))
            file = None
        if file is None or file.opened is not opened:
            close(opened)
        return file

    def _placed(self, opened: Opened, entry: Entry, *, wanted: bool) -> LogFile | None:
        status = opened.stat()
        if any(one.key == (status.st_dev, status.st_ino) for one in self.files):
            return None  # the path leads to another file by now
        for file in self.files:
            if (file.is_orphan or self._is_replaced(file, opened, entry)) and file.take_up(opened, entry.path):
                return file
        if entry.path != self.path and self._is_copy(opened):
            self.door.leave(entry)
            return None
        for file in self.files:
            if file.place.finished and file.place.offset and self._is_known(opened, entry, file):
                return file
        if wanted:
            return self._begin(opened, entry.path)
        return self._pass_over(opened)

    def _is_copy(self, opened: Opened) -> bool:
        """Say whether a file is, or may become, a copy of one in hand."""
        plain = [one.opened for one in self.files if one.opened is not None and not one.opened.packed]
        return any(is_copy(opened, one) for one in plain)

    def _is_replaced(self, file: LogFile, opened: Opened, entry: Entry) -> bool:
        """Say whether the live file is a new one that begins with all of one in hand, which was deleted."""
        old = file.opened
        if old is None or old.packed or entry.path != self.path or old.stat().st_nlink or not is_copy(old, opened):
            return False
        self._let_go(file)
        return True

    def _is_known(self, opened: Opened, entry: Entry, file: LogFile) -> bool:
        """Say whether a file is one that is done with, in another form; what it holds beyond that is read."""
        if self._is_there(file):
            copied = opened.size() == file.place.offset and holds(opened, file.place)
            if copied:
                self.door.leave(entry)
            return copied
        if is_all_of(opened, file.place):
            status = opened.stat()
            file.place = replace(file.place, device=status.st_dev, inode=status.st_ino)
            return True
        return holds(opened, file.place) and file.take_up(opened, entry.path)

    def _pass_over(self, opened: Opened) -> LogFile:
        """Remember a file that was there before this log was followed, as done with."""
        place = new_place(self.number(), self.path, opened, 0 if opened.packed else opened.size())
        file = LogFile(replace(place, finished=self.seconds()))
        self.files.append(file)
        return file

    @staticmethod
    def _let_go(file: LogFile) -> LogFile:
        close(file.let_go())
        return file
