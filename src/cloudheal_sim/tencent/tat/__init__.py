"""TencentCloud Automation Tools, version 2020-10-28: commands run inside instances by the agent there."""
