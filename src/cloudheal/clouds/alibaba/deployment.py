"""How Function Compute is told to run cloudheal: a description for Serverless Devs (component fc3).

Names of environment variables stand in it, never their values: these are taken from the environment of whoever
deploys. One call at a time in an instance, because a process runs one engine.
"""

from __future__ import annotations

from typing import Any

import yaml

from cloudheal.settings.schema import Settings

#: The one runtime of Function Compute that is new enough; Debian 11.
RUNTIME = "python3.12"
#: Seconds for a call: to commit and return, or to act until ten seconds before.
COMMIT_SECONDS, INLINE_SECONDS = 60, 300
_HEAD = """\
# For Serverless Devs: s deploy. Lines to change are marked <<<. Values of the environment come from yours.
# Made by `cloudheal package function`; make it anew after a change of the settings or an update.
"""


def variables_of(settings: Settings) -> list[str]:
    """Name the environment variables that a function with these settings reads."""
    accounts = [
        one for account in settings.accounts for one in (account.access_key_id_env, account.access_key_secret_env)
    ]
    targets = [target.url_env for target in settings.notify.targets]
    watcher = [settings.watch.dead_man.url_env] if settings.watch.dead_man else []
    return sorted({*accounts, *targets, *watcher, "PGPASSWORD"})


def description_of(settings: Settings, region: str) -> str:
    """Return the description file."""
    inline = settings.function.act == "inline"
    environment = {name: f"${{env('{name}')}}" for name in variables_of(settings)}
    timer = {"cronExpression": "@every 1m", "enable": True, "payload": ""}
    properties: dict[str, Any] = {
        "region": region,
        "functionName": "cloudheal",
        "description": "cloudheal: heals servers from the events their cloud publishes",
        "runtime": RUNTIME,
        "handler": "index.handler",
        "code": "./code.zip",
        "cpu": 0.5,
        "memorySize": 512,
        "diskSize": 512,
        "timeout": INLINE_SECONDS if inline else COMMIT_SECONDS,
        "instanceConcurrency": 1,
        "role": "acs:ram::ACCOUNT:role/ROLE",
        "environmentVariables": {"CLOUDHEAL_CONFIG": "cloudheal.yaml", "PYTHONPATH": "/opt/python", **environment},
        "layers": [f"acs:fc:{region}:ACCOUNT:layers/cloudheal-dependencies/versions/1"],
        "vpcConfig": {"vpcId": "vpc-ID", "vSwitchIds": ["vsw-ID"], "securityGroupId": "sg-ID"},
        "triggers": [{"triggerName": "minute", "triggerType": "timer", "triggerConfig": timer}],
    }
    resources = {"cloudheal": {"component": "fc3", "props": properties}}
    document = {"edition": "3.0.0", "name": "cloudheal", "access": "default", "resources": resources}
    written = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=200)
    return _HEAD + "".join(_marked(line) for line in written.splitlines(keepends=True))


def _marked(line: str) -> str:
    """Mark a line that holds something which only the operator knows."""
    if not any(one in line for one in ("ACCOUNT", "vpc-ID", "vsw-ID", "sg-ID")):
        return line
    return f"{line.rstrip()}  # <<<\n"
