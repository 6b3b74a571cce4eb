"""Wire in: the parameters of the TAT calls."""

from __future__ import annotations

from pydantic import Field

from cloudheal_sim.tencent.api3 import Api3Request, Struct


class Filter(Struct):
    """One condition: a name, and values of which one must fit."""

    name: str
    values: tuple[str, ...]


class Tag(Struct):
    """One tag of a command that is kept."""

    key: str
    value: str


class DefaultParameterConf(Struct):
    """One parameter with its value by default."""

    IGNORED = "ParameterDescription"

    parameter_name: str
    parameter_value: str = ""


class _Content(Api3Request):
    """What a command is made of."""

    IGNORED = "OutputCOSBucketUrl OutputCOSKeyPrefix"

    content: str
    command_name: str = ""
    description: str = ""
    command_type: str = "SHELL"
    working_directory: str = ""
    timeout: int = 60
    username: str = ""
    enable_parameter: bool = False
    default_parameters: str = ""
    default_parameter_confs: tuple[DefaultParameterConf, ...] = ()
    tags: tuple[Tag, ...] = ()


class RunCommand(_Content):
    """Make a command and run it at once."""

    instance_ids: tuple[str, ...]
    save_command: bool = False
    parameters: str = ""


class CreateCommand(_Content):
    """Make a command that can be run later."""

    command_name: str


class InvokeCommand(Api3Request):
    """Run a command that was kept."""

    IGNORED = "OutputCOSBucketUrl OutputCOSKeyPrefix"

    command_id: str
    instance_ids: tuple[str, ...]
    parameters: str = ""
    username: str = ""
    working_directory: str = ""
    timeout: int | None = None


class DeleteCommand(Api3Request):
    """Delete a command that was kept."""

    command_id: str


class CancelInvocation(Api3Request):
    """Cancel an invocation, on some of its instances or on all."""

    invocation_id: str
    instance_ids: tuple[str, ...] = ()


class _Page(Api3Request):
    """A page of a list, by ids or by filters."""

    filters: tuple[Filter, ...] = ()
    limit: int = 20
    offset: int = 0


class DescribeCommands(_Page):
    """Commands that were kept."""

    command_ids: tuple[str, ...] = ()


class DescribeInvocations(_Page):
    """Orders, the latest first."""

    invocation_ids: tuple[str, ...] = ()


class DescribeInvocationTasks(_Page):
    """Runs, the latest first; without their output unless it is asked for."""

    invocation_task_ids: tuple[str, ...] = ()
    hide_output: bool = Field(True)


class DescribeAutomationAgentStatus(_Page):
    """The agents of instances; one that never had an agent is absent."""

    instance_ids: tuple[str, ...] = ()
