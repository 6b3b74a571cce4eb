"""All files of one log on this host: what its patterns match, as streams that outlive their rotations.

A pattern may match rotated files too (`access.log*`); they are read when the log is first seen and never again. Links
are followed to where the file is, because it is rotated there.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cloudheal.logs.names import shown
from cloudheal.ports.log_files import Place, Trouble
from cloudheal.sources.log_links import matching, real
from cloudheal.sources.log_listing import Listing, listing_of
from cloudheal.sources.log_names import live_names
from cloudheal.sources.log_stream import LINGER_SECONDS, Stream

#: How often folders are looked through; what happens to the live file is noticed at each read.
LOOK_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class TailedFiles:
    """The files of one log."""

    patterns: Sequence[str]
    tick: Callable[[], float]
    """Seconds of a clock that only goes forward."""
    seconds: Callable[[], int]
    """The present, in seconds since 1970."""
    linger: float = LINGER_SECONDS
    """How long a rotated file is watched after it was read to its end."""
    olddir: str = ""
    """The folder into which rotation moves files, as logrotate has it: from the folder of the log; empty: the same."""
    _streams: dict[str, Stream] = field(default_factory=dict)
    _matched: frozenset[str] = frozenset()
    _looked: float | None = None
    _number: int = 0
    _troubles: dict[str, Trouble] = field(default_factory=dict)

    def resume(self, places: Sequence[Place]) -> int:
        """Go on where these places are, whatever was read before; returns how many files that are."""
        self.close()
        self._number = max((one.number for one in places), default=0)
        for path in dict.fromkeys(one.stream for one in places):
            self._stream(path).resume([one for one in places if one.stream == path])
        self._looked = None
        return len(places)

    def read(self) -> Iterator[bytes]:
        """Yield blocks of whole lines that are new, a bounded number from each file; places have moved past each."""
        if self._looked is None or self.tick() - self._looked >= LOOK_SECONDS:
            self._look_everywhere()
        for stream in self._streams.values():
            if stream.notice():
                stream.mark()
                self._look(stream, {})
            yield from stream.read()
            yield from stream.finish(self.linger)

    def places(self) -> tuple[Place, ...]:
        """Return where reading goes on: every file, those of which nothing more is expected included."""
        return tuple(file.reached() for stream in self._streams.values() for file in stream.files)

    def behind(self) -> int:
        """Return how many bytes wait to be read, as far as is known."""
        return sum(file.waiting() for stream in self._streams.values() for file in stream.files)

    def troubles(self) -> tuple[Trouble, ...]:
        """Return what cannot be read, by path."""
        found = {**self._troubles}
        for stream in self._streams.values():
            found.update(stream.door.troubles)
        return tuple(found[path] for path in sorted(found))

    def count(self) -> int:
        """Return how many files are being read; 0 when none matches."""
        return sum(file.opened is not None for stream in self._streams.values() for file in stream.files)

    def close(self) -> None:
        """Close every file."""
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()

    def _look_everywhere(self) -> float:
        """Find what the patterns match now, and look around in every folder; returns the time."""
        self._troubles.clear()
        self._matched = frozenset(self._found())
        for path in sorted(self._matched, key=lambda one: (len(one), one)):
            if path not in self._streams and not self._belongs(path):
                self._stream(path)
        for stream in self._streams.values():
            stream.mark()
        listings: dict[str, Listing] = {}
        for stream in tuple(self._streams.values()):
            self._look(stream, listings)
            if not stream.files and stream.path not in self._matched:
                del self._streams[stream.path]
        self._looked = self.tick()
        return self._looked

    def _found(self) -> Iterator[str]:
        """Yield the real paths that the patterns match."""
        for path in (one for pattern in self.patterns for one in matching(pattern)):
            try:
                yield real(path)
            except OSError as problem:
                name = shown(path)
                self._troubles[name] = Trouble(name, errno.errorcode.get(problem.errno or 0, "EIO"))

    def _belongs(self, path: str) -> bool:
        """Say whether a path is what rotation made of a log that is followed anyway."""
        folder, name = os.path.split(path)
        return any(os.path.join(folder, live) in self._streams for live in live_names(name))  # noqa: PTH118 - texts

    def _look(self, stream: Stream, listings: dict[str, Listing]) -> Mapping[str, Listing]:
        folder = os.path.dirname(stream.path)  # noqa: PTH120 - texts throughout
        try:
            if folder not in listings:
                listings[folder] = listing_of(folder).with_(self._old(folder))
        except OSError as problem:
            if not isinstance(problem, FileNotFoundError):
                self._troubles[folder] = Trouble(folder, os.strerror(problem.errno or 0))
            listings[folder] = Listing()
        stream.look_around(listings[folder], self._matched)
        return listings

    def _old(self, folder: str) -> Listing:
        """List what was moved out of a folder."""
        if not self.olddir:
            return Listing()
        path = os.path.join(folder, self.olddir)  # noqa: PTH118 - texts throughout
        try:
            return listing_of(real(path), folder)
        except OSError as problem:
            name = shown(path)
            self._troubles[name] = Trouble(name, errno.errorcode.get(problem.errno or 0, "EIO"))
            return Listing()

    def _stream(self, path: str) -> Stream:
        stream = Stream(path, self._next, self.tick, self.seconds, lambda key: self._is_in_another(path, key))
        self._streams[path] = stream
        return stream

    def _is_in_another(self, path: str, key: tuple[int, int]) -> bool:
        """Say whether another stream of this folder has the file: a pattern may match a rotated file first."""
        folder = os.path.dirname(path)  # noqa: PTH120 - texts throughout
        others = (one for one in self._streams.values() if one.path != path and os.path.dirname(one.path) == folder)  # noqa: PTH120 - same
        return any(file.key == key for one in others for file in one.files)

    def _next(self) -> int:
        self._number += 1
        return self._number
