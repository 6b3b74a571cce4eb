"""A worker that an operator starts with a secret wherever one can be set, and a world that quotes them back.

Extensions whose authors did not think of secrets, clouds and queues that name them in their errors, and strangers whose
messages hold them.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cloudheal.sense.webhook import NONCE, SIGNATURE, TIMESTAMP, signature_of
from tests.flow.operators import COMMAND, Operator, until
from tests.flow.test_cli_work import message
from tests.flow.test_restart import QUEUE, RULE
from tests.zygote import Forked

SECRETS = {
    "access key id": "LTAI5tQx7ZmWk3Rb9VhPd2Yc",
    "access key secret": "sK9+vT/2mXq8Jw4ZbN7rLhYp3dGc6F",
    "refused key id": "LTAI4gHw2NcXs8Uf6TjEa5Bq",
    "refused key secret": "rJ5wQz8Kd2LmXv7Tb4Ns9Yc6Hg3Fp0",
    "token of the platform": "CAIS8gF1q6Ft5B2yfSjIr5eMk3xWz",
    "signing key": "sG4nQ7rT2wX9zB5mK8vH3jL6",
    "webhook password": "Bx83%kLw9:mQ/ztR2&vN6",
    "webhook path": "hPa7Kq29zLm4Xw8Rt5Vb3Nc6",
    "notifier token": "nTk6Ws3Yq8Ze2Xc5Vd9Fb4Gh",
    "notifier password": "nPw8'Jm5\"Lk2Zx7Qs4",
    "address of the watcher": "dMn7Ht4Pr9Wk2Bv6Xs3Cf8",
    "database password": "dB6/Kr8@Zv2:Xq5\\Lm9 wT",
    "password of a proxy": "pRx3Vn8Kt5Wm2Jc7Qd",
}
LISTEN = {
    "port": 0,
    "sources": [
        {"name": "ours", "secret_env": "HOOK_SIGNED"},
        {"name": "aliyun", "proof": "basic", "secret_env": "HOOK_BASIC"},
        {"name": "plain", "proof": "path", "secret_env": "HOOK_PATH"},
    ],
}
CARELESS_PLAYBOOKS = ("quoting", "raising", "beside")
#: Extensions whose authors did not think of secrets: they quote every one that they can find.
CARELESS = """
import base64, os, urllib.parse
from pydantic import BaseModel
from cloudheal.extend import BasicListener, End, Healed, Listeners, Playbook

EVERY = os.environ["EVERY_SECRET"].split("\\n")
PLAIN = " and ".join(EVERY)


class Nothing(BaseModel):
    pass


class Quoting(BasicListener):
    def process(self, event):
        raise RuntimeError(f"not signed: {PLAIN}")


class Encoding(BasicListener):
    def process(self, event):
        coded = [base64.b64encode(f"user:{one}".encode()).decode() for one in EVERY]
        raise RuntimeError(f"not sent: {coded}, {urllib.parse.quote(PLAIN, safe='')}, {EVERY!r}")


class CutShort(BasicListener):
    def process(self, event):
        raise RuntimeError("x" * (300 - len("RuntimeError: ") - 15) + EVERY[1])


def quoting(case, hands):
    return End(Healed.UNKNOWN, "not_signed", {"error": PLAIN})


def raising(case, hands):
    def do():
        try:
            raise ValueError(PLAIN)
        except ValueError as problem:
            raise KeyError(f"signing with {PLAIN}") from problem

    hands.read("sign", do)


def beside(case, hands):
    raise RuntimeError(PLAIN)


told = Listeners()
for listener in (Quoting(), Encoding(), CutShort()):
    told.register(listener)
own = [
    Playbook(body.__name__, ("stopped",), Nothing, (), reversible=True, run=body) for body in (quoting, raising, beside)
]
one, two, three = own
"""


def environment_of(notified: str, watcher: str) -> dict[str, str]:
    """Return the environment of everything that an operator starts."""
    login = f"notifier:{quote(SECRETS['notifier password'], safe='')}"
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": SECRETS["access key id"],
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRETS["access key secret"],
        "ALIBABA_CLOUD_SECURITY_TOKEN": SECRETS["token of the platform"],
        "REFUSED_ID": SECRETS["refused key id"],
        "REFUSED_SECRET": SECRETS["refused key secret"],
        "HOOK_SIGNED": SECRETS["signing key"],
        "HOOK_BASIC": f"aliyun:{SECRETS['webhook password']}",
        "HOOK_PATH": SECRETS["webhook path"],
        "NOTIFY_URL": f"json://{login}@{notified}/hooks/{SECRETS['notifier token']}",
        "SILENT_URL": f"json://{login}@127.0.0.1:9/hooks/{SECRETS['notifier token']}",
        "WATCHER_URL": f"http://{watcher}/{SECRETS['address of the watcher']}",
        "PGPASSWORD": SECRETS["database password"],
        "HTTPS_PROXY": f"http://proxy:{SECRETS['password of a proxy']}@127.0.0.1:9",
        "EVERY_SECRET": "\n".join(SECRETS.values()),
        "COLUMNS": "400",
    }


def account(name: str, id_: str, url: str, keys: str) -> dict[str, Any]:
    """Return the settings of an account whose keys stand in variables of a prefix."""
    return {
        "name": name,
        "cloud": "alibaba",
        "id": id_,
        "regions": ["cn-hangzhou"],
        "endpoint": url,
        "access_key_id_env": f"{keys}ID",
        "access_key_secret_env": f"{keys}SECRET",
        "token_env": f"{keys}TOKEN",
        "queue": {"endpoint": url, "name": QUEUE, "wait_seconds": 0},
    }


def rule(playbook: str) -> dict[str, Any]:
    """Return the rule of the servers that a playbook of the folder heals."""
    plain = {**RULE, "name": playbook, "playbook": playbook, "resources": {"tags": {"heal": [playbook]}}}
    return {name: part for name, part in plain.items() if name != "with"}


def write_settings(operator: Operator, database: str) -> None:
    """Write settings that lead to every secret."""
    (operator.folder / "own").mkdir(exist_ok=True)
    (operator.folder / "own" / "careless.py").write_text(CARELESS, encoding="utf-8")
    url = operator.simulator.url
    targets = [{"name": "chat", "url_env": "NOTIFY_URL"}, {"name": "silent", "url_env": "SILENT_URL"}]
    rules = [{**RULE, "resources": {"tags": {"heal": ["restart_stopped"]}}}]
    operator.settings(
        accounts=[
            account("prod", "1000000000000001", url, "ALIBABA_CLOUD_ACCESS_KEY_"),
            account("refused", "2000000000000002", url, "REFUSED_"),
        ],
        database=database,
        clock={"follow": url},
        listen=LISTEN,
        extensions={"folders": ["own"], "packages": False},
        notify={"targets": targets, "gather": "1s"},
        watch={"dead_man": {"url_env": "WATCHER_URL", "every": "1m"}, "canary": {"every": "5m"}},
        rules=[*rules, *map(rule, CARELESS_PLAYBOOKS)],
    )


@dataclass
class Worker:
    """A running `cloudheal run` and what it says."""

    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    def said(self, text: str) -> bool:
        """Say whether a text was logged."""
        return text in self.stderr.read_text(encoding="utf-8")

    @property
    def port(self) -> int:
        """Return the port at which it listens."""
        return int(re.findall(r"listen.ready host=\S+ port=(\d+)", self.stderr.read_text(encoding="utf-8"))[0])

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> str:
        """Make a request; returns what is answered, headers too."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        text = f"{answer.status} {answer.headers} {answer.read().decode()}"
        connection.close()
        return text


@contextmanager
def working(operator: Operator) -> Iterator[Worker]:
    """Have a worker at work until the block ends; it must end in order."""
    out, err = operator.folder / "stdout", operator.folder / "stderr"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = Forked(
            [*COMMAND, "run"], stdout=stdout, stderr=stderr, cwd=operator.folder, env=operator.surroundings()
        )
        worker = Worker(process, out, err)
        try:
            until(lambda: worker.said("run.ready") or process.poll() is not None, 90, "a ready worker")
            assert process.poll() is None, err.read_text(encoding="utf-8")
            yield worker
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=40) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(timeout=20)


def push(worker: Worker) -> Iterator[str]:
    """Push as friends and as strangers do, with bodies that hold every secret; yields the answers."""
    every = "\n".join(SECRETS.values())
    bodies = [
        message("i-quoting", "Running", "111").encode(),
        every.encode(),
        json.dumps({"product": "ECS", "name": every, "content": {}, "eventTime": SECRETS["signing key"]}).encode(),
        message("i-quoting").replace("1000000000000001", SECRETS["webhook path"]).encode(),
    ]
    login = base64.b64encode(f"aliyun:{SECRETS['webhook password']}".encode()).decode()
    for number, body in enumerate(bodies):
        yield worker.ask("POST", f"/ingest/plain/{SECRETS['webhook path']}", body)
        yield worker.ask("POST", f"/ingest/{SECRETS['webhook path']}/plain", body)
        yield worker.ask("POST", "/ingest/aliyun", body, {"Authorization": f"Basic {login}"})
        yield worker.ask("POST", "/ingest/aliyun", body, {"Authorization": f"Basic {login[:-4]}"})
        now, nonce = str(int(time.time())), f"nonce-{number:04}"
        signed = signature_of(SECRETS["signing key"], "ours", now, nonce, body)
        yield worker.ask("POST", "/ingest/ours", body, {TIMESTAMP: now, NONCE: nonce, SIGNATURE: signed})
        yield worker.ask("POST", "/ingest/ours", body, {TIMESTAMP: now, NONCE: nonce, SIGNATURE: signed[::-1]})


def wrongs() -> Iterator[dict[str, Any]]:
    """Yield faults of the cloud whose codes and messages hold every secret."""
    every = " ".join(SECRETS.values())
    bad = {"kind": "error", "status": 400, "code": f"Bad.{SECRETS['access key secret']}", "message": every}
    for service, action, status, times in (
        ("ecs", "StartInstance", 400, 1),
        ("ecs", "DescribeInstances", 503, 2),
        ("mns", "BatchReceiveMessage", 500, 3),
        ("mns", "BatchReceiveMessage", 403, 2),
    ):
        fault = {**bad, "status": status}
        yield {"match": {"service": service, "action": action}, "when": {"times": times}, "fault": fault}


#: A shell that has imported everything already: as a process of its own each command would take a second.
SHELL = """
import sys
from cloudheal.cli import main
for words in sys.argv[1:]:
    sys.argv = ["cloudheal", *words.split()]
    print(f"$ {words}", flush=True)
    try:
        main()
    except SystemExit as end:
        print(f"ended with {end.code}", flush=True)
"""


def typed(operator: Operator, commands: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Type commands, one after another; yields each with what it shows on both streams."""
    done = subprocess.run(
        [sys.executable, "-c", SHELL, *commands],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=operator.folder,
        env=operator.surroundings(),
        timeout=100,
        check=True,
    )
    for shown in done.stdout.decode().split("$ ")[1:]:
        yield shown.partition("\n")[0], shown
