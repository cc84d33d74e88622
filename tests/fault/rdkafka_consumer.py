"""librdkafka in the place of `chaos_client consume` and `chaos_client group`, with the same lines; scripts/chaos --starts.

rdkafka_consumer.py consume SERVERS TOPIC
rdkafka_consumer.py group SERVERS TOPIC GROUP
"""
import signal
import sys
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

verb, servers, topic, *group = sys.argv[1:]
is_ended = False


def end(*_):
    global is_ended
    is_ended = True


def milliseconds():
    return int(time.monotonic() * 1000)


signal.signal(signal.SIGTERM, end)
consumer = Consumer({"bootstrap.servers": servers, "group.id": group[0] if group else "none",
                     "auto.offset.reset": "earliest", "enable.auto.commit": False, "log_level": 0})
if verb == "consume":
    consumer.assign([TopicPartition(topic, 0, 0)])
else:
    consumer.subscribe([topic])
commit_at = time.monotonic()
has_read = False
while not is_ended:
    message = consumer.poll(0.1)
    if message is not None:
        if message.error() is not None:
            print(f"unread {milliseconds()} {message.error()}", flush=True)
            continue
        print(f"read {milliseconds()} {message.partition()} {message.offset()} {message.value().decode()}", flush=True)
        has_read = True
    if verb == "consume" or not has_read or time.monotonic() < commit_at:
        continue
    began = time.monotonic()
    try:
        consumer.commit(asynchronous=False)
        print(f"committed {milliseconds()} {int((time.monotonic() - began) * 1000)}", flush=True)
    except KafkaException as error:
        print(f"uncommitted {milliseconds()} {int((time.monotonic() - began) * 1000)} {error}", flush=True)
    commit_at = time.monotonic() + 0.5
consumer.close()
