// @platformatic/kafka against a server: ADDRESS TOPIC COUNT. Exits with 0 if all checks pass.
import { Admin, Consumer, Producer, MessagesStreamModes, ProduceAcks, stringDeserializers, stringSerializers } from '@platformatic/kafka';

const partitions = 4;
const [address, topic, number] = process.argv.slice(2);
const count = Number(number);
const options = { clientId: 'interop', bootstrapBrokers: [address] };

function expect(what, wanted, got) {
  if (wanted !== got) throw new Error(`${what}: wanted ${wanted}, got ${got}`);
}

function codes(error) {
  return JSON.stringify(error, (key, value) => (value instanceof Error ? { ...value, errors: value.errors, message: value.message } : value)) + String(error.message);
}

const admin = new Admin(options);
await admin.createTopics({ topics: [topic], partitions, replicas: 1 });
const again = await admin.createTopics({ topics: [topic], partitions, replicas: 1 }).then(() => 'nothing', codes);
expect(`create again (${again})`, true, again.includes('TOPIC_ALREADY_EXISTS'));
expect('list', true, (await admin.listTopics()).includes(topic));

const producer = new Producer({ ...options, serializers: stringSerializers });
const messages = Array.from({ length: count }, (_, i) => ({ topic, key: `key ${i % 13}`, value: String(i) }));
await producer.send({ messages, acks: ProduceAcks.ALL });
await producer.close();

const groupId = `of.${topic}`;
const consumer = new Consumer({ ...options, groupId, groupProtocol: 'classic', deserializers: stringDeserializers });
const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false, maxWaitTime: 500 });
const seen = new Set();
const late = setTimeout(() => { throw new Error(`read ${seen.size} of ${count} in time`); }, 60_000);
for await (const message of stream) {
  seen.add(message.value);
  await message.commit();
  if (seen.size === count) break;
}
clearTimeout(late);
await consumer.close(true);
const offsets = await admin.listConsumerGroupOffsets({ groups: [groupId] });
const sum = offsets.flatMap((group) => group.topics).flatMap((each) => each.partitions)
  .reduce((all, each) => all + Math.max(Number(each.committedOffset), 0), 0);
expect('committed', count, sum);
const refused = await admin.deleteTopics({ topics: [`${topic}-absent`] }).then(() => 'nothing', codes);
expect(`delete what is not there (${refused})`, true, refused.includes('UNKNOWN_TOPIC_OR_PARTITION'));
await admin.close();
console.log(`created ${partitions} partitions, produced ${count}, read ${seen.size} in a group`);
