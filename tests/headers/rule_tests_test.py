#!/usr/bin/env python3
"""rule_tests.py finds each kind of breach in a small tree; the same tree without it is clean."""
import unittest

import planted_files
import rule_tests

CLEAN = {
    "CMakeLists.txt": "project(dohle VERSION 0.2.0 LANGUAGES CXX)\n",
    "tests/unit/CMakeLists.txt": "dohle_test(lanes_test KIND unit SOURCES lanes_test.cpp)\n",
    "tests/unit/lanes_test.cpp": "TEST(Lanes, wait) {}\nTEST_F(Lanes, go_on) {}\n",
    "tests/integration/CMakeLists.txt": "foreach(name apache_test)\n"
    "  dohle_test(${name} KIND integration LABELS apache SOURCES ${name}.cpp)\nendforeach()\n"
    "dohle_test(at_node KIND integration SOURCES shared.cpp)\n"
    "dohle_test(at_apache KIND integration LABELS apache SOURCES shared.cpp)\n",
    "tests/integration/apache_test.cpp": "TEST(Apache, keeps) {}\n",
    "tests/integration/shared.cpp": "TEST_P(Shared, loses_nothing) {}\n",
    "tests/headers/rules.txt": """# A list.

0.2 alone Lanes wait.
  node   unit/lanes_test:Lanes.wait,
         unit/lanes_test:Lanes.go_on

0.1 server Nothing is lost.
  node   integration/shared:Shared.loses_nothing
  apache integration/shared:Shared.loses_nothing, integration/apache_test:Apache.keeps

0.4 server Each exactly once.
""",
}
# What is replaced in the list, and what is then said.
PLANTED = [
    ("node   unit/lanes_test:Lanes.wait,\n         unit/lanes_test:Lanes.go_on\n", "", "is due and has no test"),
    ("  apache integration/shared:Shared.loses_nothing, integration/apache_test:Apache.keeps\n", "",
     "is due and has no test at Apache Kafka"),
    ("Lanes.go_on", "Lanes.stop", "there is no test Lanes.stop in tests/unit/lanes_test.cpp"),
    ("unit/lanes_test:Lanes.go_on", "unit/gone_test:Lanes.go_on", "in tests/unit/gone_test.cpp"),
    ("apache integration/shared:Shared.loses_nothing", "apache unit/lanes_test:Lanes.wait",
     "does not run at Apache Kafka"),
    ("node   integration/shared:Shared.loses_nothing", "node   integration/apache_test:Apache.keeps",
     "runs at Apache Kafka alone"),
    ("0.4 server Each exactly once.\n", "0.4 server Each exactly once.\n  node unit/lanes_test:Lanes.wait\n",
     "is owed later and has tests"),
    ("0.4 server Each exactly once.\n", "0.4 server Nothing is lost.\n", "the rule is in line 7, too"),
    ("0.2 alone Lanes wait.", "0.2 Lanes wait.", "malformed"),
    ("0.2 alone Lanes wait.", "alone Lanes wait.", "malformed"),
    ("0.2 alone Lanes wait.", "0.2 client Lanes wait.", "has no test at a node, only unit tests"),
    ("unit/lanes_test:Lanes.go_on", "integration/shared:Shared.loses_nothing", "its scope is client"),
    ("unit/lanes_test:Lanes.wait,", "Lanes.wait,", "malformed: Lanes.wait"),
    ("0.1 server", "0.1 client", "its scope is server"),
]


def breaches(files):
    return planted_files.breaches(rule_tests.check, files)


class RuleTests(unittest.TestCase):
    def test_a_clean_list_has_no_breach(self):
        self.assertEqual(breaches(CLEAN), [])

    def test_each_planted_breach_is_found(self):
        listed = CLEAN["tests/headers/rules.txt"]
        for before, after, said in PLANTED:
            with self.subTest(said=said, after=after):
                self.assertIn(before, listed)
                found = breaches({**CLEAN, "tests/headers/rules.txt": listed.replace(before, after, 1)})
                self.assertTrue(any(said in each for each in found), found)

    def test_a_row_is_due_once_its_release_is_the_projects(self):
        found = breaches({**CLEAN, "CMakeLists.txt": "project(dohle VERSION 0.4.0 LANGUAGES CXX)\n"})
        self.assertEqual(len(found), 2, found)


if __name__ == "__main__":
    unittest.main()
