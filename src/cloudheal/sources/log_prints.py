"""Fingerprints: how a log file is known again when its name, its inode, or both have changed.

Two short stretches of what was read are enough: the first bytes, which hold the time of the first line, and the last
ones before the place that was reached. They are kept as hashes, because lines may hold what is nobody's business. A
fingerprint of nothing fits everything, and is never asked for.
"""

from __future__ import annotations

from hashlib import blake2b

#: Bytes of each stretch. Lines of access logs have 100 to 300.
HEAD, TAIL = 1024, 128
NOTHING = "0:"


def print_of(stretch: bytes) -> str:
    """Return the fingerprint of a stretch, which begins with its length."""
    return f"{len(stretch)}:{blake2b(stretch, digest_size=16).hexdigest()}" if stretch else NOTHING


def length_of(fingerprint: str) -> int:
    """Return how many bytes a fingerprint is of."""
    return int(fingerprint.partition(":")[0])
