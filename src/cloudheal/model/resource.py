"""What an event is about: a thing in a cloud account, and how it was when somebody looked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

#: What clouds call their regions. It becomes a part of the address that signed calls go to.
_REGION = re.compile(r"[a-z][a-z0-9-]{0,62}")
#: Characters of a name that is remembered: what a stranger writes there must not fill the memory.
MOST_REMEMBERED = 512


class Cloud(StrEnum):
    """The clouds that cloudheal knows."""

    ALIBABA = "alibaba"
    TENCENT = "tencent"


@dataclass(frozen=True, slots=True, order=True)
class ResourceId:
    """The full name of a resource; `kind` is the vendor's word, such as `instance` or `disk`."""

    cloud: Cloud
    account: str
    region: str
    kind: str
    id: str

    def __hash__(self) -> int:
        # Ids hardly ever repeat over clouds and regions, and a text remembers its hash.
        return hash(self.id)

    def __str__(self) -> str:
        return f"{self.cloud}/{self.account}/{self.region}/{self.kind}/{self.id}"


def named(cloud: str, account: str, region: str, kind: str, id_: str) -> ResourceId:
    """Return a full name, the same object each time: among millions of events servers are told apart faster so."""
    if len(account) + len(region) + len(kind) + len(id_) > MOST_REMEMBERED:
        return ResourceId(Cloud(cloud), account, region, kind, id_)
    return _remembered(cloud, account, region, kind, id_)


@lru_cache(maxsize=100_000)
def _remembered(cloud: str, account: str, region: str, kind: str, id_: str) -> ResourceId:
    return ResourceId(Cloud(cloud), account, region, kind, id_)


def is_region(name: str) -> bool:
    """Say whether a name can be that of a region: who tells of an event must not choose the host that is asked."""
    return _REGION.fullmatch(name) is not None


def place_of(subject: ResourceId, group: str) -> str:
    """Return the full name of a resource's group: two accounts may call theirs alike, and have nothing in common."""
    return f"{subject.cloud}/{subject.account}/{group}"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as of a time; older observations never replace newer ones."""

    id: ResourceId
    as_of: datetime
    state: str
    name: str = ""
    zone: str = ""
    group: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
