"""Checks an order of instances against the documented limits and what the account may choose from.

The first thing wrong is refused with its documented code; an order that comes back can be carried out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.launching import DiskOrder, LaunchOrder
from cloudheal_sim.alibaba.ecs.model.instance import Spot
from cloudheal_sim.alibaba.ecs.parameters import (
    checked_tags,
    decodable,
    described,
    host_named,
    known_region,
    release_instant,
    well_named,
)
from cloudheal_sim.alibaba.rpc import Refused
from cloudheal_sim.alibaba.rpc.refusal import missing
from cloudheal_sim.kernel.clock import MILLIS_PER_DAY

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.catalogue import InstanceType, VSwitch
    from cloudheal_sim.alibaba.ecs.requests.launch import DataDiskOrder, Order, RunInstances
    from cloudheal_sim.alibaba.ecs.state import Ecs

_STRATEGIES = frozenset({"NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo"})
_PERIOD_DAYS = {"Week": 7, "Month": 30, "Year": 365}
_LETTERS = "bcdefghijklmnopqrstuvwxyz"
_DEFAULT_SIZE = 40


def started_order(ecs: Ecs, request: RunInstances) -> LaunchOrder:
    """Check RunInstances. Raises Refused."""
    request = _placed(request)
    if request.launch_template_id or request.launch_template_name or request.launch_template_version:
        raise Refused(errors.TEMPLATE_NOT_FOUND)
    single = () if request.security_group_id is None else (request.security_group_id,)
    amount = request.amount or 1
    if (request.min_amount or 1) > amount:
        raise Refused(errors.AMOUNT)
    order = checked_order(ecs, request, tuple(dict.fromkeys((*single, *request.security_group_ids))))
    if order.private_ip and amount > 1:
        raise Refused(errors.PRIVATE_IP)
    return replace(
        order,
        start=True,
        amount=_in_stock(ecs, order, amount, request.min_amount or amount),
        host_names=tuple(host_named(name) or "" for name in request.host_names),
        unique_suffix=request.unique_suffix,
        auto_release=release_instant(ecs, request.auto_release_time),
    )


def checked_order(ecs: Ecs, request: Order, groups: tuple[str, ...]) -> LaunchOrder:
    """Check what all orders have in common, for one instance that is left Stopped. Raises Refused."""
    known_region(ecs, request.region_id)
    if ecs.overdue:
        raise Refused(errors.INSUFFICIENT_BALANCE)
    image, size, vswitch = _image(ecs, request), _type(ecs, request), _vswitch(ecs, request)
    order = LaunchOrder(
        vswitch=vswitch,
        type=size.id,
        image=image,
        security_groups=_groups(ecs, vswitch, groups),
        disks=_disks(ecs, request),
        tags=checked_tags(request.tag),
        charge_type=_charge_type(request),
        spot=_spot(request, size),
        amount=1,
        start=False,
        name=well_named(request.instance_name) or "",
        host_name=host_named(request.host_name) or "",
        description=described(request.description) or "",
        private_ip=_free_address(ecs, request, vswitch),
        public=bool(request.internet_max_bandwidth_out),
        expires=_expiry(ecs, request),
        deletion_protection=request.deletion_protection,
        key_pair=request.key_pair_name or "",
        resource_group=request.resource_group_id or "",
        user_data=decodable(request.user_data) or "",
    )
    _in_stock(ecs, order, 1, 1)
    return order


def _placed(request: RunInstances) -> RunInstances:
    """Take switch, groups and address from the primary interface, where the order has one and does not say itself."""
    primary = next((one for one in request.network_interface if one.instance_type == "Primary"), None)
    if primary is None:
        return request
    return request.model_copy(
        update={
            "v_switch_id": request.v_switch_id or primary.v_switch_id,
            "security_group_id": request.security_group_id or primary.security_group_id,
            "security_group_ids": request.security_group_ids or primary.security_group_ids,
            "private_ip_address": request.private_ip_address or primary.primary_ip_address,
        }
    )


def _in_stock(ecs: Ecs, order: LaunchOrder, amount: int, least: int) -> int:
    left = ecs.stock.left(order.vswitch.zone, order.type)
    if left is None or left >= amount:
        return amount
    if left < least:
        raise Refused(errors.NO_STOCK)
    return left


def _image(ecs: Ecs, request: Order) -> str:
    """Return the image's id. Families of images do not exist here."""
    if request.image_id is None and request.image_family is None:
        raise missing("ImageId")
    if request.image_id is None or request.image_id not in ecs.catalogue.images:
        raise Refused(errors.IMAGE_NOT_FOUND)
    return request.image_id


def _type(ecs: Ecs, request: Order) -> InstanceType:
    if request.instance_type is None:
        raise missing("InstanceType")
    found = ecs.catalogue.types.get(request.instance_type)
    if found is None:
        raise Refused(errors.TYPE_NOT_SUPPORTED)
    return found


def _vswitch(ecs: Ecs, request: Order) -> VSwitch:
    if request.v_switch_id is None:
        raise missing("VSwitchId")
    found = ecs.catalogue.vswitches.get(request.v_switch_id)
    if found is None or found.region != request.region_id:
        raise Refused(errors.VSWITCH_NOT_FOUND)
    if request.zone_id is not None:
        if request.zone_id not in ecs.catalogue.regions[request.region_id].zones:
            raise Refused(errors.ZONE_NOT_FOUND)
        if request.zone_id != found.zone:
            raise Refused(errors.MISMATCH)
    return found


def _groups(ecs: Ecs, vswitch: VSwitch, groups: tuple[str, ...]) -> tuple[str, ...]:
    if not groups:
        raise missing("SecurityGroupId")
    for id_ in groups:
        found = ecs.catalogue.groups.get(id_)
        if found is None or found.region != vswitch.region:
            raise Refused(errors.GROUP_NOT_FOUND)
        if found.vpc != vswitch.vpc:
            raise Refused(errors.MISMATCH)
    return groups


def _charge_type(request: Order) -> str:
    if request.instance_charge_type not in {"PostPaid", "PrePaid"}:
        raise Refused(errors.CHARGE_TYPE)
    return request.instance_charge_type


def _spot(request: Order, size: InstanceType) -> Spot | None:
    strategy, limit = request.spot_strategy, request.spot_price_limit
    if strategy not in _STRATEGIES:
        raise Refused(errors.SPOT_STRATEGY)
    if request.spot_interruption_behavior not in {"Terminate", "Stop"}:
        raise Refused(errors.SPOT_BEHAVIOR)
    if strategy == "NoSpot":
        return None
    if request.instance_charge_type == "PrePaid":
        raise Refused(errors.SPOT_PREPAID)
    if strategy == "SpotWithPriceLimit":
        if limit is None or limit <= 0 or round(limit, 3) != limit:
            raise Refused(errors.SPOT_PRICE_LIMIT)
        if limit < size.spot_price:
            raise Refused(errors.SPOT_PRICE_TOO_LOW)
    duration = 1 if request.spot_duration is None else request.spot_duration
    return Spot(strategy, limit or 0.0, duration, request.spot_interruption_behavior)


def _expiry(ecs: Ecs, request: Order) -> int | None:
    if request.instance_charge_type != "PrePaid":
        return None
    days = _PERIOD_DAYS.get(request.period_unit or "Month")
    if days is None or request.period is None:
        raise Refused(errors.PERIOD)
    return ecs.kernel.clock.now() + request.period * days * MILLIS_PER_DAY


def _free_address(ecs: Ecs, request: Order, vswitch: VSwitch) -> str:
    address = request.private_ip_address
    if address is None:
        return ""
    neighbours = (one.network for one in ecs.fleet.in_region(vswitch.region))
    if any(one.private_ip == address and one.vswitch == vswitch.id for one in neighbours):
        raise Refused(errors.PRIVATE_IP)
    return address


def _disks(ecs: Ecs, request: Order) -> tuple[DiskOrder, ...]:
    asked, image = request.system_disk, ecs.catalogue.images.get(request.image_id or "")
    system = DiskOrder(
        kind="system",
        size=max(asked.size or 0, image.size if image else _DEFAULT_SIZE),
        category=asked.category or "cloud_essd",
        name=asked.disk_name or "",
        description=asked.description or "",
        device="/dev/xvda",
    )
    return (system, *(_data_disk(ecs, one, letter) for one, letter in zip(request.data_disk, _LETTERS, strict=False)))


def _data_disk(ecs: Ecs, asked: DataDiskOrder, letter: str) -> DiskOrder:
    size = asked.size or 0
    if asked.snapshot_id is not None:
        snapshot = ecs.storage.snapshots.find(asked.snapshot_id)
        if snapshot is None:
            raise Refused(errors.SNAPSHOT_NOT_FOUND)
        size = max(size, snapshot.size)
    if size < 1:
        raise Refused(errors.DATA_DISK_SIZE)
    return DiskOrder(
        kind="data",
        size=size,
        category=asked.category or "cloud_essd",
        name=asked.disk_name or "",
        description=asked.description or "",
        device=asked.device or f"/dev/xvd{letter}",
        source_snapshot=asked.snapshot_id or "",
        delete_with_instance=asked.delete_with_instance,
    )
