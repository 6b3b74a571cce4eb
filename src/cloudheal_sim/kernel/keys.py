"""Access keys: who may sign. Secrets live here and nowhere else; nothing prints them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Vendor(StrEnum):
    """Whose key it is; the two clouds never accept each other's."""

    ALIBABA = "alibaba"
    TENCENT = "tencent"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key pair; `token` and `expires` (epoch milliseconds) are set for temporary (STS) keys only."""

    id: str
    secret: str = field(repr=False)
    vendor: Vendor
    account: str
    token: str = field(default="", repr=False)
    expires: int | None = None
    role: str = ""


DEFAULT_KEYS = (
    AccessKey("testid", "testsecret", Vendor.ALIBABA, "1000000000000001"),
    AccessKey("AKIDtest", "testsecret", Vendor.TENCENT, "100000000001"),
)


def parse_key(text: str) -> AccessKey:
    """Read `ID:SECRET`; an id that starts with `AKID` is Tencent's. Raises ValueError saying what is wrong."""
    id_, mark, secret = text.partition(":")
    if not (id_ and mark and secret):
        msg = f"--account takes ID:SECRET, got {id_!r} without a secret" if id_ else "--account takes ID:SECRET"
        raise ValueError(msg)
    vendor = Vendor.TENCENT if id_.startswith("AKID") else Vendor.ALIBABA
    account = next(key.account for key in DEFAULT_KEYS if key.vendor is vendor)
    return AccessKey(id_, secret, vendor, account)


class Keyring:
    """All keys that may sign, by id."""

    def __init__(self, keys: tuple[AccessKey, ...]) -> None:
        self._permanent = {key.id: key for key in keys}
        self._temporary: dict[str, AccessKey] = {}

    def find(self, id_: str, vendor: Vendor) -> AccessKey | None:
        """Return the key of that id if it belongs to `vendor`."""
        key = self._permanent.get(id_) or self._temporary.get(id_)
        return key if key is not None and key.vendor is vendor else None

    def issue(self, key: AccessKey) -> AccessKey:
        """Add a temporary key."""
        self._temporary[key.id] = key
        return key

    def forget_temporary(self) -> None:
        """Drop every issued key: a new world begins."""
        self._temporary.clear()
