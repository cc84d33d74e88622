// kafkajs against a server: ADDRESS TOPIC COUNT. Exits with 0 if all checks pass.
import kafkajs from 'kafkajs';

const { Kafka, logLevel } = kafkajs;
const partitions = 4;
const [address, topic, number] = process.argv.slice(2);
const count = Number(number);

function expect(what, wanted, got) {
  if (wanted !== got) throw new Error(`${what}: wanted ${wanted}, got ${got}`);
}

const kafka = new Kafka({ brokers: [address], logLevel: logLevel.ERROR });
const admin = kafka.admin();
await admin.connect();
const wanted = { topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }] };
expect('create', true, await admin.createTopics(wanted));
expect('create again', false, await admin.createTopics(wanted));
expect('list', true, (await admin.listTopics()).includes(topic));

const producer = kafka.producer({ idempotent: true });
await producer.connect();
const messages = Array.from({ length: count }, (_, i) => ({ key: `key ${i % 13}`, value: String(i) }));
await producer.send({ topic, acks: -1, messages });
await producer.disconnect();

const groupId = `of.${topic}`;
const consumer = kafka.consumer({ groupId });
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
const seen = new Set();
await new Promise((resolve, reject) => {
  const late = setTimeout(() => reject(new Error(`read ${seen.size} of ${count} in time`)), 60_000);
  consumer.run({
    eachBatch: async ({ batch, resolveOffset, commitOffsetsIfNecessary, uncommittedOffsets }) => {
      for (const message of batch.messages) {
        seen.add(message.value.toString());
        resolveOffset(message.offset);
      }
      await commitOffsetsIfNecessary(uncommittedOffsets());
      if (seen.size === count) {
        clearTimeout(late);
        resolve();
      }
    },
  }).catch(reject);
});
await consumer.disconnect();
const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
const sum = committed.partitions.reduce((all, each) => all + Math.max(Number(each.offset), 0), 0);
expect('committed', count, sum);
// By default this client retries a missing topic without end.
const impatient = kafka.admin({ retry: { retries: 0 } });
await impatient.connect();
const refused = await impatient.deleteTopics({ topics: [`${topic}-absent`] }).then(() => 'nothing', (e) => (e.cause ?? e).type);
await impatient.disconnect();
expect('delete what is not there', 'UNKNOWN_TOPIC_OR_PARTITION', refused);
await admin.disconnect();
console.log(`created ${partitions} partitions, produced ${count}, read ${seen.size} in a group`);
