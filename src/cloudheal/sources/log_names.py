"""The names that rotation gives: `access.log.1`, `access.log-20260302.gz`, `access-20260302.log`, `access.log.old`.

A name alone proves nothing; it only says where a rotated file is looked for. A number between stem and extension must
look like a date, because `worker-1.log` and `worker-2.log` are different logs.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePath

#: Extensions of compressed files that can be read.
PACKED = (".gz", ".bz2", ".xz")
_NUMBERED = re.compile(r"(.+?)[._-](?:\d[\dT:._-]*|old|bak|prev)")
_DATED = re.compile(r"(.+?)[._-](\d[\dT:._-]*)")
#: The shortest date: 260302.
_DIGITS = 6


def is_packed(name: str) -> bool:
    """Say whether a file of this name is compressed."""
    return name.endswith(PACKED)


@lru_cache(maxsize=65_536)
def live_names(name: str) -> frozenset[str]:
    """Return the names under which the file may have been written before rotation gave it this one."""
    bare = PurePath(name).stem if is_packed(name) else name
    found = {bare} - {name}
    if numbered := _NUMBERED.fullmatch(bare):
        found.add(numbered[1])
    path = PurePath(bare)
    dated = _DATED.fullmatch(path.stem)
    if path.suffix and dated and sum(one.isdigit() for one in dated[2]) >= _DIGITS:
        found.add(dated[1] + path.suffix)
    return frozenset(found)
