"""What the patterns of a log match, and where that leads: nobody may point the follower at what he could not read.

Folders of logs may belong to strangers, and whoever follows may read everything. So `**` goes into no link, since two
links to the folder above would keep it busy for ever; a link that somebody else put there leads to his own files only;
and a name that is no text, under which nothing can be put on record, is refused.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from glob import escape, has_magic, iglob

#: As many links as the system follows.
_MOST_LINKS = 40


def matching(pattern: str) -> Iterator[str]:
    """Yield the paths that a pattern matches; one without wildcards is matched whether or not it is there yet."""
    head, deep, tail = (f"{pattern}/*" if pattern.endswith("/**") else pattern).partition("/**/")
    if not deep:
        yield from iglob(pattern) if has_magic(pattern) else (pattern,)  # noqa: PTH207 - texts throughout
        return
    for base in iglob(head) if has_magic(head) else (head,):  # noqa: PTH207 - same
        for folder, inside, _ in os.walk(base or "/"):
            inside[:] = [one for one in inside if not one.startswith(".")]
            yield from (one for one in matching(f"{escape(folder.rstrip('/'))}/{tail}") if os.path.lexists(one))


def real(path: str) -> str:
    """Return where a path leads. Raises OSError where nobody should go."""
    found = os.path.realpath(path)
    try:
        found.encode()
    except UnicodeEncodeError:
        raise OSError(errno.EILSEQ, "the name is no text", path) from None
    if found != path and os.geteuid() == 0:
        trusted = {0, _owner(found)}
        if any(owner not in trusted for owner in _owners_of_links(path)):
            raise OSError(errno.EPERM, "the link belongs to somebody whose file that is not", path)
    return found


def _owner(path: str) -> int:
    try:
        return os.lstat(path).st_uid
    except OSError:
        return 0


def _owners_of_links(path: str) -> Iterator[int]:
    """Yield who owns each link on the way, those that other links lead to included."""
    here, left, links = "/", path.split("/")[::-1], 0
    while left and links <= _MOST_LINKS:
        part = left.pop()
        next_ = os.path.normpath(f"{here}/{part}")
        try:
            status = os.lstat(next_)
        except OSError:
            return
        if not stat.S_ISLNK(status.st_mode):
            here = next_
            continue
        yield status.st_uid
        target, links = os.readlink(next_), links + 1  # noqa: PTH115 - texts throughout
        here = "/" if target.startswith("/") else here
        left += target.split("/")[::-1]
