"""The refusals of MNS. Status and code are the contract with the clients; the spelling is the vendor's.

Those marked UNVERIFIED have a code that no public source gives.
"""

from __future__ import annotations

from cloudheal_sim.alibaba.rpc import Refusal, Refused

MISSING_AUTHORIZATION = Refusal(400, "MissingAuthorizationHeader", "Authorization header is required.")
INVALID_AUTHORIZATION = Refusal(400, "InvalidAuthorizationHeader", "The Authorization header format is invalid.")
MISSING_DATE = Refusal(400, "MissingDateHeader", "Date header is required.")
INVALID_DATE = Refusal(400, "InvalidDateHeader", "The Date header format is invalid.")
MISSING_VERSION = Refusal(400, "MissingVersionHeader", "x-mns-version header is required.")
INVALID_VERSION = Refusal(400, "InvalidVersionHeader", "The x-mns-version header is invalid.")
INVALID_DIGEST = Refusal(400, "InvalidDegist", "The Content-MD5 you specified is invalid.")
UNKNOWN_ACCESS_KEY = Refusal(403, "InvalidAccessKeyId", "The AccessKey Id you provided is not exist.")
SIGNATURE_MISMATCH = Refusal(
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
)
TIME_EXPIRED = Refusal(408, "TimeExpired", "The http request you sent is expired.")
# UNVERIFIED: the three codes of temporary keys.
TOKEN_MISSING = Refusal(403, "MissingSecurityToken", "The security-token header is required for this AccessKey Id.")
TOKEN_INVALID = Refusal(403, "InvalidSecurityToken", "The security token you provided is invalid.")
TOKEN_EXPIRED = Refusal(403, "SecurityTokenExpired", "The security token you provided is expired.")

INVALID_ARGUMENT = Refusal(400, "InvalidArgument", "The value of an argument is invalid.")
INVALID_REQUEST_URL = Refusal(400, "InvalidRequestURL", "Http request URL format invalid.")
INVALID_QUERY = Refusal(400, "InvalidQueryString", 'Http request URL contains invalid querystring item "{item}".')
MALFORMED_XML = Refusal(400, "MalformedXML", "The XML you provided was not well-formed.")
QPS_EXCEEDED = Refusal(400, "QpsLimitExceeded", "The request is too frequent, please try again later.")
INTERNAL_ERROR = Refusal(500, "InternalError", "Internal error.")
UNAVAILABLE = Refusal(503, "InternalServerError", "Internal error.")

QUEUE_NOT_EXIST = Refusal(404, "QueueNotExist", "The queue name you provided is not exist.")
QUEUE_EXISTS = Refusal(409, "QueueAlreadyExist", "The queue you want to create is already exist.")
INVALID_QUEUE_NAME = Refusal(
    400,
    "InvalidQueueName",
    "The queue name you provided is invalid. "
    "QueueName should start with alphabet or digit, and contain only alphabet, digit or -.",
)
QUEUE_NAME_LENGTH = Refusal(400, "QueueNameLengthError", "The length of the queue name should between 1 and 120.")
# UNVERIFIED
TOO_MANY_QUEUES = Refusal(400, "QueueNumExceededLimit", "The number of queues exceeds the limit of 1000.")

MESSAGE_NOT_EXIST = Refusal(404, "MessageNotExist", "Message not exist.")
RECEIPT_HANDLE_ERROR = Refusal(400, "ReceiptHandleError", "The receipt handle you provide is not valid.")
MISSING_HANDLE = Refusal(400, "MissingReceiptHandle", "ReceiptHandle is required.")
MISSING_VISIBILITY = Refusal(400, "MissingVisibilityTimeout", "VisibilityTimeout is required.")

TOPIC_NOT_EXIST = Refusal(404, "TopicNotExist", "The topic name you provided is not exist.")
TOPIC_EXISTS = Refusal(409, "TopicAlreadyExist", "The topic you want to create is already exist.")
INVALID_TOPIC_NAME = Refusal(400, "TopicNameInvalid", "The topic name you provided is invalid.")
TOPIC_NAME_LENGTH = Refusal(400, "TopicNameLengthError", "The length of the topic name should between 1 and 255.")
SUBSCRIPTION_NOT_EXIST = Refusal(404, "SubscriptionNotExist", "The subscription name you provided is not exist.")
SUBSCRIPTION_EXISTS = Refusal(409, "SubscriptionAlreadyExist", "The subscription you want to create is already exist.")
INVALID_SUBSCRIPTION_NAME = Refusal(400, "SubscriptionNameInvalid", "The subscription name you provided is invalid.")
SUBSCRIPTION_NAME_LENGTH = Refusal(
    400, "SubscriptionNameLengthError", "The length of the subscription name should between 1 and 255."
)
INVALID_ENDPOINT = Refusal(400, "EndpointInvalid", "The endpoint you provided is invalid.")


def out_of_range(element: str, low: int, high: int, unit: str) -> Refused:
    """Refuse a value outside its documented range, in the vendor's words."""
    return Refused(INVALID_ARGUMENT, f"The value of {element} should between {low} and {high} {unit}.")


def not_in_schema(element: str) -> Refused:
    """Refuse a document that is well-formed XML but not the one that was due."""
    return Refused(
        INVALID_ARGUMENT, f"The XML you provided did not validate against our published schema, cause by {element}."
    )
