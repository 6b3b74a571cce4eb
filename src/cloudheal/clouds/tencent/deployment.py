"""How SCF is told to run cloudheal: as a Custom Runtime, described for the vendor's Serverless component `scf`.

The platform's own Python runtimes are too old, so that the layer brings the interpreter, and `bootstrap` runs the loop
of `runtime`. The platform keeps variables that begin with certain words to itself: a package whose function would wait
for one of those is refused here. An instance of an event function takes one call at a time by itself, which is what a
process with one engine needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cloudheal.clouds import deployments
from cloudheal.clouds.deployments import Kit, Packed
from cloudheal.clouds.tencent.event_rule import REGION
from cloudheal.errors import SettingsError
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.schema import Settings

#: Where the layer's files are found, and its Python.
_LAYERED, PYTHON = "/opt", "/opt/python/bin/python3"
#: Names that the platform keeps to itself, and those of them in which it puts the keys of the execution role.
RESERVED = ("TENCENTCLOUD_", "SCF_", "QCLOUD_")
OF_ROLE = ("TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_SESSIONTOKEN")
#: Seconds for a cold start, the most that the component documents.
START_SECONDS = 30
EACH_MINUTE = "0 */1 * * * * *"
_EXECUTABLE = 0o755
ENTRANCE = '''"""What `bootstrap` runs: the loop between the platform and cloudheal.function.main_handler."""

from cloudheal.clouds.tencent.runtime import serve
from cloudheal.function import main_handler

if __name__ == "__main__":
    serve(main_handler)
'''
BOOTSTRAP = f"""\
#!/bin/sh
# What SCF starts: the layer's Python, with the layer's packages, on the code beside this file.
set -eu
cd "$(dirname "$0")"
export PYTHONPATH="{_LAYERED}/site-packages${{PYTHONPATH:+:$PYTHONPATH}}"
exec "${{CLOUDHEAL_PYTHON:-{PYTHON}}}" -u index.py
"""
_HEAD = """\
# For the vendor's Serverless component scf: scf deploy. Lines to change are marked <<<. Values of the environment come
# from yours. Made by `cloudheal package function`; make it anew after a change of the settings or an update.
"""
_README = """\
cloudheal as a function of SCF: what is here and what to do
===========================================================

code.zip               upload it as it is (Custom Runtime, x86_64), or unpack it into `code` for serverless.yml
serverless.yml         for the vendor's component scf; change the lines marked <<<
layer/requirements.txt the dependencies with their hashes

1. Build the layer where what the platform runs fits: glibc 2.17 (CentOS 7), x86_64. It holds an interpreter, because
   the platform's own are too old, and every dependency; what has no wheel for this glibc is compiled there. The
   interpreter is one of the portable builds that uv installs; their oldest glibc is 2.17.
     uv python install 3.12 --install-dir layer/interpreter
     mv layer/interpreter/cpython-3.12*-linux-x86_64-gnu layer/python
     docker run --rm -v "$PWD/layer:/layer" quay.io/pypa/manylinux2014_x86_64 \\
       /layer/python/bin/python3 -m pip install --require-hashes \\
       --target /layer/site-packages -r /layer/requirements.txt
     (cd layer && zip -qry ../layer.zip python site-packages)
   Code and layer may hold 500 MB unpacked. Publish layer.zip as a layer `{layer}` for CustomRuntime
   and write its version into serverless.yml.
2. Make a role for the function (carrier scf.qcloud.com) that may do what `cloudheal policy` prints, or export an access
   key in the variables that the settings name.
3. Export what serverless.yml names: {variables}
4. mkdir code && unzip -q code.zip -d code && scf deploy
   In the console instead: event function, Custom Runtime, code.zip, initialization time-out {start} s, time-out
   {timeout} s, {memory} MB, the layer, the VPC of the database, a timer `{timer}`.
5. cloudheal setup tencent -o DIR writes the event rule whose target this function is.

The database must be reachable from the function's network; its password is PGPASSWORD. The timer calls the function
each minute, so that what a call had to leave goes on.
"""


def kit_of(settings: Settings) -> Kit:
    """Return what SCF needs. Raises SettingsError when a variable could not be set there."""
    _check(settings)
    asked = [name for account in settings.accounts for name in _variables(account)]
    variables = deployments.variables_of(settings, asked)
    readme = _README.format(
        layer=deployments.LAYER,
        variables=", ".join(variables),
        start=START_SECONDS,
        timeout=deployments.seconds_of(settings),
        memory=deployments.MEMORY_MB,
        timer=EACH_MINUTE,
    )
    packed = (Packed("bootstrap", BOOTSTRAP.encode(), _EXECUTABLE), Packed("index.py", ENTRANCE.encode()))
    return Kit(packed, {"serverless.yml": description_of(settings, variables), "README.txt": readme}, variables)


def description_of(settings: Settings, variables: tuple[str, ...]) -> str:
    """Return the description file."""
    environment = {name: f"${{env.{name}}}" for name in variables}
    timer = {"name": "minute", "qualifier": "$LATEST", "cronExpression": EACH_MINUTE, "enable": True}
    inputs: dict[str, Any] = {
        "name": deployments.NAME,
        "namespace": "default",
        "type": "event",
        "src": "./code",
        "handler": "index.main_handler",
        "runtime": "CustomRuntime",
        "region": REGION,
        "description": deployments.DESCRIPTION,
        "role": "ROLE-NAME",
        "memorySize": deployments.MEMORY_MB,
        "timeout": deployments.seconds_of(settings),
        "initTimeout": START_SECONDS,
        "environment": {
            "variables": {"CLOUDHEAL_CONFIG": deployments.SETTINGS_FILE, "CLOUDHEAL_PYTHON": PYTHON, **environment}
        },
        "layers": [{"name": deployments.LAYER, "version": 1}],
        "publicAccess": True,
        "vpcConfig": {"vpcId": "vpc-ID", "subnetId": "subnet-ID"},
        "events": [{"timer": {"parameters": timer}}],
    }
    document = {"component": "scf", "name": deployments.NAME, "inputs": inputs}
    return deployments.written(_HEAD, document, ("ROLE-NAME", "vpc-ID", "subnet-ID", "version: 1"))


def _variables(account: AccountSettings) -> Iterator[str]:
    """Name the variables of an account's keys that have to be set; those of the role are there."""
    return (one for one in account.key_variables if not one.startswith(RESERVED))


def _check(settings: Settings) -> None:
    """Refuse names that cannot be set; a token's may stay unset."""
    for number, account in enumerate(settings.accounts):
        _refuse(tuple(one for one in deployments.keys_in(account) if one not in OF_ROLE), ("accounts", number))
    _refuse(deployments.variables_of(settings, ()), ("notify",))


def _refuse(names: tuple[str, ...], field: tuple[int | str, ...]) -> None:
    kept = [one for one in names if one.startswith(RESERVED)]
    if kept:
        raise SettingsError(
            f"{field[0]}: {' and '.join(kept)} cannot be set for a function of SCF, which keeps names that begin with "
            f"{', '.join(RESERVED)} to itself",
            what_to_do="Name variables of your own, such as access_key_id_env: CLOUDHEAL_SECRET_ID and "
            "access_key_secret_env: CLOUDHEAL_SECRET_KEY; or those in which the platform puts the keys of the "
            f"function's role: {OF_ROLE[0]} and {OF_ROLE[1]}, and token_env: {OF_ROLE[2]}.",
            field=field,
        )
