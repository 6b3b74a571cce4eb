"""The refusals of the location service; the SDK looks at the codes (`InvalidRegionId`, `Illegal Parameter`)."""

from __future__ import annotations

from cloudheal_sim.alibaba.rpc import Refusal

UNKNOWN_REGION = Refusal(404, "InvalidRegionId", "The specified region does not exist.")
UNKNOWN_SERVICE = Refusal(400, "Illegal Parameter", "Please check the parameters")
