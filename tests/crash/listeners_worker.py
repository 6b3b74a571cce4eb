"""A whole worker process with two listeners for the crash tests: queue in, a line in a file for each call.

Usage: listeners_worker.py DATABASE_URL SIMULATOR_URL FOLDER. It runs until it is killed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cloudheal.app import App
from cloudheal.settings.schema import Settings

QUEUE, REGION, ACCOUNT = "ecs-cms-event", "cn-hangzhou", "1000000000000001"
#: Each writes that a call began and that it ended; what it wrote is on disk before it goes on.
CODE = """
import os
from pathlib import Path

from cloudheal.extend import BasicListener, Listeners

FOLDER = Path({folder!r})


class Scribe(BasicListener):
    def __init__(self, name):
        self.name = name

    def process(self, event):
        self.write("begun", event)
        self.write("ended", event)

    def write(self, what, event):
        line = what + " " + event["content"]["resourceId"] + " " + event["content"]["state"]
        with (FOLDER / self.name).open("a") as file:
            file.write(line + os.linesep)
            file.flush()
            os.fsync(file.fileno())


listeners = Listeners().register(Scribe("first"), name="first").register(Scribe("second"), name="second")
"""


def main(database: str, simulator: str, folder: str) -> None:
    """Be a worker."""
    os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"] = "testid"
    os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = "testsecret"
    extensions = Path(folder) / "extensions"
    extensions.mkdir(exist_ok=True)
    (extensions / "scribes.py").write_text(CODE.format(folder=folder), encoding="utf-8")
    account = {
        "name": "prod",
        "cloud": "alibaba",
        "id": ACCOUNT,
        "regions": [REGION],
        "endpoint": simulator,
        "queue": {"endpoint": simulator, "name": QUEUE, "wait_seconds": 1},
    }
    document = {
        "accounts": [account],
        "database": database,
        "extensions": {"folders": [str(extensions)]},
        "lease_seconds": 1,
    }
    with App(Settings.model_validate(document)).running() as app:
        print("ready", flush=True)
        app.consume(app.settings.accounts[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
