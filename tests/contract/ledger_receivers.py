"""Receivers of the ledger over real TCP: a webhook as a user would write one, and Simple Log Service as far as it goes.

Both check what they are shown by the words of the specification, with nothing of the product, and keep what they took.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.contract.log_receivers import Post

SECRET, SOURCE = "a-secret-of-some-length", "healer"
KEY_ID, KEY_SECRET = "LTAItest", "secret-of-the-key"
WEEK = 7 * 24 * 3600


@dataclass
class Hook:
    """A webhook: rows by their seal and number, once each; how often every excerpt came, by its mark."""

    rows: dict[tuple[str, int], Mapping[str, Any]] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)
    nonces: set[str] = field(default_factory=set)
    stored: Callable[[], object] = lambda: None
    """Called when an excerpt is stored and before it is answered."""

    def answer(self, post: Post) -> tuple[int, bytes]:
        """Take an excerpt whose signature is right, and which is of now."""
        moment, nonce = post.headers["X-Cloudheal-Timestamp"], post.headers["X-Cloudheal-Nonce"]
        text = b"\n".join((SOURCE.encode(), moment.encode(), nonce.encode(), post.body))
        right = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
        if (
            right != post.headers["X-Cloudheal-Signature"]
            or nonce in self.nonces
            or abs(time.time() - int(moment)) > 300
        ):
            return 401, b"who are you?"
        self.nonces.add(nonce)
        for line in post.body.decode().splitlines():
            row = json.loads(line)
            self.rows[row["seal"], row["id"]] = row
        self.marks.append(post.headers["X-Cloudheal-Excerpt"])
        self.stored()
        return 204, b""


@dataclass
class LogService:
    """Simple Log Service: it takes a LogGroup whole or not at all, and the same one as often as it comes."""

    now: Callable[[], float] = time.time
    logs: list[Mapping[str, str]] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    tags: list[Mapping[str, str]] = field(default_factory=list)

    def answer(self, post: Post) -> tuple[int, bytes]:
        """Take what is signed rightly, whole, and not older than a week."""
        told = {name.lower(): value for name, value in post.headers.items()}
        if post.path != "/logstores/audit/shards/lb":
            return 404, b'{"errorCode":"LogStoreNotExist","errorMessage":"logstore does not exist"}'
        ours = sorted((name, value) for name, value in told.items() if name.startswith(("x-log-", "x-acs-")))
        headers = "".join(f"{name}:{value}\n" for name, value in ours)
        text = f"POST\n{told['content-md5']}\n{told['content-type']}\n{told['date']}\n{headers}{post.path}"
        signature = base64.b64encode(hmac.new(KEY_SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()
        if told["authorization"] != f"LOG {KEY_ID}:{signature}":
            return 403, b'{"errorCode":"SignatureNotMatch","errorMessage":"signature does not match"}'
        if abs(parsedate_to_datetime(told["date"]).timestamp() - self.now()) > 900:
            return 400, b'{"errorCode":"RequestTimeExpired","errorMessage":"date is off"}'
        raw = zlib.decompress(post.body)
        if hashlib.md5(post.body).hexdigest().upper() != told["content-md5"] or len(raw) != int(
            told["x-log-bodyrawsize"]
        ):
            return 400, b'{"errorCode":"PostBodyInvalid","errorMessage":"body is not what was announced"}'
        group = _GROUP.FromString(raw)
        if any(not self.now() - WEEK <= one.Time <= self.now() + 900 for one in group.Logs):
            return 400, b'{"errorCode":"PostBodyInvalid","errorMessage":"time is out of range"}'
        self.logs += [{one.Key: one.Value for one in log.Contents} for log in group.Logs]
        self.times += [one.Time for one in group.Logs]
        self.tags.append({one.Key: one.Value for one in group.LogTags})
        return 200, b""


def _made() -> Any:
    """Return the message as the vendor describes it, read by the official library."""
    pair = [("Key", 1, 9, ""), ("Value", 2, 9, "")]
    messages = {
        "Content": pair,
        "LogTag": pair,
        "Log": [("Time", 1, 13, ""), ("Contents", 2, 11, "Content")],
        "LogGroup": [("Logs", 1, 11, "Log"), ("Topic", 3, 9, ""), ("Source", 4, 9, ""), ("LogTags", 6, 11, "LogTag")],
    }
    file = descriptor_pb2.FileDescriptorProto(name="sls.proto", package="sls", syntax="proto2")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for called, number, kind, of in fields:
            label = 3 if of else 1 if called in {"Topic", "Source"} else 2
            one = message.field.add(name=called, number=number, type=kind, label=label)
            if of:
                one.type_name = f".sls.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("sls.LogGroup"))


_GROUP = _made()
