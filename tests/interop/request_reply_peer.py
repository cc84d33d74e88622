#!/usr/bin/python3
"""The other side of a request, by Debian's python3-kafka, with the headers and bytes of spring-kafka.

request_reply_peer.py respond ADDRESS COUNT   answers requests as @KafkaListener with @SendTo does
request_reply_peer.py request ADDRESS TEXT…   sends requests as ReplyingKafkaTemplate does, prints the replies

spring-kafka: the reply topic as UTF-8, the partition by ByteBuffer.putInt, the correlation id as the 16 bytes
of a UUID, which come back unchanged; a reply has the request's key.
"""
import struct
import sys
import uuid

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

PATIENCE_MS = 30_000


def consumer_of(address, topic, at_end):
    consumer = KafkaConsumer(bootstrap_servers=address, consumer_timeout_ms=PATIENCE_MS, enable_auto_commit=False)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    (consumer.seek_to_end if at_end else consumer.seek_to_beginning)(partition)
    consumer.position(partition)
    return consumer


def respond(address, count):
    producer = KafkaProducer(bootstrap_servers=address, acks="all")
    requests = consumer_of(address, "questions", at_end=False)
    for _ in range(count):
        request = next(requests)
        headers = dict(request.headers)
        partition, = struct.unpack(">i", headers["kafka_replyPartition"])
        assert len(headers["kafka_correlationId"]) == 16, headers
        producer.send(headers["kafka_replyTopic"].decode("utf-8"), key=request.key, partition=partition,
                      value=request.value.upper(),
                      headers=[("kafka_correlationId", headers["kafka_correlationId"])]).get(PATIENCE_MS / 1000)
    producer.close()


def request(address, texts):
    producer = KafkaProducer(bootstrap_servers=address, acks="all")
    replies = consumer_of(address, "replies", at_end=True)
    waiting = {}
    for text in texts:
        correlation = uuid.uuid4().bytes
        waiting[correlation] = text
        producer.send("questions", key=text.encode(), value=text.encode(),
                      headers=[("kafka_replyTopic", b"replies"), ("kafka_correlationId", correlation),
                               ("kafka_replyPartition", struct.pack(">i", 0))])
    producer.flush()
    while waiting:
        reply = next(replies)
        headers = dict(reply.headers)
        text = waiting.pop(headers["kafka_correlationId"])
        assert reply.key == text.encode(), reply
        print(text, "->", reply.value.decode() if reply.value else headers["dohle-error"].decode(), flush=True)
    producer.close()


if __name__ == "__main__":
    mode, address, *rest = sys.argv[1:]
    if mode == "respond":
        respond(address, int(rest[0]))
    else:
        request(address, rest)
