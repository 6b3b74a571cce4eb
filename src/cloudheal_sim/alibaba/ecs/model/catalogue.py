"""What an account can choose from: regions, zones, instance types, images, networks.

The defaults are a small true-to-life selection; a world document may replace any of the lists. Prices are by feel,
in CNY an hour; nothing but their order matters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import ConfigDict

#: Unknown keys of these records are errors in a world document.
STRICT = ConfigDict(extra="forbid")

#: Region id, its part in resource ids, its name, its zones' letters.
_REGIONS = (
    ("cn-hangzhou", "bp1", "华东1(杭州)", "hijk"),
    ("cn-shanghai", "uf6", "华东2(上海)", "bfgl"),
    ("cn-beijing", "2ze", "华北2(北京)", "ghkl"),
    ("cn-shenzhen", "wz9", "华南1(深圳)", "def"),
    ("cn-qingdao", "m5e", "华北1(青岛)", "bc"),
    ("cn-zhangjiakou", "8vb", "华北3(张家口)", "abc"),
    ("cn-huhehaote", "hp3", "华北5(呼和浩特)", "ab"),
    ("cn-wulanchabu", "0jl", "华北6(乌兰察布)", "abc"),
    ("cn-chengdu", "2vc", "西南1(成都)", "ab"),
    ("cn-guangzhou", "7xv", "华南3(广州)", "ab"),
    ("cn-heyuan", "f8z", "华南2(河源)", "ab"),
    ("cn-hongkong", "j6c", "中国香港", "bcd"),
    ("ap-southeast-1", "t4n", "新加坡", "abc"),
    ("ap-northeast-1", "6we", "日本(东京)", "abc"),
    ("us-west-1", "rj9", "美国(硅谷)", "ab"),
    ("us-east-1", "0xi", "美国(弗吉尼亚)", "ab"),
    ("eu-central-1", "gw8", "德国(法兰克福)", "abc"),
)
_FAMILIES = (("ecs.g7", 4, 0.25), ("ecs.c7", 2, 0.2), ("ecs.r7", 8, 0.33), ("ecs.g6", 4, 0.24), ("ecs.c6", 2, 0.19))
_SIZES = (("large", 2), ("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16))
_BURSTABLE = (("ecs.t5-lc1m1.small", 1, 1), ("ecs.t6-c1m1.large", 2, 2), ("ecs.t6-c1m2.large", 2, 4))


@dataclass(frozen=True, slots=True)
class Region:
    """A region; `code` is its part in resource ids."""

    id: str
    name: str
    code: str
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InstanceType:
    """A size of instance; memory in GiB, price in CNY an hour."""

    __pydantic_config__ = STRICT

    id: str
    family: str
    cpu: int
    memory: float
    price: float

    @property
    def spot_price(self) -> float:
        """What the spot market asks for it."""
        return round(self.price * 0.3, 3)


@dataclass(frozen=True, slots=True)
class Image:
    """An image; it can be used in every region."""

    __pydantic_config__ = STRICT

    id: str
    name: str
    os_name: str
    os_type: str = "linux"
    platform: str = "Aliyun"
    owner: str = "system"
    size: int = 40


@dataclass(frozen=True, slots=True)
class VSwitch:
    """A subnet in one zone."""

    __pydantic_config__ = STRICT

    id: str
    vpc: str
    region: str
    zone: str
    cidr: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A security group; rules are not simulated."""

    __pydantic_config__ = STRICT

    id: str
    vpc: str
    region: str
    name: str = ""


def regions() -> tuple[Region, ...]:
    """Return the default regions."""
    return tuple(Region(id_, name, code, tuple(f"{id_}-{z}" for z in zones)) for id_, code, name, zones in _REGIONS)


def region_code(id_: str) -> str:
    """Return a region's part in resource ids; regions that nobody knows get one of their own."""
    known = {region: code for region, code, _, _ in _REGIONS}
    return known.get(id_, f"x{sum(id_.encode()) % 100:02d}")


def instance_types() -> tuple[InstanceType, ...]:
    """Return the default instance types."""
    sized = (
        InstanceType(f"{family}.{size}", family, cpu, float(cpu * ratio), round(price * cpu, 3))
        for family, ratio, price in _FAMILIES
        for size, cpu in _SIZES
    )
    small = (
        InstanceType(id_, id_.partition("-")[0], cpu, float(memory), round(0.12 * cpu, 3))
        for id_, cpu, memory in _BURSTABLE
    )
    return (*sized, *small)


def images() -> tuple[Image, ...]:
    """Return the default images."""
    return (
        Image(
            "aliyun_3_x64_20G_alibase_20240528.vhd", "aliyun_3_x64_20G_alibase_20240528.vhd", "Alibaba Cloud Linux 3"
        ),
        Image("centos_7_9_x64_20G_alibase_20240403.vhd", "centos_7_9_x64", "CentOS 7.9 64位", platform="CentOS"),
        Image("ubuntu_22_04_x64_20G_alibase_20240530.vhd", "ubuntu_22_04_x64", "Ubuntu 22.04 64位", platform="Ubuntu"),
        Image(
            "win2022_21H2_x64_dtc_zh-cn_40G_alibase_20240516.vhd",
            "win2022_21H2_x64",
            "Windows Server 2022",
            "windows",
            "Windows Server 2022",
        ),
    )


def vswitches(of: Iterable[Region]) -> tuple[VSwitch, ...]:
    """Return one default switch for each zone."""
    return tuple(
        VSwitch(
            f"vsw-{r.code}default{zone[-1]}", f"vpc-{r.code}default", r.id, zone, f"10.{n}.0.0/16", f"default-{zone}"
        )
        for r in of
        for n, zone in enumerate(r.zones)
    )


def security_groups(of: Iterable[Region]) -> tuple[SecurityGroup, ...]:
    """Return one default security group for each region."""
    return tuple(SecurityGroup(f"sg-{r.code}default", f"vpc-{r.code}default", r.id, "default") for r in of)


def _by_default_regions() -> dict[str, Region]:
    return {one.id: one for one in regions()}


@dataclass(slots=True)
class Catalogue:
    """The lists in force, each by id."""

    regions: dict[str, Region] = field(default_factory=_by_default_regions)
    types: dict[str, InstanceType] = field(default_factory=lambda: {one.id: one for one in instance_types()})
    images: dict[str, Image] = field(default_factory=lambda: {one.id: one for one in images()})
    vswitches: dict[str, VSwitch] = field(default_factory=lambda: {one.id: one for one in vswitches(regions())})
    groups: dict[str, SecurityGroup] = field(
        default_factory=lambda: {one.id: one for one in security_groups(regions())}
    )

    def vswitch_in(self, zone: str) -> VSwitch | None:
        """Return the first switch of a zone."""
        return next((one for one in self.vswitches.values() if one.zone == zone), None)

    def group_in(self, vpc: str) -> SecurityGroup | None:
        """Return the first security group of a network."""
        return next((one for one in self.groups.values() if one.vpc == vpc), None)
