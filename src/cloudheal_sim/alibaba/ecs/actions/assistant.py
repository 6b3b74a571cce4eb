"""The calls of Cloud Assistant that make, run and stop commands."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.actions.finding import known_region
from cloudheal_sim.alibaba.ecs.model.assistant import placeholders
from cloudheal_sim.alibaba.ecs.model.frequency import FrequencyError, checked
from cloudheal_sim.alibaba.ecs.model.invocation import Command, Invocation, RepeatMode
from cloudheal_sim.alibaba.ecs.requests.assistant import (
    Content,
    CreateCommand,
    DeleteCommand,
    InvokeCommand,
    ModifyCommand,
    Order,
    RunCommand,
    StopInvocation,
)
from cloudheal_sim.alibaba.ecs.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import DRY_RUN, invalid, missing
from cloudheal_sim.kernel.tokens import Used

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.requests.fields import TagPair
    from cloudheal_sim.alibaba.ecs.state import Ecs
    from cloudheal_sim.alibaba.rpc import RpcRequest
    from cloudheal_sim.kernel.core import Exchange

#: Bytes of a command's content, Base64.
MOST_CONTENT = 24 * 1024
MOST_PARAMETERS, MOST_PLACEHOLDERS = 10, 20
_TYPES = {"RunShellScript": "linux", "RunPowerShellScript": "windows", "RunBatScript": "windows"}


@SERVICE.action(RunCommand)
def run_command(ecs: Ecs, request: RunCommand, exchange: Exchange) -> Reply:
    """Make a command and run it; the same ClientToken gives the same ids and runs nothing."""
    known_region(ecs, request.region_id)
    if ids := _repeated(ecs, "RunCommand", request.client_token, request):
        return {"CommandId": ids[0], "InvokeId": ids[1]}
    plain = (request.content_encoding or "").lower() != "base64"
    command = _command(ecs, request, _content(request.command_content, plain=plain), kept=request.keep_command)
    invocation, instances = _invocation(ecs, request, command)
    ecs.assistant.add(command)
    _begin(ecs, invocation, instances, exchange)
    _remember(ecs, "RunCommand", request.client_token, request, (command.id, invocation.id))
    return {"CommandId": command.id, "InvokeId": invocation.id}


@SERVICE.action(CreateCommand)
def create_command(ecs: Ecs, request: CreateCommand, _exchange: Exchange) -> Reply:
    """Make a command for later."""
    known_region(ecs, request.region_id)
    if ids := _repeated(ecs, "CreateCommand", request.client_token, request):
        return {"CommandId": ids[0]}
    plain = (request.content_encoding or "").lower() == "plaintext"
    command = _command(ecs, request, _content(request.command_content, plain=plain), kept=True)
    ecs.assistant.add(command)
    _remember(ecs, "CreateCommand", request.client_token, request, (command.id,))
    return {"CommandId": command.id}


@SERVICE.action(InvokeCommand)
def invoke_command(ecs: Ecs, request: InvokeCommand, exchange: Exchange) -> Reply:
    """Run a command that was made before."""
    known_region(ecs, request.region_id)
    if ids := _repeated(ecs, "InvokeCommand", request.client_token, request):
        return {"InvokeId": ids[0]}
    invocation, instances = _invocation(ecs, request, _kept(ecs, request.command_id, request.region_id))
    _begin(ecs, invocation, instances, exchange)
    _remember(ecs, "InvokeCommand", request.client_token, request, (invocation.id,))
    return {"InvokeId": invocation.id}


@SERVICE.action(ModifyCommand)
def modify_command(ecs: Ecs, request: ModifyCommand, _exchange: Exchange) -> Reply:
    """Change a command; runs under way keep what they were given."""
    command = _kept(ecs, request.command_id, request.region_id)
    given = request.model_dump(exclude={"region_id", "command_id", "command_content"}, exclude_none=True)
    if request.command_content is not None:
        given["content"] = _content(request.command_content, plain=False)
    for what, value in given.items():
        ecs.kernel.journal.change(f"command.{what}", command.id, getattr(command, what), value)
        setattr(command, what, value)
    return {}


@SERVICE.action(DeleteCommand)
def delete_command(ecs: Ecs, request: DeleteCommand, _exchange: Exchange) -> Reply:
    """Forget a command; its invocations stay on record."""
    command = _kept(ecs, request.command_id, request.region_id)
    ecs.kernel.journal.change("command.kept", command.id, before=True, after=False)
    command.kept = False
    return {}


@SERVICE.action(StopInvocation)
def stop_invocation(ecs: Ecs, request: StopInvocation, _exchange: Exchange) -> Reply:
    """Stop what is still open; what is over stays as it ended."""
    invocation = ecs.assistant.invocations.get(request.invoke_id)
    if invocation is None or invocation.region != request.region_id:
        raise Refused(errors.INVOCATION_NOT_FOUND)
    if any(id_ not in invocation.runs for id_ in request.instance_id):
        raise Refused(errors.COMMAND_INSTANCE_NOT_FOUND)
    ecs.assistant.stop(invocation, request.instance_id)
    return {}


def _content(given: str, *, plain: bool) -> str:
    """Return the text of a command. Raises Refused when it is too long or not what it is said to be."""
    encoded = b64encode(given.encode()) if plain else given.encode()
    if len(encoded) > MOST_CONTENT:
        raise Refused(errors.COMMAND_CONTENT_LIMIT)
    try:
        return b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError) as problem:
        raise Refused(errors.COMMAND_CONTENT_DECODING) from problem


def _command(ecs: Ecs, request: Content, content: str, *, kept: bool) -> Command:
    if request.type not in _TYPES:
        raise Refused(errors.COMMAND_TYPE_NOT_FOUND)
    if request.enable_parameter and len(placeholders(content)) > MOST_PLACEHOLDERS:
        raise invalid("CommandContent", 403)
    return Command(
        id=ecs.new_id("c", request.region_id),
        region=request.region_id,
        type=request.type,
        content=content,
        created=ecs.kernel.clock.now(),
        name=request.name or f"cmd-{request.type}",
        description=request.description or "",
        timeout=request.timeout or 60,
        working_dir=request.working_dir or "",
        launcher=request.launcher or "",
        resource_group=request.resource_group_id or "",
        parameters=request.enable_parameter,
        kept=kept,
        tags=_tags(request.tag),
    )


def _invocation(ecs: Ecs, request: Order, command: Command) -> tuple[Invocation, list[Instance]]:
    """Check an order and return it with the instances it is for. Raises Refused."""
    instances = _targets(ecs, request, command)
    mode = _mode(request, ecs.kernel.clock.now())
    _check_parameters(request.parameters, command)
    if mode is RepeatMode.DRY_RUN:
        raise Refused(DRY_RUN)
    invocation = Invocation(
        id=ecs.new_id("t", request.region_id),
        command=command,
        created=ecs.kernel.clock.now(),
        timeout=request.timeout or command.timeout,
        runs={},
        mode=mode,
        frequency=request.frequency or "",
        parameters=request.parameters,
        username=request.username or "",
        working_dir=request.working_dir or command.working_dir,
        termination_mode=request.termination_mode or "Process",
        resource_group=request.resource_group_id or "",
        tags=_tags(request.tag),
    )
    return invocation, instances


def _targets(ecs: Ecs, request: Order, command: Command) -> list[Instance]:
    if not request.instance_id and not request.resource_tag:
        raise missing("InstanceId", 400)
    if request.instance_id:
        found = [ecs.fleet.find(id_, request.region_id) for id_ in dict.fromkeys(request.instance_id)]
        instances = [one for one in found if one is not None]
        if len(instances) < len(found):
            raise Refused(errors.COMMAND_INSTANCE_NOT_FOUND)
    else:
        tagged = ecs.fleet.in_region(request.region_id)
        instances = [one for one in tagged if _tagged(one, request.resource_tag)]
    if not instances:
        raise Refused(errors.COMMAND_INSTANCE_NOT_FOUND)
    if len(instances) > 100:
        raise Refused(errors.COMMAND_INSTANCES_LIMIT)
    if not all(one.running and system_of(ecs, one) == _TYPES[command.type] for one in instances):
        raise Refused(errors.COMMAND_INSTANCE_MISMATCH)
    return instances


def _tagged(instance: Instance, tags: Sequence[TagPair]) -> bool:
    return all(tag.key in instance.tags and tag.value in {"", instance.tags[tag.key]} for tag in tags)


def system_of(ecs: Ecs, instance: Instance) -> str:
    """Return `linux` or `windows`; an image that the catalogue does not know is Linux."""
    image = ecs.catalogue.images.get(instance.image)
    return "linux" if image is None else image.os_type


def _mode(request: Order, now: int) -> RepeatMode:
    if request.frequency:
        try:
            checked(request.frequency, now)
        except FrequencyError as problem:
            raise Refused(errors.FREQUENCY_INVALID, f"The specified frequency is invalid: {problem}.") from problem
        return RepeatMode.DRY_RUN if request.repeat_mode is RepeatMode.DRY_RUN else RepeatMode.PERIOD
    if request.repeat_mode is RepeatMode.PERIOD:
        raise Refused(errors.FREQUENCY_MISSING)
    return request.repeat_mode or RepeatMode.ONCE


def _check_parameters(parameters: Mapping[str, str], command: Command) -> None:
    if len(parameters) > MOST_PARAMETERS or any(not 0 < len(name) <= 64 for name in parameters):
        raise invalid("Parameters", 403)
    if command.parameters and not {name.lower() for name in parameters} <= placeholders(command.content):
        raise invalid("Parameters", 403)


def _begin(ecs: Ecs, invocation: Invocation, instances: Sequence[Instance], exchange: Exchange) -> Invocation:
    return ecs.assistant.begin(invocation, instances, exchange.spoilt(len(instances)))


def _kept(ecs: Ecs, command_id: str, region: str) -> Command:
    found = ecs.assistant.commands.get(command_id)
    if found is None or found.region != region or not found.kept:
        raise Refused(errors.COMMAND_NOT_FOUND)
    return found


def _repeated(ecs: Ecs, action: str, token: str | None, request: RpcRequest) -> tuple[str, ...]:
    """Return the ids that the token gave before, empty when it is new. Raises Refused when other things were asked."""
    if not token:
        return ()
    if not token.isascii():
        raise Refused(errors.CLIENT_TOKEN_LIMIT)
    used = ecs.tokens.find(action, token, ecs.kernel.clock.now())
    if used is not None and used.fingerprint != _fingerprint(request):
        raise Refused(errors.TOKEN_MISMATCH)
    return () if used is None else used.ids


def _remember(ecs: Ecs, action: str, token: str | None, request: RpcRequest, ids: tuple[str, ...]) -> None:
    if token:
        ecs.tokens.remember(action, token, Used(_fingerprint(request), ids, ecs.kernel.clock.now()))


def _fingerprint(request: RpcRequest) -> str:
    return request.model_dump_json(exclude={"client_token"})


def _tags(tags: Sequence[TagPair]) -> dict[str, str]:
    return {tag.key: tag.value for tag in tags}
