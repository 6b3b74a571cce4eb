// @alicloud/mns, unmodified, through a queue's and a topic's life.
import assert from 'node:assert/strict';
import MNS from '@alicloud/mns';

const [, , url] = process.argv;
const options = { accessKeyId: 'testid', accessKeySecret: 'testsecret', endpoint: url };
const client = new MNS('1000000000000001', options);
const encoded = (text) => Buffer.from(text).toString('base64');

// Queues.
const created = await client.createQueue('q', { VisibilityTimeout: 60 });
assert.equal(created.code, 201);
assert.equal(created.headers.location, `${url}/queues/q`);
assert.equal((await client.createQueue('q', { VisibilityTimeout: 60 })).code, 204);
await assert.rejects(client.createQueue('q', { VisibilityTimeout: 61 }), { name: 'MNSQueueAlreadyExistError' });
assert.equal((await client.setQueueAttributes('q', { DelaySeconds: 0, LoggingEnabled: true })).code, 204);
const shown = (await client.getQueueAttributes('q')).body;
assert.deepEqual([shown.VisibilityTimeout, shown.LoggingEnabled, shown.ActiveMessages], ['60', 'True', '0']);
assert.deepEqual((await client.listQueue('', 10, 'q')).body.map((one) => one.QueueURL), [`${url}/queues/q`]);

// Messages.
const text = '{"name":"Instance:StateChange","note":"<&> 中"}';
const sent = await client.sendMessage('q', { MessageBody: encoded(text), DelaySeconds: 0, Priority: 8 });
assert.equal(sent.code, 201);
assert.equal((await client.peekMessage('q')).body.MessageId, sent.body.MessageId);
const got = (await client.receiveMessage('q', 1)).body;
assert.equal(Buffer.from(got.MessageBody, 'base64').toString(), text);
assert.equal(got.MessageBodyMD5, sent.body.MessageBodyMD5);
const changed = (await client.changeMessageVisibility('q', got.ReceiptHandle, 30)).body;
assert.notEqual(changed.ReceiptHandle, got.ReceiptHandle);
await assert.rejects(client.deleteMessage('q', got.ReceiptHandle), { name: 'MNSReceiptHandleErrorError' });
assert.equal((await client.deleteMessage('q', changed.ReceiptHandle)).code, 204);
await assert.rejects(client.receiveMessage('q', 1), { name: 'MNSMessageNotExistError' });

// Batches.
const batch = await client.batchSendMessage('q', [1, 2, 3].map((at) => ({ MessageBody: encoded(`m${at}`) })));
assert.equal(batch.body.length, 3);
assert.equal((await client.batchPeekMessage('q', 16)).body.length, 3);
const several = (await client.batchReceiveMessage('q', 16, 1)).body;
const handles = several.map((one) => one.ReceiptHandle);
const partly = await client.batchDeleteMessage('q', [handles[0], 'invented']);
assert.equal(partly.code, 404);
assert.deepEqual(partly.body.map((one) => one.ReceiptHandle), ['invented']);
assert.equal((await client.batchDeleteMessage('q', handles.slice(1))).code, 204);

// Topics.
assert.equal((await client.createTopic('t', { MaximumMessageSize: 4096 })).code, 201);
assert.equal((await client.getTopicAttributes('t')).body.MaximumMessageSize, '4096');
assert.equal((await client.setTopicAttributes('t', { LoggingEnabled: true })).code, 204);
assert.equal((await client.publishMessage('t', { MessageBody: encoded('x') })).code, 201);
assert.deepEqual((await client.listTopic('', 10, 't')).body.map((one) => one.TopicURL), [`${url}/topics/t`]);

// Refusals.
const wrong = new MNS('1000000000000001', { ...options, accessKeySecret: 'wrong' });
await assert.rejects(wrong.getQueueAttributes('q'), { name: 'MNSSignatureDoesNotMatchError' });
assert.equal((await client.deleteQueue('q')).code, 204);
await assert.rejects(client.getQueueAttributes('q'), { name: 'MNSQueueNotExistError' });
console.log('@alicloud/mns is content');
