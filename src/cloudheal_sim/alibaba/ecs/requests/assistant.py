"""Wire in: the calls of Cloud Assistant."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.model.invocation import RepeatMode
from cloudheal_sim.alibaba.ecs.requests.fields import Paged, Switch, TagPair
from cloudheal_sim.alibaba.rpc import Refusal, RpcRequest
from cloudheal_sim.alibaba.rpc.request import Blank, Flag, JsonText, Numbered, Text

Seconds = Annotated[Annotated[int, Field(ge=1, le=86_400)] | None, Blank]
UpToFifty = Annotated[Annotated[int, Field(ge=1)] | None, Blank]


def _texts(value: object) -> object:
    """Take numbers and booleans for the texts they are written as; a blank parameter means none."""
    if isinstance(value, dict):
        return {name: one if isinstance(one, str) else str(one) for name, one in value.items()}
    return {} if value == [] else value


Parameters = Annotated[dict[str, str], BeforeValidator(_texts), JsonText]


class Content(RpcRequest):
    """What a command is."""

    REFUSALS: ClassVar[dict[str, Refusal]] = {
        "Name": errors.COMMAND_NAME_LIMIT,
        "Description": errors.COMMAND_DESCRIPTION_LIMIT,
        "ClientToken": errors.CLIENT_TOKEN_LIMIT,
    }

    region_id: str
    type: str
    command_content: str
    name: Annotated[Annotated[str, Field(max_length=128)] | None, Blank] = None
    description: Annotated[Annotated[str, Field(max_length=512)] | None, Blank] = None
    content_encoding: Text = None
    timeout: Seconds = None
    working_dir: Text = None
    launcher: Text = None
    enable_parameter: Switch = False
    resource_group_id: Text = None
    tag: tuple[TagPair, ...] = Field((), max_length=20)
    client_token: Annotated[Annotated[str, Field(max_length=64)] | None, Blank] = None


class Order(RpcRequest):
    """Where and when a command runs."""

    INVALID_STATUS = 403

    region_id: str
    instance_id: Annotated[Numbered, Field(max_length=100)] = ()
    resource_tag: tuple[TagPair, ...] = Field((), max_length=20)
    parameters: Parameters = Field(default_factory=dict)
    timeout: Seconds = None
    working_dir: Text = None
    resource_group_id: Text = None
    tag: tuple[TagPair, ...] = Field((), max_length=20)
    client_token: Annotated[Annotated[str, Field(max_length=64)] | None, Blank] = None
    repeat_mode: Annotated[RepeatMode | None, Blank] = None
    frequency: Text = None
    username: Annotated[Annotated[str, Field(max_length=255)] | None, Blank] = None
    termination_mode: Annotated[Literal["Process", "ProcessTree"] | None, Blank] = None


_ORDER_IGNORED = "ContainerId ContainerName OssOutputDelivery WindowsPasswordName Timed"


class RunCommand(Content, Order):
    """Makes a command and runs it."""

    IGNORED = _ORDER_IGNORED
    REFUSALS: ClassVar[dict[str, Refusal]] = {**Content.REFUSALS, "InstanceId": errors.COMMAND_INSTANCES_LIMIT}

    keep_command: Switch = False


class CreateCommand(Content):
    """Makes a command."""

    INVALID_STATUS = 403

    name: Annotated[str, Field(min_length=1, max_length=128)]


class InvokeCommand(Order):
    """Runs a command that was made before."""

    IGNORED = f"{_ORDER_IGNORED} Launcher"
    REFUSALS: ClassVar[dict[str, Refusal]] = {
        "InstanceId": errors.COMMAND_INSTANCES_LIMIT,
        "ClientToken": errors.CLIENT_TOKEN_LIMIT,
    }

    command_id: str


class ModifyCommand(RpcRequest):
    """Changes a command; what is not given stays."""

    INVALID_STATUS = 403
    REFUSALS = Content.REFUSALS

    region_id: str
    command_id: str
    name: Annotated[Annotated[str, Field(max_length=128)] | None, Blank] = None
    description: Annotated[Annotated[str, Field(max_length=512)] | None, Blank] = None
    command_content: Text = None
    working_dir: Text = None
    launcher: Text = None
    timeout: Seconds = None


class DeleteCommand(RpcRequest):
    """Forgets a command; what it has done stays on record."""

    region_id: str
    command_id: str


class StopInvocation(RpcRequest):
    """Stops a command on some instances, or on all of its instances when none is named."""

    REFUSALS: ClassVar[dict[str, Refusal]] = {"InstanceId": errors.COMMAND_INSTANCES_LIMIT}

    region_id: str
    invoke_id: str
    instance_id: Annotated[Numbered, Field(max_length=50)] = ()


class Listed(Paged):
    """Pages by number, or by token; up to 50 entries that way."""

    region_id: str
    max_results: UpToFifty = None
    next_token: Text = None


class DescribeCommands(Listed):
    """Shows commands that were kept."""

    IGNORED = "Latest"

    command_id: Text = None
    name: Text = None
    description: Text = None
    type: Text = None
    provider: Text = None
    content_encoding: Text = None
    resource_group_id: Text = None
    tag: tuple[TagPair, ...] = ()


class DescribeInvocations(Listed):
    """Shows orders with the states of their runs."""

    invoke_id: Text = None
    command_id: Text = None
    command_name: Text = None
    command_type: Text = None
    instance_id: Text = None
    invoke_status: Text = None
    repeat_mode: Text = None
    timed: Flag = None
    include_output: Switch = False
    content_encoding: Text = None
    resource_group_id: Text = None
    tag: tuple[TagPair, ...] = ()


class DescribeInvocationResults(Listed):
    """Shows runs with their output."""

    invoke_id: Text = None
    command_id: Text = None
    instance_id: Text = None
    invoke_record_status: Text = None
    include_history: Switch = False
    content_encoding: Text = None
    resource_group_id: Text = None
    tag: tuple[TagPair, ...] = ()


class DescribeCloudAssistantStatus(Listed):
    """Shows which instances' agents answer."""

    REFUSALS: ClassVar[dict[str, Refusal]] = {"InstanceId": errors.COMMAND_INSTANCES_LIMIT}

    instance_id: Annotated[Numbered, Field(max_length=50)] = ()
    os_type: Text = Field(None, alias="OSType")
