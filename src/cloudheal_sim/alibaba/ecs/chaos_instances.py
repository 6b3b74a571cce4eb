"""What chaos can do to instances. Every deed is journaled; none asks for permission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import Field

from cloudheal_sim.alibaba.ecs.model.instance import Instance, Lock
from cloudheal_sim.kernel.chaos import Chaos, ChaosError, NoOptions, options_of
from cloudheal_sim.kernel.clock import LONGEST_SECONDS
from cloudheal_sim.kernel.world import Part

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.state import Ecs

Options: TypeAlias = Mapping[str, Any]


class FailStart(Part):
    """How many starts fail; absent means all of them, 0 ends it."""

    times: int | None = Field(None, ge=0)


class Seconds(Part):
    """How long, in seconds."""

    seconds: float = Field(60.0, ge=0, le=LONGEST_SECONDS)


class CrashLoop(Part):
    """Seconds from Running to the fall; null ends it."""

    seconds: float | None = Field(30.0, ge=0, le=LONGEST_SECONDS)


class LockReason(Part):
    """Which lock; for `unlock` absent means all."""

    reason: Lock | None = None


class InstanceChaos:
    """The deeds, over one ECS."""

    def __init__(self, ecs: Ecs) -> None:
        self._ecs = ecs

    def register(self, chaos: Chaos) -> Chaos:
        """Offer every deed."""
        deeds: dict[str, Callable[[Instance, Options], object]] = {
            "power_off": self._power_off,
            "hang": self._hang,
            "unhang": self._unhang,
            "fail_start": self._fail_start,
            "slow_boot": self._slow_boot,
            "crash_loop": self._crash_loop,
            "no_stock": self._no_stock,
            "reclaim": self._reclaim,
            "expire": self._expire,
            "lock": self._lock,
            "unlock": self._unlock,
            "release": self._release,
            "agent_offline": self._agent_offline,
            "agent_online": self._agent_online,
        }
        for name, deed in deeds.items():
            chaos.register(name, self._ecs.fleet.__contains__, self._on_id(deed))
        return chaos

    def _on_id(self, deed: Callable[[Instance, Options], object]) -> Callable[[str, Options], None]:
        def do(id_: str, options: Options) -> None:
            deed(instance_named(self._ecs, id_), options)

        return do

    def _power_off(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        if not self._ecs.lifecycle.fall(instance):
            self._ecs.lifecycle.halt(instance)

    def _hang(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        if instance.running:
            self._set(instance, "hung", value=True)

    def _unhang(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        self._set(instance, "hung", value=False)

    def _fail_start(self, instance: Instance, options: Options) -> None:
        times = options_of(FailStart, options).times
        self._set(instance, "fail_starts", value=-1 if times is None else times)

    def _slow_boot(self, instance: Instance, options: Options) -> None:
        self._set(instance, "slow_boot", value=options_of(Seconds, options).seconds)

    def _crash_loop(self, instance: Instance, options: Options) -> None:
        seconds = options_of(CrashLoop, options).seconds
        before = instance.troubled().crash_after
        self._ecs.kernel.journal.change("instance.crash_after", instance.id, before, seconds)
        self._ecs.lifecycle.crash_after(instance, seconds)

    def _no_stock(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        before = self._ecs.stock.left(instance.zone, instance.type)
        self._ecs.stock.exhaust(instance.zone, instance.type)
        self._ecs.kernel.journal.change("stock", f"{instance.zone}/{instance.type}", before, 0)

    def _reclaim(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        if instance.spot is None:
            msg = f"instances: {instance.id!r} is no spot instance"
            raise ChaosError(msg)
        self._ecs.reclaims.notify(instance, instance.spot)

    def _expire(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        now = self._ecs.kernel.clock.now()
        self._ecs.kernel.journal.change("instance.expires", instance.id, instance.expires, now)
        instance.expires, instance.charge_type = now, "PrePaid"
        self._ecs.terms.expire(instance)

    def _lock(self, instance: Instance, options: Options) -> None:
        self._ecs.lifecycle.lock(instance, options_of(LockReason, options).reason or Lock.SECURITY)

    def _unlock(self, instance: Instance, options: Options) -> None:
        self._ecs.lifecycle.unlock(instance, options_of(LockReason, options).reason)

    def _release(self, instance: Instance, options: Options) -> bool:
        options_of(NoOptions, options)
        return self._ecs.lifecycle.release(instance.id)

    def _agent_offline(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        self._set(instance, "agent_offline", value=True)

    def _agent_online(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        self._set(instance, "agent_offline", value=False)

    def _set(self, instance: Instance, what: str, *, value: float) -> None:
        trouble = instance.troubled()
        before = getattr(trouble, what)
        if before != value:
            setattr(trouble, what, value)
            self._ecs.kernel.journal.change(f"instance.{what}", instance.id, before, value)


def instance_named(ecs: Ecs, id_: str) -> Instance:
    """Return an instance. Raises ChaosError when it was released, be it by the deed before this one."""
    found = ecs.fleet.find(id_)
    if found is None:
        msg = f"instances: no instance {id_!r} in this world"
        raise ChaosError(msg)
    return found
