"""The pieces of a world document that hold events, as they are written: short forms and full forms are one model.

Short forms: one pattern instead of a list, one word instead of a list of one, `{"queue": "q"}` for a target,
`{"webhook": "http://..."}`. Names of pattern fields may be the vendor's (`name_list`) or plain (`names`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, model_validator

from cloudheal_sim.alibaba.cms.model.content_query import QueryError, compiled
from cloudheal_sim.alibaba.cms.model.delivery import RETRIES, Delivery
from cloudheal_sim.alibaba.cms.model.event_bus import DELAY_SECONDS
from cloudheal_sim.alibaba.cms.model.event_log import NO_GROUP, Published
from cloudheal_sim.alibaba.cms.model.event_rule import EventRule, Pattern
from cloudheal_sim.alibaba.cms.model.event_target import (
    MOST_TARGETS,
    ContactTarget,
    FcTarget,
    MnsTarget,
    OpenApiTarget,
    SlsTarget,
    Target,
    WebhookTarget,
)
from cloudheal_sim.alibaba.cms.model.publication import HOME
from cloudheal_sim.alibaba.events import SystemEvent
from cloudheal_sim.kernel.clock import to_millis
from cloudheal_sim.kernel.world import Part, WorldError


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]


_PLAIN_NAMES = {
    "name": "name_list",
    "names": "name_list",
    "level": "level_list",
    "levels": "level_list",
    "event_type": "event_type_list",
    "event_types": "event_type_list",
    "status": "status_list",
    "statuses": "status_list",
}


class PatternPart(Part):
    """One pattern; an empty one fits every event of every product."""

    product: str = "*"
    name_list: Words = ()
    level_list: Words = ()
    event_type_list: Words = ()
    status_list: Words = ()
    custom_filters: str = ""
    sql_filter: str = ""
    keywords: Words = ()
    relation: Literal["OR", "NOT"] = "OR"

    @model_validator(mode="before")
    @classmethod
    def _plain_names(cls, data: Any) -> Any:
        return {_PLAIN_NAMES.get(key, key): value for key, value in data.items()} if isinstance(data, dict) else data

    def pattern(self) -> Pattern:
        """Return the pattern meant. Raises WorldError when its filter cannot be read."""
        try:
            compiled(self.sql_filter or "*")
        except QueryError as problem:
            msg = f"event_rules: sql_filter: {problem}"
            raise WorldError(msg) from problem
        return Pattern(
            product=self.product,
            names=self.name_list,
            levels=self.level_list,
            event_types=self.event_type_list,
            statuses=self.status_list,
            custom_filters=self.custom_filters,
            sql_filter=self.sql_filter,
            keywords=self.keywords,
            relation=self.relation,
        )


class _Mns(Part):
    id: str = ""
    region: str = HOME
    queue: str = ""
    topic: str = ""
    eventbridge: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> _Mns:
        if bool(self.queue) == bool(self.topic):
            msg = "expected exactly one of queue, topic"
            raise ValueError(msg)
        return self


class _Webhook(Part):
    id: str = ""
    url: str
    method: Literal["POST", "GET"] = "POST"
    protocol: str = "http"
    eventbridge: bool = False


class _Fc(Part):
    id: str = ""
    region: str = HOME
    service_name: str = ""
    function_name: str


class _Sls(Part):
    id: str = ""
    region: str = HOME
    project: str
    log_store: str


class _Contact(Part):
    id: str = ""
    contact_group_name: str
    level: Literal["2", "3", "4"] = "3"


class _OpenApi(Part):
    id: str = ""
    product: str
    action: str
    version: str
    region: str = HOME
    role: str = ""
    arn: str = ""
    json_params: str = ""


_KINDS: dict[str, type[Target]] = {
    "mns": MnsTarget,
    "webhook": WebhookTarget,
    "fc": FcTarget,
    "sls": SlsTarget,
    "contact": ContactTarget,
    "open_api": OpenApiTarget,
}


class TargetPart(Part):
    """One target: an object with the one key that says its kind."""

    mns: _Mns | None = None
    webhook: _Webhook | None = None
    fc: _Fc | None = None
    sls: _Sls | None = None
    contact: _Contact | None = None
    open_api: _OpenApi | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if data.keys() & {"queue", "topic"}:
            return {"mns": data}
        if "eventbridge" in data:
            data = dict(data)
            flag = {"eventbridge": data.pop("eventbridge")}
            data = {kind: {**value, **flag} if isinstance(value, dict) else value for kind, value in data.items()}
        short = {"webhook": "url", "contact": "contact_group_name"}
        return {
            kind: {short[kind]: value} if isinstance(value, str) and kind in short else value
            for kind, value in data.items()
        }

    @model_validator(mode="after")
    def _one_kind(self) -> TargetPart:
        if len(self.model_dump(exclude_none=True)) != 1:
            msg = f"expected exactly one of {', '.join(_KINDS)}"
            raise ValueError(msg)
        return self

    def target(self, position: int) -> Target:
        """Return the target meant; without an id it is known by its position."""
        ((kind, facts),) = self.model_dump(exclude_none=True).items()
        return _KINDS[kind](**{**facts, "id": facts["id"] or str(position)})


class RulePart(Part):
    """One event rule."""

    name: str = Field(min_length=1)
    patterns: list[PatternPart] = Field(default_factory=lambda: [PatternPart()], min_length=1)
    type: Literal["SYSTEM", "CUSTOM"] = "SYSTEM"
    state: Annotated[Literal["ENABLED", "DISABLED"], BeforeValidator(_upper)] = "ENABLED"
    group: str = ""
    silence_time: int = Field(86400, ge=0)
    description: str = ""
    targets: tuple[TargetPart, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, dict) and "pattern" in data:
            data = {**data, "patterns": data["pattern"]}
            del data["pattern"]
        if isinstance(data, dict):
            alone = {key: [data[key]] for key in ("patterns", "targets") if isinstance(data.get(key), dict)}
            data = {**data, **alone}
        return data

    def rule(self) -> EventRule:
        """Return the rule meant. Raises WorldError."""
        targets = tuple(part.target(position) for position, part in enumerate(self.targets, 1))
        kinds = [target.kind for target in targets]
        if len({(target.kind, target.id) for target in targets}) != len(targets):
            msg = f"event_rules: {self.name}: two targets of one kind have the same id"
            raise WorldError(msg)
        if any(kinds.count(kind) > MOST_TARGETS for kind in kinds):
            msg = f"event_rules: {self.name}: at most {MOST_TARGETS} targets of one kind"
            raise WorldError(msg)
        return EventRule(
            name=self.name,
            patterns=tuple(part.pattern() for part in self.patterns),
            sort=self.type,
            enabled=self.state == "ENABLED",
            group=self.group,
            silence_time=self.silence_time,
            description=self.description,
            targets=targets,
        )


class EventPart(Part):
    """One published event in full."""

    id: str = Field(min_length=1)
    product: str
    name: str
    level: str
    event_type: str = ""
    status: str = ""
    region: str = HOME
    resource: str = ""
    resource_id: str = ""
    at: AwareDatetime
    content: dict[str, Any] = Field(default_factory=dict)
    instance_name: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    groups: tuple[str, ...] = ()
    sort: Literal["SYSTEM", "CUSTOM"] = "SYSTEM"
    eventbridge: bool = False
    dry_run: bool = False
    verbatim: dict[str, Any] | None = None

    def published(self) -> Published:
        """Return the event meant."""
        facts = {name: getattr(self, name) for name in SystemEvent.__dataclass_fields__ if name != "at"}
        return Published(
            id=self.id,
            event=SystemEvent(**facts, at=to_millis(self.at)),
            groups=self.groups,
            sort=self.sort,
            eventbridge=self.eventbridge,
            dry_run=self.dry_run,
            verbatim=self.verbatim,
        )


class DeliveryPart(Part):
    """One delivery under way."""

    due: AwareDatetime
    rule: str
    target: TargetPart
    event: EventPart
    attempt: int = Field(1, ge=1, le=RETRIES + 1)

    def delivery(self) -> Delivery:
        """Return the delivery meant."""
        return Delivery(to_millis(self.due), self.rule, self.target.target(1), self.event.published(), self.attempt)


class AlarmPart(Part):
    """One alarm on custom events."""

    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    event_name: str = Field(min_length=1)
    level: Literal["CRITICAL", "WARN", "INFO"] = "WARN"
    threshold: int = Field(1, ge=1)
    group: str = NO_GROUP
    period: int = Field(300, ge=60, le=86400, multiple_of=60)
    contact_groups: tuple[str, ...] = ()
    webhook: str = ""


class EventsPart(Part):
    """All keys of this section."""

    event_rules: tuple[RulePart, ...] = ()
    event_log: tuple[EventPart, ...] = ()
    event_deliveries: tuple[DeliveryPart, ...] = ()
    custom_event_rules: tuple[AlarmPart, ...] = ()
    event_delay_seconds: float = Field(DELAY_SECONDS, ge=0, le=86400)
    envelope: Literal["union", "ecs", "cloudmonitor"] = "union"
    webhook_format: Literal["envelope", "subscription"] = "envelope"
    created_state: Literal["Pending", "Created"] = "Pending"
    status_suffix_mismatch: bool = False
    same_event_id: bool = False
