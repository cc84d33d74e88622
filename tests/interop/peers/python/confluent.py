"""confluent-kafka (librdkafka) against a server: ADDRESS TOPIC COUNT. Exits with 0 if all checks
pass. With SASL in the environment, as MECHANISM NAME PASSWORD, it logs in; with TLS_CA, a file, it
does so over TLS."""

import os
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

PARTITIONS = 4
LOGIN = {}
REFUSED = []
if "SASL" in os.environ:
    mechanism, name, password = os.environ["SASL"].split(" ", 2)
    LOGIN = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism, "sasl.username": name,
             "sasl.password": password}
if "TLS_CA" in os.environ:
    LOGIN |= {"security.protocol": "SASL_SSL", "ssl.ca.location": os.environ["TLS_CA"]}


def note(error):
    if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
        REFUSED.append(error)


def await_login(admin):
    """librdkafka goes on trying after a refused login."""
    for _ in range(100):
        admin.poll(0.05)
        if REFUSED:
            sys.exit(f"login: {REFUSED[0]}")
        try:
            admin.list_topics(timeout=0.5)
            return
        except KafkaException:
            pass


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
    admin = AdminClient({"bootstrap.servers": address, "error_cb": note, **LOGIN})
    await_login(admin)
    wanted = NewTopic(topic, PARTITIONS - 2, 1)
    expect("create", KafkaError.NO_ERROR, code_of(admin.create_topics([wanted])[topic]))
    expect("create again", KafkaError.TOPIC_ALREADY_EXISTS, code_of(admin.create_topics([wanted])[topic]))
    more = NewPartitions(topic, PARTITIONS)
    expect("add partitions", KafkaError.NO_ERROR, code_of(admin.create_partitions([more])[topic]))
    expect("add none", KafkaError.INVALID_PARTITIONS, code_of(admin.create_partitions([more])[topic]))
    expect("list", PARTITIONS, len(admin.list_topics(timeout=30).topics[topic].partitions))

    failures = []
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True, **LOGIN})
    for i in range(count):
        producer.produce(topic, key=f"key {i % 13}", value=str(i),
                         on_delivery=lambda error, _: failures.append(error) if error else None)
    expect("flush", 0, producer.flush(60))
    expect("failed deliveries", [], failures)

    group = "of " + topic
    consumer = Consumer({"bootstrap.servers": address, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "check.crcs": True, **LOGIN})
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
