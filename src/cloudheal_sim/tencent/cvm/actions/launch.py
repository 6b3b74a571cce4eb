"""Ordering instances: everything is checked before anything is made; a client token makes the order once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.clock import MILLIS_PER_DAY
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.kernel.tokens import Used
from cloudheal_sim.tencent.api3 import Refused, Reply
from cloudheal_sim.tencent.api3.refusal import DRY_RUN, missing
from cloudheal_sim.tencent.cvm import errors
from cloudheal_sim.tencent.cvm.actions.instances import decodable, named
from cloudheal_sim.tencent.cvm.model.catalogue import IMAGE_ID, TYPES
from cloudheal_sim.tencent.cvm.model.instance import Instance, Network, Operation, Status
from cloudheal_sim.tencent.cvm.requests.launch import RunInstances
from cloudheal_sim.tencent.cvm.service import SERVICE
from cloudheal_sim.tencent.places import PUBLIC, REGIONS, Subnet

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.cvm.requests.launch import Placement
    from cloudheal_sim.tencent.cvm.state import Cvm
    from cloudheal_sim.tencent.places import Zone

_LONGEST_TOKEN = 64
_MONTHS = frozenset({*range(1, 13), 24, 36, 48, 60})
_NUMBERED = re.compile(r"\{R:(\d{1,9})\}")


@SERVICE.action(RunInstances, rate=10)
def run_instances(cvm: Cvm, request: RunInstances, exchange: Exchange) -> Reply:
    """Order instances that start at once."""
    earlier = _repeated(cvm, request)
    if earlier is not None:
        return {"InstanceIdSet": list(earlier)}
    placement, zone = _checked(request, exchange)
    if request.dry_run:
        raise Refused(DRY_RUN)
    amount = _amount(cvm, request, zone, exchange)
    ids = tuple(_launched(cvm, request, placement, zone, number, exchange) for number in range(amount))
    if request.client_token:
        used = Used(_asked(request), ids, cvm.kernel.clock.now())
        cvm.tokens.remember("RunInstances", request.client_token, used)
    return {"InstanceIdSet": list(ids)}


def _asked(request: RunInstances) -> str:
    return request.model_dump_json(exclude={"client_token"})


def _repeated(cvm: Cvm, request: RunInstances) -> tuple[str, ...] | None:
    """Return what an earlier call with this client token made, None when there was none. Raises Refused."""
    token = request.client_token
    if not token:
        return None
    if len(token) > _LONGEST_TOKEN:
        raise Refused(errors.TOKEN_TOO_LONG)
    used = cvm.tokens.find("RunInstances", token, cvm.kernel.clock.now())
    if used is not None and used.fingerprint != _asked(request):
        raise Refused(errors.BAD_TOKEN)
    return None if used is None else used.ids


def _checked(request: RunInstances, exchange: Exchange) -> tuple[Placement, Zone]:
    """Return where the order is for. Raises Refused for an order that cannot be."""
    if request.launch_template is not None:
        raise Refused(errors.NO_TEMPLATE, id=request.launch_template.launch_template_id[:80])
    if request.placement is None:
        raise missing("Placement")
    if not request.image_id:
        raise missing("ImageId")
    if not IMAGE_ID.fullmatch(request.image_id):
        raise Refused(errors.BAD_IMAGE, id=request.image_id[:80])
    if request.instance_type not in TYPES:
        raise Refused(errors.BAD_TYPE, type=request.instance_type[:80])
    _check_terms(request)
    named(request.instance_name)
    decodable(request.user_data)
    wanted = request.placement.zone
    zone = next((one for one in REGIONS[exchange.entry.region].zones if one.id == wanted), None)
    if zone is None:
        raise Refused(errors.WRONG_ZONE, zone=wanted[:80])
    return request.placement, zone


def _check_terms(request: RunInstances) -> None:
    terms = request.instance_charge_prepaid
    if (terms is not None) != (request.instance_charge_type == "PREPAID"):
        raise Refused(errors.PREPAID_TERMS)
    if terms is not None and terms.period not in _MONTHS:
        raise Refused(errors.BAD_PERIOD, value=terms.period)


def _amount(cvm: Cvm, request: RunInstances, zone: Zone, exchange: Exchange) -> int:
    """Return how many are made: all that were asked for, or at least `MinCount`. Raises Refused when stock is short."""
    wanted = request.instance_count
    least = wanted if request.min_count is None else min(request.min_count, wanted)
    left = cvm.stock.left(zone.id, request.instance_type)
    room = wanted if left is None else min(left, wanted)
    if room < least:
        raise Refused(errors.NO_STOCK, type=request.instance_type, zone=zone.id)
    amount = max(least, room - len(exchange.spoilt(room)))
    taken = cvm.stock.take(zone.id, request.instance_type, amount)
    if left is not None:
        cvm.kernel.journal.change("stock", f"{zone.id}/{request.instance_type}", left, left - taken)
    return amount


def _launched(
    cvm: Cvm, request: RunInstances, placement: Placement, zone: Zone, number: int, exchange: Exchange
) -> str:
    now = cvm.kernel.clock.now()
    terms = request.instance_charge_prepaid
    id_ = cvm.new_id()
    name = _name(request.instance_name, number) or "未命名"
    instance = Instance(
        id=id_,
        region=zone.region,
        zone=zone.id,
        type=request.instance_type,
        image=request.image_id,
        network=_network(cvm, request, zone, number),
        status=Timeline(Status.PENDING, now),
        created=now,
        operation=Timeline(Operation("RunInstances", exchange.request_id), now),
        name=name,
        host_name=_name(request.host_name, number) or f"VM-{number}-{id_[4:]}",
        tags=_tags(request),
        charge_type=request.instance_charge_type,
        project=placement.project_id,
        expires=None if terms is None else now + terms.period * 30 * MILLIS_PER_DAY,
        protected=request.disable_api_termination,
        user_data=request.user_data,
    )
    return cvm.lifecycle.create(instance).id


def _name(pattern: str, number: int) -> str:
    """Fill `{R:x}` in with x and up."""
    return _NUMBERED.sub(lambda found: str(int(found[1]) + number), pattern)


def _tags(request: RunInstances) -> dict[str, str]:
    mine = (one for one in request.tag_specification if one.resource_type == "instance")
    return {tag.key: tag.value for one in mine for tag in one.tags}


def _network(cvm: Cvm, request: RunInstances, zone: Zone, number: int) -> Network:
    asked, internet = request.virtual_private_cloud, request.internet_accessible
    subnet = Subnet(asked.subnet_id or zone.subnet, zone.cidr)
    given = asked.private_ip_addresses[number : number + 1]
    is_public = internet.internet_max_bandwidth_out > 0 and internet.public_ip_assigned is not False
    return Network(
        vpc=asked.vpc_id or zone.vpc,
        subnet=subnet.id,
        private_ip=given[0] if given else cvm.addresses.take(subnet),
        security_groups=request.security_group_ids or (zone.security_group,),
        public_ips=(cvm.addresses.take(PUBLIC),) if is_public else (),
        bandwidth=internet.internet_max_bandwidth_out if is_public else 0,
    )
