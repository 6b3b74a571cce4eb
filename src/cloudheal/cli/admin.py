"""Commands for whoever sets an account up: `setup`, `check`, `policy`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudheal.cli.desk import settings_of, show_of
from cloudheal.cli.options import HERE, AsJson, Config

if TYPE_CHECKING:
    from cloudheal.cli.show import Show
    from cloudheal.ports.account import Duties
    from cloudheal.settings.accounts import AccountSettings
    from cloudheal.settings.schema import Settings

app = typer.Typer()
setup = typer.Typer(no_args_is_help=True, help="What an account needs so that its events arrive.")
app.add_typer(setup, name="setup")


@setup.command()
def alibaba(
    config: Config = HERE,
    yes: Annotated[bool, typer.Option("--yes", help="Carry the plan out without asking.")] = False,
) -> None:
    """Create queues, event rules and targets; prints the plan with its differences first."""
    from cloudheal.errors import CloudPermanentError, CloudTransientError

    settings = settings_of(config)
    show = show_of(settings)
    accounts = [one for one in settings.accounts if one.cloud == "alibaba" and one.queue is not None]
    if not accounts:
        raise typer.BadParameter(show.text("setup.no_queue", cloud="Alibaba Cloud"), param_hint="--config")
    for account in accounts:
        try:
            _set_up(account, show, yes=yes)
        except (CloudPermanentError, CloudTransientError) as problem:
            # What is said already is of the role that was not given, and more exact.
            problem.what_to_do = problem.what_to_do or show.text(
                f"setup.fix.{_fix_of(problem.vendor_code)}", config=config
            )
            raise


@setup.command()
def tencent(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.", metavar="DIR")],
    config: Config = HERE,
) -> None:
    """Write the event rule that brings events to the function, for each account; asks nothing of the cloud."""
    from cloudheal.app import rules_of
    from cloudheal.clouds.deployments import NAME
    from cloudheal.clouds.tencent.event_rule import BUS_ID, REGION, RULE, RULE_ID, document_of
    from cloudheal.settings.loader import located

    settings = settings_of(config)
    show = show_of(settings)
    accounts = [one for one in settings.accounts if one.cloud == "tencent"]
    if not accounts:
        raise typer.BadParameter(show.text("setup.no_account", cloud="Tencent Cloud"), param_hint="--config")
    with located(config):
        rules_of(settings)
        documents = [document_of(one, settings.rules) for one in accounts]
    for account, document in zip(accounts, documents, strict=True):
        name = "event-rule.json" if len(accounts) == 1 else f"event-rule-{account.id}.json"
        _put(output / name, json.dumps(document, indent=2) + "\n", show)
    show.say("setup.tencent.next", region=REGION, function=NAME, rule=RULE, bus=BUS_ID, made=RULE_ID)


def _put(file: Path, text: str, show: Show) -> bool:
    """Write a file unless it says the same already; returns whether it did."""
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        show.say("setup.file.kept", file=file)
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    show.say("setup.file", file=file)
    return True


def _fix_of(code: str) -> str:
    """Name the fix of a refusal: CloudMonitor may lack its role, and who sets up may lack the permission."""
    if "Role" in code:
        return "role"
    refused = ("Forbidden", "NoPermission", "AccessDenied", "ImplicitDeny")
    return "permission" if code.startswith(refused) else "other"


def _set_up(account: AccountSettings, show: Show, *, yes: bool) -> int:
    from cloudheal.clouds.alibaba.client import Client
    from cloudheal.clouds.alibaba.role import key_ring
    from cloudheal.clouds.alibaba.setup import Deed, places_of, plan
    from cloudheal.clouds.keys import keys_of
    from cloudheal.ports.clock import SystemClock

    keys = key_ring(account, keys_of(account), SystemClock().now)
    items = plan(Client(keys, account.endpoint), keys, places_of(account))
    show.say("title.setup", account=account.name)
    for item in items:
        show.say(f"setup.{item.deed}", what=item.what, name=item.name, differences="; ".join(item.differences))
    todo = [item for item in items if item.deed is not Deed.KEEP]
    if not todo:
        show.say("setup.nothing")
    elif yes or typer.confirm(show.text("setup.ask")):
        for item in todo:
            item.carry_out()
        show.say("setup.done", count=len(todo))
    else:
        show.say("setup.declined")
        raise typer.Exit(1)
    return len(todo)


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding of the doctor, with the exact fix."""

    level: str
    code: str
    subject: str
    finding: str
    fix: str


@app.command()
def check(config: Config = HERE, as_json: AsJson = False) -> None:
    """Say whether `run` would work here, and what exactly must be mended; changes nothing."""
    from cloudheal.cli.examination import examine

    settings = settings_of(config)
    show = show_of(settings, as_json=as_json)
    rows = [_row(show, config, *one) for one in examine(settings, config)]
    show.rows("title.check", rows, ("level", "subject", "finding", "fix"))
    bad = sum(row.level == "error" for row in rows)
    show.say("check.bad" if bad else "check.good", count=bad)
    raise typer.Exit(1 if bad else 0)


def _row(show: Show, config: Path, subject: str, code: str, level: str, facts: Mapping[str, str]) -> FindingRow:
    helped = level != "ok" and show.knows(f"fix.{code}")
    fix = show.text(f"fix.{code}", **facts, config=config) if helped else ""
    return FindingRow(level, code, subject, show.text(f"finding.{code}", **facts), fix)


@app.command()
def policy(
    config: Config = HERE,
    account: Annotated[str, typer.Option(help="The account's name, when there are several.")] = "",
    with_setup: Annotated[bool, typer.Option("--setup", help="Add what setup alibaba needs.")] = False,
    with_drills: Annotated[bool, typer.Option("--drills", help="Add what drill and rules fire need.")] = False,
) -> None:
    """Print the least-privilege policy (RAM or CAM) for `run` and the rules' playbooks."""
    from cloudheal.app import policy_of, rules_of
    from cloudheal.settings.loader import located

    settings = settings_of(config)
    with located(config):
        rules_of(settings)
    chosen = [one for one in settings.accounts if account in {"", one.name}]
    if len(chosen) != 1:
        names = ", ".join(one.name for one in settings.accounts)
        raise typer.BadParameter(f"name one of {names}", param_hint="--account")
    duties = _duties(settings, chosen[0], with_setup=with_setup, with_drills=with_drills)
    show_of(settings, as_json=True).document(policy_of(chosen[0], duties))


def _duties(settings: Settings, account: AccountSettings, *, with_setup: bool, with_drills: bool) -> Duties:
    from cloudheal.app.loads import account_of, named_loads
    from cloudheal.cli.examination import verbs_of
    from cloudheal.ports.account import Duties

    asked = [one.metric for one in named_loads(settings) if one.metric]
    return Duties(
        verbs=verbs_of(settings),
        canaries=settings.watch.canary is not None,
        metrics=any(account_of(settings, one).id == account.id for one in asked),
        setup=with_setup,
        drills=with_drills,
        log_stores=tuple((one.url, one.logstore) for one in settings.outlets if one.account == account.name),
    )
