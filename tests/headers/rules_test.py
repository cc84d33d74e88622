#!/usr/bin/env python3
"""A breach of each rule, planted in a small tree, is found; the same tree without it is clean."""
import unittest

import planted_files
import rules

CLEAN = {
    "include/dohle/error.hpp": "#include <string>\nenum class ErrorCategory { client };\n"
    "enum class Errc : int {\n  closed = 1,  ///< closed, or never opened\n  too_large,\n};\n"
    "/// Closes it. Errors: closed; too_large if it has grown,\n/// client.\nvoid close();\n",
    "include/dohle/logger.hpp": "class Logger {\n};\nusing Level = int;\n",
    "include/dohle/kafka.hpp": "using Logger = dohle::Logger;\nusing Level = dohle::Level;\n",
    "src/base/slice.hpp": '#include "dohle/error.hpp"\n',
    "src/wire/batch.cpp": '#include "base/slice.hpp"\n// std::mutex in a comment, "steady_clock::now" in text\n',
    "src/client/produce/producer.cpp": '#include "wire/batch.hpp"\nconst char* text = "std::thread";\n',
    "src/net/loop.cpp": "#include <mutex>\nstd::mutex lock;\n",
    "src/net/tls/keys.cpp": "auto key = PEM_read_bio_PrivateKey(bio, nullptr, give_passphrase, &passphrase);\n",
    "tests/unit/base/slice_test.cpp": '#include "base/slice.hpp"\n',
    "src/client/produce/sealing.cpp": "auto a = Errc::closed, b = full ? Errc::too_large : Errc::closed;\n",
    "src/node/serve/handlers/fetch.cpp": "auto found = access_.topic(name, what);\n",
    "src/disk/levels.cpp": "struct Level {\n};\n",
}
PLANTED = [
    ("arrow:client", "src/node/node.cpp", '#include "client/producer.hpp"\n'),
    ("arrow:net", "src/node/node.hpp", '#include "net/loop.hpp"\n'),
    ("arrow:node", "src/client/client.cpp", '#include "node/node.hpp"\n'),
    ("arrow:wire", "src/base/slice.cpp", '#include "wire/batch.hpp"\n'),
    ("arrow:net", "src/log/log.cpp", '#include "net/loop.hpp"\n'),
    ("arrow:client", "src/tools/bench.cpp", '#include "client/producer.hpp"\n'),
    ("arrow:consume", "src/client/produce/sender.cpp", '#include "client/consume/fetch.hpp"\n'),
    ("arrow:client.hpp", "src/client/cluster/link.cpp", '#include "client/client.hpp"\n'),
    ("room", "src/client/helpers/thing.cpp", "\n"),
    ("arrow:serve", "src/node/door/session.cpp", '#include "node/serve/dispatcher.hpp"\n'),
    ("arrow:node_engine.hpp", "src/node/storage/topics.cpp", '#include "node/node_engine.hpp"\n'),
    ("arrow:bench", "src/tools/commands/table.cpp", '#include "tools/bench/bench.hpp"\n'),
    ("room", "src/shared/thing.cpp", "\n"),
    ("public", "include/dohle/client.hpp", "#include <fmt/format.h>\n"),
    ("public", "include/dohle/client.hpp", '#include "base/slice.hpp"\n'),
    ("library", "src/net/socket.cpp", "#include <uv/loop.hpp>\n"),
    ("library", "src/net/loop.cpp", "#include <openssl/ssl.h>\n"),
    ("library", "include/dohle/codec/tls.hpp", "#include <openssl/ssl.h>\n"),
    ("library", "src/base/logger.cpp", "#include <spdlog/logger.h>\n"),
    ("pure", "src/log/log.cpp", "auto now = std::chrono::steady_clock::now();\n"),
    ("pure", "src/node/node.cpp", "std::mutex lock;\n"),
    ("pure", "src/client/cluster/jitter.cpp", "std::random_device device;\n"),
    ("random", "src/node/group/ids.cpp", "std::string id_of(Random& random);\n"),
    ("prompt", "src/net/tls/keys.cpp", "auto list = PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr);\n"),
    ("prompt", "src/net/tls/keys.cpp", "Key key(PEM_read_bio_PrivateKey(\n    bio, nullptr, NULL, nullptr));\n"),
    ("assert", "src/sim/world.cpp", "#include <cassert>\n"),
    ("assert", "src/log/log.cpp", "void f(int i) { assert(i > 0); }\n"),
    ("sleep", "tests/unit/base/wait_test.cpp", "std::this_thread::sleep_for(1s);\n"),
    ("skipped", "tests/unit/base/off_test.cpp", "TEST(Slice, DISABLED_" + "copies) {}\n"),
    ("unfinished", "src/base/slice.cpp", "// TO" + "DO later\n"),
    ("name", "src/base/string_util.hpp", "\n"),
    ("name", "src/base/SliceList.hpp", "\n"),
    ("name", "src/client/cluster/connections.hpp", "class ConnectionManager {};\n"),
    ("name", "src/client/cluster/sending.hpp", "class SendCore {};\n"),
    ("authorizer", "src/node/serve/handlers/fetch.cpp", "auto found = storage().topics().find(name);\n"),
    ("authorizer", "src/node/serve/handlers/fetch.cpp", "auto found = topics->find(name);\n"),
    ("twice", "src/base/logger.hpp", "class Logger final : public Sink {\n};\n"),
    ("twice", "src/base/logger.hpp", "enum class Level { low };\n"),
    ("twice", "src/net/lanes.hpp", "class Keys {\n  struct Lane {\n  };\n};\nclass Bulk {\n  struct Lane {\n  };\n};\n"),
    ("error", "include/dohle/error.hpp", "enum class Errc { closed, too_large, fenced };\n"),
    ("error", "include/dohle/admin.hpp", "/// Errors: closed; fenced.\n"),
    ("error", "include/dohle/admin.hpp", "/// Errors: not_owner after\n/// that.\n"),
]


def breaches(files, exceptions=None):
    return planted_files.breaches(lambda root: rules.breaches(root, exceptions or {}), files)


class Rules(unittest.TestCase):
    def test_a_clean_tree_has_no_breach(self):
        self.assertEqual(breaches(CLEAN), [])

    def test_each_planted_breach_is_found(self):
        for rule, path, text in PLANTED:
            with self.subTest(rule=rule, path=path):
                found = breaches({**CLEAN, path: text})
                self.assertEqual([(b.rule, b.path) for b in found], [(rule, path)])

    def test_one_file_of_a_room_may_construct(self):
        files = {**CLEAN, "src/node/node.cpp": '#include "net/loop.hpp"\n'}
        self.assertEqual(breaches(files), [])
        files["src/node/other.cpp"] = '#include "net/loop.hpp"\n'
        self.assertEqual([b.rule for b in breaches(files)], ["arrow:net"])

    def test_a_code_that_is_only_compared_makes_no_error(self):
        path = "src/client/produce/sealing.cpp"
        for text in ("case Errc::closed:", "if (why.is(Errc::closed))", "if (code == Errc::closed)"):
            with self.subTest(text=text):
                found = breaches({**CLEAN, path: f"{text} return Errc::too_large;\n"})
                self.assertEqual([(b.rule, b.path) for b in found], [("error", "include/dohle/error.hpp")])

    def test_an_exception_allows_only_its_own_rule(self):
        files = {**CLEAN, "src/node/node.cpp": "std::mutex lock;\n"}
        self.assertEqual(breaches(files, {("src/node/node.cpp", "pure"): "a reason"}), [])
        self.assertEqual(len(breaches(files, {("src/node/node.cpp", "boost"): "a reason"})), 2)

    def test_an_exception_that_is_no_longer_needed_is_a_breach(self):
        self.assertEqual(len(breaches(CLEAN, {("src/gone.cpp", "pure"): "a reason"})), 1)


if __name__ == "__main__":
    unittest.main()
