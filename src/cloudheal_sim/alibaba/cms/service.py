"""The list of CloudMonitor's actions; the modules of `actions/` add themselves to it."""

from __future__ import annotations

from cloudheal_sim.alibaba.cms.state import Cms
from cloudheal_sim.alibaba.rpc import Service

SERVICE: Service[Cms] = Service("cms", "Cms", "2019-01-01")
