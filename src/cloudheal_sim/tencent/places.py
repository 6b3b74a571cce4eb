"""Where things are, for every service: regions with their zones, and the network that each zone has.

A small true-to-life selection; ids of zones are built as the real ones are, ids of networks are this simulator's.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Region id, its part in network ids, its name, the number its zones' numeric ids begin with, its zones.
_REGIONS = (
    ("ap-guangzhou", "gzh", "华南地区(广州)", 100000, (3, 4, 6, 7)),
    ("ap-shanghai", "sha", "华东地区(上海)", 200000, (2, 4, 5, 8)),
    ("ap-nanjing", "nkg", "华东地区(南京)", 330000, (1, 2, 3)),
    ("ap-beijing", "bjs", "华北地区(北京)", 800000, (3, 5, 6, 7)),
    ("ap-chengdu", "ctu", "西南地区(成都)", 160000, (1, 2)),
    ("ap-chongqing", "ckg", "西南地区(重庆)", 190000, (1,)),
    ("ap-hongkong", "hkg", "港澳台地区(中国香港)", 300000, (2, 3)),
    ("ap-singapore", "sin", "亚太东南(新加坡)", 900000, (2, 3, 4)),
    ("ap-tokyo", "tyo", "亚太东北(东京)", 250000, (1, 2)),
    ("na-siliconvalley", "sjc", "美国西部(硅谷)", 150000, (1, 2)),
    ("na-ashburn", "iad", "美国东部(弗吉尼亚)", 220000, (1, 2)),
    ("eu-frankfurt", "fra", "欧洲地区(法兰克福)", 170000, (1, 2)),
)
_NUMERALS = "零一二三四五六七八九"


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone, and the default subnet that it has."""

    id: str
    region: str
    name: str
    number: int
    vpc: str
    subnet: str
    cidr: str
    security_group: str


@dataclass(frozen=True, slots=True)
class Region:
    """A region with its zones."""

    id: str
    name: str
    zones: tuple[Zone, ...]


@dataclass(frozen=True, slots=True)
class Subnet:
    """A block of addresses."""

    id: str
    cidr: str


def _zone(region: str, code: str, name: str, base: int, letter: int) -> Zone:
    return Zone(
        id=f"{region}-{letter}",
        region=region,
        name=f"{name}{_NUMERALS[letter]}区",
        number=base + letter,
        vpc=f"vpc-{code}00001",
        subnet=f"subnet-{code}0000{letter}",
        cidr=f"10.{letter}.0.0/16",
        security_group=f"sg-{code}00001",
    )


def _regions() -> dict[str, Region]:
    found = {}
    for id_, code, name, base, letters in _REGIONS:
        short = name.partition("(")[2].rstrip(")")
        found[id_] = Region(id_, name, tuple(_zone(id_, code, short, base, letter) for letter in letters))
    return found


REGIONS = _regions()
ZONES = {zone.id: zone for region in REGIONS.values() for zone in region.zones}
DEFAULT_REGION, DEFAULT_ZONE = "ap-guangzhou", "ap-guangzhou-6"
#: Public addresses come from one block, documentation's own (RFC 5737).
PUBLIC = Subnet("public", "203.0.113.0/24")
