#!/usr/bin/env python3
"""The `dohle` command at Apache Kafka 4.3.1 with TLS and logins. The certificates, the profile and the changes of
users are those of docs/security.md, as they stand there, but for the address.

apache_command_test.py DOHLE SCRIPTS/apache-kafka [unittest's arguments]
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

DOHLE, APACHE_KAFKA = sys.argv.pop(1), sys.argv.pop(1)
TIME_MAX = 120  # seconds, of any one command
OK, FAILED, CONNECTION = 0, 1, 3
PASSWORD = "a password of alice"
PAGE = Path(__file__).parents[2] / "docs" / "security.md"
CERTIFICATES, _, CLIENT, USERS, CLUSTER = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


class OverTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.folder = Path(directory.name)
        for commands in (CERTIFICATES + CLUSTER,
                         "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=stranger -keyout other.key -out other.pem"):
            subprocess.run(["bash", "-ec", commands], cwd=cls.folder, check=True, capture_output=True, timeout=TIME_MAX)
        started = subprocess.run([APACHE_KAFKA, "start", cls.folder / "kafka", "--lifetime", "600", "--sasl",
                                  f"alice={PASSWORD}", "--tls", cls.folder / "keystore.pem"], text=True, stdout=subprocess.PIPE,
                                 timeout=TIME_MAX, check=True)
        cls.addClassCleanup(subprocess.run, [APACHE_KAFKA, "stop", cls.folder / "kafka"], timeout=TIME_MAX)
        cls.addresses = dict(line.split()[:2] for line in started.stdout.splitlines())

    def run_dohle(self, *arguments, stdin="", **more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DOHLE_", "XDG_"))}
        return subprocess.run([DOHLE, *arguments], input=stdin, text=True, capture_output=True, timeout=TIME_MAX,
                              env=kept | {"HOME": "/nonexistent"} | more)

    def dohle(self, *arguments, **more):
        done = self.run_dohle(*arguments, **more)
        self.assertEqual(done.returncode, OK, (arguments, done.stdout, done.stderr))
        return done.stdout

    def test_moves_records_by_properties_on_the_command_line(self):
        tls = ["-b", self.addresses["tls"], "-X", "security.protocol=ssl", "-X",
               f"ssl.ca.location={self.folder / 'ca.pem'}"]
        self.assertIn("created moved", self.dohle("topic", "create", "moved", "-p", "2", *tls))
        self.dohle("produce", "moved", *tls, stdin="first\nsecond\n")
        self.assertEqual(sorted(self.dohle("consume", "moved", "-e", *tls).split()), ["first", "second"])

    def test_adds_partitions_to_a_topic(self):
        tls = ["-b", self.addresses["tls"], "-X", "security.protocol=ssl", "-X",
               f"ssl.ca.location={self.folder / 'ca.pem'}"]
        self.dohle("topic", "create", "grown", "-p", "2", *tls)
        add = ["topic", "add-partitions", "grown", "--total"]
        self.assertEqual(self.dohle(*add, "5", *tls), "grown has 5 partitions\n")
        for total, words in (("5", "Topic already has 5 partition(s)."),
                             ("3", "The topic grown currently has 5 partition(s); 3 would not be an increase.")):
            refused = self.run_dohle(*add, total, *tls)
            self.assertEqual(refused.returncode, FAILED, refused.stderr)
            self.assertIn(words, refused.stderr)

    def at_page(self, commands):
        """Runs commands of the page at the listener with logins."""
        env = os.environ | {"PATH": f"{Path(DOHLE).parent}:{os.environ['PATH']}", "HOME": "/nonexistent"}
        return subprocess.run(["bash", "-ec", commands.replace("127.0.0.1:9093", self.addresses["sasl"])],
                              cwd=self.folder, env=env, text=True, capture_output=True, timeout=TIME_MAX)

    def test_logs_in_as_the_page_about_security_says(self):
        # A broker lists a user once it has the controller's record, which may be after the creation's answer.
        listed = "until dohle user list | grep -q ^bob; do :; done\ndohle user list"
        done = self.at_page(CLIENT + USERS.replace("dohle user list", listed))
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertIn("created orders", done.stdout)
        self.assertIn("\nfirst\n", done.stdout)
        self.assertRegex(done.stdout, r"\nalice +SCRAM-SHA-512 +4096\nbob +SCRAM-SHA-512 +4096\n")
        self.assertNotIn("a password of", done.stdout + done.stderr)

    def test_fails_with_a_wrong_password(self):
        done = self.at_page(CLIENT.replace(PASSWORD, "another-guess"))
        self.assertEqual(done.returncode, CONNECTION, done.stderr)
        self.assertIn("invalid credentials", done.stderr)
        self.assertNotIn("another-guess", done.stdout + done.stderr)

    def test_refuses_a_server_with_an_unknown_issuer_and_one_without_tls(self):
        stranger = ["-X", "security.protocol=ssl", "-X", f"ssl.ca.location={self.folder / 'other.pem'}"]
        refused = self.run_dohle("topic", "list", "-b", self.addresses["tls"], *stranger)
        self.assertEqual(refused.returncode, CONNECTION, refused.stderr)
        self.assertIn("comes from an unknown issuer", refused.stderr)
        plain = self.run_dohle("topic", "list", "-b", self.addresses["ready"], "--timeout", "2s", *stranger)
        self.assertNotEqual(plain.returncode, OK)
        self.assertIn("it may be a plain listener", plain.stderr)


if __name__ == "__main__":
    unittest.main()
