"""The refusals of SLB. Codes, statuses and wording follow the vendor's page of common SLB error codes.

Exceptions: `OperationConflict` and `IncorrectLoadBalancerStatus` are named in client code only (UNVERIFIED wording).
"""

from __future__ import annotations

from cloudheal_sim.alibaba.rpc import Refusal

UNKNOWN_BALANCER = Refusal(404, "InvalidLoadBalancerId.NotFound", "The specified LoadBalancerId does not exist.")
UNKNOWN_GROUP = Refusal(404, "InvalidParameter", "The specified VServerGroupId does not exist.")
UNKNOWN_LISTENER = Refusal(
    404, "ListenerNotFound", "You have not created a listener for the specified port of the load balancer."
)
UNKNOWN_RESOURCE = Refusal(400, "InvalidParameter", "The specified resource does not exist.")
LISTENER_EXISTS = Refusal(400, "ListenerAlreadyExists", "A listener with the specified port already exists")
GROUP_IN_USE = Refusal(400, "RspoolVipExist", "there are vips associating with this vServer group.")
PROTECTED = Refusal(
    400, "OperationFailed.DeleteProtection", "The operation is not allowed because deletion protection is enabled."
)

BACKENDS_MALFORMED = Refusal(400, "BackendServersMalformed", "the specified parameter BackendServers is unavailable.")
BACKEND_PORT = Refusal(
    400,
    "InvalidParameter",
    "The specified BackendServers is invalid, as the Port value should be in [1, 65535].",
)
BACKEND_WEIGHT = Refusal(400, "InvalidWeight.Malformed", "A specified weight is not valid.")
BACKEND_SERVER_EMPTY = Refusal(400, "BackendServer.ServerIdEmpty", "The specified ServerId can not be empty.")
TOO_MANY_BACKENDS = Refusal(
    400, "TooManyBackendServers", "The total number of input real servers exceeds max supported number: 20"
)
NOT_RUNNING = Refusal(
    400,
    "ObtainIpFail",
    "The specified BackendServers is invalid; some of the specified backend servers do not exist or are not running.",
)

BACKENDS_CONFIGURING = Refusal(
    409,
    "BackendServer.configuring",
    "A previous configuration of the load balancer is pending; please try again later.",
)
LISTENER_CONFIGURING = Refusal(
    400, "ServiceIsConfiguring", "A previous configuration is pending; please try again later."
)
BALANCER_CONFIGURING = Refusal(400, "OperationConflict", "Request was denied due to conflict with a previous request.")
