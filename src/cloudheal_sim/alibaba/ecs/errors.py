"""The refusals of ECS (aliyun.md 2.2 to 2.4); wording from general knowledge where no source gave it."""

from __future__ import annotations

from cloudheal_sim.alibaba.rpc import Refusal

INSTANCE_NOT_FOUND = Refusal(404, "InvalidInstanceId.NotFound", "The specified InstanceId does not exist.")
INSTANCE_IDS_MALFORMED = Refusal(
    400, "InvalidInstanceIds.Malformed", "The amount of specified instance Ids exceeds the limit."
)
INCORRECT_STATUS = Refusal(
    403, "IncorrectInstanceStatus", "The current status of the resource does not support this operation."
)
INITIALIZING = Refusal(
    403, "IncorrectInstanceStatus.Initializing", "The specified instance status does not support this operation."
)
LOCKED_FOR_SECURITY = Refusal(403, "InstanceLockedForSecurity", "The instance is locked due to security.")
INSTANCE_EXPIRED = Refusal(403, "InstanceExpired", "The specified instance has expired.")
INSUFFICIENT_BALANCE = Refusal(403, "InsufficientBalance", "Your account does not have enough balance.")
EXPIRED_OR_IN_ARREARS = Refusal(
    403, "InstanceExpiredOrInArrears", "The specified instance has expired or is in arrears."
)
NO_STOCK = Refusal(403, "OperationDenied.NoStock", "The requested resource is sold out in the specified zone.")
DELETION_PROTECTION = Refusal(
    403, "InvalidOperation.DeletionProtection", "The operation is not allowed due to deletion protection."
)
CHARGE_TYPE_VIOLATION = Refusal(
    403, "ChargeTypeViolation", "The operation is not permitted due to charge type of the instance."
)
TOKEN_MISMATCH = Refusal(
    403,
    "IdempotentParameterMismatch",
    "The request uses the same client token as a previous, but non-identical request.",
)
TOKEN_MALFORMED = Refusal(400, "InvalidClientToken.ValueNotSupported", "The ClientToken provided is invalid.")
IMAGE_NOT_FOUND = Refusal(404, "InvalidImageId.NotFound", "The specified ImageId does not exist.")
VSWITCH_NOT_FOUND = Refusal(404, "InvalidVSwitchId.NotFound", "The specified virtual switch does not exist.")
GROUP_NOT_FOUND = Refusal(404, "InvalidSecurityGroupId.NotFound", "The specified security group does not exist.")
ZONE_NOT_FOUND = Refusal(404, "InvalidZoneId.NotFound", "The specified zone does not exist.")
TYPE_NOT_SUPPORTED = Refusal(
    400, "InvalidInstanceType.ValueNotSupported", "The specified InstanceType is not supported."
)
TEMPLATE_NOT_FOUND = Refusal(404, "InvalidLaunchTemplate.NotFound", "The specified LaunchTemplate is not found.")
AMOUNT = Refusal(403, "InvalidParam.Amount", "The parameter Amount is invalid.")
SPOT_STRATEGY = Refusal(400, "InvalidSpotStrategy", "The specified SpotStrategy is not valid.")
SPOT_PRICE_LIMIT = Refusal(400, "InvalidSpotPriceLimit", "The specified SpotPriceLimit is not valid.")
SPOT_PRICE_TOO_LOW = Refusal(
    400,
    "InvalidSpotPriceLimit.LowerThanPublicPrice",
    "The specified parameter SpotPriceLimit can't be lower than current public price.",
)
SPOT_DURATION = Refusal(400, "InvalidSpotDuration", "The specified SpotDuration is not valid.")
SPOT_PREPAID = Refusal(400, "InvalidSpotPrepaid", "The specified SpotStrategy is not supported by PrePaid instances.")
SPOT_BEHAVIOR = Refusal(400, "InvalidSpotInterruptionBehavior", "The specified SpotInterruptionBehavior is not valid.")
CHARGE_TYPE = Refusal(
    400, "InvalidInstanceChargeType.NotFound", "The InstanceChargeType does not exist in our records."
)
PERIOD = Refusal(400, "InvalidPeriod", "The specified period is not valid.")
USER_DATA_FORMAT = Refusal(
    400, "InvalidUserData.Base64FormatInvalid", "The specified parameter UserData must be base64 encoded."
)
USER_DATA_SIZE = Refusal(400, "InvalidUserData.SizeExceeded", "The specified parameter UserData exceeds the size.")
AUTO_RELEASE_TIME = Refusal(
    400, "InvalidAutoReleaseTime.Malformed", "The specified parameter AutoReleaseTime is not valid."
)
INSTANCE_NAME = Refusal(400, "InvalidInstanceName.Malformed", "The specified parameter InstanceName is not valid.")
DESCRIPTION = Refusal(400, "InvalidDescription.Malformed", "The specified parameter Description is not valid.")
HOST_NAME = Refusal(400, "InvalidHostName.Malformed", "The specified parameter HostName is not valid.")
PRIVATE_IP = Refusal(403, "InvalidPrivateIpAddress.Duplicated", "The specified private IP address is duplicated.")
STATUS_NOT_FOUND = Refusal(404, "InvalidStatus.NotFound", "The specified Status does not exist.")
LOCK_REASON_NOT_FOUND = Refusal(404, "InvalidLockReason.NotFound", "The specified LockReason is not found.")
TAG_MISMATCH = Refusal(400, "InvalidTag.Mismatch", "The specified Tag.n.Key and Tag.n.Value are not match.")

DISK_IDS = Refusal(400, "InvalidParameter.DiskIds", "The specified parameter DiskIds is not valid.")
DISK_IDS_MALFORMED = Refusal(403, "InvalidDiskIds.Malformed", "The amount of specified disk Ids exceeds the limit.")
DISK_NOT_FOUND = Refusal(404, "InvalidDiskId.NotFound", "The specified disk does not exist.")
CREATING_SNAPSHOT = Refusal(
    403, "IncorrectDiskStatus.CreatingSnapshot", "A previous snapshot creation of the disk is in process."
)
NEVER_ATTACHED = Refusal(
    403, "IncorrectDiskStatus.NeverAttached", "The specified disk has never been attached to any instance."
)
SNAPSHOT_QUOTA = Refusal(403, "QuotaExceed.Snapshot", "The snapshot quota of the disk has been exceeded.")
SNAPSHOT_NAME = Refusal(400, "InvalidSnapshotName.Malformed", "The specified SnapshotName is wrongly formed.")
RETENTION_DAYS = Refusal(400, "InvalidRetentionDays.Malformed", "The specified RetentionDays is not valid.")
SNAPSHOT_IDS_MALFORMED = Refusal(
    400, "InvalidSnapshotIds.Malformed", "The amount of specified snapshot Ids exceeds the limit."
)
SNAPSHOT_NOT_FOUND = Refusal(404, "InvalidSnapshotId.NotFound", "The specified SnapshotId does not exist.")
SNAPSHOT_IN_PROGRESS = Refusal(
    403, "IncorrectSnapshotStatus", "The status of the specified snapshot does not support this operation."
)

RESOURCE_NOT_FOUND = Refusal(404, "InvalidResourceId.NotFound", "The specified ResourceIds are not found.")
RESOURCE_TYPE_NOT_FOUND = Refusal(404, "InvalidResourceType.NotFound", "The ResourceType provided does not exist.")
TOO_MANY_RESOURCES = Refusal(400, "NumberExceed.ResourceIds", "The ResourceIds parameter's number is exceed the limit.")
TOO_MANY_TAGS = Refusal(400, "NumberExceed.Tags", "The Tags parameter's number is exceed the limit.")
DUPLICATE_TAG_KEY = Refusal(400, "Duplicate.TagKey", "The Tag.N.Key contain duplicate key.")
TAG_KEY_MALFORMED = Refusal(400, "InvalidTagKey.Malformed", "The specified Tag.n.Key is not valid.")
TAG_VALUE_MALFORMED = Refusal(400, "InvalidTagValue.Malformed", "The specified Tag.n.Value is not valid.")

# System events
INSTANCE_ID_LIMIT = Refusal(
    403, "InstanceIdLimitExceeded", "The maximum number of InstanceIds is exceeded, only 100 are allowed at once."
)
EVENT_ID_LIMIT_403 = Refusal(
    403, "EventIdLimitExceeded", "The maximum number of EventIds is exceeded, only 100 are allowed at once."
)
EVENT_ID_LIMIT_400 = EVENT_ID_LIMIT_403._replace(status=400)
TIME_END_BEFORE_START = Refusal(
    403, "InvalidParameter.TimeEndBeforeStart", "The end time must not be earlier than the start time."
)
NOT_BEFORE_PASSED = Refusal(403, "InvalidNotBefore.Passed", "The specified NotBefore has passed.")
SIMULATED_EVENT_LIMIT = Refusal(
    403, "SimulatedEventLimitExceeded", "The maximum number of simulated system events in Scheduled is exceeded."
)
EVENT_NOT_FOUND = Refusal(403, "InvalidEventId.NotFound", "The specified EventId does not exist.")
EVENT_NOT_SIMULATED = Refusal(
    403, "CannotCancelSystemEvent.NotSimulated", "The specified event is not a simulated one and cannot be canceled."
)
NO_INQUIRING_EVENT = Refusal(
    404, "InvalidEventId.NoInquiringEventFound", "No inquiring event with the specified EventId is found."
)
OPERATION_CONFLICT = Refusal(403, "OperationConflict", "The operation conflicts with another one in progress.")
REDEPLOY_SIMULATED = Refusal(
    403, "InvalidOperation.RedeployInstance", "A simulated event cannot be answered by RedeployInstance."
)
MISMATCH = Refusal(
    400, "InvalidParameter.Mismatch", "The zone, the virtual switch and the security group do not belong together."
)
DATA_DISK_SIZE = Refusal(400, "InvalidDataDiskSize.ValueNotSupported", "The specified DataDisk.n.Size is not valid.")

# Cloud Assistant
COMMAND_INSTANCE_NOT_FOUND = Refusal(404, "InvalidInstance.NotFound", "The specified instances are not found.")
COMMAND_INSTANCE_MISMATCH = Refusal(
    403,
    "InvalidInstance.NotMatch",
    "The specified instances are not running, or their system does not match the command type.",
)
COMMAND_TYPE_NOT_FOUND = Refusal(403, "InvalidCmdType.NotFound", "The specified command type is not found.")
COMMAND_INSTANCES_LIMIT = Refusal(
    403, "InstanceIds.ExceedLimit", "The number of specified instances exceeds the upper limit."
)
COMMAND_NAME_LIMIT = Refusal(403, "CmdName.ExceedLimit", "The length of the command name exceeds the upper limit.")
COMMAND_DESCRIPTION_LIMIT = Refusal(
    403, "CmdDesc.ExceedLimit", "The length of the command description exceeds the upper limit."
)
COMMAND_CONTENT_LIMIT = Refusal(
    403, "CmdContent.ExceedLimit", "The length of the command content exceeds the upper limit of 24 KB."
)
COMMAND_CONTENT_DECODING = Refusal(403, "CmdContent.DecodeError", "The command content cannot be base64 decoded.")
COMMAND_NOT_FOUND = Refusal(404, "InvalidCmdId.NotFound", "The specified command ID does not exist.")
INVOCATION_NOT_FOUND = Refusal(404, "InvalidInvoke.NotFound", "The specified invocation ID does not exist.")
FREQUENCY_MISSING = Refusal(403, "MissingParam.Frequency", "The frequency must be specified for a timed invocation.")
FREQUENCY_INVALID = Refusal(403, "InvalidParam.Frequency", "The specified frequency is invalid.")
CLIENT_TOKEN_LIMIT = Refusal(400, "InvalidClientToken.Malformed", "The specified ClientToken is not valid.")
