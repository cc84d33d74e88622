#!/usr/bin/env python3
"""Logins of librdkafka at a server of Python's hashlib and hmac, which listens on the loopback.

librdkafka_logins.py FILE.jsonl.gz writes lines of JSON as ScramLogins.java does; PLAIN has one message. Needs
confluent-kafka 2.6.1 or later: librdkafka before sent its part of the nonce twice. `scripts/interop` installs it.
"""

import base64
import gzip
import hashlib
import hmac
import json
import random
import secrets
import socket
import struct
import sys
import threading

from confluent_kafka.admin import AdminClient

API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE, METADATA = 18, 17, 36, 3
SPOKEN = {API_VERSIONS: 3, SASL_HANDSHAKE: 1, SASL_AUTHENTICATE: 0, METADATA: 4}
PARTS = ["a", "user", ",", "=", "=2C", "+", "/", '"', "\\", " ", "@", "-", "~"]
MORE = ["ü", "東京", "🐦", "é"]


class Login:
    """The server's side of one login. `messages` are complete once the client goes on."""

    def __init__(self, mechanism, password, iterations):
        self.digest = "sha" + mechanism.rpartition("-")[2]
        self.is_plain = mechanism == "PLAIN"
        self.password, self.iterations = password.encode(), iterations
        self.messages = []

    def hmac(self, key, message):
        return hmac.new(key, message, self.digest).digest()

    def answer(self, message):
        self.messages.append(message)
        if self.is_plain:
            return b""
        answer = self.first() if len(self.messages) == 1 else self.final()
        self.messages.append(answer)
        return answer

    def first(self):
        nonce = self.messages[0].split(b",r=")[1].decode() + secrets.token_urlsafe(18)
        self.salt = secrets.token_bytes(16)
        return f"r={nonce},s={base64.b64encode(self.salt).decode()},i={self.iterations}".encode()

    def final(self):
        without_proof, proof = self.messages[2].rsplit(b",p=", 1)
        salted = hashlib.pbkdf2_hmac(self.digest, self.password, self.salt, self.iterations)
        signed = b",".join([self.messages[0].removeprefix(b"n,,"), self.messages[1], without_proof])
        client_key = self.hmac(salted, b"Client Key")
        signature = self.hmac(hashlib.new(self.digest, client_key).digest(), signed)
        wanted = bytes(a ^ b for a, b in zip(client_key, signature))
        if base64.b64decode(proof) != wanted:
            raise ValueError("librdkafka does not prove the password")
        return b"v=" + base64.b64encode(self.hmac(self.hmac(salted, b"Server Key"), signed))


def frames(connection):
    def read(size):
        data = b""
        while len(data) < size:
            piece = connection.recv(size - len(data))
            if not piece:
                return None
            data += piece
        return data

    while (length := read(4)) is not None and (frame := read(*struct.unpack(">i", length))) is not None:
        yield frame


def body_of(frame):
    """The API's key, the correlation id and the body, of requests without tags in their header."""
    key, _, correlation_id, client_id = struct.unpack(">hhih", frame[:10])
    return key, correlation_id, frame[10 + max(client_id, 0) :]


def versions():
    keys = b"".join(struct.pack(">hhhb", key, 0, newest, 0) for key, newest in SPOKEN.items())
    return struct.pack(">hb", 0, len(SPOKEN) + 1) + keys + struct.pack(">ib", 0, 0)


def serve(listener, mechanism, login, done):
    """Until the client sends a request of another kind: it has accepted the login."""
    connection, _ = listener.accept()
    with connection:
        for frame in frames(connection):
            key, correlation_id, body = body_of(frame)
            if key == API_VERSIONS:
                answer = versions()
            elif key == SASL_HANDSHAKE:
                answer = struct.pack(">hih", 0, 1, len(mechanism)) + mechanism.encode()
            elif key == SASL_AUTHENTICATE:
                token = login.answer(body[4:])
                answer = struct.pack(">hhi", 0, -1, len(token)) + token
            else:
                return done.set()
            connection.sendall(struct.pack(">ii", 4 + len(answer), correlation_id) + answer)


def recorded(mechanism, name, password, iterations):
    login, done = Login(mechanism, password, iterations), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, mechanism, login, done))
        thread.start()
        client = AdminClient(
            {
                "bootstrap.servers": f"127.0.0.1:{listener.getsockname()[1]}",
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": mechanism,
                "sasl.username": name,
                "sasl.password": password,
            }
        )
        if not done.wait(30):
            sys.exit(f"librdkafka does not log in as {name!r} by {mechanism}")
        del client
        thread.join()
    return [message.hex() for message in login.messages]


def text(chosen, parts):
    """Without outer spaces, which librdkafka takes off."""
    return "".join(chosen.choice(parts) for _ in range(chosen.randint(1, 5))).strip() or "user"


def main(path):
    chosen = random.Random(20261129)
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as out:
        for i in range(24):
            mechanism = ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"][i % 3]
            name = text(chosen, PARTS)
            password = text(chosen, PARTS) + (text(chosen, MORE) if chosen.random() < 0.5 else "")
            messages = recorded(mechanism, name, password, 4096 + chosen.randrange(4096))
            line = {
                "mechanism": mechanism,
                "name": name.encode().hex(),
                "password": password.encode().hex(),
                "messages": messages,
            }
            out.write((json.dumps(line, separators=(",", ":")) + "\n").encode())


main(sys.argv[1])
