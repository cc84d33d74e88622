"""librdkafka's producer in the place of `chaos_client produce`, with the same lines; scripts/chaos --measure.

rdkafka_producer.py SERVERS TOPIC PARTITIONS RATE NAME
"""
import signal
import sys
import time

from confluent_kafka import Producer

servers, topic, partitions, rate, name = sys.argv[1:]
is_ended = False


def end(*_):
    global is_ended
    is_ended = True


def noting(number):
    def told(error, message):
        now = int(time.monotonic() * 1000)
        if error is None:
            print(f"ok {now} {number} {message.partition()} {message.offset()}", flush=True)
        else:
            print(f"failed {now} {number} possibly {error}", flush=True)

    return told


signal.signal(signal.SIGTERM, end)
producer = Producer({"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True,
                     "delivery.timeout.ms": 120000, "log_level": 0})
due = time.monotonic()
number = 0
while not is_ended:
    producer.produce(topic, f"{name}-{number}".encode(), partition=number % int(partitions),
                     on_delivery=noting(number))
    number += 1
    due += 1 / int(rate)
    producer.poll(max(0, due - time.monotonic()))
    time.sleep(max(0, due - time.monotonic()))
producer.flush(60)
