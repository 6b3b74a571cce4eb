"""The RPC protocol byte by byte: where parameters may stand, both signatures, both answers, every refusal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.sim.signing import ECS, SLB, STS, VPC, acs3, common, encoded, query_of, signed, timestamp, without
from tests.sim.wire import Wire, message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sim.simulator import RunningSimulator

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
WHO = (STS, "GetCallerIdentity")


@pytest.fixture
def wire(sim: RunningSimulator) -> Iterator[Wire]:
    """A connection to a fresh simulator."""
    with Wire(sim.address) as connection:
        yield connection


def describe(version: str = STS, action: str = "GetCallerIdentity") -> dict[str, str]:
    """Return the headers that name an ACS3 call."""
    return {"x-acs-action": action, "x-acs-version": version}


# --- where parameters may stand ---


def test_get_with_everything_in_the_query(wire: Wire) -> None:
    """A signed GET is answered with JSON and a request id."""
    reply = wire.get(common(*WHO))
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json;charset=utf-8"
    assert reply.json["AccountId"] == "1000000000000001"
    assert len(reply.json["RequestId"]) == 36


def test_post_with_everything_in_a_form(wire: Wire) -> None:
    """A signed form is as good as a query."""
    assert wire.post(common(*WHO)).json["AccountId"] == "1000000000000001"


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded; charset=utf-8", "", "text/plain"])
def test_a_form_is_read_whatever_it_calls_itself(wire: Wire, kind: str) -> None:
    """Clients name the content type differently, or not at all."""
    form = query_of(signed("POST", common(*WHO))).encode()
    assert wire.ask("POST", "/", {"Content-Type": kind} if kind else {}, form).status == 200


def test_query_and_form_may_be_mixed(wire: Wire) -> None:
    """Both halves are signed together and read together."""
    parameters = signed("POST", common(SLB, "DescribeLoadBalancers", PageSize="7"))
    half = {name: parameters[name] for name in ("Action", "Version", "Signature", "Format")}
    reply = wire.ask("POST", f"/?{query_of(half)}", FORM, query_of(without(parameters, *half)).encode())
    assert reply.json["PageSize"] == 7


def test_post_with_an_empty_body_and_a_chunked_body(wire: Wire) -> None:
    """A body without bytes and a body in chunks are both bodies."""
    assert wire.ask("POST", f"/?{query_of(signed('POST', common(*WHO)))}").status == 200
    form = query_of(signed("POST", common(*WHO))).encode()
    chunks = f"{len(form):x}\r\n".encode() + form + b"\r\n0\r\n\r\n"
    head = f"POST / HTTP/1.1\r\nHost: {wire.address}\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert wire.send(head.encode() + chunks).read().status == 200


def test_expect_100_continue_is_answered_before_the_body_comes(wire: Wire) -> None:
    """A client that waits to be invited is invited."""
    form = query_of(signed("POST", common(*WHO))).encode()
    wire.send(message(wire.address, "POST", "/", {**FORM, "Expect": "100-continue", "Content-Length": str(len(form))}))
    assert wire.read().status == 100
    assert wire.send(form).read().status == 200


def test_an_offer_to_speak_http_2_is_passed_over(wire: Wire) -> None:
    """Java's client offers h2c with its first request; the call is served in HTTP/1.1, body included."""
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABk"}
    form = query_of(signed("POST", common(*WHO))).encode()
    assert wire.ask("POST", "/", {**FORM, **offer}, form).status == 200
    assert wire.post(common(*WHO)).status == 200


def test_gzip_may_be_asked_for(wire: Wire) -> None:
    """A client that would take gzip gets an answer it can read."""
    reply = wire.ask("GET", f"/?{query_of(signed('GET', common(*WHO)))}", {"Accept-Encoding": "gzip, deflate"})
    assert "content-encoding" not in reply.headers
    assert reply.json["AccountId"]


@pytest.mark.parametrize("host", ["ecs.cn-beijing.aliyuncs.com", "sts.aliyuncs.com:80"])
def test_absolute_form_as_through_a_proxy(wire: Wire, host: str) -> None:
    """A request line with a foreign host is served: routing is by version and action."""
    target = f"http://{host}/?{query_of(signed('GET', common(*WHO)))}"
    assert wire.ask("GET", target, {"Host": host}).json["AccountId"]
    target = f"http://{host}?{query_of(signed('GET', common(*WHO)))}"
    assert wire.ask("GET", target, {"Host": host}).json["AccountId"]


@pytest.mark.parametrize("value", ["a b+c", "~*'()!", "中文 and é", "100%&=?#/", "a\nb"])
def test_any_text_survives_encoding_and_signing(wire: Wire, sim: RunningSimulator, value: str) -> None:
    """What is signed and sent percent-encoded is what arrives, in query and form alike."""
    for send in (wire.get, wire.post):
        reply = send(common(SLB, "CreateLoadBalancer", LoadBalancerName=value))
        assert reply.json.get("LoadBalancerName") == value, reply.body


def test_a_plus_is_a_space(wire: Wire) -> None:
    """Java's encoder writes spaces as plus signs; the signature is over the space."""
    parameters = signed("GET", common(SLB, "CreateLoadBalancer", LoadBalancerName="a b"))
    target = f"/?{query_of(parameters).replace('%20', '+')}"
    assert wire.ask("GET", target).json["LoadBalancerName"] == "a b"


def test_lower_case_percent_escapes_are_read(wire: Wire) -> None:
    """The case of escapes on the wire does not matter; the signature has its own."""
    target = query_of(signed("GET", common(*WHO))).replace("%3A", "%3a").replace("%3D", "%3d").replace("%2F", "%2f")
    assert wire.ask("GET", f"/?{target}").status == 200


def test_pipelined_calls_are_answered_in_order(wire: Wire) -> None:
    """Three calls written at once get three answers, in the order of the calls."""
    sizes = ("3", "5", "9")
    for size in sizes:
        query = query_of(signed("GET", common(SLB, "DescribeLoadBalancers", PageSize=size)))
        wire.send(message(wire.address, "GET", f"/?{query}"))
    assert [wire.read().json["PageSize"] for _ in sizes] == [3, 5, 9]


# --- answers ---


def test_without_a_format_the_answer_is_xml(wire: Wire) -> None:
    """Version 1 answers XML unless JSON is asked for; the root is named after the action."""
    reply = wire.get(without(common(*WHO), "Format"))
    assert reply.headers["content-type"] == "text/xml;charset=utf-8"
    assert reply.root.tag == "GetCallerIdentityResponse"
    assert reply.root.findtext("AccountId") == "1000000000000001"
    assert reply.text("RequestId")


def test_lists_in_xml_are_repeated_elements(wire: Wire) -> None:
    """A list of regions is one element for each inside its wrapper."""
    reply = wire.get(common(SLB, "DescribeRegions", Format="XML"))
    assert len(reply.root.findall("Regions/Region/RegionId")) > 5


def test_errors_come_in_xml_too(wire: Wire) -> None:
    """An XML error has the root Error with code, message, host and request id."""
    reply = wire.get(common(SLB, "DescribeLoadBalancerAttribute", LoadBalancerId="lb-none", Format="xml"))
    assert (reply.status, reply.root.tag) == (404, "Error")
    assert [child.tag for child in reply.root] == ["RequestId", "HostId", "Code", "Message", "Recommend"]
    assert reply.root.findtext("HostId") == "slb.aliyuncs.com"


@pytest.mark.parametrize("spelt", ["json", "Json", "JSON"])
def test_the_format_may_be_spelt_in_any_case(wire: Wire, spelt: str) -> None:
    """Clients write json in several ways."""
    assert wire.get(common(*WHO, Format=spelt)).json["AccountId"]


# --- refusals of version 1 ---


def test_a_wrong_secret_shows_the_string_to_sign_behind_one_colon(wire: Wire) -> None:
    """The classic SDK splits the message at its only colon."""
    parameters = common(*WHO)
    reply = wire.get(parameters, secret="another")
    canonical = query_of(dict(sorted(parameters.items())))
    assert (reply.status, reply.code) == (400, "SignatureDoesNotMatch")
    assert reply.json["Message"].split(":") == [
        "Specified signature is not matched with our calculation. server string to sign is",
        f"GET&%2F&{encoded(canonical)}",
    ]


def test_the_journal_shows_what_would_have_been_signed(wire: Wire, sim: RunningSimulator) -> None:
    """A refused signature can be compared in the journal; no secret stands there."""
    wire.get(common(*WHO), secret="another")
    entry = sim.journal(action="GetCallerIdentity")[-1]
    assert entry["verdict"] == "SignatureDoesNotMatch"
    assert entry["details"]["string_to_sign"].startswith("GET&%2F&")
    assert "testsecret" not in json.dumps(sim.journal())


def test_the_method_is_part_of_the_signature(wire: Wire) -> None:
    """What was signed for POST cannot be sent with GET."""
    assert wire.ask("GET", f"/?{query_of(signed('POST', common(*WHO)))}").code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"AccessKeyId": "nobody"}, 404, "InvalidAccessKeyId.NotFound"),
        ({"AccessKeyId": "AKIDtest"}, 404, "InvalidAccessKeyId.NotFound"),
        ({"AccessKeyId": ""}, 400, "MissingAccessKeyId"),
        ({"Timestamp": "2026-11-20 21:11:44"}, 400, "InvalidTimeStamp.Format"),
        ({"Timestamp": ""}, 400, "MissingParameter"),
        ({"SignatureNonce": ""}, 400, "MissingParameter"),
        ({"SignatureMethod": "HMAC-MD5"}, 400, "InvalidSignatureMethod"),
        ({"Version": "1999-01-01"}, 400, "InvalidVersion"),
        ({"Version": ""}, 400, "MissingParameter"),
        ({"Action": "MakeTea"}, 404, "InvalidAction.NotFound"),
        ({"Action": ""}, 400, "MissingParameter"),
        ({"Version": SLB, "Action": "DescribeLoadBalancerAttribute"}, 400, "MissingParameter"),
        ({"Version": SLB, "Action": "DescribeLoadBalancers", "PageSize": "many"}, 400, "InvalidParameter"),
        ({"SecurityToken": "invented"}, 400, "InvalidSecurityToken.Malformed"),
    ],
)
def test_each_flaw_has_its_own_refusal(wire: Wire, change: dict[str, str], status: int, code: str) -> None:
    """Key, time, nonce, version, action and parameters are refused by name."""
    reply = wire.get({**common(*WHO), **change})
    assert (reply.status, reply.code) == (status, code)
    assert reply.json["RequestId"]
    assert reply.json["HostId"].endswith(".aliyuncs.com")


@pytest.mark.parametrize(
    ("minutes", "code"), [(-16, "InvalidTimeStamp.Expired"), (16, "InvalidTimeStamp.Expired"), (-14, ""), (14, "")]
)
def test_a_timestamp_may_be_fifteen_minutes_off(wire: Wire, minutes: int, code: str) -> None:
    """Of the past and of the future alike."""
    assert wire.get(common(*WHO, Timestamp=timestamp(minutes * 60))).code == code


def test_an_unsigned_call_is_incomplete(wire: Wire) -> None:
    """Without Signature the call does not conform."""
    assert wire.ask("GET", f"/?{query_of(common(*WHO))}").code == "IncompleteSignature"


def test_a_nonce_serves_once(wire: Wire) -> None:
    """The same signed call sent again is refused, and a new nonce is served."""
    parameters = common(*WHO)
    assert wire.get(parameters).status == 200
    again = wire.get(parameters)
    assert (again.status, again.code) == (400, "SignatureNonceUsed")
    assert wire.get(common(*WHO)).status == 200


def test_sha256_is_accepted_where_the_call_says_so(wire: Wire) -> None:
    """Version 1 with SignatureMethod HMAC-SHA256 is checked with that."""
    assert wire.get(common(*WHO, SignatureMethod="HMAC-SHA256")).status == 200


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(wire: Wire, method: str) -> None:
    """Only GET and POST carry calls, however well they are signed."""
    reply = wire.ask(method, f"/?{query_of(signed(method, common(*WHO)))}")
    assert reply.status == 405
    assert wire.get(common(*WHO)).status == 200


# --- ACS3 ---


def test_acs3_with_parameters_in_the_query(wire: Wire) -> None:
    """The form of the Tea SDKs: POST, everything in query and headers, JSON without asking."""
    query = {"RegionId": "cn-hangzhou", "PageSize": "4"}
    headers = acs3("POST", wire.address, describe(SLB, "DescribeLoadBalancers"), query)
    assert wire.ask("POST", f"/?{query_of(query)}", headers).json["PageSize"] == 4


def test_acs3_with_a_form_body(wire: Wire) -> None:
    """Parameters of the body count, and the body's digest is signed."""
    form = {"RegionId": "cn-hangzhou", "PageSize": "6"}
    body = query_of(form).encode()
    more = {"content-type": "application/x-www-form-urlencoded"}
    headers = acs3("POST", wire.address, {**describe(SLB, "DescribeLoadBalancers"), **more}, {}, body)
    assert wire.ask("POST", "/", headers, body).json["PageSize"] == 6
    fresh = acs3("POST", wire.address, {**describe(SLB, "DescribeLoadBalancers"), **more}, {}, body)
    assert wire.ask("POST", "/", fresh, body.replace(b"6", b"7")).code == "SignatureDoesNotMatch"


def test_acs3_with_a_json_body(wire: Wire) -> None:
    """A JSON object is flattened to the names of the RPC style; arrays of objects too."""
    document = {"RegionId": "cn-hangzhou", "PageSize": 8, "Tag": [{"Key": "team", "Value": "web"}]}
    body = json.dumps(document).encode()
    more = {"content-type": "application/json; charset=utf-8"}
    headers = acs3("POST", wire.address, {**describe(SLB, "DescribeLoadBalancers"), **more}, {}, body)
    assert wire.ask("POST", "/", headers, body).json["PageSize"] == 8


def test_header_names_may_be_written_in_any_case(wire: Wire) -> None:
    """HTTP/2 habits and old habits: lower, upper and mixed case are one."""
    for spell in (str.lower, str.upper, str.title):
        headers = acs3("GET", wire.address, describe(), {})
        spelt = {spell(name): value for name, value in headers.items() if name != "host"}
        assert wire.ask("GET", "/", {**spelt, "Host": wire.address}).status == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"x-acs-date": timestamp(-3600)}, "InvalidTimeStamp.Expired"),
        ({"x-acs-date": "yesterday"}, "InvalidTimeStamp.Format"),
        ({"x-acs-version": "1999-01-01"}, "InvalidVersion"),
        ({"x-acs-action": "MakeTea"}, "InvalidAction.NotFound"),
        ({"x-acs-security-token": "invented"}, "InvalidSecurityToken.Malformed"),
    ],
)
def test_acs3_flaws_have_the_same_refusals(wire: Wire, change: dict[str, str], code: str) -> None:
    """The newer signature is refused for the same reasons in the same words."""
    headers = acs3("GET", wire.address, {**describe(), **change}, {})
    assert wire.ask("GET", "/", headers).code == code


def test_acs3_with_a_wrong_secret_an_unknown_key_and_a_used_nonce(wire: Wire) -> None:
    """Who signs and when is checked for each."""
    wrong = acs3("GET", wire.address, describe(), {}, key=("testid", "wrong"))
    assert wire.ask("GET", "/", wrong).code == "SignatureDoesNotMatch"
    unknown = acs3("GET", wire.address, describe(), {}, key=("nobody", "testsecret"))
    assert wire.ask("GET", "/", unknown).code == "InvalidAccessKeyId.NotFound"
    once = acs3("GET", wire.address, describe(), {})
    assert wire.ask("GET", "/", once).status == 200
    assert wire.ask("GET", "/", once).code == "SignatureNonceUsed"


@pytest.mark.parametrize(
    "authorization",
    [
        "ACS3-HMAC-SHA256",
        "ACS3-HMAC-SHA256 Credential=testid",
        "ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=host,Signature=zzz",
        "ACS3-HMAC-SM3 Credential=testid,SignedHeaders=host,Signature=00",
        "ACS3-RSA-SHA256 Credential=testid,SignedHeaders=host,Signature=00",
    ],
)
def test_an_authorization_that_cannot_be_read_is_incomplete(wire: Wire, authorization: str) -> None:
    """A broken or foreign scheme is a refusal, not a malfunction."""
    reply = wire.ask("GET", "/", {**describe(), "Authorization": authorization})
    assert (reply.status, reply.code) == (400, "IncompleteSignature")


# --- temporary keys ---


def test_temporary_keys_sign_with_their_token_and_not_without(wire: Wire) -> None:
    """AssumeRole's keys work in both signatures, only together with their token."""
    asked = common(STS, "AssumeRole", RoleArn="acs:ram::1000000000000001:role/healer", RoleSessionName="night")
    keys = wire.get(asked).json["Credentials"]
    secret, id_, token = keys["AccessKeySecret"], keys["AccessKeyId"], keys["SecurityToken"]

    mine = wire.get(common(*WHO, AccessKeyId=id_, SecurityToken=token), secret)
    assert mine.json["Arn"] == "acs:ram::1000000000000001:assumed-role/healer/night"
    assert wire.get(common(*WHO, AccessKeyId=id_), secret).code == "MissingSecurityToken"
    assert wire.get(common(*WHO, AccessKeyId=id_, SecurityToken="no"), secret).code == "InvalidSecurityToken.Malformed"

    headers = acs3("GET", wire.address, {**describe(), "x-acs-security-token": token}, {}, key=(id_, secret))
    assert wire.ask("GET", "/", headers).status == 200


def test_temporary_keys_expire_on_the_virtual_clock(stepped: RunningSimulator) -> None:
    """After their time the same keys are refused as expired."""
    with Wire(stepped.address) as wire:
        asked = common(STS, "AssumeRole", RoleArn="acs:ram::1:role/healer", RoleSessionName="night")
        keys = wire.get({**asked, "DurationSeconds": "900"}).json["Credentials"]
        parameters = {"AccessKeyId": keys["AccessKeyId"], "SecurityToken": keys["SecurityToken"]}
        assert wire.get(common(*WHO, **parameters), keys["AccessKeySecret"]).status == 200
        stepped.advance(901)
        assert wire.get(common(*WHO, **parameters), keys["AccessKeySecret"]).code == "InvalidSecurityToken.Expired"


def test_one_port_serves_every_version(wire: Wire) -> None:
    """SLB, VPC, STS and ECS calls go over one connection, each to its own service."""
    for version, action in ((SLB, "DescribeRegions"), (VPC, "DescribeVpcs"), WHO):
        assert wire.get(common(version, action)).status == 200, (version, action)
    assert wire.get(common(ECS, "StopInstance", InstanceId="i-none")).code == "InvalidInstanceId.NotFound"
