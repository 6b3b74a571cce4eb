// The vendor's core client for Node.js against a simulator. Usage: node pop-core.mjs URL
// The world holds a running instance i-a (10.0.0.1) behind lb-1 in group rsp-1 on port 80.
import assert from "node:assert/strict";
import Core from "@alicloud/pop-core";

const endpoint = process.argv[2];
const client = (apiVersion, more = {}) =>
  new Core.RPCClient({ endpoint, apiVersion, accessKeyId: "testid", accessKeySecret: "testsecret", ...more });
const refused = async (promise) => {
  try {
    await promise;
  } catch (problem) {
    return problem;
  }
  throw new Error("the call was not refused");
};
const region = { RegionId: "cn-hangzhou" };
const slb = client("2014-05-15");

// GET and POST; an SDK object may make both.
for (const method of ["GET", "POST"]) {
  const who = await client("2015-04-01").request("GetCallerIdentity", {}, { method });
  assert.equal(who.AccountId, "1000000000000001");
  assert.match(who.RequestId, /^[0-9A-F-]{36}$/);

  const status = await client("2014-05-26").request(
    "DescribeInstanceStatus", { ...region, InstanceId: ["i-a", "i-none"] }, { method });
  assert.deepEqual(status.InstanceStatuses.InstanceStatus.map((one) => one.Status), ["Running"]);

  const made = await slb.request(
    "CreateLoadBalancer",
    { ...region, LoadBalancerName: "a'b (中文) *~!", Tag: [{ Key: "team", Value: "web" }, { Key: "by", Value: method }] },
    { method });
  const shown = await slb.request("DescribeLoadBalancerAttribute", { ...region, LoadBalancerId: made.LoadBalancerId });
  assert.equal(shown.LoadBalancerName, "a'b (中文) *~!");
  assert.deepEqual(shown.Tags.Tag.map((tag) => [tag.TagKey, tag.TagValue]), [["team", "web"], ["by", method]]);

  const rules = await client("2019-01-01").request("DescribeEventRuleList", region, { method });
  assert.equal(Number(rules.Total), 0);
}

// Names may begin in lower case: the client raises the first letter.
const group = await slb.request("describeVServerGroupAttribute", { regionId: "cn-hangzhou", vServerGroupId: "rsp-1" });
assert.deepEqual(group.BackendServers.BackendServer.map((one) => [one.ServerId, one.Port, one.Weight]), [["i-a", 80, 100]]);
const left = await slb.request(
  "RemoveVServerGroupBackendServers",
  { ...region, VServerGroupId: "rsp-1", BackendServers: JSON.stringify([{ ServerId: "i-a", Port: "80" }]) },
  { method: "POST" });
assert.deepEqual(left.BackendServers.BackendServer, []);

// Errors carry code, message and request id.
const missing = await refused(slb.request("DescribeLoadBalancerAttribute", { ...region, LoadBalancerId: "lb-none" }));
assert.equal(missing.code, "InvalidLoadBalancerId.NotFound");
assert.match(missing.data.RequestId, /^[0-9A-F-]{36}$/);
assert.equal(missing.entry.response.statusCode, 404);
const unknown = await refused(slb.request("MakeTea", region));
assert.equal(unknown.code, "InvalidAction.NotFound");
const wrong = await refused(client("2014-05-15", { accessKeySecret: "wrong" }).request("DescribeRegions", region));
assert.equal(wrong.code, "SignatureDoesNotMatch");
assert.match(wrong.message, /server string to sign is:GET&%2F&AccessKeyId%3Dtestid%26/);
const nobody = await refused(client("2014-05-15", { accessKeyId: "nobody" }).request("DescribeRegions", region));
assert.equal(nobody.code, "InvalidAccessKeyId.NotFound");

// Temporary keys.
const { Credentials: keys } = await client("2015-04-01").request(
  "AssumeRole", { RoleArn: "acs:ram::1000000000000001:role/healer", RoleSessionName: "night" }, { method: "POST" });
const temporary = { accessKeyId: keys.AccessKeyId, accessKeySecret: keys.AccessKeySecret };
const me = await client("2015-04-01", { ...temporary, securityToken: keys.SecurityToken }).request("GetCallerIdentity");
assert.equal(me.IdentityType, "AssumedRoleUser");
assert.equal((await refused(client("2015-04-01", temporary).request("GetCallerIdentity"))).code, "MissingSecurityToken");

// Many at once over kept connections.
const answers = await Promise.all(Array.from({ length: 50 }, () => slb.request("DescribeLoadBalancers", region)));
assert.equal(new Set(answers.map((one) => one.RequestId)).size, 50);
console.log("ok");
