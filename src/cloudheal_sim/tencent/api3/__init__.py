"""The gateway of Tencent Cloud's API 3.0: headers, both generations of signatures, requests, replies, refusals.

Services declare their actions (`Service.action`); the gateway does everything between the socket and the action.
"""

from cloudheal_sim.kernel.service import Action, Reply, Service
from cloudheal_sim.tencent.api3.refusal import Refusal, Refused
from cloudheal_sim.tencent.api3.request import Api3Request, Struct

__all__ = ["Action", "Api3Request", "Refusal", "Refused", "Reply", "Service", "Struct"]
