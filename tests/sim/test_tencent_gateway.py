"""API 3.0's gateway: what is a valid signature, what is refused, in which order and in which words."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote

import pytest
from tencentcloud.common.sign import Sign

from cloudheal_sim.kernel.keys import AccessKey, Vendor
from cloudheal_sim.kernel.wire import HttpRequest
from tests.sim.tencent import CVM, FORM, MOMENT, STS, Inside, Tc3, v1, v1_form

WEB = "ins-web00001"
WORLD = {"instances": [{"id": WEB}, {"id": "ins-web00002", "status": "STOPPED"}]}
SMOKE = ("AKIDcloudhealSmoke00000001", "cloudhealSmokeKey0000000000000001")
NEW_YEAR = 1_767_225_600
LOCAL = "127.0.0.1:18080"


@pytest.fixture
def inside() -> Inside:
    """A simulator with two instances."""
    return Inside(WORLD)


#: tencent.md 1.2: computed with two independent implementations.
VECTORS = {
    "V1": (
        Tc3("DescribeInstances", host=LOCAL, body=b'{"Limit": 1}', service="cvm"),
        "34d81684563eeb9936d847117eac3c62ec5b2d596e46381070440d245c2deb50",
    ),
    "V2": (
        Tc3("DescribeInstances", host=LOCAL, signed_host="127.0.0.1", body=b'{"Limit":1}', service="127"),
        "84d6c8dc94e184083a78e6c57a0539a42acda7ba346a694617588efc8aa3acc4",
    ),
    "V3": (
        Tc3(
            "DescribeInstances",
            body=b'{"InstanceIds":["ins-heal0001"]}',
            content_type="application/json; charset=utf-8",
            names=("content-type", "host", "x-tc-action"),
        ),
        "255e224cd5c8fbc0e4b6c108dfd930785c8506a7016660a1fdbb91f3b0d51747",
    ),
    "V4": (
        Tc3(
            "DescribeInstances", host=LOCAL, method="GET", query="InstanceIds.0=ins-heal0001&Limit=5", content_type=FORM
        ),
        "b786b4cb640a3195a108385a77c649a0986d4a3dbe9da69677d70178bb2459be",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
async def test_the_known_signatures_are_valid_and_no_others(name: str) -> None:
    """The published vectors, headers as each client sends them, are accepted; one digit changed is refused."""
    call, signature = VECTORS[name]
    call = replace(call, key=SMOKE, stamp=NEW_YEAR)
    key = AccessKey(*SMOKE, Vendor.TENCENT, "100000000001")
    inside = Inside({"instances": [{"id": "ins-heal0001"}]}, now=NEW_YEAR * 1000, keys=(key,))
    authorization = call.headers()["authorization"]
    given = authorization.rpartition("=")[0] + f"={signature}"
    assert not (await inside.send(replace(call, more={"authorization": given}))).code
    spoilt = f"{given[:-1]}{'1' if given[-1] == '0' else '0'}"
    answer = await inside.send(replace(call, more={"authorization": spoilt}))
    assert answer.code == "AuthFailure.SignatureFailure"


def _payloads() -> list[str]:
    chance = random.Random(20)
    letters = "ab z09_-./\\\"'%&=+\t\n\u00e9\u4e2d\u6587\u5b9e\u4f8b\U0001f680"
    return ["".join(chance.choice(letters) for _ in range(chance.randint(1, 80))) for _ in range(20)]


@pytest.mark.parametrize("text", _payloads())
@pytest.mark.parametrize("escaped", [pytest.param(True, id="escaped"), pytest.param(False, id="bytes")])
async def test_the_official_signer_is_believed_for_any_payload(inside: Inside, text: str, *, escaped: bool) -> None:
    """What the vendor's own signer makes of random bodies, non-ASCII as bytes and escaped, is a valid signature."""
    filters = [{"Name": "tag:x", "Values": [text]}]
    body = json.dumps({"Filters": filters}, ensure_ascii=escaped).encode()
    call = Tc3("DescribeInstances", body=body)
    mine = call.headers()["authorization"]
    digest = hashlib.sha256(call.canonical(call.headers()).encode()).hexdigest()
    string = f"TC3-HMAC-SHA256\n{MOMENT}\n{call.day}/cvm/tc3_request\n{digest}"
    official = Sign.sign_tc3("testsecret", call.day, "cvm", string)
    assert mine.endswith(f"Signature={official}")
    answer = await inside.send(replace(call, more={"authorization": mine.rpartition("=")[0] + f"={official}"}))
    assert answer.response["TotalCount"] == 0


@pytest.mark.parametrize("method", ["HmacSHA1", "HmacSHA256"])
@pytest.mark.parametrize("text", _payloads()[:5])
async def test_the_official_signer_of_the_older_kind_is_believed(inside: Inside, text: str, method: str) -> None:
    """The older signatures over form parameters are those of the vendor's signer."""
    own = {"Filters.0.Name": "tag:x", "Filters.0.Values.0": text}
    parameters = v1("DescribeInstances", SignatureMethod=method, **own)
    joined = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    official = Sign.sign("testsecret", f"POSTexample.com/?{joined}", method)
    sha = "sha256" if method == "HmacSHA256" else "sha1"
    form = v1_form(parameters, host="example.com", sha=sha)
    assert official in unquote(form)
    headers = {"host": "example.com", "content-type": FORM}
    answer = await inside.send(HttpRequest("POST", "/", headers, form.encode()))
    assert answer.response["TotalCount"] == 0
    got = v1_form(parameters, method="GET", host="example.com", sha=sha)
    assert (await inside.send(HttpRequest("GET", f"/?{got}", {"host": "example.com:80"}))).response["TotalCount"] == 0


async def test_a_call_half_an_hour_after_midnight_in_shanghai_works() -> None:
    """At 00:30 in Shanghai the UTC date is yesterday's: that date is valid, and the local one is refused."""
    night = datetime(2026, 3, 3, 0, 30, tzinfo=timezone(timedelta(hours=8)))
    stamp = int(night.timestamp())
    inside = Inside(WORLD, now=stamp * 1000)
    call = replace(Tc3.of("DescribeInstances"), stamp=stamp)
    assert call.day == "2026-03-02"
    assert (await inside.send(call)).response["TotalCount"] == 2
    local = replace(call, date=night.strftime("%Y-%m-%d"))
    assert (await inside.send(local)).code == "AuthFailure.SignatureFailure"


@pytest.mark.parametrize(
    ("shift", "code"),
    [(0, ""), (200, ""), (-200, ""), (400, "AuthFailure.SignatureExpire"), (-400, "AuthFailure.SignatureExpire")],
)
async def test_the_clock_may_be_off_by_five_minutes(inside: Inside, shift: int, code: str) -> None:
    """200 s either way pass, 400 s either way fail, with both generations of signatures."""
    assert (await inside.send(replace(Tc3.of("DescribeInstances"), stamp=MOMENT + shift))).code == code
    parameters = v1("DescribeInstances", Timestamp=str(MOMENT + shift))
    form = v1_form(parameters, host="h")
    headers = {"host": "h", "content-type": FORM}
    assert (await inside.send(HttpRequest("POST", "/", headers, form.encode()))).code == code


async def test_a_simulator_without_skew_check_takes_any_timestamp(inside: Inside) -> None:
    """Where virtual time jumps, clients cannot follow: the check can be off, and the signature still counts."""
    inside.simulator.kernel.clock.skew_check = False
    old = replace(Tc3.of("DescribeInstances"), stamp=MOMENT - 10**8)
    assert not (await inside.send(old)).code
    assert (await inside.send(replace(old, key=("AKIDtest", "wrong")))).code == "AuthFailure.SignatureFailure"


SOUND = Tc3.of("DescribeInstances", Limit=5)


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(replace(SOUND, more={"host": "elsewhere"}), id="host"),
        pytest.param(replace(SOUND, more={"content-type": "text/plain"}), id="content type"),
        pytest.param(replace(SOUND, key=("AKIDtest", "other")), id="secret"),
        pytest.param(replace(SOUND, more={"x-tc-timestamp": str(MOMENT + 1)}), id="timestamp"),
        pytest.param(replace(SOUND, date="2026-03-01"), id="date"),
        pytest.param(replace(SOUND, service="sts"), id="another product's scope"),
        pytest.param(replace(SOUND, unsigned=True, more={"x-tc-content-sha256": None}), id="payload marker left out"),
        pytest.param(replace(SOUND, more={"x-tc-content-sha256": "UNSIGNED-PAYLOAD"}), id="payload marker added"),
    ],
)
async def test_a_call_that_was_tampered_with_is_refused(inside: Inside, spoilt: Tc3) -> None:
    """Whatever is signed and was changed on the way, the signature does not hold any more."""
    assert not (await inside.send(SOUND)).code
    assert (await inside.send(spoilt)).code == "AuthFailure.SignatureFailure"


async def test_a_changed_body_query_or_signed_header_is_refused(inside: Inside) -> None:
    """Body of a POST, query of a GET, and any further header that is named as signed."""
    request = SOUND.request()
    answer = await inside.send(replace(request, body=b'{"Limit":6}'))
    assert answer.code == "AuthFailure.SignatureFailure"
    asked = replace(SOUND, method="GET", query="Limit=5", content_type=FORM)
    assert not (await inside.send(asked)).code
    answer = await inside.send(replace(asked.request(), target="/?Limit=6"))
    assert answer.code == "AuthFailure.SignatureFailure"
    three = replace(SOUND, names=("content-type", "host", "x-tc-action"))
    assert not (await inside.send(three)).code
    stop = replace(three, more={"x-tc-action": "StopInstances"})
    assert (await inside.send(stop)).code == "AuthFailure.SignatureFailure"


async def test_an_unsigned_payload_is_taken_where_the_call_says_so(inside: Inside) -> None:
    """With UNSIGNED-PAYLOAD the body is not part of the signature, and is read."""
    call = replace(SOUND, unsigned=True)
    assert not (await inside.send(call)).code
    assert (await inside.send(replace(call.request(), body=b'{"Limit":1}'))).response["TotalCount"] == 2


async def test_a_form_carries_parameters_as_well(inside: Inside) -> None:
    """A TC3 POST may be a form; numbers in it are text."""
    call = replace(SOUND, body=b"InstanceIds.0=ins-web00002&Limit=1", content_type=FORM)
    assert (await inside.send(call)).response["InstanceSet"][0]["InstanceId"] == "ins-web00002"


async def test_a_refused_signature_shows_both_texts_in_the_journal_and_no_secret(inside: Inside) -> None:
    """The author of a client can compare canonical request and string to sign; the right signature is not shown."""
    await inside.send(replace(SOUND, key=("AKIDtest", "other")))
    entry = inside.simulator.kernel.journal.entries()[-1]
    assert (entry.verdict, entry.access_key) == ("AuthFailure.SignatureFailure", "AKIDtest")
    assert str(entry.details["string_to_sign"]).startswith(f"TC3-HMAC-SHA256\n{MOMENT}\n2026-03-02/cvm/tc3_request\n")
    assert str(entry.details["canonical"]).startswith("POST\n/\n\ncontent-type:application/json\nhost:cvm.")
    told = json.dumps(entry.details, default=str)
    right = SOUND.headers()["authorization"].rpartition("=")[2]
    assert "testsecret" not in told
    assert right not in told


ORDER = [
    ({"x-tc-action": None, "authorization": "TC3-x"}, "MissingParameter"),
    ({"authorization": None}, "AuthFailure.InvalidAuthorization"),
    ({"authorization": "SKIP"}, "AuthFailure.InvalidAuthorization"),
    ({"authorization": "TC3-HMAC-SHA256 Credential=x"}, "AuthFailure.InvalidAuthorization"),
    ({"x-tc-version": None}, "MissingParameter"),
    ({"x-tc-timestamp": None}, "MissingParameter"),
    ({"x-tc-timestamp": "soon"}, "InvalidParameter"),
]


@pytest.mark.parametrize(("more", "code"), ORDER)
async def test_headers_are_checked_first(inside: Inside, more: dict[str, str | None], code: str) -> None:
    """What is missing or malformed is named before anybody looks at the key."""
    assert (await inside.send(replace(SOUND, more=more))).code == code


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (replace(SOUND, key=("AKIDnobody", "x"), stamp=1, action="Nothing"), "AuthFailure.SecretIdNotFound"),
        (replace(SOUND, key=("testid", "testsecret")), "AuthFailure.SecretIdNotFound"),
        (replace(SOUND, key=("AKIDtest", "x"), stamp=1), "AuthFailure.SignatureExpire"),
        (replace(SOUND, key=("AKIDtest", "x"), version="2011-11-11"), "AuthFailure.SignatureFailure"),
        (replace(SOUND, more={"x-tc-token": "t"}, version="2011-11-11"), "AuthFailure.TokenFailure"),
        (replace(SOUND, version="2011-11-11", action="Nothing"), "NoSuchVersion"),
        (replace(SOUND, action="StopMachines", body=b"no json"), "InvalidAction"),
        (replace(SOUND, region=None, body=b"no json"), "MissingParameter"),
        (replace(SOUND, region="cn-hangzhou", body=b"no json"), "UnsupportedRegion"),
        (replace(SOUND, body=b"no json"), "InvalidParameter"),
        (replace(SOUND, body=b"[]"), "InvalidParameter"),
        (replace(SOUND, body=b'{"Limit":[],"Nope":1}'), "InvalidParameter"),
        (replace(SOUND, action="StartInstances", body=b'{"Nope":1}'), "MissingParameter"),
        (replace(SOUND, body=b'{"Nope":1}'), "UnknownParameter"),
        (replace(SOUND, body=b'{"InstanceIds":"ins-web00001"}'), "InvalidParameter"),
        (replace(SOUND, body=b'{"Limit":101}'), "InvalidParameterValue.LimitExceeded"),
        (replace(SOUND, names=("host",)), "AuthFailure.InvalidAuthorization"),
        (replace(SOUND, method="PUT"), "UnsupportedProtocol"),
    ],
)
async def test_the_first_thing_wrong_is_what_is_told(inside: Inside, call: Tc3, code: str) -> None:
    """Key, clock, signature, token, version, action, parameters: in this order, always with HTTP 200."""
    answer = await inside.send(call)
    assert (answer.status, answer.code) == (200, code)


async def test_messages_are_in_the_language_asked_for(inside: Inside) -> None:
    """X-TC-Language chooses; without it messages are English."""
    wrong = replace(SOUND, body=b'{"InstanceIds":5}')
    chinese = await inside.send(replace(wrong, more={"x-tc-language": "zh-CN"}))
    assert chinese.message == "参数 `InstanceIds` 的取值或类型不合法。"
    for language in ("en-US", None):
        answer = await inside.send(replace(wrong, more={"x-tc-language": language}))
        assert answer.message == "The value or the type of parameter `InstanceIds` is not valid."


async def test_a_quota_counts_per_account_and_region(inside: Inside) -> None:
    """Ten starts a second and region; the next second is a new one, another region has its own."""
    for _ in range(10):
        assert await inside.refused("StartInstances", InstanceIds=[WEB]) != "RequestLimitExceeded"
    answer = await inside.call("StartInstances", InstanceIds=[WEB])
    assert answer.code == "RequestLimitExceeded"
    assert "frequency limit `10`" in answer.message
    elsewhere = replace(Tc3.of("StartInstances", InstanceIds=[WEB]), region="ap-shanghai")
    assert (await inside.send(elsewhere)).code == "InvalidInstanceId.NotFound"
    inside.advance(1)
    assert await inside.refused("StartInstances", InstanceIds=[WEB]) != "RequestLimitExceeded"


async def test_temporary_keys_work_with_their_token_until_they_expire(inside: Inside) -> None:
    """AssumeRole issues a key pair; without its token, with another or too late it is refused."""
    asked = {"RoleArn": "qcs::cam::uin/100000000001:roleName/healer", "RoleSessionName": "night"}
    issued = await inside.done("AssumeRole", STS, DurationSeconds=600, **asked)
    pair = (issued["Credentials"]["TmpSecretId"], issued["Credentials"]["TmpSecretKey"])
    token = issued["Credentials"]["Token"]
    assert issued["ExpiredTime"] == MOMENT + 600
    who = replace(Tc3.of("GetCallerIdentity", STS), key=pair)
    assert (await inside.send(replace(who, more={"x-tc-token": token}))).response["Type"] == "CAMRole"
    assert (await inside.send(who)).code == "AuthFailure.TokenFailure"
    assert (await inside.send(replace(who, more={"x-tc-token": "t"}))).code == "AuthFailure.TokenFailure"
    inside.advance(600)
    late = replace(who, stamp=MOMENT + 600, more={"x-tc-token": token})
    assert (await inside.send(late)).code == "AuthFailure.TokenFailure"


async def test_identity_needs_no_region(inside: Inside) -> None:
    """GetCallerIdentity names the account of the key."""
    answer = await inside.send(replace(Tc3.of("GetCallerIdentity", STS), region=None))
    assert answer.response["AccountId"] == "100000000001"
    assert (await inside.call("GetCallerIdentity", CVM)).code == "InvalidAction"


async def test_a_parameter_whose_name_only_ends_alike_chooses_no_cloud() -> None:
    """`SecretId` makes a call Tencent's; `MySecretId` in a query of Alibaba's does not."""
    inside = Inside(WORLD)
    query = "Action=DescribeRegions&Version=2014-05-26&MySecretId=x&AccessKeyId=testid&Signature=x&Format=JSON"
    reply = await inside.simulator.handle(HttpRequest("GET", f"/?{query}", {"host": "h"}))
    assert "HostId" in json.loads(reply.body)
    query = "SecretId=x&Action=DescribeRegions&Version=2017-03-12&Timestamp=1"
    assert (await inside.send(HttpRequest("GET", f"/?{query}", {"host": "h"}))).code == "AuthFailure.SecretIdNotFound"


async def test_the_clouds_do_not_take_each_others_keys() -> None:
    """A call is routed by what it carries; Tencent's key signs nothing of Alibaba's and the other way round."""
    inside = Inside(WORLD)
    assert (await inside.send(replace(SOUND, key=("testid", "testsecret")))).code == "AuthFailure.SecretIdNotFound"
    stamp = datetime.fromtimestamp(MOMENT, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    query = f"Action=DescribeRegions&Version=2014-05-26&AccessKeyId=AKIDtest&Timestamp={stamp}&Signature=x&Format=JSON"
    reply = await inside.simulator.handle(HttpRequest("GET", f"/?{query}", {"host": "h"}))
    assert b"InvalidAccessKeyId.NotFound" in reply.body
