#!/usr/bin/env python3
"""option_page.py finds each difference between a small page and its rows; a right page has none."""
import unittest

import option_page

PRINTED = "\n".join("row " + "\t".join(each) for each in [
    ("broker.batch_size", "1", "1000000", "", "100"),
    ("broker.batch_timeout", "0", "60000", "ms", "10"),
    ("broker.max_bytes", "1024", "2147483647", "bytes", "52428800"),
    ("broker.client_id", "0", "249", "bytes", "dohle"),
    ("broker.attempts", "1", "2147483647", "", ""),
    ("broker.metrics", str(-2**63), str(2**63 - 1), "", "true"),
    ("subscribe.max_bytes", "1024", "2147483647", "bytes", ""),
    ("subscribe.batch_size", "1", "100000", "", ""),
    ("subscribe.most", "1", str(2**63 - 1), "bytes", "67108864"),
    ("publish.partition", "-1", "2147483647", "", ""),
])
HEADER = """
[[nodiscard]] inline BrokerOption with_batch_size(std::size_t messages) {
  return [messages](BrokerOptions& o) { o.batch_size = messages; };
}
[[nodiscard]] inline BrokerOption with_batch_timeout(milliseconds timeout) {
  return [timeout](kafka::BrokerOptions& o) { o.batch_timeout = timeout; };
}
/// Sets o.batch_size of nothing.
[[nodiscard]] inline auto with_max_bytes(std::size_t bytes) {
  return [bytes](messaging::Reads auto& o) { o.max_bytes = bytes; };
}
[[nodiscard]] inline BrokerOption with_client_id(std::string id) {
  return [id](BrokerOptions& o) { o.client_id = id; };
}
[[nodiscard]] inline BrokerOption with_attempts(int attempts) {
  return [attempts](BrokerOptions& o) { o.attempts = attempts; };
}
[[nodiscard]] inline BrokerOption with_retries(int retries) {
  return with_attempts(messaging::attempts_of(retries));
}
[[nodiscard]] inline BrokerOption with_metrics(bool enable) {
  return [enable](BrokerOptions& o) { o.metrics = enable; };
}
[[nodiscard]] inline SubscribeOption with_batches(std::size_t size, std::size_t most) {
  return [size, most](SubscribeOptions& o) {
    o.batch_size = size;
    o.most = most;
  };
}
"""
PAGE = """## Options

| page | here | default; allowed | of | meaning | test |
|---|---|---|---|---|---|
| | `with_batch_size` | 100; 1 to 1,000,000 | broker | | |
| | `with_batch_timeout` | 10 ms; 0 to 1 min | broker | | |
| | `with_max_bytes` | 50 MiB; 1 KiB to 2 GiB - 1 | both | | |
| | `with_client_id` | dohle; at most 249 bytes | broker | | |
| | `with_attempts` | within 120 s; 1 to 2^31 - 1 | broker | | |
| | `with_retries` | within 120 s; 0 to 2^31 - 1 | broker | | |
| | `kafka::with_metrics` | true | broker | | |
| | `with_batches` | 100, 64 MiB; 1 to 100,000, at least 1 B | subscription | | |
| | `PublishOptions::partition` | by the balancer; 0 to 2^31 - 1, or -1: none | publish | | |

## More
"""
# What is replaced in the page, and what is then said.
PLANTED = [
    ("100; 1 to 1,000,000", "1,000; 1 to 1,000,000", "the default of with_batch_size (broker.batch_size) is 100"),
    ("100; 1 to 1,000,000", "100; 1 to 1,000", "with_batch_size (broker.batch_size) is 1 to 1,000,000"),
    ("100; 1 to 1,000,000", "100", "with_batch_size (broker.batch_size) is 1 to 1,000,000"),
    ("10 ms; 0", "10 s; 0", "the default of with_batch_timeout (broker.batch_timeout) is 10 ms"),
    ("0 to 1 min", "0 to 1 h", "with_batch_timeout (broker.batch_timeout) is 0 to 1 min"),
    ("0 to 1 min", "10 to 1 min", "with_batch_timeout (broker.batch_timeout) is 0 to 1 min"),
    ("50 MiB", "50 KiB", "the default of with_max_bytes (broker.max_bytes) is 50 MiB"),
    ("1 KiB to", "1 MiB to", "with_max_bytes (subscribe.max_bytes) is 1 KiB to 2 GiB - 1"),
    ("dohle;", "client;", "the default of with_client_id (broker.client_id) is dohle"),
    ("at most 249 bytes", "at most 250 bytes", "with_client_id (broker.client_id) is at most 249 bytes"),
    ("0 to 2^31 - 1 | broker", "1 to 2^31 - 1 | broker", "with_retries (broker.attempts) is 0 to 2^31 - 1"),
    ("| true |", "| false |", "the default of with_metrics (broker.metrics) is true"),
    ("1 to 100,000,", "1 to 1,000,000,", "with_batches (subscribe.batch_size) is 1 to 100,000"),
    ("at least 1 B", "at least 2 B", "with_batches (subscribe.most) is at least 1 B"),
    ("or -1: none", "or none", "PublishOptions::partition (publish.partition) is 0 to 2^31 - 1, or -1: none"),
    ("`kafka::with_metrics`", "`kafka::metrics`", "no row for broker.metrics"),
]


def breaches(page):
    return list(option_page.breaches(option_page.listed_rows(PRINTED), HEADER, page))


class OptionPage(unittest.TestCase):
    def test_a_right_page_has_no_breach(self):
        self.assertEqual(breaches(PAGE), [])

    def test_each_planted_difference_is_found(self):
        for before, after, said in PLANTED:
            with self.subTest(said=said, after=after):
                self.assertIn(before, PAGE)
                found = breaches(PAGE.replace(before, after, 1))
                self.assertTrue(any(said in each for each in found), found)


if __name__ == "__main__":
    unittest.main()
