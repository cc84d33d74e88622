"""kafka-python against a server: ADDRESS TOPIC COUNT. Exits with 0 if all checks pass. With SASL in the
environment, as MECHANISM NAME PASSWORD, it logs in; with TLS_CA, a file, it does so over TLS."""

import logging
import os
import sys
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewPartitions, NewTopic
from kafka.errors import InvalidPartitionsError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

PARTITIONS = 4
LOGIN = {}
if "SASL" in os.environ:
    mechanism, name, password = os.environ["SASL"].split(" ", 2)
    LOGIN = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": mechanism, "sasl_plain_username": name,
             "sasl_plain_password": password}
if "TLS_CA" in os.environ:
    LOGIN |= {"security_protocol": "SASL_SSL", "ssl_cafile": os.environ["TLS_CA"]}


def expect(what, wanted, got):
    if wanted != got:
        sys.exit(f"{what}: wanted {wanted!r}, got {got!r}")


def main():
    address, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    # Only its log says why a connection failed.
    logging.basicConfig()
    # It repeats a refused login until this time is over.
    admin = KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=5000, **LOGIN)
    admin.create_topics([NewTopic(topic, PARTITIONS - 2, 1)])
    try:
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
        sys.exit("create again: wanted TOPIC_ALREADY_EXISTS")
    except TopicAlreadyExistsError:
        pass
    admin.create_partitions({topic: NewPartitions(PARTITIONS)})
    try:
        admin.create_partitions({topic: NewPartitions(PARTITIONS)})
        sys.exit("as many partitions as there are: wanted INVALID_PARTITIONS")
    except InvalidPartitionsError:
        pass
    expect("list", True, topic in admin.list_topics())

    producer = KafkaProducer(bootstrap_servers=address, acks="all", linger_ms=5, **LOGIN)
    sent = [producer.send(topic, key=b"key %d" % (i % 13), value=b"%d" % i) for i in range(count)]
    producer.flush(60)
    expect("receipts", count, len({(r.partition, r.offset) for r in (each.get(60) for each in sent)}))
    producer.close()

    consumer = KafkaConsumer(topic, bootstrap_servers=address, group_id="of " + topic,
                             auto_offset_reset="earliest", enable_auto_commit=False, check_crcs=True, **LOGIN)
    seen = set()
    deadline = time.monotonic() + 60
    while len(seen) < count:
        if time.monotonic() > deadline:
            sys.exit(f"read {len(seen)} of {count} in time")
        for records in consumer.poll(timeout_ms=500).values():
            seen.update(record.value for record in records)
    consumer.commit()
    expect("committed", count,
           sum(consumer.committed(TopicPartition(topic, p)) or 0 for p in range(PARTITIONS)))
    consumer.close()
    try:
        admin.delete_topics([topic + "-absent"])
        sys.exit("delete what is not there: wanted UNKNOWN_TOPIC_OR_PARTITION")
    except UnknownTopicOrPartitionError:
        pass
    admin.close()
    print(f"created {PARTITIONS} partitions, produced {count}, read {len(seen)} in a group")


main()
