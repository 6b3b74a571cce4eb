"""Parameters that several calls take and check alike: region, names, user data, tags, the instant of a release.

Each function returns the good value or raises Refused with the documented code.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.requests.times import instant
from cloudheal_sim.alibaba.rpc import Refused
from cloudheal_sim.alibaba.rpc.refusal import UNKNOWN_REGION
from cloudheal_sim.kernel.clock import MILLIS_PER_DAY

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.requests.fields import TagPair
    from cloudheal_sim.alibaba.ecs.state import Ecs

#: The largest user data before encoding, in bytes.
MOST_USER_DATA = 32 * 1024
_NAME = re.compile(r"(?!https?://)[A-Za-z一-鿿].{1,127}", re.DOTALL)
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]|\.(?!\.)){0,62}[A-Za-z0-9]")
#: The shortest and the longest time ahead of an automatic release, in milliseconds (30 minutes, 3 years).
NEAREST_RELEASE = 30 * 60 * 1000
FARTHEST_RELEASE = 3 * 365 * MILLIS_PER_DAY
_LONGEST_TAG = 128
_LONGEST_DESCRIPTION = 256


def known_region(ecs: Ecs, region_id: str) -> str:
    """Return the region's id. Raises Refused when there is no such region."""
    if region_id not in ecs.catalogue.regions:
        raise Refused(UNKNOWN_REGION)
    return region_id


def well_named(name: str | None) -> str | None:
    """Return an instance name of 2 to 128 characters that begins with a letter. Raises Refused."""
    if name is not None and not _NAME.fullmatch(name):
        raise Refused(errors.INSTANCE_NAME)
    return name


def described(text: str | None) -> str | None:
    """Return a description of at most 256 characters that is no address. Raises Refused."""
    if text is not None and (len(text) > _LONGEST_DESCRIPTION or text.startswith(("http://", "https://"))):
        raise Refused(errors.DESCRIPTION)
    return text


def host_named(name: str | None) -> str | None:
    """Return a host name of letters, digits, dots and hyphens. Raises Refused."""
    if name is not None and not _HOST_NAME.fullmatch(name):
        raise Refused(errors.HOST_NAME)
    return name


def decodable(data: str | None) -> str | None:
    """Return user data that is Base64 of at most MOST_USER_DATA bytes. Raises Refused."""
    if data is None:
        return None
    try:
        decoded = b64decode(data, validate=True)
    except ValueError as problem:
        raise Refused(errors.USER_DATA_FORMAT) from problem
    if len(decoded) > MOST_USER_DATA:
        raise Refused(errors.USER_DATA_SIZE)
    return data


def release_instant(ecs: Ecs, text: str | None) -> int | None:
    """Read an AutoReleaseTime, to the minute. Raises Refused when it is malformed, too near or too far."""
    if text is None:
        return None
    due, now = instant(text), ecs.kernel.clock.now()
    if due is None or not now + NEAREST_RELEASE <= due <= now + FARTHEST_RELEASE:
        raise Refused(errors.AUTO_RELEASE_TIME)
    return due - due % 60_000


def checked_tags(pairs: Iterable[TagPair]) -> dict[str, str]:
    """Return tags that may be set. Raises Refused with the documented code."""
    tags: dict[str, str] = {}
    for pair in pairs:
        key, value = pair.key, pair.value
        if not 1 <= len(key) <= _LONGEST_TAG or key.lower().startswith(("acs:", "aliyun")) or _linked(key):
            raise Refused(errors.TAG_KEY_MALFORMED)
        if len(value) > _LONGEST_TAG or _linked(value):
            raise Refused(errors.TAG_VALUE_MALFORMED)
        if key in tags:
            raise Refused(errors.DUPLICATE_TAG_KEY)
        tags[key] = value
    return tags


def _linked(text: str) -> bool:
    return "http://" in text.lower() or "https://" in text.lower()
