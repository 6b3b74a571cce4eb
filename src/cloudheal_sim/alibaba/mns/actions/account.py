"""The account itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.mns import documents, replies
from cloudheal_sim.alibaba.mns.actions.registry import action
from cloudheal_sim.alibaba.mns.errors import INVALID_REQUEST_URL
from cloudheal_sim.alibaba.rpc import Refused

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.mns.model.account import Account
    from cloudheal_sim.alibaba.mns.requests import Call
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.kernel.wire import HttpReply


@action("GetAccountAttributes")
def get_account_attributes(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Tell where the account's logs go."""
    _check_meta(call)
    return replies.reply(200, replies.account(account.logging_bucket))


@action("SetAccountAttributes")
def set_account_attributes(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Change where the account's logs go."""
    _check_meta(call)
    bucket = documents.logging_bucket(call.request.body)
    if bucket is not None:
        account.kernel.journal.change("account.logging_bucket", account.id, account.logging_bucket, bucket)
        account.logging_bucket = bucket
    return replies.reply(204)


@action("OpenService")
def open_service(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Open the service for an account; here it always is open."""
    if call.names != ("openservice",):
        raise Refused(INVALID_REQUEST_URL)
    return replies.reply(200, replies.order(str(account.kernel.chance.stream("mns").randrange(10**14, 10**15))))


def _check_meta(call: Call) -> bool:
    if call.query.get("accountmeta", "").lower() != "true":
        raise Refused(INVALID_REQUEST_URL)
    return True
