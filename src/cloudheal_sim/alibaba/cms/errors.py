"""CloudMonitor's refusals; codes and statuses from aliyun.md 5, wording from general knowledge."""

from __future__ import annotations

from cloudheal_sim.alibaba.rpc import Refusal

RESOURCE_NOT_FOUND = Refusal(404, "ResourceNotFound", "The specified resource is not found.")
TOO_MANY_TARGETS = Refusal(400, "ParameterInvalid", "A rule may have at most 5 targets of one kind.")
BAD_SQL_FILTER = Refusal(400, "ParameterInvalid", "The specified parameter SQLFilter is not valid.")
NO_CHANNEL = Refusal(400, "ParameterInvalid", "At least one channel of a contact has to be set.")
CONTACT_NOT_EXISTS = Refusal(404, "ContactNotExists", "The specified contact does not exist.")
CONTACT_IN_USE = Refusal(409, "ResourceConflict", "The contact belongs to a contact group.")
CONTACT_GROUP_NOT_EXISTS = Refusal(404, "ContactGroupNotExists", "The specified contact group does not exist.")
CONTACT_GROUP_IN_USE = Refusal(409, "ResourceConflict", "The contact group is used by an alert rule or a group.")
NO_ESCALATION = Refusal(
    400, "ParameterInvalid", "At least one level of Escalations needs Statistics, ComparisonOperator, Threshold, Times."
)
STALE_TEMPLATE = Refusal(409, "ResourceConflict", "The template was changed in between; its RestVersion differs.")
TEMPLATE_EXISTS = Refusal(409, "ResourceConflict", "A template of this name exists.")
TASK_EXISTS = Refusal(409, "ResourceConflict", "A task of this name exists.")
