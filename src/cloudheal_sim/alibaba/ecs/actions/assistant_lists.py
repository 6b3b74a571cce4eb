"""The calls of Cloud Assistant that show commands, invocations, results and agents."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeVar

from cloudheal_sim.alibaba.ecs.actions.assistant import system_of
from cloudheal_sim.alibaba.ecs.actions.finding import known_region
from cloudheal_sim.alibaba.ecs.replies import assistant as replies
from cloudheal_sim.alibaba.ecs.replies.newest import newest_by_number, newest_by_token
from cloudheal_sim.alibaba.ecs.replies.paging import Page, Placed, either_way
from cloudheal_sim.alibaba.ecs.requests.assistant import (
    DescribeCloudAssistantStatus,
    DescribeCommands,
    DescribeInvocationResults,
    DescribeInvocations,
    Listed,
)
from cloudheal_sim.alibaba.ecs.requests.fields import PagedEitherWay
from cloudheal_sim.alibaba.ecs.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.model.invocation import Command, Invocation
    from cloudheal_sim.alibaba.ecs.requests.fields import TagPair
    from cloudheal_sim.alibaba.ecs.state import Ecs
    from cloudheal_sim.alibaba.rpc import Reply
    from cloudheal_sim.kernel.core import Exchange

P = TypeVar("P", bound=Placed)
MOST_RESULTS = 50


@SERVICE.action(DescribeCommands)
def describe_commands(ecs: Ecs, request: DescribeCommands, _exchange: Exchange) -> Reply:
    """Show the commands that were kept, newest first; public ones are not simulated, so there are none."""
    known_region(ecs, request.region_id)
    shown = [one for one in ecs.assistant.kept(request.region_id) if _command_fits(one, request)]
    return replies.commands(_page(shown, request), base64=_wants_base64(request.content_encoding))


def _command_fits(command: Command, request: DescribeCommands) -> bool:
    return (
        request.provider is None
        and request.command_id in {None, command.id}
        and (request.name is None or fnmatchcase(command.name, request.name))
        and (request.description is None or fnmatchcase(command.description, request.description))
        and request.type in {None, command.type}
        and request.resource_group_id in {None, command.resource_group}
        and _tagged(command.tags, request.tag)
    )


@SERVICE.action(DescribeInvocations)
def describe_invocations(ecs: Ecs, request: DescribeInvocations, exchange: Exchange) -> Reply:
    """Show orders, newest first, with their runs."""
    known_region(ecs, request.region_id)
    shown = [
        one for one in ecs.assistant.in_region(request.region_id) if _invocation_fits(one, request, exchange.as_of)
    ]
    return replies.invocations(
        _page(shown, request),
        replies.Form(
            base64=_wants_base64(request.content_encoding), output=request.include_output, as_of=exchange.as_of
        ),
    )


def _invocation_fits(invocation: Invocation, request: DescribeInvocations, as_of: int | None) -> bool:
    if not invocation.statuses(as_of):
        return False
    general = (
        request.invoke_id in {None, invocation.id}
        and request.command_id in {None, invocation.command.id}
        and request.command_type in {None, invocation.command.type}
        and request.instance_id in {None, *invocation.runs}
        and request.resource_group_id in {None, invocation.resource_group}
        and (request.timed is None or request.timed is invocation.timed)
        and _tagged(invocation.tags, request.tag)
    )
    return general and (request.instance_id is not None or _order_fits(invocation, request, as_of))


def _order_fits(invocation: Invocation, request: DescribeInvocations, as_of: int | None) -> bool:
    """Apply the filters that have no effect beside InstanceId."""
    return (
        (request.command_name is None or fnmatchcase(invocation.command.name, request.command_name))
        and request.repeat_mode in {None, invocation.mode.value}
        and request.invoke_status in {None, *replies.both_statuses(invocation, as_of)}
    )


@SERVICE.action(DescribeInvocationResults)
def describe_invocation_results(ecs: Ecs, request: DescribeInvocationResults, exchange: Exchange) -> Reply:
    """Show runs with their output, newest orders first; earlier runs of repeating commands when asked."""
    known_region(ecs, request.region_id)
    shown = [
        replies.Result(invocation, run)
        for invocation in ecs.assistant.in_region(request.region_id)
        if _belongs(invocation, request)
        for run in (*(invocation.past if request.include_history else ()), *invocation.runs.values())
        if request.instance_id in {None, run.instance} and run.status.at(exchange.as_of) is not None
    ]
    wanted = request.invoke_record_status
    found = [one for one in shown if wanted in {None, one.record_status(exchange.as_of)}]
    for place, result in enumerate(found, 1):
        result.seq = place
    form = replies.Form(base64=_wants_base64(request.content_encoding), output=True, as_of=exchange.as_of)
    return replies.results(_page(found, request), form)


def _belongs(invocation: Invocation, request: DescribeInvocationResults) -> bool:
    return (
        request.invoke_id in {None, invocation.id}
        and request.command_id in {None, invocation.command.id}
        and request.resource_group_id in {None, invocation.resource_group}
        and _tagged(invocation.tags, request.tag)
    )


@SERVICE.action(DescribeCloudAssistantStatus)
def describe_cloud_assistant_status(ecs: Ecs, request: DescribeCloudAssistantStatus, exchange: Exchange) -> Reply:
    """Show which agents answer; unknown instances are absent."""
    known_region(ecs, request.region_id)
    wanted = frozenset(request.instance_id)
    shown: Sequence[Instance] = [
        one
        for one in ecs.fleet.in_region(request.region_id, exchange.as_of)
        if (not wanted or one.id in wanted) and request.os_type in {None, system_of(ecs, one).capitalize()}
    ]
    asked = PagedEitherWay.model_construct(
        page_number=request.page_number,
        page_size=request.page_size or (MOST_RESULTS if wanted else None),
        max_results=None if wanted else request.max_results and min(request.max_results, MOST_RESULTS),
        next_token=request.next_token,
    )
    return replies.agents(either_way(shown, asked), lambda one: _agent(ecs, one))


def _agent(ecs: Ecs, instance: Instance) -> replies.Agent:
    now, ready = ecs.kernel.clock.now(), ecs.guests.agent_ready(instance)
    runs = [one.runs[instance.id] for one in ecs.assistant.of_instance(instance.id)]
    return replies.Agent(system_of(ecs, instance), ready is not None and ready <= now, runs, now)


def _page(shown: Sequence[P], request: Listed) -> Page[P]:
    if request.max_results is None and request.next_token is None:
        return newest_by_number(shown, request.page_number or 1, request.page_size or 10)
    return newest_by_token(shown, request.next_token or "", min(MOST_RESULTS, request.max_results or 10))


def _tagged(tags: Mapping[str, str], wanted: Sequence[TagPair]) -> bool:
    return all(tag.key in tags and tag.value in {"", tags[tag.key]} for tag in wanted)


def _wants_base64(encoding: str | None) -> bool:
    return (encoding or "").lower() != "plaintext"
