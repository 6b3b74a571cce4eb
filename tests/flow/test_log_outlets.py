"""A worker that shows log series to others and sends them on, beside everything else that it does."""

from __future__ import annotations

import json
import logging
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from cloudheal.app import App
from cloudheal.settings.schema import Settings
from tests.contract.ledger_receivers import SECRET, SOURCE, Hook
from tests.contract.log_receivers import ClickHouse, Receiver, receiving
from tests.contract.test_ledger import filled
from tests.contract.test_log_outlets import LOG, counted
from tests.flow.operators import until

SIGNED = {"name": "audit", "to": "webhook", "source": SOURCE, "secret_env": "HOOK"}
LOGIN = "writer:geheim-geheim-geheim"


def asked(port: int, path: str) -> tuple[int, Any]:
    """Ask the worker's listener."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_a_worker_serves_readers_and_outlets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is counted is sent and can be read; a receiver that is away is ill health by name, and no login is shown."""
    monkeypatch.setenv("LOGIN", LOGIN)
    caplog.set_level(logging.INFO)
    house = ClickHouse()
    with receiving(Receiver(house.answer)) as receiver:
        outlet = {"name": "house", "to": "clickhouse", "url": receiver.url, "secret_env": "LOGIN", "auth": "basic"}
        document = {"logs": [LOG], "outlets": [outlet], "listen": {"port": 0}}
        settings = Settings.model_validate({**document, "database": f"sqlite:///{tmp_path / 'w.db'}"})
        app = App(settings)
        for one in app.outlets:
            one.monotonic = lambda: float("inf")  # no pause between attempts
        with app.running():
            port = app.listener.port if app.listener else 0
            until(lambda: "outlet.begun" in caplog.text, 20, "a look at the outlet")
            counted(app.database, app.clock, "per_url", 10, ("/pay",))
            until(lambda: house.inserts == 1, 20, "the minute sent")
            listed = json.loads(asked(port, "/api/logs")[1])
            assert listed["logs"][0]["log"] == "shop"
            assert asked(port, "/metrics/logs")[0] == 200
            assert 'cloudheal_outlet_sent_total{kind="minutes",outlet="house"} 1' in asked(port, "/metrics")[1]
            receiver.answer = lambda _post: (503, b"")
            counted(app.database, app.clock, "per_url", 10, ("/pay",))
            until(lambda: "chore.failing outlet house" in asked(port, "/healthz")[1], 20, "ill health")
            receiver.answer = house.answer
            until(lambda: house.inserts == 2, 20, "the minute sent after all")
    assert LOGIN not in caplog.text


def test_a_worker_carries_out_what_it_has_sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, within moments, and goes on from there."""
    monkeypatch.setenv("HOOK", SECRET)
    hook = Hook()
    with receiving(Receiver(hook.answer)) as receiver:
        document = {"logs": [LOG], "outlets": [{**SIGNED, "url": receiver.url}]}
        app = App(Settings.model_validate({**document, "database": f"sqlite:///{tmp_path / 'w.db'}"}))
        with app.running():
            for first in (1, 4):
                filled(app.database, 3)
                until(lambda last=first + 2: len(hook.rows) == last, 20, "the rows carried out")  # type: ignore[misc]
    assert sorted(number for _, number in hook.rows) == [1, 2, 3, 4, 5, 6]
