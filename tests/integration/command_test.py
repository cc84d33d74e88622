#!/usr/bin/env python3
"""The `dohle` command as users and scripts call it: help, refusals, output and exit status, against
`dohle node --data :memory:` on a port that the system picks.

command_test.py DOHLE [unittest's arguments]
"""
import base64
import fcntl
import hashlib
import hmac
import json
import os
import pty
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest
from pathlib import Path

DOHLE = sys.argv.pop(1)
TIME_MAX = 60  # seconds, of any one command
OK, FAILED, USAGE, CONNECTION, TIMEOUT, INTERRUPTED = 0, 1, 2, 3, 4, 130

CONNECTING = "-b,--brokers -X,--property --profile --config --timeout -q,--quiet -v,--verbose".split()
BENCH = "--topic --records --partitions --busy-poll --json".split()
SENDING = "--size --acks --linger --buffer --rate".split()
OPTIONS = {
    "": ["--version"],
    "node": "--accept-loss --data --listen --advertise --adopt --durability --no-auto-create --max-connections "
    "--max-fetch-wait-pairs --max-unread-answer-bytes --max-timestamp-before --max-timestamp-after "
    "--plain-user-file --scram-user-file --sasl-mechanisms --max-reauth --tls-certificate --tls-key --tls-keystore "
    "--tls-password-file --tls-client-certificates --tls-ca --tls-crl --tls-principal-rules --tls-min-version "
    "--tls-ciphers --tls-ciphersuites --tls-groups".split(),
    "user": [],
    "user create": "--password-file --password --mechanism --iterations".split() + CONNECTING,
    "user list": ["--format"] + CONNECTING,
    "user delete": ["--mechanism"] + CONNECTING,
    "user hash": "--password-file --password --mechanism --iterations".split(),
    "topic": [],
    "topic create": "-p,--partitions -r,--replication -c,--topic-config --dry-run --format".split() + CONNECTING,
    "topic list": "--internal --format".split() + CONNECTING,
    "topic describe": ["--format"] + CONNECTING,
    "topic add-partitions": "-t,--total --dry-run --format".split() + CONNECTING,
    "topic delete": "-y,--yes --format".split() + CONNECTING,
    "group": [],
    "group list": ["--format"] + CONNECTING,
    "group describe": ["--format"] + CONNECTING,
    "produce": "-k,--key -H,--header -p,--partition -z,--compression --acks -Z,--empty-is-null -f,--format "
    "--input".split() + CONNECTING,
    "consume": "-o,--offset -p,--partition -g,--group -n,--number -f,--format -e,--exit-at-end".split() + CONNECTING,
    "bench": [],
    "bench produce": BENCH + SENDING + ["--threads", "--one-by-one"] + CONNECTING,
    "bench consume": BENCH + ["--group"] + CONNECTING,
    "bench e2e": BENCH + SENDING + ["--group"] + CONNECTING,
}


def environment(**more):
    """The environment of this process, without variables that change the command's behaviour."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DOHLE_", "XDG_")) and k != "COLUMNS"}
    return kept | {"HOME": "/nonexistent"} | more


class Node:
    """`dohle node` until `stop`."""

    def __init__(self, *arguments, listen="127.0.0.1:0"):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [DOHLE, "node", "--listen", listen, *arguments],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=environment(),
        )
        line = self.process.stdout.readline()
        assert line.startswith("ready 127.0.0.1:"), (line, self.said())
        self.address = line.split()[1]

    def said(self):
        self.log.seek(0)
        return self.log.read().decode()

    def stop(self, with_signal=signal.SIGTERM):
        self.process.send_signal(with_signal)
        status = self.process.wait(TIME_MAX)
        self.process.stdout.close()
        return status


class Closing:
    """A server that closes each connection at its first bytes."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        self.thread = threading.Thread(target=self.accept)
        self.thread.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection:
                connection.recv(1 << 16)

    def stop(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.server.close()


class Stalling:
    """A server in front of a node, which passes ApiVersions and one request for Metadata, and answers no others."""

    API_VERSIONS, METADATA = 18, 3

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        self.open = []
        self.threads = []
        self.metadata_left = 0

    def start(self, node):
        host, port = node.rsplit(":", 1)
        self.node = (host, int(port))
        self.threads.append(threading.Thread(target=self.accept))
        self.threads[0].start()

    def stop(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.threads[0].join()
        for connection in self.open:
            connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads[1:]:
            thread.join()
        for connection in [self.server, *self.open]:
            connection.close()

    @staticmethod
    def frame(stream):
        """The next frame, or nothing at the end."""
        head = stream.read(4)
        return head + stream.read(struct.unpack(">i", head)[0]) if len(head) == 4 else None

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            self.open.append(client)
            self.threads.append(threading.Thread(target=self.serve, args=(client,)))
            self.threads[-1].start()

    def serve(self, client):
        try:
            with socket.create_connection(self.node, timeout=TIME_MAX) as node, \
                    client.makefile("rb") as requests, node.makefile("rb") as answers:
                while request := self.frame(requests):
                    key = struct.unpack(">h", request[4:6])[0]
                    if key == self.METADATA and self.metadata_left > 0:
                        self.metadata_left -= 1
                    elif key != self.API_VERSIONS:
                        continue
                    node.sendall(request)
                    client.sendall(self.frame(answers))
        except OSError:
            pass


class Command(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.node = Node("--data", ":memory:")

    @classmethod
    def tearDownClass(cls):
        assert cls.node.stop() == OK
        cls.node.log.close()

    def run_dohle(self, *arguments, stdin=b"", **more):
        if isinstance(stdin, str):
            stdin = stdin.encode()
        env = environment(**{"DOHLE_BROKERS": self.node.address} | more)
        return subprocess.run([DOHLE, *arguments], input=stdin, capture_output=True, timeout=TIME_MAX, env=env)

    def dohle(self, *arguments, status=OK, **more):
        """Returns standard output. The exit status has to be `status`."""
        done = self.run_dohle(*arguments, **more)
        self.assertEqual(done.returncode, status, (arguments, done.stdout, done.stderr))
        return done.stdout.decode()

    def refused(self, status, *arguments, **more):
        """Returns standard error. Standard output has to be empty."""
        done = self.run_dohle(*arguments, **more)
        self.assertEqual((done.returncode, done.stdout), (status, b""), (arguments, done.stderr))
        return done.stderr.decode()

    def json(self, *arguments, status=OK, **more):
        return json.loads(self.dohle(*arguments, "--format", "json", status=status, **more))


class Help(Command):
    def test_lists_every_option_and_an_example(self):
        for words, options in OPTIONS.items():
            with self.subTest(words):
                text = self.dohle(*words.split(), "--help")
                self.assertEqual(text, self.dohle("help", *words.split()))
                found = re.findall(r"^  (-\S+)", text, re.M)
                self.assertEqual(sorted(found), sorted(options + ["-h,--help"]))
                self.assertRegex(text, r"Examples?:\n  .*dohle " + words)

    def test_and_the_page_of_options_have_the_same_flags_of_the_node(self):
        page = (Path(__file__).parents[2] / "docs" / "options.md").read_text().split("\n## The node\n")[1]
        named = re.findall(r"`(--[\w-]+)`", "".join(line for line in page.splitlines(True) if line.startswith("| ")))
        self.assertEqual(sorted(named), sorted(OPTIONS["node"]))

    def test_describes_every_option(self):
        for words in OPTIONS:
            text = self.dohle(*words.split(), "--help", COLUMNS="100")
            for line in text.split("\n"):
                if re.match(r"  -\S+( \S+)?$", line):
                    following = text.split(line + "\n")[1].split("\n")[0]
                    self.assertRegex(following, r"^ {28}\S", line)

    def test_fits_a_narrow_terminal(self):
        for words in OPTIONS:
            for line in self.dohle(*words.split(), "--help", COLUMNS="40").split("\n"):
                is_example = line.startswith("  ") and "dohle " in line
                self.assertTrue(len(line) <= 40 or is_example or " " not in line.strip(), line)

    def test_has_the_width_of_the_terminal(self):
        for columns in (40, 120):
            parent, child = pty.openpty()
            fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            text = b""
            with subprocess.Popen([DOHLE, "topic", "create", "--help"], stdout=child,
                                  env=environment(COLUMNS="80")) as process:
                os.close(child)
                # Linux ends a terminal whose other side was closed with an error.
                try:
                    while piece := os.read(parent, 4096):
                        text += piece
                except OSError:
                    pass
                self.assertEqual(process.wait(TIME_MAX), OK)
            os.close(parent)
            shown = text.decode().replace("\r\n", "\n")
            self.assertEqual(shown, self.dohle("topic", "create", "--help", COLUMNS=str(columns)))

    def test_is_shown_without_a_command(self):
        for words in ("", "topic", "group", "user", "bench"):
            said = self.refused(USAGE, *words.split())
            self.assertEqual(said, self.dohle(*words.split(), "--help"))

    def test_names_required_options_in_its_first_lines(self):
        for words, usage in (("node", "--data DIR [OPTIONS]"), ("topic create", "TOPIC... [OPTIONS]"),
                             ("bench e2e", "--topic NAME [OPTIONS]")):
            self.assertIn(f"\nUsage: dohle {words} {usage}\n", self.dohle(*words.split(), "--help"))

    def test_breaks_lines_where_they_are_full(self):
        self.assertIn("\nPrints \"ready HOST:PORT\" once it accepts connections; logs\n"
                      "go to standard error. Without SASL_PLAINTEXT, SASL_SSL or\n",
                      self.dohle("node", "--help", COLUMNS="60"))
        last_paragraph = self.dohle("node", "--help", COLUMNS="80").rstrip("\n").split("\n\n")[-1]
        self.assertEqual(last_paragraph,
                         "Prints \"ready HOST:PORT\" once it accepts connections; logs go to standard error.\n"
                         "Without SASL_PLAINTEXT, SASL_SSL or clients' certificates there is no\n"
                         "authentication: every client that reaches the address may do everything. SIGINT\n"
                         "and SIGTERM stop it cleanly. SIGHUP reads the certificates again; if one cannot\n"
                         "be used, all stay as they were.")

    def test_gives_a_property_that_the_command_takes(self):
        arguments = {"topic create": ["t"], "topic describe": ["t"], "topic delete": ["t", "--yes"], "produce": ["t"],
                     "topic add-partitions": ["t", "--total", "2"],
                     "consume": ["t"], "group describe": ["g"],
                     "user create": ["u", "--password", "p"], "user delete": ["u"]}
        for words, options in OPTIONS.items():
            if "-X,--property" not in options:
                continue
            text = self.dohle(*words.split(), "--help", COLUMNS="100")
            example = re.search(r"by its Kafka name, as (\S+);", text).group(1)
            rest = arguments.get(words) or (["--topic", "t"] if words.startswith("bench") else [])
            self.refused(CONNECTION, *words.split(), *rest, "-X", example, "-b", "127.0.0.1:1", "--timeout", "1ms")

    def test_version(self):
        self.assertRegex(self.dohle("--version"), r"^dohle \d+\.\d+\.\d+(-dev)?\n$")


class Refusals(Command):
    """Each names the wrong word, and similar or allowed ones."""

    CASES = [
        ("topc list", 'dohle: there is no command "topc"; did you mean topic?\n`dohle --help` lists'),
        ("topic creat", 'dohle topic: there is no command "creat"; did you mean create?\n`dohle topic --help`'),
        ("topic grow", 'no command "grow"; allowed are create, list, describe, add-partitions and delete'),
        ("topic list --formt json", "dohle topic list: there is no option --formt; did you mean --format?"),
        ("topic create t --parttions 3", "there is no option --parttions; did you mean --partitions?"),
        ("--brokrs a:1 topic list", "there is no option --brokrs before the command; did you mean --brokers?"),
        ("node --data d -b a:1", "dohle node: there is no option -b"),
        ("topic list extra", 'dohle topic list: unexpected argument "extra"'),
        ("topic list --format wdie", '--format: "wdie" is not one of text, wide, json, yaml'),
        ("topic list -b non/sense", 'address "non/sense" has a character that is not allowed in a host name; expected HOST:PORT or [IPv6]:PORT'),
        ("topic list -b a:99999", "a port that is not a number from 0 to 65535"),
        ("topic list -b ,", "bootstrap_servers: there is no address; expected HOST:PORT or [IPv6]:PORT"),
        ("topic list -b a:1,SSL://b:1", 'address "SSL://b:1" has the scheme SSL'),
        ("topic list -X bootstrap.servers=a:", 'address "a:" has a port that is not a number from 0 to 65535'),
        ("topic list -b a:1 -b b:1", "dohle topic list: --brokers is given more than once"),
        ("topic list -b", "dohle topic list: --brokers needs a value"),
        ("topic list --timeout 3", '--timeout: "3" is not a duration'),
        ("topic list --timeout 0", '--timeout: "0" is not a duration from 1ms to 10m'),
        ("topic list -q -v", "--quiet excludes --verbose"),
        ("topic list -X foo", '-X: a value is not of the form NAME=VALUE'),
        ("topic list -X linger.ms=5", "-X: linger.ms is a property of producers, which this command does not use"),
        ("topic list -X request.timeout.m=5", "no property request.timeout.m; did you mean request.timeout.ms?"),
        ("topic list --config /nonexistent/c", "/nonexistent/c: the configuration file cannot be read"),
        ("topic list --profile x", "/nonexistent/.config/dohle/config.toml: the file with profile x"),
        ("topic create", "dohle topic create: TOPIC is missing: Names of the topics"),
        ("topic add-partitions t", "dohle topic add-partitions: --total is missing"),
        ("topic add-partitions t -t 1", '-t,--total: "1" is not a whole number from 2 to 100000'),
        ("topic create t -p 0", '-p,--partitions: "0" is not a whole number from 1 to 100000'),
        ("topic create t -r many", '-r,--replication: "many" is not a whole number from 1 to 1000'),
        ("topic create t -c retention.ms", '-c,--topic-config: "retention.ms" is not of the form NAME=VALUE'),
        ("topic delete t", "dohle topic delete: standard input is not a terminal; --yes skips the question"),
        ("produce", "dohle produce: TOPIC is missing"),
        ("produce a b", 'unexpected argument "b"'),
        ("produce t -z lzma", '-z,--compression: "lzma" is not one of none, gzip, snappy, lz4, zstd'),
        ("produce t --acks 2", '--acks: "2" is not one of all (-1), leader (1), none (0)'),
        ("produce t -H name", '-H,--header: "name" is not of the form NAME:VALUE'),
        ("produce t -p -2", '-p,--partition: "-2" is not a whole number from -1 to 2147483647'),
        ("produce t -f %q", "-f,--format: "),
        ("produce t --input xml", '--input: "xml" is not one of text, json'),
        (r"produce t --input json -f %v\n", "-f is a format of text; it cannot be used with --input json"),
        ("consume", "dohle consume: TOPIC is missing"),
        ("consume t -o middle", '-o,--offset: "middle" is not an offset: start, end, 42, +10'),
        ("consume t -o 5:1", '"5:1" ends before it starts'),
        ("consume t -f %q", "-f,--format: the format has no field %q; its fields are %t %p %o"),
        ("consume t -n 0", '-n,--number: "0" is not a whole number from 1 to '),
        ("consume t -p x", '-p,--partition: "x" is not a whole number from 0 to 2147483647'),
        ("consume t -g g -p 1", "-p cannot be used with -g: the group assigns the partitions"),
        ("consume t -g g -o 5", "with -g, -o must be start or end"),
        ("group describe", "dohle group describe: GROUP is missing"),
        ("bench produc", 'dohle bench: there is no command "produc"; did you mean produce?'),
        ("bench produce", "dohle bench produce: --topic is missing"),
        ("bench produce --topic t --records 0", '--records: "0" is not a whole number from 1 to 1000000000000'),
        ("bench produce --topic t --size 1x", '--size: "1x" is not a size'),
        ("bench produce --topic t --size 101MiB", '--size: "101MiB" is not a size from 0 bytes to 100MiB'),
        ("bench e2e --topic t --size 7", '"7" is not a size from 8 bytes to 100MiB'),
        ("bench produce --topic t --linger 5", '--linger: "5" is not a duration'),
        ("bench produce --topic t --threads 0", '--threads: "0" is not a whole number from 1 to 1024'),
        ("bench produce --topic t --rate 0", '--rate: "0" is not a whole number from 1 to 10000000'),
        ("bench produce --topic t --buffer 1", '--buffer: "1" is not a size from 32KiB'),
        ("bench produce --topic t --linger 2m", '--linger: "2m" is not a duration from 0 to 1m'),
        ("node", "dohle node: --data is missing: Directory, or :memory:"),
        ("node --data", "dohle node: --data needs a value"),
        ("node --data :memory: --durability fsnc", 'durability is "fsnc"; allowed are fsync, interval and os'),
        ("node --data :memory: --listen here", 'listener tcp: address: address "here" has no port; expected HOST:PORT'),
        ("node --data :memory: --listen 0.0.0.0:0", "listener tcp: address is 0.0.0.0:0, an address to which no client can connect"),
        ("node --data :memory: --advertise x", 'listener tcp: advertised: address "x" has no port'),
        ("node --data :memory: --listen SSL://a:1", "listener tcp: SSL needs a certificate and its key: --tls-certificate"),
        ("node --data :memory: --listen x=SASL_SSL://a:1", "listener x: SASL_SSL needs a certificate and its key"),
        ("node --data :memory: --tls-key a", "--tls-key: no listener has the protocol SSL or SASL_SSL"),
        ("node --data :memory: --tls-key tcp=a", "--tls-key: listener tcp has the protocol PLAINTEXT"),
        ("node --data :memory: --listen SSL://127.0.0.1:0 --tls-certificate absent.pem", "listener tcp: TLS: certificate file"),
        ("node --data :memory: --listen SSL://127.0.0.1:0 --tls-certificate a --tls-min-version 1.1",
         '--tls-min-version: "1.1" is not one of 1.2 and 1.3'),
        ("node --data :memory: --listen SSL://127.0.0.1:0 --tls-certificate a --tls-client-certificates yes",
         '"yes" is not one of none, wanted and required'),
        ("node --data :memory: --listen HTTP://a:1", 'the security protocol is "HTTP"; allowed are PLAINTEXT, SSL'),
        ("node --data :memory: --plain-user-file /nonexistent/u", "sasl.plain_user_file: /nonexistent/u cannot be read"),
        ("node --data :memory: --scram-user-file /nonexistent/u", "sasl.scram_user_file: /nonexistent/u cannot be read"),
        ("node --data :memory: --sasl-mechanisms PLAIN,GSSAPI", '--sasl-mechanisms: "GSSAPI" is not one of PLAIN'),
        ("node --data :memory: --sasl-mechanisms PLAIN,PLAIN", "sasl.mechanisms has PLAIN twice"),
        ("node --data :memory: --max-reauth -1", '--max-reauth: "-1" is not a whole number'),
        ("node --data :memory: --max-reauth 5000", "sasl.max_reauth is set, but no listener asks for a login"),
        ("node --data :memory: --sasl-mechanisms PLAIN", "sasl.mechanisms is set, but no listener asks for a login"),
        ("user hash", "dohle user hash: NAME is missing: Name of the user"),
        ("user hash a --mechanism PLAIN", '--mechanism: "PLAIN" is not one of SCRAM-SHA-256, SCRAM-SHA-512'),
        ("user hash a --iterations 4095", '--iterations: "4095" is not a whole number from 4096 to 16384'),
        ("user hash a", "dohle user hash: standard input holds no password"),
        ("user hash a --password-file /nonexistent/p", "--password-file: /nonexistent/p cannot be read"),
        ("node --data :memory: --max-connections 0", '--max-connections: "0" is not a whole number from 1 to 100000'),
    ]

    def test_name_the_word_and_the_allowed_ones(self):
        for words, sentence in self.CASES:
            with self.subTest(words):
                said = self.refused(USAGE, *words.split())
                self.assertIn(sentence, said)
                self.assertTrue(said.startswith("dohle"), said)

    # The properties that property_values.cpp keeps for later.
    LATER = {
        "client.rack": "reading from the nearest replica is missing",
        "group.protocol": "consumer groups by KIP-848 are missing; groups are classic",
        "isolation.level": "transactions are missing; consumers read all records (read_uncommitted)",
        "partition.assignment.strategy": "assignors other than range are missing; groups use range",
        "transactional.id": "transactions are missing",
    }

    def test_of_later_properties_say_what_is_missing(self):
        with tempfile.TemporaryDirectory() as directory:
            config = Path(directory) / "c.toml"
            for name, missing in self.LATER.items():
                config.write_text(f'[profiles.p]\n{name} = "x"\n')
                in_profile = ("--config", str(config), "--profile", "p")
                for given in (("-X", f"{name}=x"), in_profile):
                    with self.subTest((name, given[0])):
                        self.assertIn(f"{name} is not supported yet: {missing}",
                                      self.refused(USAGE, "topic", "list", *given))

    def test_of_an_empty_directory_name(self):
        self.assertIn("data_dir is empty; a directory or :memory: is needed", self.refused(USAGE, "node", "--data", ""))


class Servers(Command):
    # Each verb that connects, and its own arguments.
    VERBS = {"topic create": "t", "topic list": "", "topic describe": "t", "topic delete": "t --yes", "group list": "",
             "topic add-partitions": "t --total 2",
             "group describe": "g", "user create": "u --password p", "user list": "", "user delete": "u", "produce": "t",
             "consume": "t", "bench produce": "--topic t", "bench consume": "--topic t", "bench e2e": "--topic t"}

    def test_are_needed_by_the_verbs_that_connect(self):
        self.assertEqual(sorted(self.VERBS), sorted(words for words, options in OPTIONS.items() if "--timeout" in options))

    def test_that_refuse_connections_are_named(self):
        for verb, more in self.VERBS.items():
            said = self.refused(CONNECTION, *verb.split(), *more.split(), "-b", "127.0.0.1:1", "--timeout", "200ms")
            self.assertIn(f"dohle {verb}: no server answered in time: connecting to 127.0.0.1:1: ", said)
            self.assertIn("Connection refused", said)

    def test_with_unknown_host_names_are_named(self):
        # A name with two dots in a row is invalid, so the system needs no lookup.
        said = self.refused(CONNECTION, "topic", "list", "-b", "no..host:9092,no..other:9092", "--timeout", "10m")
        self.assertTrue(said.startswith("dohle topic list: no server can be reached: connecting to no.."), said)
        for name in ("no..host", "no..other"):
            self.assertIn(f'{name}:9092: host name "{name}" does not resolve: ', said)

    def test_that_never_answer_are_named(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"127.0.0.1:{silent.getsockname()[1]}"
            for verb, more in self.VERBS.items():
                said = self.refused(CONNECTION, *verb.split(), *more.split(), "-b", address, "--timeout", "200ms")
                self.assertIn(f"dohle {verb}: no server answered in time: {address} has not answered ApiVersions; the port may expect TLS\n", said)

    def test_that_close_at_the_first_bytes_may_expect_tls(self):
        closing = Closing()
        self.addCleanup(closing.stop)
        for verb, more in self.VERBS.items():
            said = self.refused(CONNECTION, *verb.split(), *more.split(), "-b", closing.address, "--timeout", "500ms")
            self.assertIn(f"dohle {verb}: no server answered in time: closed before the first answer; the port may "
                          f"expect TLS: connection to {closing.address}: ", said)

    def test_that_stop_answering_end_each_verb_with_a_timeout(self):
        stalling = Stalling()
        node = Node("--data", ":memory:", "--advertise", stalling.address)
        stalling.start(node.address)
        for verb, more in self.VERBS.items():
            with self.subTest(verb):
                stalling.metadata_left = 1
                said = self.refused(TIMEOUT, *verb.split(), *more.split(), "-b", stalling.address, "--timeout", "300ms",
                                    stdin="x\n")
                self.assertIn(f"dohle {verb}: ", said)
                self.assertIn(stalling.address, said)
        stalling.stop()
        self.assertEqual(node.stop(), OK)
        node.log.close()

    def test_that_speak_another_protocol_are_named(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            asking = subprocess.Popen([DOHLE, "topic", "list", "-b", f"127.0.0.1:{server.getsockname()[1]}",
                                       "--timeout", "1s"], stderr=subprocess.PIPE, env=environment())
            connection, _ = server.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            said = asking.stderr.read()
            connection.close()
        asking.stderr.close()
        self.assertEqual(asking.wait(TIME_MAX), CONNECTION)
        self.assertIn(b"the other side speaks HTTP", said)

    def test_addresses_come_from_flag_property_environment_and_profile_in_that_order(self):
        dead = "127.0.0.1:1"
        with tempfile.TemporaryDirectory() as directory:
            config = Path(directory) / "c.toml"
            config.write_text(f'profile = "here"\n[profiles.here]\nbootstrap.servers = "{self.node.address}"\n'
                              f'[profiles.dead]\nbootstrap.servers = "{dead}"\n')
            names_config = ("--config", str(config), "--timeout", "5s", "topic", "list")
            nowhere = {"DOHLE_BROKERS": dead}
            env = environment()
            of_profile = subprocess.run([DOHLE, *names_config], capture_output=True, timeout=TIME_MAX, env=env)
            self.assertEqual(of_profile.returncode, OK, of_profile.stderr)
            self.dohle(*names_config, "--profile", "dead")  # the environment has the node's
            self.dohle(*names_config, "-X", f"bootstrap.servers={self.node.address}", **nowhere)
            self.dohle(*names_config, "-X", f"bootstrap.servers={dead}", "-b", self.node.address, **nowhere)
            self.refused(CONNECTION, "--config", str(config), "topic", "list", "--timeout", "200ms", **nowhere)


class Endings(Command):
    """Output of long-running commands whose server, topic or output ends, and their own end."""

    def start(self, *arguments, address=None, **more):
        return subprocess.Popen([DOHLE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                                env=environment(DOHLE_BROKERS=address or self.node.address), **more)

    def until_said(self, process, sentence):
        said = b""
        while sentence not in said:
            self.assertTrue(select.select([process.stderr], [], [], TIME_MAX)[0], said)
            line = process.stderr.readline()
            self.assertTrue(line, said)
            said += line

    def interrupted(self, process):
        """Returns exit status, standard output and standard error; the time is the longest wait."""
        process.send_signal(signal.SIGINT)
        output, said = process.communicate(timeout=25)
        return process.returncode, output.decode(), said.decode()

    def gone(self, *arguments, topic, before, **more):
        """A reading or writing command whose server was killed and which has logged that."""
        node = Node("--data", ":memory:")
        self.dohle("topic", "create", topic, "-p", "1", DOHLE_BROKERS=node.address)
        process = self.start(*arguments, address=node.address, **more)
        # The last line about attempts that were not logged.
        process.in_vain = (rf"\S+ warning connection: {re.escape(node.address)} was not reached in "
                           r"(?:[2-9]|\d\d+) attempts\n")
        before(process, node.address)
        node.stop(signal.SIGKILL)
        node.log.close()
        self.until_said(process, f"connecting to {node.address}: Connection refused; retrying".encode())
        return process

    def test_of_a_reader_whose_server_is_gone(self):
        def read_one(process, address):
            self.dohle("produce", "t", stdin="x\n", DOHLE_BROKERS=address)
            self.assertEqual(process.stdout.readline(), b"x\n")

        reader = self.gone("consume", "t", topic="t", before=read_one)
        status, read, said = self.interrupted(reader)
        self.assertEqual((status, read), (INTERRUPTED, ""))
        # The interrupt may come before the second attempt.
        self.assertRegex(said, rf"\A(?:{reader.in_vain})?\Z")
        status, _, said = self.interrupted(
            self.gone("consume", "t", "-g", "g", "--timeout", "500ms", topic="t", before=read_one))
        self.assertEqual(status, TIMEOUT)
        self.assertIn("dohle consume: no coordinator of group g was found in time", said)

    def test_of_a_writer_whose_server_is_gone(self):
        def store_one(process, address):
            process.stdin.write(b"stored\n")
            self.assertEqual(self.dohle("consume", "t", "-n", "1", DOHLE_BROKERS=address), "stored\n")

        writer = self.gone("produce", "t", topic="t", before=store_one, stdin=subprocess.PIPE)
        for _ in range(2):  # once it has read the second, it has sent the first
            writer.stdin.write(b"late\n")
            while struct.unpack("i", fcntl.ioctl(writer.stdin, termios.FIONREAD, bytes(4)))[0] > 0:
                pass
        status, _, said = self.interrupted(writer)
        self.assertEqual(status, INTERRUPTED)
        self.assertIn("dohle: interrupted; waiting up to 5 s for records under way, another interrupt ends at once\n", said)
        # The 5 s have many attempts.
        self.assertRegex(said, rf"\n1 record stored, [12] failed\n{writer.in_vain}\Z")

    def test_of_a_reader_whose_topic_is_deleted(self):
        self.dohle("produce", "fleeting", stdin="x\n")
        reader = self.start("consume", "fleeting")
        self.assertEqual(reader.stdout.readline(), b"x\n")
        self.dohle("topic", "delete", "fleeting", "--yes")
        self.until_said(reader, b"the server no longer has topic fleeting; waiting for it")
        self.assertEqual(self.interrupted(reader)[0], INTERRUPTED)

    def test_of_a_benchmark_that_waits_between_records(self):
        for name, pace in (("paced", ["--rate", "1"]), ("awaited", ["--one-by-one", "--linger", "1m"])):
            sending = self.start("bench", "produce", "--topic", name, "--partitions", "1", *pace)
            while name not in self.dohle("topic", "list") or self.end_offset(name) < 100:  # the records of the warm-up
                pass
            status, output, said = self.interrupted(sending)
            self.assertEqual((status, said), (INTERRUPTED, ""))
            self.assertRegex(output, r"^\d+ records sent, ")

    def end_offset(self, topic):
        return self.json("topic", "describe", topic)[0]["partitions"][0]["end_offset"]

    def test_of_output_that_cannot_be_written(self):
        self.dohle("produce", "output", stdin="x\n")
        for words in ("--help", "topic list", "topic describe output", "consume output -e", "group list --format yaml",
                      "bench produce --topic output --records 10"):
            with open("/dev/full", "w") as full:
                done = subprocess.run([DOHLE, *words.split()], stdout=full, stderr=subprocess.PIPE, timeout=TIME_MAX,
                                      env=environment(DOHLE_BROKERS=self.node.address))
            self.assertEqual(done.stderr, b"dohle: standard output: No space left on device\n", words)
            self.assertEqual(done.returncode, FAILED, words)

    def test_of_descriptors_that_the_caller_closed(self):
        def closed(redirection, *arguments):
            return subprocess.run(["sh", "-c", f'exec "$0" "$@" {redirection}', DOHLE, *arguments], timeout=TIME_MAX,
                                  stderr=subprocess.PIPE, env=environment(DOHLE_BROKERS=self.node.address))

        done = closed("<&-", "produce", "closed")
        self.assertEqual(done.returncode, FAILED)
        self.assertIn(b"dohle produce: reading standard input: Bad file descriptor\n", done.stderr)
        done = closed(">&-", "topic", "list")
        self.assertEqual((done.returncode, done.stderr), (FAILED, b"dohle: standard output: Bad file descriptor\n"))


class Users(unittest.TestCase):
    PASSWORD = "A secret password"

    run_dohle, dohle, refused, json = Command.run_dohle, Command.dohle, Command.refused, Command.json
    node = None

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        Users.node = type("NoNode", (), {"address": "127.0.0.1:1"})

    def file(self, name, text, mode=0o600):
        path = Path(self.directory.name) / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def test_are_hashed_with_a_password_of_every_source(self):
        file = self.file("password", self.PASSWORD + "\n")
        lines = [self.dohle("user", "hash", "alice", "--password-file", file),
                 self.dohle("user", "hash", "alice", stdin=self.PASSWORD + "\n"),
                 self.dohle("user", "hash", "alice", stdin=self.PASSWORD),
                 self.dohle("user", "hash", "alice", DOHLE_PASSWORD=self.PASSWORD)]
        flag = self.run_dohle("user", "hash", "alice", "--password", self.PASSWORD)
        self.assertEqual(flag.returncode, OK)
        self.assertIn(b"warning: other users of this machine can see a password", flag.stderr)
        self.assertNotIn(self.PASSWORD.encode(), flag.stderr)
        for line in lines + [flag.stdout.decode()]:
            found = re.fullmatch(r"alice:SCRAM-SHA-512\$4096:(\S+)\$(\S+):(\S+)\n", line)
            salt, stored, _ = (base64.b64decode(part) for part in found.groups())
            salted = hashlib.pbkdf2_hmac("sha512", self.PASSWORD.encode(), salt, 4096)
            client_key = hmac.digest(salted, b"Client Key", "sha512")
            self.assertEqual(hashlib.sha512(client_key).digest(), stored)
        self.assertEqual(len(set(lines)), len(lines), "each has a salt of its own")

    def test_are_hashed_with_the_mechanism_and_iterations_that_are_asked_for(self):
        line = self.dohle("user", "hash", "a b", "--mechanism", "SCRAM-SHA-256", "--iterations", "5000", stdin="x")
        self.assertRegex(line, r"^a b:SCRAM-SHA-256\$5000:")

    def test_files_that_others_may_read_are_refused(self):
        password = self.file("password", self.PASSWORD, 0o644)
        self.assertIn(f"run: chmod 600 {password}", self.refused(USAGE, "user", "hash", "a", "--password-file", password))
        users = self.file("users", self.dohle("user", "hash", "alice", stdin="x"), 0o640)
        for flag in ("--plain-user-file", "--scram-user-file"):
            said = self.refused(USAGE, "node", "--data", ":memory:", "--listen", "SASL_PLAINTEXT://127.0.0.1:0", flag, users)
            self.assertIn(f"run: chmod 600 {users}", said)

    def test_prompt_that_is_interrupted_leaves_the_terminal_with_echo(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
            parent, child = pty.openpty()
            process = subprocess.Popen([DOHLE, "user", "hash", "alice"], stdin=child, stdout=subprocess.PIPE,
                                       stderr=child, env=environment(), start_new_session=True)
            self.assertEqual(os.read(parent, 1000), b"Password: ")
            deadline = time.monotonic() + TIME_MAX
            while termios.tcgetattr(child)[3] & termios.ECHO and time.monotonic() < deadline:
                os.sched_yield()
            process.send_signal(number)
            process.communicate(timeout=TIME_MAX)
            self.assertEqual(process.returncode, -number)
            self.assertTrue(termios.tcgetattr(child)[3] & termios.ECHO, number)
            os.close(child)
            os.close(parent)

    def test_cause_a_warning_when_they_are_sent_without_tls(self):
        said = "without TLS, anyone that reads the sent bytes"
        node = Node("--data", ":memory:")
        local = self.run_dohle("user", "create", "bob", "-b", node.address, stdin=self.PASSWORD)
        self.assertEqual((local.returncode, local.stderr), (OK, b""))
        port = node.address.rsplit(":", 1)[1]
        # This address of the machine is not one of loopback by its form.
        far = self.run_dohle("user", "create", "bob", "-b", f"0.0.0.0:{port}", stdin=self.PASSWORD)
        self.assertEqual(far.returncode, OK)
        self.assertIn(said.encode(), far.stderr)
        quiet = self.run_dohle("user", "create", "bob", "-q", "-b", f"0.0.0.0:{port}", stdin=self.PASSWORD)
        self.assertEqual((quiet.returncode, quiet.stderr), (OK, b""))
        self.assertEqual(node.stop(), OK)
        node.log.close()

    def test_are_refused_without_a_listener_that_asks_for_a_login(self):
        users = self.file("users", self.dohle("user", "hash", "alice", stdin="x"))
        said = self.refused(USAGE, "node", "--data", ":memory:", "--listen", "127.0.0.1:0", "--plain-user-file", users)
        self.assertIn("no listener asks for a login", said)

    def test_are_created_listed_and_deleted(self):
        node = Node("--data", ":memory:")
        at = ("-b", node.address)
        self.assertEqual(self.json("user", "list", *at), [])
        self.dohle("user", "create", "bob", *at, "--mechanism", "SCRAM-SHA-256", stdin=self.PASSWORD)
        self.dohle("user", "create", "bob", *at, "--iterations", "5000", DOHLE_PASSWORD=self.PASSWORD)
        self.dohle("user", "create", "alice", *at, "--password-file", self.file("password", self.PASSWORD))
        self.assertEqual(self.json("user", "list", *at),
                         [{"user": "alice", "mechanism": "SCRAM-SHA-512", "iterations": 4096},
                          {"user": "bob", "mechanism": "SCRAM-SHA-256", "iterations": 4096},
                          {"user": "bob", "mechanism": "SCRAM-SHA-512", "iterations": 5000}])
        self.dohle("user", "delete", "bob", *at)
        self.assertRegex(self.dohle("user", "list", *at), r"alice .*\n *bob +SCRAM-SHA-256 +4096")
        self.assertIn("does not exist", self.refused(FAILED, "user", "delete", "bob", *at))
        self.assertIn("not printable ASCII", self.refused(FAILED, "user", "create", "b\u00f6b", *at, stdin="x"))
        self.assertEqual(node.stop(), OK)
        node.log.close()

    def test_are_refused_to_clients_that_have_not_logged_in(self):
        users = self.file("users", self.dohle("user", "hash", "alice", stdin=self.PASSWORD))
        node = Node("--data", ":memory:", "--listen", "login=SASL_PLAINTEXT://127.0.0.1:0", "--plain-user-file", users)
        for words in (("list",), ("create", "mallory"), ("delete", "alice")):
            said = self.refused(CONNECTION, "user", *words, "-b", node.address, stdin="x")
            self.assertIn("only a client that has logged in", said)
        self.assertEqual(node.stop(), OK)
        node.log.close()

    def test_a_node_says_that_all_of_them_may_do_everything_and_keeps_its_directory_to_itself(self):
        users = self.file("users", self.dohle("user", "hash", "alice", stdin=self.PASSWORD))
        data = Path(self.directory.name) / "data"
        node = Node("--data", str(data), "--plain-user-file", users, listen="login=SASL_PLAINTEXT://127.0.0.1:0")
        self.assertEqual(node.stop(), OK)
        said = node.said()
        self.assertIn("with PLAIN, SCRAM-SHA-256, SCRAM-SHA-512: each user that has logged in may do everything", said)
        self.assertEqual(data.stat().st_mode & 0o777, 0o700)
        self.assertEqual((data / "dohle-users").stat().st_mode & 0o777, 0o600)
        node.log.close()


class Secrets(unittest.TestCase):
    """Passwords and keys, however the command gets them, are in none of its output at any level."""

    RIGHT, WRONG = "Right-Password of it", "Wrong=Password, of it"
    PEM = "-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(WRONG.encode()).decode() + "\n-----END PRIVATE KEY-----\n"

    file = Users.file

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        users = self.file("users", subprocess.run([DOHLE, "user", "hash", "alice"], input=self.RIGHT.encode(), check=True,
                                                  capture_output=True, env=environment()).stdout.decode())
        self.node = Node("--data", ":memory:", "--plain-user-file", users, listen="login=SASL_PLAINTEXT://127.0.0.1:0")
        self.addCleanup(self.node.log.close)

    @staticmethod
    def forms(secret):
        """As shown_secret.hpp finds them."""
        octets = secret.encode()
        whole = [octets[skipped:][: (len(octets) - skipped) // 3 * 3] for skipped in range(3)]
        return [secret] + [base64.b64encode(each).decode() for each in whole], octets.hex()

    def expect_hidden(self, text):
        for secret in (self.RIGHT, self.WRONG):
            as_they_are, in_hex = self.forms(secret)
            for form in as_they_are:
                self.assertNotIn(form, text)
            self.assertNotIn(in_hex, text.lower())

    def test_are_found_in_every_form(self):
        octets = b"x" + self.WRONG.encode() + b"yz"
        for form in (self.RIGHT, base64.b64encode(octets).decode(), octets.hex(), octets.hex().upper()):
            with self.assertRaises(AssertionError):
                self.expect_hidden(f"a line with <{form}>")
        self.assertEqual(self.node.stop(), OK)

    def run_all(self, commands, **more):
        for status, *words in commands:
            done = subprocess.run([DOHLE, *words], input=b"", capture_output=True, timeout=TIME_MAX,
                                  env=environment(DOHLE_BROKERS=self.node.address, **more))
            said = (done.stdout + done.stderr).decode()
            self.assertEqual(done.returncode, status, (words, said))
            self.expect_hidden(said)

    def login(self, password, mechanism="PLAIN"):
        return ["-v", "-X", "security.protocol=SASL_PLAINTEXT", "-X", f"sasl.mechanism={mechanism}",
                "-X", "sasl.username=alice", "-X", f"sasl.password={password}"]

    def jaas(self, password, module="plain.PlainLoginModule"):
        return ["-v", "-X", "security.protocol=SASL_PLAINTEXT", "-X", "sasl.mechanism=PLAIN", "-X",
                f'sasl.jaas.config=org.apache.kafka.common.security.{module} required username="alice" password="{password}";']

    def test_are_hidden_in_properties_and_users(self):
        wrong, right = self.file("wrong", self.WRONG), self.file("right", self.RIGHT)
        self.run_all([
            (OK, "topic", "list", *self.login(self.RIGHT)),
            (OK, "topic", "list", *self.jaas(self.RIGHT)),
            (CONNECTION, "topic", "list", *self.login(self.WRONG)),
            (CONNECTION, "topic", "list", *self.login(self.WRONG, "SCRAM-SHA-256")),
            (CONNECTION, "topic", "list", *self.jaas(self.WRONG)),
            (USAGE, "topic", "list", *self.jaas(self.WRONG, "NoLoginModule")),
            (USAGE, "topic", "list", *self.jaas(self.WRONG + '" more "')),
            (USAGE, "topic", "list", *self.login(self.WRONG), *self.jaas(self.RIGHT)),
            (USAGE, "topic", "list", "-X", f"sasl.pasword={self.WRONG}"),
            (USAGE, "topic", "list", "-X", f"sasl.password:{self.WRONG}"),
            (USAGE, "topic", "list", "-X", "security.protocol=SSL", "-X", f"ssl.key.password={self.WRONG}"),
            (USAGE, "topic", "list", "-X", "security.protocol=SSL", "-X", f"ssl.keystore.key={self.PEM}"),
            (USAGE, "topic", "list", "-X", "security.protocol=SSL", "-X", f"ssl.key.pem={self.PEM}"),
            (USAGE, "topic", "list", "-X", "security.protocol=SSL", "-X", f"ssl.truststore.password={self.WRONG}"),
            (OK, "user", "create", "bob", "--password-file", wrong, *self.login(self.RIGHT)),
            (OK, "user", "create", "bob", "--password", self.WRONG, *self.login(self.RIGHT)),
            (FAILED, "user", "create", "b\u00f6b", "--password-file", wrong, *self.login(self.RIGHT)),
            (CONNECTION, "user", "create", "bob", "--password-file", right, *self.login(self.WRONG)),
            (OK, "user", "list", *self.login(self.RIGHT)),
            (OK, "user", "hash", "bob", "--password", self.WRONG),
            (USAGE, "user", "hash", "bob", "--password", self.WRONG, "--password-file", right),
            (USAGE, "user", "hash", "bob", "--iterations", "1", "--password", self.WRONG),
            (USAGE, "user", "hash", "bob", "--pasword", self.WRONG),
            (USAGE, "node", "--data", ":memory:", "--listen", "SASL_PLAINTEXT://127.0.0.1:0", "--plain-user-file", wrong),
        ])
        self.run_all([(USAGE, "topic", "list", *self.login(self.WRONG), "-X", "linger.ms=x")], DOHLE_PASSWORD=self.WRONG)
        self.assertEqual(self.node.stop(), OK)
        self.expect_hidden(self.node.said())

    def test_on_the_command_line_cause_a_warning(self):
        def said(*words):
            done = subprocess.run([DOHLE, "topic", "list", *words], capture_output=True, timeout=TIME_MAX, text=True,
                                  env=environment(DOHLE_BROKERS=self.node.address))
            self.assertEqual(done.returncode, OK, done.stderr)
            return done.stderr

        warning = "dohle: warning: other users of this machine can see {} on the command line; use a profile\n"
        for name, words in (("sasl.password", self.login(self.RIGHT)), ("sasl.jaas.config", self.jaas(self.RIGHT))):
            self.assertEqual(said(*words[1:]), warning.format(name), "without -v")
        config = self.file("config.toml", '[profiles.p]\nsecurity.protocol = "SASL_PLAINTEXT"\nsasl.mechanism = "PLAIN"\n'
                                          f'sasl.username = "alice"\nsasl.password = "{self.RIGHT}"\n')
        self.assertEqual(said("--config", config, "--profile", "p"), "")
        self.assertEqual(self.node.stop(), OK)

    def test_are_hidden_in_profiles(self):
        entries = {
            "right": f'security.protocol = "SASL_PLAINTEXT"\nsasl.mechanism = "PLAIN"\nsasl.username = "alice"\nsasl.password = "{self.WRONG}"',
            "half": f'sasl.password = "{self.WRONG}',
            "number": f"sasl.password = 1{self.WRONG}",
            "list": f'sasl.password = ["{self.WRONG}"]',
            "name": f'sasl.pasword = "{self.WRONG}"',
            "jaas": f"sasl.jaas.config = 'x required password=\"{self.WRONG}\"'",
        }
        for name, lines in entries.items():
            config = self.file(f"{name}.toml", f"[profiles.p]\n{lines}\n")
            status = CONNECTION if name == "right" else USAGE
            self.run_all([(status, "topic", "list", "-v", "--config", config, "--profile", "p")])
        self.assertEqual(self.node.stop(), OK)
        self.expect_hidden(self.node.said())


class TlsListeners(unittest.TestCase):
    PASSPHRASE = "A long-Passphrase"

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = Path(directory.name)

    def make(self, name, *more):
        """Files NAME.pem and NAME.key: a certificate that signs itself."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "1",
                        "-subj", f"/O=Dohle/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-out", certificate, "-keyout", key, *(more or ["-nodes"])],
                       check=True, capture_output=True, timeout=TIME_MAX)
        return str(certificate), str(key)

    def shown(self, address):
        """The certificate that a listener shows, as PEM."""
        host, port = address.rsplit(":", 1)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection((host, int(port)), timeout=TIME_MAX) as plain:
            with context.wrap_socket(plain) as wrapped:
                return ssl.DER_cert_to_PEM_cert(wrapped.getpeercert(binary_form=True))

    def await_line(self, node, words):
        deadline = time.monotonic() + TIME_MAX
        while words not in node.said():
            self.assertLess(time.monotonic(), deadline, node.said())
            select.select([], [], [], 0.02)

    def test_read_their_files_again_with_a_hangup(self):
        certificate, key = self.make("node")
        node = Node("--data", ":memory:", "--tls-certificate", certificate, "--tls-key", key,
                    listen="SSL://127.0.0.1:0")
        first = Path(certificate).read_text()
        self.assertEqual(self.shown(node.address), first)
        Path(key).rename(key + ".gone")
        node.process.send_signal(signal.SIGHUP)
        self.await_line(node, "the certificates stay as they were, for all listeners: listener tcp: TLS: ")
        self.assertEqual(self.shown(node.address), first)
        self.make("node")
        node.process.send_signal(signal.SIGHUP)
        self.await_line(node, "the certificates were read again: new connections use them")
        self.assertEqual(self.shown(node.address), Path(certificate).read_text())
        self.assertNotEqual(self.shown(node.address), first)
        self.assertEqual(node.stop(), OK)
        self.assertNotIn("PRIVATE", node.said())
        node.log.close()

    def test_have_flags_of_their_own_and_keys_with_a_passphrase(self):
        both, of_two = self.make("both"), self.make("two", "-passout", "pass:" + self.PASSPHRASE)
        password = self.folder / "password"
        password.write_text(self.PASSPHRASE + "\n")
        password.chmod(0o600)
        node = Node("--data", ":memory:", "--tls-certificate", both[0], "--tls-key", both[1],
                    "--tls-certificate", "two=" + of_two[0], "--tls-key", "two=" + of_two[1],
                    "--tls-password-file", f"two={password}", "--listen", "two=SSL://127.0.0.1:0", listen="one=SSL://127.0.0.1:0")
        addresses = re.findall(r"listening on (\S+) over TLS", node.said())
        self.assertEqual([self.shown(each) for each in addresses],
                         [Path(both[0]).read_text(), Path(of_two[0]).read_text()])
        self.assertEqual(node.stop(), OK)
        self.assertNotIn(self.PASSPHRASE, node.said())
        node.log.close()

    def test_name_the_flag_of_a_password_file_once(self):
        certificate, key = self.make("node")
        empty, shared = self.folder / "empty", self.folder / "shared"
        empty.touch(0o600)
        shared.write_text("x")
        shared.chmod(0o644)
        for path, why in ((self.folder / "absent", "cannot be read: No such file or directory"),
                          (empty, "holds no password"), (shared, "holds a password, and its mode 0644 gives other users")):
            done = subprocess.run([DOHLE, "node", "--data", ":memory:", "--listen", "SSL://127.0.0.1:0", "--tls-certificate",
                                   certificate, "--tls-key", key, "--tls-password-file", path], capture_output=True,
                                  timeout=TIME_MAX, text=True, env=environment())
            self.assertEqual(done.returncode, USAGE)
            self.assertIn(f"--tls-password-file: {path} {why}", done.stderr)
            self.assertEqual(done.stderr.count("--tls-password-file"), 1, done.stderr)

    def test_do_not_show_a_wrong_passphrase(self):
        certificate, key = self.make("node", "-passout", "pass:right")
        done = subprocess.run([DOHLE, "node", "--data", ":memory:", "--listen", "SSL://127.0.0.1:0", "--tls-certificate",
                               certificate, "--tls-key", key], capture_output=True, timeout=TIME_MAX, text=True,
                              env=environment(DOHLE_TLS_PASSWORD=self.PASSPHRASE))
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("listener tcp: TLS: ", done.stderr)
        self.assertIn("passphrase", done.stderr)
        self.assertNotIn(self.PASSPHRASE, done.stderr)

    def test_warn_of_a_key_that_others_may_read(self):
        certificate, key = self.make("node")
        Path(key).chmod(0o644)
        node = Node("--data", ":memory:", "--tls-certificate", certificate, "--tls-key", key,
                    listen="SSL://127.0.0.1:0")
        self.assertIn(f"key file '{key}' holds a private key without a passphrase, and its mode 0644", node.said())
        tls = ["-b", node.address, "-X", "security.protocol=ssl", "-X", f"ssl.ca.location={certificate}",
               "-X", f"ssl.certificate.location={certificate}", "-X", f"ssl.key.location={key}"]
        listed = subprocess.run([DOHLE, "topic", "list", *tls], capture_output=True, timeout=TIME_MAX, text=True,
                                env=environment())
        self.assertEqual(listed.returncode, OK, listed.stderr)
        self.assertIn(f"key file '{key}' holds a private key", listed.stderr)
        Path(key).chmod(0o600)
        listed = subprocess.run([DOHLE, "topic", "list", *tls], capture_output=True, timeout=TIME_MAX, text=True,
                                env=environment())
        self.assertEqual((listed.returncode, listed.stderr), (OK, ""))
        self.assertEqual(node.stop(), OK)
        node.log.close()

    def test_absent_beyond_loopback_cause_a_warning_where_users_log_in(self):
        certificate, key = self.make("node")
        users = self.folder / "users"
        users.write_bytes(subprocess.run([DOHLE, "user", "hash", "alice"], input=b"x", check=True, capture_output=True,
                                         env=environment()).stdout)
        users.chmod(0o600)
        beyond = "2130706433:0"  # 127.0.0.1, and by its form not an address of loopback
        node = Node("--data", ":memory:", "--plain-user-file", str(users), "--tls-certificate", certificate, "--tls-key", key,
                    "--listen", f"far=SASL_PLAINTEXT://{beyond}", "--listen", f"safe=SASL_SSL://{beyond}",
                    listen="near=SASL_PLAINTEXT://127.0.0.1:0")
        self.assertEqual(node.stop(), OK)
        said = node.said()
        addresses = re.findall(r"listening on (\S+) with PLAIN", said)
        self.assertEqual((len(addresses), addresses[0]), (2, node.address), said)
        warned = [line for line in said.splitlines() if "without TLS" in line]
        self.assertEqual(len(warned), 1, said)
        self.assertTrue(warned[0].endswith(
            f"warning node: listening on {addresses[1]} without TLS: passwords of PLAIN and all records can be read on the "
            "way, and SCRAM passwords can be guessed from a login"), warned[0])
        node.log.close()

    def test_refuse_cas_of_clients_that_are_not_asked_for_certificates(self):
        certificate, key = self.make("node")
        for flag in ("--tls-ca", "--tls-crl"):
            done = subprocess.run([DOHLE, "node", "--data", ":memory:", "--listen", "SSL://127.0.0.1:0",
                                   "--tls-certificate", certificate, "--tls-key", key, flag, certificate],
                                  capture_output=True, timeout=TIME_MAX, text=True, env=environment())
            self.assertEqual(done.returncode, USAGE)
            self.assertIn(f"listener tcp: {flag} is for clients' certificates, and --tls-client-certificates is none",
                          done.stderr)

    def test_that_are_absent_leave_a_hangup_its_usual_meaning(self):
        node = Node("--data", ":memory:")
        self.assertEqual(node.stop(signal.SIGHUP), -signal.SIGHUP)
        node.log.close()


class SecurityPage(unittest.TestCase):
    """docs/security.md, whose commands run as they stand there, but for the port and the end of the node."""

    PAGE = Path(__file__).parents[2] / "docs" / "security.md"

    def test_makes_a_node_with_users_and_logs_in_to_it(self):
        certificates, house, client, users, _ = re.findall(r"^```sh\n(.*?)^```$", self.PAGE.read_text(), re.M | re.S)
        with tempfile.TemporaryDirectory() as directory:
            env = environment(PATH=f"{Path(DOHLE).parent}:{os.environ['PATH']}")
            subprocess.run(["bash", "-ec", certificates], cwd=directory, env=env, check=True, capture_output=True,
                           timeout=TIME_MAX)
            house = house.replace("127.0.0.1:9093", "127.0.0.1:0").replace("dohle node", "exec dohle node")
            node = subprocess.Popen(["bash", "-ec", house], cwd=directory, env=env, text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            try:
                ready = node.stdout.readline()
                self.assertTrue(ready.startswith("ready 127.0.0.1:"), ready)
                at_node = (client + users).replace("127.0.0.1:9093", ready.split()[1])
                done = subprocess.run(["bash", "-ec", at_node], cwd=directory, env=env, text=True, capture_output=True,
                                      timeout=TIME_MAX)
                self.assertEqual(done.returncode, OK, done.stderr)
                self.assertIn("created orders", done.stdout)
                self.assertIn("\nfirst\n", done.stdout)
                self.assertRegex(done.stdout, r"\nalice +SCRAM-SHA-512 +4096\nbob +SCRAM-SHA-512 +4096\n")
                for secret in ("a password of alice", "a password of bob"):
                    self.assertNotIn(secret, done.stdout + done.stderr)
            finally:
                node.terminate()
                self.assertEqual(node.wait(TIME_MAX), OK)
                said = node.stdout.read() + node.stderr.read()
                node.stdout.close()
                node.stderr.close()
            self.assertNotIn("a password of", said)


class Topics(Command):
    def test_are_created_listed_described_and_deleted(self):
        self.assertEqual(self.dohle("topic", "create", "orders", "-p", "3", "-c", "retention.ms=3600000"),
                         "created orders with 3 partitions\n")
        self.assertRegex(self.dohle("topic", "list"), r"^NAME +PARTITIONS +REPLICATION\n(.*\n)*orders +3 +1\n")
        self.assertRegex(self.dohle("topic", "list", "--format", "wide"),
                         r"^NAME +PARTITIONS +REPLICATION +ID +INTERNAL\n(.*\n)*orders +3 +1 +\S{22} +no\n")
        listed = [t for t in self.json("topic", "list") if t["name"] == "orders"][0]
        self.assertEqual(list(listed), ["name", "id", "internal", "partitions", "replication_factor"])
        self.assertEqual((listed["internal"], listed["partitions"], listed["replication_factor"]), (False, 3, 1))
        self.assertIn("- name: orders\n  id: ", self.dohle("topic", "list", "--format", "yaml").replace('"', ""))
        text = self.dohle("topic", "describe", "orders")
        self.assertRegex(text, r"^orders  id \S+, 3 partitions\n  retention.ms=3600000\nPARTITION +LEADER")
        self.assertRegex(text, r"\n2 +1 +0 +1 +1 +0 +0\n$")
        [described] = self.json("topic", "describe", "orders")
        self.assertEqual(list(described), ["name", "id", "internal", "partitions", "config"])
        self.assertEqual(described["partitions"][2], {
            "partition": 2, "leader": 1, "leader_epoch": 0, "replicas": [1], "in_sync_replicas": [1],
            "offline_replicas": [], "start_offset": 0, "end_offset": 0})
        self.assertEqual(described["config"]["retention.ms"], {"value": "3600000", "default": False})
        self.assertEqual(self.dohle("topic", "delete", "orders", "--yes"), "deleted orders\n")
        self.assertNotIn("orders", self.dohle("topic", "list"))

    def test_are_only_checked_in_a_dry_run(self):
        self.assertEqual(self.dohle("topic", "create", "dry", "-p", "1", "--dry-run"), "could create dry with 1 partition\n")
        self.assertNotIn("dry", self.dohle("topic", "list"))

    def test_get_partitions(self):
        self.dohle("topic", "create", "grown", "-p", "2")
        self.dohle("produce", "grown", "-p", "1", stdin="old\n")
        add = ["topic", "add-partitions", "grown", "--total"]
        self.assertEqual(self.dohle(*add, "5", "--dry-run"), "grown could have 5 partitions\n")
        self.assertRegex(self.dohle("topic", "list"), r"\ngrown +2 +1\n")
        self.assertEqual(self.dohle(*add, "5"), "grown has 5 partitions\n")
        self.assertRegex(self.dohle("topic", "list"), r"\ngrown +5 +1\n")
        self.dohle("produce", "grown", "-p", "4", stdin="new\n")
        self.assertEqual(sorted(self.dohle("consume", "grown", "-e", "-q").split()), ["new", "old"])
        self.assertIn("Topic already has 5 partition(s).", self.refused(FAILED, *add, "5"))
        self.assertIn("The topic grown currently has 5 partition(s); 3 would not be an increase.",
                      self.refused(FAILED, *add, "3"))
        self.assertIn("no such topic", self.refused(FAILED, "topic", "add-partitions", "nobody", "-t", "3"))
        self.dohle("topic", "create", "other")
        answers = self.json("topic", "add-partitions", "grown", "other", "-t", "5", status=FAILED)
        self.assertEqual(answers[1], {"name": "other", "partitions": 5})
        self.assertIn("already has 5", answers[0]["error"])

    def test_that_exist_or_are_invalid_are_refused(self):
        self.dohle("topic", "create", "twice")
        self.assertIn("Topic 'twice' already exists.", self.refused(FAILED, "topic", "create", "twice"))
        said = self.refused(FAILED, "topic", "create", "a b")
        self.assertIn("contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", said)
        self.assertEqual(said.count("the server said"), 1)
        self.assertIn("'..' is not allowed", self.refused(FAILED, "topic", "create", ".."))
        self.assertIn("this node has no topic setting flush.ms",
                      self.refused(FAILED, "topic", "create", "x", "-c", "flush.ms=1"))
        self.assertIn("retention.ms: a number from -1 to",
                      self.refused(FAILED, "topic", "create", "x", "-c", "retention.ms=soon"))
        self.assertIn("there is one node, so the factor is 1", self.refused(FAILED, "topic", "create", "x", "-r", "3"))
        for verb in (["describe"], ["delete", "--yes"]):
            self.assertEqual(self.refused(FAILED, "topic", *verb, "nobody"),
                             f"dohle topic {verb[0]}: {verb[0]} topic nobody: the server has no such topic or partition\n")

    def test_are_counted_in_singular_and_plural(self):
        self.dohle("topic", "create", "alone", "-p", "1")
        self.assertRegex(self.dohle("topic", "describe", "alone"), r"^alone  id \S+, 1 partition\n")

    def test_one_failure_does_not_hide_the_others(self):
        self.dohle("topic", "create", "there")
        answers = self.json("topic", "create", "there", "fresh", "-p", "1", status=FAILED)
        self.assertEqual([a["name"] for a in answers], ["there", "fresh"])
        self.assertIn("exists", answers[0]["error"])
        self.assertEqual((answers[1]["partitions"], "error" in answers[1]), (1, False))

    def test_are_deleted_on_a_terminal_only_after_a_yes(self):
        self.dohle("topic", "create", "asked")
        for answer, status, remains in (("n", USAGE, True), ("y", OK, False)):
            parent, child = pty.openpty()
            process = subprocess.Popen([DOHLE, "topic", "delete", "asked"], stdin=child, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, env=environment(DOHLE_BROKERS=self.node.address))
            os.close(child)
            os.write(parent, f"{answer}\n".encode())
            _, said = process.communicate(timeout=TIME_MAX)
            os.close(parent)
            self.assertEqual(said, b"Delete asked with all records? [y/N] ")
            self.assertEqual(process.returncode, status)
            self.assertEqual("asked" in self.dohle("topic", "list"), remains)


class Records(Command):
    def test_are_read_as_they_were_sent(self):
        done = self.run_dohle("produce", "plain", stdin="one\ntwo\nthree")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (OK, b"", b"3 records stored, 0 failed\n"))
        self.assertEqual(self.dohle("consume", "plain", "-e"), "one\ntwo\nthree\n")
        self.assertEqual(self.dohle("consume", "plain", "-e", "-n", "2"), "one\ntwo\n")
        self.assertEqual(self.dohle("consume", "plain", "-o", "-1:end", "-f", "%t %p %o %v;"), "plain 0 2 three;")
        self.assertEqual(self.run_dohle("produce", "plain", "-q", stdin="four\n").stderr, b"")

    def test_are_converted_to_json_and_back_with_headers_and_bytes(self):
        self.dohle("topic", "create", "first", "second", "-p", "1")
        self.dohle("produce", "first", "-k", "key", "-H", "source:test", stdin="value\n")
        self.dohle("produce", "first", "-f", "%k{base64} %v{base64}\n", stdin="/wA= gP8=\n")
        self.dohle("produce", "first", "-Z", stdin="\n")
        first = self.dohle("consume", "first", "-e", "-f", "json")
        self.dohle("produce", "second", "--input", "json", "-p", "0", stdin=first)
        second = self.dohle("consume", "second", "-e", "-f", "json")
        records = [json.loads(text) for text in first.splitlines()]
        self.assertEqual(list(records[0]), ["topic", "partition", "offset", "timestamp", "key", "value", "headers"])
        self.assertEqual((records[0]["key"], records[0]["value"]), ("key", "value"))
        self.assertEqual(records[2]["value"], None)
        self.assertEqual(second.replace('"second"', '"first"'), first)

    def test_are_sent_and_read_by_the_given_properties(self):
        self.dohle("produce", "small", "-X", "compression.type=gzip", "-X", "acks=1", "-X", "linger.ms=0", stdin="x\n")
        self.assertEqual(self.dohle("consume", "small", "-n", "1", "-X", "fetch.max.wait.ms=10"), "x\n")

    def test_that_cannot_be_read_or_stored_fail(self):
        self.assertIn("record 1 of the input: it is not a JSON object on one line",
                      self.refused(FAILED, "produce", "bad", "--input", "json", stdin="{bad\n"))
        self.assertIn("describe topic nobody: the server has no such topic", self.refused(FAILED, "consume", "nobody"))
        self.dohle("topic", "create", "two", "-p", "2")
        self.assertIn("two has no partition 7, only 0 to 1", self.refused(FAILED, "consume", "two", "-p", "7"))
        self.assertIn("0 records stored, 1 failed", self.refused(FAILED, "produce", "two", "-p", "7", stdin="x\n"))
        self.assertIn("dohle produce: look for topic : the topic's name is not allowed",
                      self.refused(FAILED, "produce", "", stdin="x\n"))

    def test_of_missing_offsets_are_read_from_elsewhere_with_a_line(self):
        self.dohle("topic", "create", "short", "-p", "2")
        self.dohle("produce", "short", "-p", "0", stdin="a\nb\n")
        done = self.run_dohle("consume", "short", "-p", "0", "-e", "-o", "2")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (OK, b"", b""))
        done = self.run_dohle("consume", "short", "-p", "0", "-e", "-o", "3")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (OK, b"", b"dohle consume: short-0 ends before offset 3, so reading begins at 2\n"))
        done = self.run_dohle("consume", "short", "-e", "-o", "3")
        self.assertEqual(done.stderr, b"dohle consume: short-0 ends before offset 3, so reading begins at 2; the same "
                                      b"holds for 1 more\n")
        self.assertEqual(self.run_dohle("consume", "short", "-e", "-o", "3", "-q").stderr, b"")

    def test_stop_with_the_reader(self):
        self.dohle("produce", "long", stdin="line\n" * 50_000)
        reader = subprocess.Popen([DOHLE, "consume", "long", "-e"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=environment(DOHLE_BROKERS=self.node.address))
        self.assertEqual(reader.stdout.readline(), b"line\n")
        reader.stdout.close()
        self.assertIn(reader.wait(TIME_MAX), (FAILED, -signal.SIGPIPE))
        self.assertNotIn(b"terminate", reader.stderr.read())
        reader.stderr.close()

    def test_take_one_value_an_option(self):
        self.dohle("produce", "-X", "linger.ms=1", "-H", "a:1", "-p", "0", "values", stdin="x\n")
        self.assertEqual(self.dohle("consume", "-X", "fetch.max.wait.ms=100", "-p", "0", "values", "-e", "-f",
                                    "%v %h{%k=%v}\n"), "x a=1\n")
        self.dohle("topic", "create", "-c", "retention.ms=3600000", "valued")

    def test_of_kcat_are_read_as_it_writes_them(self):
        line = ('{"topic":"other","partition":3,"offset":7,"tstype":"create","ts":TIME,"broker":1,'
                '"headers":["a","1","b",null],"key":"k","payload":"v"}\n')
        now = str(int(time.time() * 1000))
        self.dohle("topic", "create", "of-kcat", "-p", "4")
        self.dohle("produce", "of-kcat", "--input", "json", stdin=line.replace("TIME", now))
        self.assertEqual(self.dohle("consume", "of-kcat", "-e", "-f", "%p %d %k %v %H\n"), f"3 {now} k v 2\n")

    def test_into_a_full_pipe_stop_with_an_interrupt(self):
        self.dohle("produce", "plenty", stdin="x" * 1000 + "\n" + ("y" * 1000 + "\n") * 500)
        reader = subprocess.Popen([DOHLE, "consume", "plenty"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=environment(DOHLE_BROKERS=self.node.address))
        full = fcntl.fcntl(reader.stdout, 1032)  # F_GETPIPE_SZ
        while struct.unpack("i", fcntl.ioctl(reader.stdout, termios.FIONREAD, bytes(4)))[0] < full - 4096:
            pass
        reader.send_signal(signal.SIGINT)
        self.assertEqual(reader.wait(TIME_MAX), INTERRUPTED)
        self.assertEqual(reader.stderr.read(), b"")
        reader.stdout.close()
        reader.stderr.close()

    def test_treat_two_simultaneous_signals_as_one(self):
        self.dohle("topic", "create", "twice")
        writer = subprocess.Popen([DOHLE, "produce", "twice"], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=environment(DOHLE_BROKERS=self.node.address))
        writer.stdin.write(b"first\n")
        writer.stdin.flush()
        self.assertEqual(self.dohle("consume", "twice", "-n", "1"), "first\n")
        writer.send_signal(signal.SIGTERM)
        writer.send_signal(signal.SIGTERM)
        self.assertEqual(writer.wait(TIME_MAX), INTERRUPTED)
        writer.stdin.close()
        self.assertEqual(writer.stderr.read(), b"1 record stored, 0 failed\n")
        writer.stderr.close()

    def test_under_way_at_two_signals_have_5_seconds_to_end(self):
        node = Node("--data", ":memory:")
        self.dohle("topic", "create", "frozen", DOHLE_BROKERS=node.address)
        writer = subprocess.Popen([DOHLE, "produce", "frozen"], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=environment(DOHLE_BROKERS=node.address))
        writer.stdin.write(b"first\n")
        writer.stdin.flush()
        self.assertEqual(self.dohle("consume", "frozen", "-n", "1", DOHLE_BROKERS=node.address), "first\n")
        node.process.send_signal(signal.SIGSTOP)
        try:
            writer.stdin.write(b"second\n")
            writer.stdin.flush()
            while struct.unpack("i", fcntl.ioctl(writer.stdin, termios.FIONREAD, bytes(4)))[0] > 0:
                pass
            # Two signals of one number that are pending together count as one for the system.
            writer.send_signal(signal.SIGTERM)
            writer.send_signal(signal.SIGINT)
            self.assertIn(b"interrupted; waiting up to 5 s for records under way", writer.stderr.readline())
        finally:
            node.process.send_signal(signal.SIGCONT)
        self.assertEqual(writer.wait(TIME_MAX), INTERRUPTED)
        writer.stdin.close()
        self.assertEqual(writer.stderr.read(), b"2 records stored, 0 failed\n")
        writer.stderr.close()
        self.assertEqual(node.stop(), OK)
        node.log.close()

    def test_show_no_progress_when_they_are_typed(self):
        self.dohle("topic", "create", "by-hand")
        parent, child = pty.openpty()
        settings = termios.tcgetattr(child)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(child, termios.TCSANOW, settings)
        writer = subprocess.Popen([DOHLE, "produce", "by-hand"], stdin=child, stderr=child,
                                  env=environment(DOHLE_BROKERS=self.node.address))
        os.close(child)
        for number, line in enumerate((b"one\n", b"two\n"), 1):
            os.write(parent, line)
            self.assertEqual(self.dohle("consume", "by-hand", "-n", str(number)).count("\n"), number)
        os.write(parent, b"\x04")
        self.assertEqual(writer.wait(TIME_MAX), OK)
        self.assertEqual(os.read(parent, 1000), b"2 records stored, 0 failed\r\n")
        os.close(parent)

    def test_show_no_progress_when_they_are_printed(self):
        self.dohle("produce", "both", stdin="x\n")
        parent, child = pty.openpty()
        reader = subprocess.run([DOHLE, "consume", "both", "-e"], stdout=child, stderr=child, timeout=TIME_MAX,
                                env=environment(DOHLE_BROKERS=self.node.address))
        os.close(child)
        self.assertEqual(reader.returncode, OK)
        self.assertEqual(os.read(parent, 1000), b"x\r\n")
        os.close(parent)

    def test_stop_with_an_interrupt(self):
        self.dohle("produce", "endless", stdin="first\n")
        reader = subprocess.Popen([DOHLE, "consume", "endless"], stdout=subprocess.PIPE,
                                  env=environment(DOHLE_BROKERS=self.node.address))
        self.assertEqual(reader.stdout.readline(), b"first\n")
        reader.send_signal(signal.SIGINT)
        self.assertEqual(reader.wait(TIME_MAX), INTERRUPTED)
        reader.stdout.close()

    def test_stored_before_an_interrupt_are_there(self):
        writer = subprocess.Popen([DOHLE, "produce", "typed"], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=environment(DOHLE_BROKERS=self.node.address))
        writer.stdin.write(b"first\n")
        writer.stdin.flush()
        while "typed" not in self.dohle("topic", "list"):
            pass
        self.assertEqual(self.dohle("consume", "typed", "-n", "1"), "first\n")
        writer.send_signal(signal.SIGINT)
        self.assertEqual(writer.wait(TIME_MAX), INTERRUPTED)
        writer.stdin.close()
        self.assertEqual(writer.stderr.read(), b"1 record stored, 0 failed\n")
        writer.stderr.close()

    def test_show_progress_only_on_a_terminal(self):
        self.dohle("produce", "shown", stdin="x\n")
        parent, child = pty.openpty()
        reader = subprocess.Popen([DOHLE, "consume", "shown"], stdout=subprocess.PIPE, stderr=child,
                                  env=environment(DOHLE_BROKERS=self.node.address))
        os.close(child)
        self.assertEqual(reader.stdout.readline(), b"x\n")
        self.assertTrue(select.select([parent], [], [], TIME_MAX)[0])
        self.assertIn(b"1 records", os.read(parent, 1000))
        reader.send_signal(signal.SIGINT)
        self.assertEqual(reader.wait(TIME_MAX), INTERRUPTED)
        reader.stdout.close()
        os.close(parent)


class Groups(Command):
    def test_are_listed_and_described_with_their_lag(self):
        self.dohle("topic", "create", "jobs", "-p", "1")
        self.dohle("produce", "jobs", stdin="".join(f"{i}\n" for i in range(10)))
        self.assertEqual(self.dohle("consume", "jobs", "-g", "workers", "-n", "4"), "0\n1\n2\n3\n")
        self.assertRegex(self.dohle("group", "list"), r"^GROUP +STATE +PROTOCOL\n(.*\n)*workers +Empty +consumer\n$")
        self.assertRegex(self.dohle("group", "list", "--format", "wide"),
                         r"^GROUP +STATE +PROTOCOL +TYPE\n(.*\n)*workers +Empty +consumer +classic\n$")
        self.assertIn({"group": "workers", "state": "Empty", "protocol_type": "consumer", "type": "classic"},
                      self.json("group", "list"))
        text = self.dohle("group", "describe", "workers")
        self.assertRegex(text, r"^workers  Empty, 0 members, assignor -, coordinator 1, lag 6\n")
        self.assertRegex(text, r"\njobs +0 +4 +10 +6 +- +-\n$")
        [described] = self.json("group", "describe", "workers")
        self.assertEqual(described, {
            "group": "workers", "state": "Empty", "type": "classic", "protocol_type": "consumer", "assignor": "", "coordinator": 1,
            "members": [], "partitions": [{"topic": "jobs", "partition": 0, "committed_offset": 4, "end_offset": 10,
                                           "lag": 6, "member_id": None}]})
        self.assertEqual(self.dohle("consume", "jobs", "-g", "workers", "-e"), "4\n5\n6\n7\n8\n9\n")
        self.assertEqual(self.json("group", "describe", "workers")[0]["partitions"][0]["lag"], 0)

    def test_are_described_with_their_members(self):
        self.dohle("produce", "live", stdin="x\n")
        member = subprocess.Popen([DOHLE, "consume", "live", "-X", "group.id=alive", "-X", "client.id=me"],
                                  stdout=subprocess.PIPE, env=environment(DOHLE_BROKERS=self.node.address))
        self.assertEqual(member.stdout.readline(), b"x\n")
        [described] = self.json("group", "describe", "alive")
        text = self.dohle("group", "describe", "alive", "--format", "wide")
        member.send_signal(signal.SIGINT)
        self.assertEqual(member.wait(TIME_MAX), INTERRUPTED)
        member.stdout.close()
        self.assertEqual((described["state"], described["assignor"]), ("Stable", "range"))
        [only] = described["members"]
        self.assertEqual(list(only), ["member_id", "instance_id", "client_id", "host"])
        self.assertEqual(only["client_id"], "me")
        self.assertEqual(described["partitions"][0]["member_id"], only["member_id"])
        self.assertRegex(text, r"MEMBER +HOST +CLIENT +INSTANCE\nlive .* me\b")

    def test_that_are_unknown_are_refused(self):
        said = self.refused(FAILED, "group", "describe", "nobody")
        self.assertEqual(said.count("nobody"), 2, said)
        self.assertIn("error", self.json("group", "describe", "nobody", status=FAILED)[0])


class Readers(unittest.TestCase):
    """Members of a group that lose their server, or their membership, for a while."""

    def setUp(self):
        self.data = tempfile.TemporaryDirectory()
        self.node = Node("--data", self.data.name)
        self.env = environment(DOHLE_BROKERS=self.node.address)
        self.produce("before")
        self.reader = subprocess.Popen(
            [DOHLE, "consume", "-g", "patient", "-o", "start", "read", "--timeout", "2s", "-X", "session.timeout.ms=6000",
             "-X", "heartbeat.interval.ms=500"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        self.assertEqual(self.reader.stdout.readline(), b"before\n")

    def tearDown(self):
        if self.reader.poll() is None:
            self.reader.kill()
            self.reader.wait(TIME_MAX)
        self.reader.stdout.close()
        self.reader.stderr.close()
        self.node.stop()
        self.node.log.close()
        self.data.cleanup()

    def produce(self, value):
        subprocess.run([DOHLE, "produce", "-q", "read"], input=value.encode() + b"\n", check=True, timeout=TIME_MAX,
                       env=self.env)

    def expect_to_go_on(self):
        """It reads records produced from now on and commits them."""
        self.produce("after")
        while (line := self.reader.stdout.readline()) != b"after\n":
            self.assertEqual(line, b"before\n", "read again, since it was not committed")
        self.reader.send_signal(signal.SIGINT)
        _, said = self.reader.communicate(timeout=TIME_MAX)
        self.assertEqual(self.reader.returncode, INTERRUPTED, said)
        again = subprocess.run([DOHLE, "consume", "-g", "patient", "-o", "start", "read", "-e"], capture_output=True,
                               timeout=TIME_MAX, env=self.env)
        self.assertEqual((again.returncode, again.stdout), (OK, b""), again.stderr)

    def expect_a_commit_to_fail(self):
        while b"reading continues" not in (line := self.reader.stderr.readline()):
            self.assertIn(b" warning ", line)

    def test_continue_when_their_server_was_frozen(self):
        self.node.process.send_signal(signal.SIGSTOP)
        self.expect_a_commit_to_fail()
        self.node.process.send_signal(signal.SIGCONT)
        self.expect_to_go_on()

    def test_continue_when_their_server_was_killed(self):
        self.node.stop(signal.SIGKILL)
        self.expect_a_commit_to_fail()
        self.node.log.close()
        self.node = Node("--data", self.data.name, listen=self.node.address)
        self.expect_to_go_on()

    def test_continue_when_they_were_stopped_for_longer_than_their_session(self):
        self.reader.send_signal(signal.SIGSTOP)
        members = None
        while members != []:
            described = subprocess.run([DOHLE, "group", "describe", "patient", "--format", "json"], capture_output=True,
                                       check=True, timeout=TIME_MAX, env=self.env)
            members = json.loads(described.stdout)[0]["members"]
        self.reader.send_signal(signal.SIGCONT)
        self.expect_to_go_on()


class Benchmarks(Command):
    KEYS = ["records", "seconds", "records_per_second", "mb_per_second", "cpu_us_per_record", "memory_peak_mb",
            "latency_ms", "failed"]

    def measured(self, *arguments):
        figures = json.loads(self.dohle("bench", *arguments, "--json"))
        self.assertEqual(list(figures), self.KEYS)
        self.assertEqual(list(figures["latency_ms"]), ["avg", "p50", "p95", "p99", "p999", "max"])
        for name in self.KEYS[1:6]:
            self.assertGreater(figures[name], 0, name)
        return figures

    def end_offsets(self, topic):
        return [p["end_offset"] for p in self.json("topic", "describe", topic)[0]["partitions"]]

    def test_count_what_they_send_and_read(self):
        sent = self.measured("produce", "--topic", "load", "--partitions", "2", "--records", "3000", "--size", "10")
        self.assertEqual((sent["records"], sent["failed"]), (3000, 0))
        stored = sum(self.end_offsets("load"))
        self.assertGreaterEqual(stored, 3000)
        self.assertLess(stored, 3200)  # the records of the warm-up
        read = self.measured("consume", "--topic", "load", "--records", str(stored))
        self.assertEqual(read["records"], stored)

    def test_send_from_several_threads_at_a_rate(self):
        sent = self.measured("produce", "--topic", "paced", "--partitions", "1", "--records", "301", "--threads", "3",
                             "--rate", "3000", "--linger", "0", "--acks", "1", "--buffer", "1MiB")
        self.assertEqual(sent["records"], 301)
        self.assertLess(sent["records_per_second"], 3300)

    def test_wait_for_each_record_before_the_next(self):
        sent = self.measured("produce", "--topic", "single-file", "--partitions", "1", "--records", "200", "--one-by-one",
                             "--linger", "20ms")
        self.assertEqual((sent["records"], sent["failed"]), (200, 0))
        # No other record shares its batch, so each waits for linger.
        self.assertGreaterEqual(sent["seconds"], 200 * 0.015)

    def test_take_the_time_from_end_to_end(self):
        received = self.measured("e2e", "--topic", "ends", "--partitions", "3", "--records", "200", "--rate", "2000")
        self.assertEqual(received["records"], 200)
        # Those of the first two seconds are sent and not measured.
        self.assertGreaterEqual(sum(self.end_offsets("ends")), 2 * 2000 + 200)
        self.assertLessEqual(received["latency_ms"]["p50"], received["latency_ms"]["max"])

    def test_print_the_line_of_apaches_own(self):
        text = self.dohle("bench", "produce", "--topic", "line", "--partitions", "1", "--records", "500")
        self.assertRegex(text, r"^500 records sent, [\d.]+ records/sec \([\d.]+ MB/sec\), [\d.]+ ms avg latency, "
                               r"[\d.]+ ms max latency, [\d.]+ ms 50th, [\d.]+ ms 95th, [\d.]+ ms 99th, "
                               r"[\d.]+ ms 99\.9th\.\n[\d.]+ us CPU per record, [\d.]+ MB peak memory\n$")

    def test_of_a_missing_or_different_topic_are_refused_at_once(self):
        for subject in ("produce", "consume", "e2e"):
            said = self.refused(FAILED, "bench", subject, "--topic", "nobody", "--records", "10")
            self.assertEqual(said, f"dohle bench {subject}: topic nobody does not exist; --partitions creates it\n")
        self.dohle("topic", "create", "single", "-p", "1")
        said = self.refused(FAILED, "bench", "produce", "--topic", "single", "--partitions", "2")
        self.assertIn("topic single has 1 partition, not the 2 of --partitions", said)

    def test_of_large_values_are_limited_by_buffer_and_topic(self):
        large = ["bench", "produce", "--topic", "large", "--records", "2", "--size", "2MiB"]
        self.dohle("topic", "create", "large", "-p", "1")
        self.assertIn("exceeds the maximum configured size of max.message.bytes 1048588", self.refused(FAILED, *large))
        self.dohle("topic", "delete", "large", "--yes")
        self.dohle("topic", "create", "large", "-p", "1", "-c", "max.message.bytes=4000000")
        self.assertIn("2 records sent, ", self.dohle(*large))
        self.assertIn("a value of 2097152 bytes needs a --buffer of 2098176 bytes, and it has 1048576",
                      self.refused(USAGE, *large, "--buffer", "1MiB"))


class Nodes(unittest.TestCase):
    def test_print_their_address_and_stop_with_an_interrupt(self):
        node = Node("--data", ":memory:")
        self.assertEqual(node.stop(signal.SIGINT), OK)
        self.assertIn(f"listening on {node.address}", node.said())
        self.assertIn("which only this machine reaches", node.said())
        node.log.close()

    def test_share_no_directory_and_no_address(self):
        with tempfile.TemporaryDirectory() as directory:
            first = Node("--data", directory)
            for arguments, sentence in ((["--data", directory, "--listen", "127.0.0.1:0"], directory),
                                        (["--data", ":memory:", "--listen", first.address], first.address)):
                second = subprocess.run([DOHLE, "node", *arguments], capture_output=True, timeout=TIME_MAX, text=True)
                self.assertIn(second.returncode, (FAILED, USAGE))
                self.assertEqual(second.stdout, "")
                self.assertIn(sentence, second.stderr)
            self.assertEqual(first.stop(), OK)
            first.log.close()

    def test_refuse_a_file_as_their_directory(self):
        with tempfile.NamedTemporaryFile() as file:
            done = subprocess.run([DOHLE, "node", "--data", file.name], capture_output=True, timeout=TIME_MAX, text=True)
        self.assertEqual((done.returncode, done.stdout), (FAILED, ""))
        self.assertEqual(done.stderr, f"dohle node: make directory {file.name}: A file has that name\n")


if __name__ == "__main__":
    unittest.main(verbosity=1)
