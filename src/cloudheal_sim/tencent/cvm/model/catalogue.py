"""What an account can order: instance types and images.

Types are a small true-to-life selection. Any image with a well-formed id is taken, because ids of private images are
anybody's; the known ones have a name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FAMILIES = ("S5", "S6", "SA3", "SA5")
_SIZES = (
    *(("SMALL1", 1, 1), ("SMALL2", 1, 2), ("SMALL4", 1, 4), ("MEDIUM2", 2, 2), ("MEDIUM4", 2, 4), ("MEDIUM8", 2, 8)),
    *(("LARGE8", 4, 8), ("LARGE16", 4, 16), ("2XLARGE16", 8, 16), ("2XLARGE32", 8, 32), ("4XLARGE64", 16, 64)),
)
IMAGE_ID = re.compile("img-[0-9a-z]{8}")
DEFAULT_TYPE, DEFAULT_IMAGE = "S5.MEDIUM4", "img-eb30mz89"
_OS_NAMES = {
    DEFAULT_IMAGE: "TencentOS Server 3.1 (TK4)",
    "img-487zeit5": "Ubuntu Server 22.04 LTS 64bit",
    "img-l8og963d": "CentOS 7.9 64bit",
    "img-9id7emv7": "Windows Server 2022 DataCenter 64bitCN",
}


@dataclass(frozen=True, slots=True)
class InstanceType:
    """A size of instance; memory in GB."""

    id: str
    cpu: int
    memory: int


TYPES = {
    f"{family}.{size}": InstanceType(f"{family}.{size}", cpu, memory)
    for family in _FAMILIES
    for size, cpu, memory in _SIZES
}
#: What is shown for a type that only a world document knows.
UNKNOWN_TYPE = InstanceType("", 2, 4)


def os_name(image: str) -> str:
    """Return the system that an image holds."""
    return _OS_NAMES.get(image, _OS_NAMES[DEFAULT_IMAGE])


def is_windows(image: str) -> bool:
    """Say whether an image holds Windows."""
    return os_name(image).startswith("Windows")
