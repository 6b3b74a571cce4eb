"""The RPC protocol of Alibaba Cloud's gateways: parameters, both signatures, requests, replies, refusals.

Services declare their actions (`Service.action`); the gateway does everything between the socket and the action.
"""

from cloudheal_sim.alibaba.rpc.refusal import Refusal, Refused
from cloudheal_sim.alibaba.rpc.request import RpcRequest
from cloudheal_sim.kernel.service import Action, Reply, Service

__all__ = ["Action", "Refusal", "Refused", "Reply", "RpcRequest", "Service"]
