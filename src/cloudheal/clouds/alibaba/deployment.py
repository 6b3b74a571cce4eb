"""How Function Compute is told to run cloudheal: a description for Serverless Devs (component fc3).

One call at a time in an instance, because a process runs one engine.
"""

from __future__ import annotations

from typing import Any

from cloudheal.clouds import deployments
from cloudheal.clouds.deployments import Kit, Packed
from cloudheal.settings.schema import Settings

#: The one runtime of Function Compute that is new enough; Debian 11.
RUNTIME = "python3.12"
ENTRANCE = '''"""What Function Compute calls: index.handler."""

from cloudheal.function import handler

__all__ = ["handler"]
'''
_HEAD = """\
# For Serverless Devs: s deploy. Lines to change are marked <<<. Values of the environment come from yours.
# Made by `cloudheal package function`; make it anew after a change of the settings or an update.
"""
_README = """\
cloudheal as a function: what is here and what to do
=====================================================

code.zip               upload it as it is, or let s.yaml do so; handler: index.handler
s.yaml                 for Serverless Devs; change the lines marked <<<
layer/requirements.txt the dependencies with their hashes

1. Build the layer where the platform's wheels fit: Debian 11, Python 3.12.
     docker run --rm -v "$PWD/layer:/layer" python:3.12-slim-bullseye \\
       pip install --require-hashes --target /layer/python -r /layer/requirements.txt
     (cd layer && zip -qr ../layer.zip python)
   Publish layer.zip as a layer `{layer}` for {runtime} and write its version into s.yaml.
2. Export what s.yaml names: {variables}
3. s deploy
4. Make the function a target of the event rules in CloudMonitor or EventBridge.

The database must be reachable from the function's network; its password is PGPASSWORD. The timer calls the function
each minute, so that what a call had to leave goes on.
"""


def kit_of(settings: Settings) -> Kit:
    """Return what Function Compute needs."""
    variables = deployments.variables_of(
        settings, [name for account in settings.accounts for name in deployments.keys_in(account)]
    )
    readme = _README.format(layer=deployments.LAYER, runtime=RUNTIME, variables=", ".join(variables))
    described = description_of(settings, settings.accounts[0].regions[0], variables)
    return Kit((Packed("index.py", ENTRANCE.encode()),), {"s.yaml": described, "README.txt": readme}, variables)


def description_of(settings: Settings, region: str, variables: tuple[str, ...]) -> str:
    """Return the description file."""
    environment = {name: f"${{env('{name}')}}" for name in variables}
    timer = {"cronExpression": "@every 1m", "enable": True, "payload": ""}
    properties: dict[str, Any] = {
        "region": region,
        "functionName": deployments.NAME,
        "description": deployments.DESCRIPTION,
        "runtime": RUNTIME,
        "handler": "index.handler",
        "code": "./code.zip",
        "cpu": 0.5,
        "memorySize": deployments.MEMORY_MB,
        "diskSize": 512,
        "timeout": deployments.seconds_of(settings),
        "instanceConcurrency": 1,
        "role": "acs:ram::ACCOUNT:role/ROLE",
        "environmentVariables": {
            "CLOUDHEAL_CONFIG": deployments.SETTINGS_FILE,
            "PYTHONPATH": "/opt/python",
            **environment,
        },
        "layers": [f"acs:fc:{region}:ACCOUNT:layers/{deployments.LAYER}/versions/1"],
        "vpcConfig": {"vpcId": "vpc-ID", "vSwitchIds": ["vsw-ID"], "securityGroupId": "sg-ID"},
        "triggers": [{"triggerName": "minute", "triggerType": "timer", "triggerConfig": timer}],
    }
    resources = {deployments.NAME: {"component": "fc3", "props": properties}}
    document = {"edition": "3.0.0", "name": deployments.NAME, "access": "default", "resources": resources}
    return deployments.written(_HEAD, document, ("ACCOUNT", "vpc-ID", "vsw-ID", "sg-ID"))
