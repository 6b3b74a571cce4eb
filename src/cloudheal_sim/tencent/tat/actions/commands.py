"""The calls that make, run, cancel and delete commands. Whatever keeps a command from being sent is refused at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudheal_sim.tencent.api3 import Refused, Reply
from cloudheal_sim.tencent.api3.refusal import missing
from cloudheal_sim.tencent.tat import errors
from cloudheal_sim.tencent.tat.actions import checks
from cloudheal_sim.tencent.tat.model import Command, Invocation
from cloudheal_sim.tencent.tat.requests import (
    CancelInvocation,
    CreateCommand,
    DeleteCommand,
    InvokeCommand,
    RunCommand,
)
from cloudheal_sim.tencent.tat.service import SERVICE
from cloudheal_sim.tencent.tat.state import ROLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.tat.state import Tat

MOST_INSTANCES, MOST_TO_CANCEL = 200, 100
_INSTANCE = re.compile(r"(?:ins|lhins)-[0-9A-Za-z][0-9A-Za-z_-]{0,123}")


@SERVICE.action(RunCommand, rate=20)
def run_command(tat: Tat, request: RunCommand, exchange: Exchange) -> Reply:
    """Make a command and send it; it is listed afterwards only when it is to be saved."""
    command = _command(tat, request, exchange, kept=request.save_command)
    if request.parameters and not command.parameters:
        raise Refused(errors.ONLY_WITH_PARAMETERS)
    parameters = _parameters(command, request.parameters)
    instances = _targets(tat, request.instance_ids, exchange)
    tat.automation.add(command)
    order = Invocation(
        id=tat.automation.new_id("inv"),
        command=command,
        created=tat.kernel.clock.now(),
        timeout=command.timeout,
        runs={},
        parameters=parameters,
        username=command.username,
        working_dir=command.working_dir,
    )
    _begin(tat, order, instances, exchange)
    return {"CommandId": command.id, "InvocationId": order.id}


@SERVICE.action(CreateCommand, rate=20)
def create_command(tat: Tat, request: CreateCommand, exchange: Exchange) -> Reply:
    """Make a command that can be run later."""
    if not request.command_name:
        raise Refused(errors.BAD_NAME)
    return {"CommandId": tat.automation.add(_command(tat, request, exchange, kept=True)).id}


@SERVICE.action(InvokeCommand, rate=20)
def invoke_command(tat: Tat, request: InvokeCommand, exchange: Exchange) -> Reply:
    """Send a command that was kept."""
    command = _kept(tat, request.command_id, exchange.entry.region)
    if request.parameters and not command.parameters:
        raise Refused(errors.PARAMETERS_DISABLED)
    parameters = _parameters(command, request.parameters)
    timeout = command.timeout if request.timeout is None else checks.timeout_of(request.timeout)
    user, directory = checks.user_of(request.username), checks.directory_of(request.working_directory)
    instances = _targets(tat, request.instance_ids, exchange)
    order = Invocation(
        id=tat.automation.new_id("inv"),
        command=command,
        created=tat.kernel.clock.now(),
        timeout=timeout,
        runs={},
        parameters=parameters,
        username=user if request.username else command.username,
        working_dir=directory if request.working_directory else command.working_dir,
    )
    _begin(tat, order, instances, exchange)
    return {"InvocationId": order.id}


@SERVICE.action(DeleteCommand, rate=20)
def delete_command(tat: Tat, request: DeleteCommand, exchange: Exchange) -> Reply:
    """Delete a command; what it did stays on record."""
    command = _kept(tat, request.command_id, exchange.entry.region)
    tat.kernel.journal.change("command.kept", command.id, before=True, after=False)
    command.kept = False
    return {}


@SERVICE.action(CancelInvocation, rate=20)
def cancel_invocation(tat: Tat, request: CancelInvocation, exchange: Exchange) -> Reply:
    """Cancel what is still open; what is over stays as it ended."""
    order = tat.automation.invocations.get(request.invocation_id)
    if order is None or order.region != exchange.entry.region:
        raise Refused(errors.INVOCATION_NOT_FOUND, id=request.invocation_id[:40])
    if len(request.instance_ids) > MOST_TO_CANCEL:
        raise Refused(errors.TOO_MANY, name="InstanceIds", limit=MOST_TO_CANCEL)
    for id_ in request.instance_ids:
        if id_ not in order.runs:
            raise Refused(errors.INSTANCE_NOT_FOUND, id=id_[:40])
    tat.automation.stop(order, request.instance_ids)
    return {}


def _command(tat: Tat, request: RunCommand | CreateCommand, exchange: Exchange, *, kept: bool) -> Command:
    content = checks.content_of(request.content)
    defaults = checks.defaults_of(request.default_parameters, request.default_parameter_confs)
    if defaults and not request.enable_parameter:
        raise Refused(errors.ONLY_WITH_PARAMETERS)
    return Command(
        id=tat.automation.new_id("cmd"),
        region=exchange.entry.region,
        type=checks.type_of(request.command_type),
        content=content,
        created=tat.kernel.clock.now(),
        name=checks.name_of(request.command_name),
        description=checks.described(request.description),
        timeout=checks.timeout_of(request.timeout),
        working_dir=checks.directory_of(request.working_directory),
        parameters=request.enable_parameter,
        kept=kept,
        tags={one.key: one.value for one in request.tags},
        username=checks.user_of(request.username),
        defaults=defaults,
    )


def _parameters(command: Command, text: str) -> Mapping[str, str]:
    given = checks.parameters_of(text, "Parameters")
    if command.parameters:
        checks.filled(command.content, {**command.defaults, **given})
    return given


def _kept(tat: Tat, id_: str, region: str) -> Command:
    found = tat.automation.commands.get(id_)
    if found is None or found.region != region or not found.kept:
        raise Refused(errors.COMMAND_NOT_FOUND, id=id_[:40])
    return found


def _targets(tat: Tat, ids: Sequence[str], exchange: Exchange) -> list[Instance]:
    """Return the instances if a command can reach all of them; all or nothing (UNVERIFIED)."""
    if not ids:
        raise missing("InstanceIds")
    if len(ids) > MOST_INSTANCES:
        raise Refused(errors.TOO_MANY, name="InstanceIds", limit=MOST_INSTANCES)
    if any(not _INSTANCE.fullmatch(id_) for id_ in ids):
        raise Refused(errors.BAD_INSTANCE_ID, id=next(id_ for id_ in ids if not _INSTANCE.fullmatch(id_))[:40])
    if len({id_.partition("-")[0] for id_ in ids}) > 1:
        raise Refused(errors.MIXED_INSTANCES)
    if ROLE not in tat.service_roles:
        raise Refused(errors.ROLE_NOT_FOUND, role=ROLE)
    return [_reachable(tat, id_, exchange.entry.region) for id_ in dict.fromkeys(ids)]


def _reachable(tat: Tat, id_: str, region: str) -> Instance:
    found = tat.cvm.fleet.find(id_, region)
    if found is None:
        raise Refused(errors.INSTANCE_NOT_FOUND, id=id_[:40])
    if not found.has_agent:
        raise Refused(errors.NO_AGENT, id=id_)
    if not found.running:
        raise Refused(errors.NOT_RUNNING, id=id_)
    if not tat.agent_online(found):
        raise Refused(errors.AGENT_OFFLINE, id=id_)
    return found


def _begin(tat: Tat, order: Invocation, instances: Sequence[Instance], exchange: Exchange) -> Invocation:
    return tat.automation.begin(order, instances, exchange.spoilt(len(instances)))
