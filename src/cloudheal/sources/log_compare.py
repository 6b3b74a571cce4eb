"""Whether two log files are the same text: a copy, the beginning of one, or what was read, compressed.

Files in hand can be compared with each other. Of those that are gone only fingerprints are left.
"""

from __future__ import annotations

from cloudheal.ports.log_files import Place
from cloudheal.sources.log_opened import Opened
from cloudheal.sources.log_prints import NOTHING, length_of, print_of

#: Bytes compared at both ends of what two files have in common.
COMPARED = 4096


def is_copy(opened: Opened, original: Opened) -> bool:
    """Say whether a file is a copy of another one, or may become one: what it holds is how the other one begins.

    Raises one of UNREADABLE.
    """
    size = opened.size()
    if size > original.size():
        return False
    reach = min(size, COMPARED)
    return all(opened.read(reach, at) == original.read(reach, at) for at in (0, size - reach))


def holds(opened: Opened, place: Place) -> bool:
    """Say whether a file holds what was read up to a place. Raises one of UNREADABLE."""
    if not place.offset:
        return True
    if NOTHING in {place.head, place.tail} or (not opened.packed and opened.size() < place.offset):
        return False
    if print_of(opened.read(length_of(place.head), 0)) != place.head:
        return False
    reach = length_of(place.tail)
    return print_of(opened.read(reach, place.offset - reach)) == place.tail


def is_all_of(opened: Opened, place: Place) -> bool:
    """Say whether a compressed file is what was read and no more, without unpacking it. Raises one of UNREADABLE."""
    if not opened.packed or not place.offset or opened.size() != place.offset:
        return False
    return print_of(opened.read(length_of(place.head), 0)) == place.head
