#!/usr/bin/env python3
"""doc_comments.py finds each kind of name that has no doc comment, and no other."""
import tempfile
import unittest
from pathlib import Path

from doc_comments import undocumented

HEADER = """#pragma once
namespace dohle {
inline namespace v0 {

class Ahead;

/// Documented.
enum class Colour : std::uint8_t {
  red,  ///< documented
  green,
};

struct Bare {
  /// Documented.
  int first = 1;
  int second = std::size_t{1} << 20;
  std::chrono::milliseconds third{5};
};

/// Documented.
class DOHLE_API Handle {
 public:
  Handle(Handle&&) noexcept;
  Handle& operator=(Handle&&) noexcept;
  ~Handle();
  /// Documented; so are its overloads.
  void call(int value);
  void call(std::string text, std::vector<int> more = {1, 2});
  [[nodiscard]] bool is_done() const { return done_; }
  template <class T>
    requires(sizeof(T) > 4)
  void take(T&& value) {
    other(value);
  }
  /// Documented.
  Result<void> silent();
  /// Documented. Errors: closed.
  [[nodiscard]] static Result<std::vector<int>> outspoken();
  /// As outspoken, but later.
  Result<void> referring();

 private:
  void hidden();
  bool done_ = false;
};

template <class T>
concept Nameable = requires(T value) {
  { value.name() };
};

void free_function(int a,
                   int b);

}  // namespace v0
}  // namespace dohle

namespace dohle::client {
struct Inside {
  int value;
};
}  // namespace dohle::client
"""
FOUND = ["green", "Bare", "second", "third", "is_done", "take", "errors of silent", "Nameable", "free_function"]


class DocComments(unittest.TestCase):
    def test_finds_every_name_without_one(self):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "planted.hpp"
            path.write_text(HEADER)
            self.assertEqual([name for _, name in undocumented(path)], FOUND)


if __name__ == "__main__":
    unittest.main()
