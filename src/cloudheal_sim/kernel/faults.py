"""Faults on purpose: ordered rules that say when a call or an event delivery goes wrong, and how.

A rule has three parts. `match` names calls or deliveries (service, action, region, resource; shell patterns), `when`
thins them out (probability, every n, times, window), `fault` says what goes wrong. The first rule that fires wins;
latency is added by every latency rule that fires. What the rules do is decided by the seeded generator alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from cloudheal_sim.kernel.clock import LONGEST_SECONDS, MILLIS_PER_SECOND, to_millis

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

    from cloudheal_sim.kernel.chance import Chance
    from cloudheal_sim.kernel.clock import Clock


class Kind(StrEnum):
    """What can go wrong."""

    THROTTLE = "throttle"
    SERVER_ERROR = "5xx"
    ERROR = "error"
    LATENCY = "latency"
    EFFECT_THEN_TIMEOUT = "effect-then-timeout"
    EFFECT_THEN_5XX = "effect-then-5xx"
    RESET = "reset"
    TRUNCATED_BODY = "truncated-body"
    STALE_READ = "stale-read"
    PARTIAL_BATCH = "partial-batch"
    LOST_EVENT = "lost-event"
    DUPLICATED_EVENT = "duplicated-event"
    REORDERED_EVENT = "reordered-event"
    DELAYED_EVENT = "delayed-event"


#: Faults that happen to events on their way to a target, not to calls.
DELIVERY_KINDS = frozenset({Kind.LOST_EVENT, Kind.DUPLICATED_EVENT, Kind.REORDERED_EVENT, Kind.DELAYED_EVENT})


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Match(_Part):
    """Which calls or deliveries; shell patterns, absent matches everything."""

    service: str = "*"
    action: str = "*"
    region: str = "*"
    resource: str = "*"

    def covers(self, service: str, action: str, region: str, resources: Sequence[str]) -> bool:
        """Say whether a call or delivery is meant; one resource of several is enough."""
        return (
            fnmatchcase(service, self.service.lower())
            and fnmatchcase(action, self.action)
            and fnmatchcase(region, self.region)
            and (self.resource == "*" or any(fnmatchcase(one, self.resource) for one in resources))
        )


class When(_Part):
    """How often: each `every`-th match, with `probability`, at most `times`, from `after` until `until`."""

    probability: float = Field(1.0, ge=0, le=1)
    every: int = Field(1, ge=1)
    times: int | None = Field(None, ge=0)
    after: AwareDatetime | None = None
    until: AwareDatetime | None = None


class Latency(_Part):
    """Seconds of virtual time; `mean` and `spread` are the two parameters of the distribution."""

    distribution: Literal["fixed", "uniform", "normal", "exponential"] = "fixed"
    mean: float = Field(1.0, ge=0, le=LONGEST_SECONDS)
    spread: float = Field(0.0, ge=0, le=LONGEST_SECONDS)

    def draw(self, chance: Random) -> float:
        """Draw one latency in seconds, never below 0."""
        match self.distribution:
            case "fixed":
                return self.mean
            case "uniform":
                return chance.uniform(max(0.0, self.mean - self.spread), self.mean + self.spread)
            case "normal":
                return max(0.0, chance.normalvariate(self.mean, self.spread))
        return chance.expovariate(1 / self.mean) if self.mean else 0.0


class Fault(_Part):
    """What goes wrong. Fields that a kind does not use are ignored by it."""

    kind: Kind
    status: int | None = Field(None, ge=400, le=599, description="HTTP status of 5xx, error and throttle")
    code: str | None = Field(None, description="the service's error code, when not the usual one")
    message: str | None = None
    latency: Latency = Latency()
    age_seconds: float = Field(10.0, ge=0, le=LONGEST_SECONDS, description="stale-read: how old the answer is")
    share: float = Field(0.5, ge=0, le=1, description="partial-batch: share of the items that fail")
    delay_seconds: float = Field(
        5.0, ge=0, le=LONGEST_SECONDS, description="delayed and reordered events: the longest delay"
    )
    copies: int = Field(2, ge=1, le=100, description="duplicated-event: how often it arrives in all")
    hold_seconds: float = Field(120.0, gt=0, le=86_400, description="effect-then-timeout: real seconds until the reset")

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        """Take `"throttle"` and `{"throttle": {...}}` for `{"kind": "throttle", ...}`; true or null are no options.

        The options of `latency` are its distribution, or its seconds alone.
        """
        if isinstance(data, str):
            data = {"kind": data}
        if isinstance(data, dict) and "kind" not in data and len(data) == 1:
            kind, options = next(iter(data.items()))
            data = {"kind": kind, **_options(kind, options)}
        if isinstance(data, dict) and isinstance(data.get("kind"), str):
            data = {**data, "kind": data["kind"].replace("_", "-").replace(" ", "-").lower()}
        return data


def _options(kind: str, options: object) -> dict[str, Any]:
    """Return the fields of a fault that is written as `{kind: options}`."""
    if kind == Kind.LATENCY and isinstance(options, int | float) and not isinstance(options, bool):
        return {"latency": {"mean": options}}
    if isinstance(options, dict):
        return {"latency": options} if kind == Kind.LATENCY and "latency" not in options else options
    if options is not None and options is not True:
        msg = f"expected an object with the options of {kind}"
        raise ValueError(msg)
    return {}


class Rule(_Part):
    """One fault rule as the control API takes and shows it."""

    name: str = ""
    match: Match = Match()
    when: When = When()
    fault: Fault

    @model_validator(mode="before")
    @classmethod
    def _flat_form(cls, data: Any) -> Any:
        """Take the fields of `match` and `when` beside `fault` as well as inside."""
        if not isinstance(data, dict):
            return data
        nested: dict[str, Any] = {key: value for key, value in data.items() if key in cls.model_fields}
        for part, model in (("match", Match), ("when", When)):
            flat = {key: value for key, value in data.items() if key in model.model_fields}
            if flat and isinstance(nested.get(part, {}), dict):
                nested[part] = {**nested.get(part, {}), **flat}
        known = {*cls.model_fields, *Match.model_fields, *When.model_fields}
        return {**nested, **{key: value for key, value in data.items() if key not in known}}


@dataclass(slots=True)
class Armed:
    """A rule in force with its counters."""

    rule: Rule
    seen: int = 0
    fired: int = 0

    def fires(self, now: int, chance: Random) -> bool:
        """Count one matching call and say whether the fault happens to it."""
        when = self.rule.when
        if (when.after and now < to_millis(when.after)) or (when.until and now >= to_millis(when.until)):
            return False
        if when.times is not None and self.fired >= when.times:
            return False
        self.seen += 1
        if self.seen % when.every or chance.random() >= when.probability:
            return False
        self.fired += 1
        return True


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the rules decided for one call: at most one fault, and seconds of added latency."""

    fault: Fault | None = None
    latency: float = 0.0


class Faults:
    """The rules in force, in order."""

    def __init__(self, clock: Clock, chance: Chance) -> None:
        self._clock = clock
        self._chance = chance
        self.armed: tuple[Armed, ...] = ()

    def replace(self, rules: Iterable[Rule]) -> tuple[Armed, ...]:
        """Put these rules in force instead of the present ones; counters start at 0."""
        self.armed = tuple(Armed(rule) for rule in rules)
        return self.armed

    def for_call(self, service: str, action: str, region: str, resources: Sequence[str]) -> Chosen:
        """Decide what happens to one call."""
        if not self.armed:
            return Chosen()
        chance, now, latency = self._chance.stream("faults"), self._clock.now(), 0.0
        for armed in self._covering(service, action, region, resources, delivery=False):
            if armed.rule.fault.kind is Kind.LATENCY:
                latency += armed.rule.fault.latency.draw(chance) if armed.fires(now, chance) else 0.0
            elif armed.fires(now, chance):
                return Chosen(armed.rule.fault, latency)
        return Chosen(None, latency)

    def arrivals(
        self, service: str, name: str, region: str, resources: Sequence[str], *, relayed: bool = False
    ) -> tuple[int, ...]:
        """Decide when one event arrives at one target, in epoch milliseconds: none when lost, several if doubled.

        What is `relayed` has met the rules once, at the service it came from: only rules that name this service by
        more than `*` happen to it again.
        """
        now = self._clock.now()
        for armed in self._covering(service, name, region, resources, delivery=True):
            if relayed and armed.rule.match.service == "*":
                continue
            if armed.fires(now, self._chance.stream("faults")):
                return self._disturbed(armed.rule.fault, now)
        return (now,)

    def struck(self, items: int, share: float) -> frozenset[int]:
        """Choose the places of the items of a batch that fail when that share of them, rounded up, must."""
        return frozenset(self._chance.stream("faults").sample(range(items), math.ceil(items * share)))

    def _disturbed(self, fault: Fault, now: int) -> tuple[int, ...]:
        longest = round(fault.delay_seconds * MILLIS_PER_SECOND)
        match fault.kind:
            case Kind.LOST_EVENT:
                return ()
            case Kind.DUPLICATED_EVENT:
                return (now,) * fault.copies
            case Kind.REORDERED_EVENT:
                return (now + self._chance.stream("faults").randint(0, longest),)
        return (now + longest,)

    def _covering(
        self, service: str, action: str, region: str, resources: Sequence[str], *, delivery: bool
    ) -> Iterable[Armed]:
        return (
            armed
            for armed in self.armed
            if (armed.rule.fault.kind in DELIVERY_KINDS) is delivery
            and armed.rule.match.covers(service, action, region, resources)
        )
