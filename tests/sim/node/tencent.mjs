// Tencent Cloud's SDK for Node.js against a simulator. Usage: node tencent.mjs HOST:PORT
// The world holds ins-heal0001 (RUNNING, web-1) and ins-heal0002 (STOPPED) in ap-guangzhou.
import assert from "node:assert/strict";
import http from "node:http";
import sdk from "tencentcloud-sdk-nodejs-cvm";

const address = process.argv[2];
const [, port] = address.split(":");
const client = (httpProfile = {}, more = {}, secretKey = "testsecret") =>
  new sdk.cvm.v20170312.Client({
    credential: { secretId: "AKIDtest", secretKey },
    region: "ap-guangzhou",
    profile: { httpProfile: { endpoint: address, protocol: "http://", ...httpProfile }, ...more },
  });
const refused = async (promise) => {
  try {
    await promise;
  } catch (problem) {
    return problem;
  }
  throw new Error("the call was not refused");
};

// Every signature and method: the signed host is without the port, the scope names "127".
for (const signMethod of ["TC3-HMAC-SHA256", "HmacSHA1", "HmacSHA256"]) {
  for (const reqMethod of ["POST", "GET"]) {
    const cvm = client({ reqMethod }, { signMethod });
    const listed = await cvm.DescribeInstances({
      Filters: [{ Name: "instance-name", Values: ["web-1"] }], Limit: 5, Offset: null });
    assert.equal(listed.TotalCount, 1, `${signMethod} ${reqMethod}`);
    assert.equal(listed.InstanceSet[0].InstanceState, "RUNNING");
    assert.match(listed.RequestId, /^[0-9a-f-]{36}$/);
    const named = await cvm.DescribeInstancesStatus({ InstanceIds: ["ins-heal0002"] });
    assert.deepEqual(named.InstanceStatusSet, [{ InstanceId: "ins-heal0002", InstanceState: "STOPPED" }]);
  }
}

// The product's own name in the scope, with a connection that ends at the simulator.
const agent = new http.Agent({ lookup: (_host, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]) });
const named = client({ endpoint: `cvm.tencentcloudapi.com:${port}`, agent });
assert.equal((await named.DescribeInstances({})).TotalCount, 2);

// Errors carry code, message and request id; messages follow the language.
const wrong = await refused(client({}, {}, "wrong").DescribeInstances({}));
assert.equal(wrong.code, "AuthFailure.SignatureFailure");
assert.match(wrong.requestId, /^[0-9a-f-]{36}$/);
const running = await refused(client({}, { language: "zh-CN" }).StartInstances({ InstanceIds: ["ins-heal0001"] }));
assert.equal(running.code, "UnsupportedOperation.InstanceStateRunning");
assert.match(running.message, /当前状态/);
const english = await refused(client().StartInstances({ InstanceIds: ["ins-heal0001"] }));
assert.match(english.message, /does not allow/);
const unknown = await refused(client().request("MakeTea", {}));
assert.equal(unknown.code, "InvalidAction");

// A start is asked for and told.
const started = await client().StartInstances({ InstanceIds: ["ins-heal0002"] });
const [row] = (await client().DescribeInstances({ InstanceIds: ["ins-heal0002"] })).InstanceSet;
assert.deepEqual([row.InstanceState, row.LatestOperationRequestId], ["STARTING", started.RequestId]);
console.log("ok");
