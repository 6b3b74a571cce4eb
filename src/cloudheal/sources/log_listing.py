"""What stands in a folder: every regular file by its inode, and by the live name that its own may have come from."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudheal.sources.log_names import live_names


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a folder; what is said of it may have changed since."""

    path: str
    device: int
    inode: int
    size: int
    changed: int

    @property
    def key(self) -> tuple[int, int]:
        """Which file it is for the system."""
        return self.device, self.inode


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder at one moment; during a rotation a file may be in it twice, or not at all."""

    paths: Mapping[str, os.DirEntry[str]] = field(default_factory=dict)
    inodes: Mapping[int, str] = field(default_factory=dict)
    rotated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def with_(self, elsewhere: Listing) -> Listing:
        """Return this folder together with another one into which its files are moved."""
        rotated = {
            live: (*self.rotated.get(live, ()), *elsewhere.rotated.get(live, ()))
            for live in {*self.rotated, *elsewhere.rotated}
        }
        return Listing({**elsewhere.paths, **self.paths}, {**elsewhere.inodes, **self.inodes}, rotated)

    def at(self, path: str) -> Entry | None:
        """Return what is at a path, a regular file or nothing."""
        return entry_at(path) if path in self.paths else None

    def of_inode(self, inode: int) -> str | None:
        """Return a path of an inode."""
        return self.inodes.get(inode)

    def rotated_from(self, path: str) -> list[Entry]:
        """Return what rotation may have made of a path, the oldest first."""
        found = (entry_at(one) for one in self.rotated.get(path, ()))
        return sorted((one for one in found if one is not None), key=lambda one: (one.changed, one.path))


def listing_of(folder: str, live_folder: str = "") -> Listing:
    """List a folder, into which rotation moves the files of `live_folder`, if that is another one. Raises OSError."""
    paths: dict[str, os.DirEntry[str]] = {}
    rotated: dict[str, tuple[str, ...]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            paths[entry.path] = entry
            for name in live_names(entry.name):
                live = os.path.join(live_folder or folder, name)  # noqa: PTH118 - a hot path, and texts throughout
                rotated[live] = (*rotated.get(live, ()), entry.path)
    return Listing(paths, {entry.inode(): path for path, entry in paths.items()}, rotated)


def entry_at(path: str) -> Entry | None:
    """Look at a path; nothing when no regular file is there, as where a link is. Raises OSError."""
    try:
        status = os.lstat(path)  # asked ten times a second
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return Entry(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
