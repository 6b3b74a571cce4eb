"""A worker process that takes events from a topic, for the crash tests. It runs until it is killed.

Usage: kafka_worker.py DATABASE_URL BROKER.
"""

from __future__ import annotations

import os
import sys

from cloudheal.app import App
from cloudheal.clouds.tencent import kafka_member
from cloudheal.settings.schema import Settings
from tests.flow.tencent import account_of


def main(database: str, broker: str) -> None:
    """Be a worker."""
    os.environ["TENCENTCLOUD_SECRET_ID"] = "AKIDtest"
    os.environ["TENCENTCLOUD_SECRET_KEY"] = "testsecret"
    kafka_member.SESSION_SECONDS = 1.0
    kafka = {"servers": [broker], "topic": "events", "tls": False, "wait_seconds": 1}
    account = account_of("http://127.0.0.1:9", kafka=kafka)
    app = App(Settings.model_validate({"accounts": [account], "database": database}))
    app.poll = lambda: None  # type: ignore[method-assign]  # there is no cloud to look at
    with app.running():
        app.consume(app.settings.accounts[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
