"""Where a rule sends its events: one record per kind of target, as PutEventRuleTargets knows them.

Queues, topics and webhooks are really delivered to. Functions, log stores, API calls and contacts are kept, and a
delivery to them is recorded, not sent: nothing stands behind them here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

#: Targets of one kind that a rule may have.
MOST_TARGETS = 5


@dataclass(frozen=True, slots=True)
class MnsTarget:
    """A queue or a topic; exactly one of the two is set. `eventbridge` sends CloudEvents instead of the envelope."""

    id: str
    region: str
    queue: str = ""
    topic: str = ""
    eventbridge: bool = False

    kind = "mns"

    @property
    def place(self) -> str:
        """The target in one word for the journal."""
        return f"mns:{self.region}:queues/{self.queue}" if self.queue else f"mns:{self.region}:topics/{self.topic}"

    def arn(self, account: str) -> str:
        """Return the resource name that DescribeEventRuleTargetList shows."""
        where = f"/queues/{self.queue}/message" if self.queue else f"/topics/{self.topic}/messages"
        return f"acs:mns:{self.region}:{account}:{where}"


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A URL that is called; GET carries the fields in its query."""

    id: str
    url: str
    method: Literal["POST", "GET"] = "POST"
    protocol: str = "http"
    eventbridge: bool = False

    kind = "webhook"

    @property
    def place(self) -> str:
        """The target in one word for the journal, without the query (it may hold a secret)."""
        return f"webhook:{self.url.partition('?')[0]}"


@dataclass(frozen=True, slots=True)
class FcTarget:
    """A function."""

    id: str
    region: str
    service_name: str
    function_name: str

    kind = "fc"

    @property
    def place(self) -> str:
        """The target in one word for the journal."""
        return f"fc:{self.region}:{self.service_name}/{self.function_name}"

    def arn(self, account: str) -> str:
        """Return the resource name that DescribeEventRuleTargetList shows."""
        return f"acs:fc:{self.region}:{account}:services/{self.service_name}.LATEST/functions/{self.function_name}"


@dataclass(frozen=True, slots=True)
class SlsTarget:
    """A log store."""

    id: str
    region: str
    project: str
    log_store: str

    kind = "sls"

    @property
    def place(self) -> str:
        """The target in one word for the journal."""
        return f"sls:{self.region}:{self.project}/{self.log_store}"

    def arn(self, account: str) -> str:
        """Return the resource name that DescribeEventRuleTargetList shows."""
        return f"acs:log:{self.region}:{account}:project/{self.project}/logstore/{self.log_store}"


@dataclass(frozen=True, slots=True)
class ContactTarget:
    """A contact group; level 2 calls people, 3 sends text messages, 4 mails."""

    id: str
    contact_group_name: str
    level: str = "3"

    kind = "contact"

    @property
    def place(self) -> str:
        """The target in one word for the journal."""
        return f"contact:{self.contact_group_name}"


@dataclass(frozen=True, slots=True)
class OpenApiTarget:
    """An API call to be made."""

    id: str
    product: str
    action: str
    version: str
    region: str = ""
    role: str = ""
    arn: str = ""
    json_params: str = ""

    kind = "open_api"

    @property
    def place(self) -> str:
        """The target in one word for the journal."""
        return f"open_api:{self.product}:{self.action}"


Target: TypeAlias = MnsTarget | WebhookTarget | FcTarget | SlsTarget | ContactTarget | OpenApiTarget
