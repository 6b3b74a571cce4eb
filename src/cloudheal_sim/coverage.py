"""What of the real services is simulated, read from the code that does it: services, actions, parameters.

`python -m cloudheal_sim.coverage` prints it; the reference page is this output. A parameter is honoured (a field of the
request model), or ignored (the real service knows it, here it has no effect); a test holds the two against the
official SDKs, so that none is missing from both.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cloudheal_sim.alibaba.mns.operations import OPERATIONS
from cloudheal_sim.alibaba.rpc.request import COMMON as RPC_COMMON
from cloudheal_sim.alibaba.rpc.request import JsonText
from cloudheal_sim.kernel.service import Struct
from cloudheal_sim.simulator import Simulator
from cloudheal_sim.tencent.api3.request import COMMON as API3_COMMON

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from cloudheal_sim.kernel.service import Action, Service


#: How a service is spoken to: Alibaba Cloud's RPC gateways, and Tencent Cloud's API 3.0.
RPC, API3 = "RPC", "API 3.0"


class Format(StrEnum):
    """How the coverage is printed."""

    MD = "md"
    JSON = "json"


class Language(StrEnum):
    """The language of the printed page; names of actions and parameters have none."""

    EN = "en"
    ZH = "zh"


@dataclass(frozen=True, slots=True)
class ActionCoverage:
    """One action with its parameters, named as on the wire; `Tag.N.Key` is a list of structs."""

    name: str
    honoured: tuple[str, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceCoverage:
    """One version of one service."""

    name: str
    version: str
    protocol: str
    actions: tuple[ActionCoverage, ...]

    @property
    def honoured(self) -> int:
        """How many parameters have an effect, over all actions."""
        return sum(len(action.honoured) for action in self.actions)

    @property
    def ignored(self) -> int:
        """How many are taken without effect."""
        return sum(len(action.ignored) for action in self.actions)


def coverage() -> tuple[ServiceCoverage, ...]:
    """Return what the simulator covers, by service and action in alphabetical order."""
    simulator = Simulator()
    services = [_of_mns(), *(_of(one, RPC) for one in simulator.alibaba.services)]
    services += [_of(one, API3) for one in simulator.tencent.services]
    return tuple(sorted(services, key=lambda one: (one.name.lower(), one.version)))


def _of_mns() -> ServiceCoverage:
    actions = (ActionCoverage(name, one.honoured, one.ignored) for name, one in sorted(OPERATIONS.items()))
    return ServiceCoverage("MNS", "2015-06-06", "REST, XML", tuple(actions))


def _of(service: Service[Any], protocol: str) -> ServiceCoverage:
    actions = tuple(_of_action(service.actions[name]) for name in sorted(service.actions))
    return ServiceCoverage(service.product, service.version, protocol, actions)


def _of_action(action: Action) -> ActionCoverage:
    honoured, ignored = set(_honoured(action.request)), set(_ignored(action.request))
    return ActionCoverage(action.name, tuple(sorted(honoured)), tuple(sorted(ignored)))


def _honoured(struct: type[Struct], prefix: str = "") -> Iterator[str]:
    for name, field in struct.model_fields.items():
        wire, inner = f"{prefix}{field.alias or name}", nested(field)
        if inner is None:
            yield wire
        else:
            yield from _honoured(inner[0], f"{wire}{inner[1]}")


def _ignored(struct: type[Struct], prefix: str = "") -> Iterator[str]:
    yield from (f"{prefix}{name}" for name in struct.IGNORED.split())
    for name, field in struct.model_fields.items():
        if (inner := nested(field)) is not None:
            yield from _ignored(inner[0], f"{prefix}{field.alias or name}{inner[1]}")


def nested(field: FieldInfo) -> tuple[type[Struct], str] | None:
    """Return the struct that a field holds, with `.N.` for a list and `.` for one; None for everything else.

    What travels inside one string as JSON is one parameter.
    """
    if JsonText in field.metadata:
        return None
    for kind in _kinds(field.annotation):
        if isinstance(kind, type) and issubclass(kind, Struct):
            return kind, "." if kind in _direct(field.annotation) else ".N."
    return None


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in typing.get_args(annotation):
        yield from _kinds(part)


def _direct(annotation: Any) -> tuple[Any, ...]:
    """Return the annotation itself and the members of its union."""
    return (annotation, *(() if typing.get_origin(annotation) in {tuple, list} else typing.get_args(annotation)))


_TEXTS = {
    Language.EN: {
        "title": "Coverage",
        "intro": "Generated from the code by `python -m cloudheal_sim.coverage`. What is not listed does not exist "
        "here and is answered as the real service answers an unknown action.",
        "honoured": "honoured",
        "ignored": "ignored",
        "meaning": "*Honoured* parameters have an effect. *Ignored* ones are known to the real service and accepted "
        "here without effect. `Tag.N.Key` is a list of structs. Every RPC call (Alibaba Cloud) takes these as well:",
        "api3": "Every call of API 3.0 (Tencent Cloud) takes these, as headers or, with the older signatures, as "
        "parameters:",
        "service": "service",
        "version": "version",
        "protocol": "protocol",
        "actions": "actions",
        "action": "action",
        "total": "total",
    },
    Language.ZH: {
        "title": "覆盖范围",
        "intro": "由 `python -m cloudheal_sim.coverage` 从代码生成。未列出的动作在这里不存在，"
        "回答与真实服务对未知动作的回答一致。",
        "honoured": "生效",
        "ignored": "忽略",
        "meaning": "“生效”的参数会起作用；“忽略”的参数是真实服务认识、这里接受但不起作用的。"
        "`Tag.N.Key` 表示结构的列表。每个 RPC 调用（阿里云）还接受下列公共参数：",
        "api3": "每个 API 3.0 调用（腾讯云）还接受下列公共参数，放在请求头中，旧版签名则放在参数中：",
        "service": "服务",
        "version": "版本",
        "protocol": "协议",
        "actions": "动作数",
        "action": "动作",
        "total": "合计",
    },
}


def markdown(services: Sequence[ServiceCoverage], language: Language) -> str:
    """Write the coverage as a page of the documentation."""
    return "\n".join([*_summary(services, _TEXTS[language]), *_tables(services, _TEXTS[language])])


def _summary(services: Sequence[ServiceCoverage], texts: dict[str, str]) -> Iterator[str]:
    yield from (f"# {texts['title']}", "", texts["intro"], "", texts["meaning"], "", _names(sorted(RPC_COMMON)), "")
    yield from (texts["api3"], "", _names(sorted(API3_COMMON)), "")
    yield _row(texts[key] for key in ("service", "version", "protocol", "actions", "honoured", "ignored"))
    yield "| --- | --- | --- | ---: | ---: | ---: |"
    for one in services:
        yield _row((one.name, one.version, one.protocol, len(one.actions), one.honoured, one.ignored))
    totals = (sum(counts) for counts in zip(*((len(s.actions), s.honoured, s.ignored) for s in services), strict=True))
    yield _row((texts["total"], "", "", *totals))


def _tables(services: Sequence[ServiceCoverage], texts: dict[str, str]) -> Iterator[str]:
    for one in services:
        yield from ("", f"## {one.name} {one.version}", "")
        yield _row(texts[key] for key in ("action", "honoured", "ignored"))
        yield "| --- | --- | --- |"
        yield from (_row((f"`{a.name}`", _names(a.honoured), _names(a.ignored))) for a in one.actions)


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _names(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def main(
    form: Annotated[Format, typer.Option("--format", help="Markdown page or JSON.")] = Format.MD,
    language: Annotated[Language, typer.Option(help="Language of the Markdown page.")] = Language.EN,
) -> None:
    """Print which services, actions and parameters are simulated."""
    services = coverage()
    if form is Format.MD:
        print(markdown(services, language))
    else:
        print(json.dumps([dataclasses.asdict(one) for one in services], indent=2))


if __name__ == "__main__":
    typer.run(main)
