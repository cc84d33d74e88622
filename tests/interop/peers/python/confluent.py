"""confluent-kafka (librdkafka) against a server: ADDRESS TOPIC COUNT. Exits with 0 if all checks
pass."""

import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 4


def expect(what, wanted, got):
    if wanted != got:
        sys.exit(f"{what}: wanted {wanted!r}, got {got!r}")


def code_of(future):
    try:
        future.result(30)
    except KafkaException as failure:
        return failure.args[0].code()
    return KafkaError.NO_ERROR


def main():
    address, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    admin = AdminClient({"bootstrap.servers": address})
    wanted = NewTopic(topic, PARTITIONS, 1)
    expect("create", KafkaError.NO_ERROR, code_of(admin.create_topics([wanted])[topic]))
    expect("create again", KafkaError.TOPIC_ALREADY_EXISTS, code_of(admin.create_topics([wanted])[topic]))
    expect("list", PARTITIONS, len(admin.list_topics(timeout=30).topics[topic].partitions))

    failures = []
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True})
    for i in range(count):
        producer.produce(topic, key=f"key {i % 13}", value=str(i),
                         on_delivery=lambda error, _: failures.append(error) if error else None)
    expect("flush", 0, producer.flush(60))
    expect("failed deliveries", [], failures)

    group = "of " + topic
    consumer = Consumer({"bootstrap.servers": address, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "check.crcs": True})
    consumer.subscribe([topic])
    seen = set()
    deadline = time.monotonic() + 60
    while len(seen) < count:
        if time.monotonic() > deadline:
            sys.exit(f"read {len(seen)} of {count} in time")
        for message in consumer.consume(100, 1.0):
            expect("fetch", None, message.error())
            seen.add(message.value())
    consumer.commit(asynchronous=False)
    partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]
    expect("committed", count, sum(max(p.offset, 0) for p in consumer.committed(partitions, 30)))
    consumer.close()
    absent = topic + "-absent"
    expect("delete what is not there", KafkaError.UNKNOWN_TOPIC_OR_PART, code_of(admin.delete_topics([absent])[absent]))
    print(f"created {PARTITIONS} partitions, produced {count}, read {len(seen)} in a group")


main()
