#!/usr/bin/env python3
"""seed_names.py finds each kind of breach in a small tree; the same tree without it is clean."""
import unittest

import planted_files
import seed_names

CLEAN = {
    "CMakeLists.txt": "project(dohle VERSION 0.2.0 LANGUAGES CXX)\n",
    "include/dohle/options.hpp": """/// As with_colour("//") of old.
struct Nest {
  int eggs = 0;  ///< at most 6
};
class DOHLE_API Bird : public Animal {
 public:
  void sing() { call(); }
  using Song = int;
};
using Handler = std::function<void()>;
[[nodiscard]] inline Option with_eggs(int eggs) {
  return [eggs](Nest& o) { o.eggs = eggs; };
}
""",
    "src/messaging/colours.cpp": 'return "Blue";  // "Red"\n',
    "docs/messaging.md": "| WithEggs, Eggs, Handler, Bird.Sing | `with_eggs`, `Nest::eggs`, `Handler`, `sing` | Blue, Red |\n",
    "tests/headers/seed_names.txt": """# A list.
WithEggs with_eggs 0.2
Nest.Eggs Nest::eggs 0.1
Handler Handler 0.2
Bird.Sing Bird::sing 0.2
WithBlue "Blue" 0.2
- with_colour 0.4
- Bird::fly 0.4
""",
}
# The file, what is replaced in it, and what is then said.
PLANTED = [
    ("tests/headers/seed_names.txt", "with_colour 0.4", "with_colour 0.2", "with_colour is due and not in include/dohle"),
    ("tests/headers/seed_names.txt", "Bird::fly 0.4", "Bird::fly 0.2", "Bird::fly is due and not in include/dohle"),
    ("tests/headers/seed_names.txt", "Nest::eggs", "Bird::eggs", "Bird::eggs is due and not in include/dohle"),
    ("tests/headers/seed_names.txt", "Nest::eggs", "Nest::most", "Nest::most is due and not in include/dohle"),
    ("tests/headers/seed_names.txt", "Handler Handler", "Handler Animal", "Animal is due and not in include/dohle"),
    ("tests/headers/seed_names.txt", '"Blue"', '"Red"', '"Red" is not in both'),
    ("tests/headers/seed_names.txt", "Bird.Sing Bird::sing 0.2", "Bird.Sing Bird::sing 0.4",
     "Bird::sing is owed later and already in include/dohle"),
    ("tests/headers/seed_names.txt", "WithEggs with_eggs 0.2\n", "", "with_eggs is not in tests/headers/seed_names.txt"),
    ("docs/messaging.md", "`sing`", "sing", "Bird::sing is due and not in docs/messaging.md"),
    ("docs/messaging.md", "WithEggs", "", "WithEggs with_eggs is due and not in docs/messaging.md"),
    ("docs/messaging.md", "Blue", "", '"Blue" is not in both'),
    ("docs/messaging.md", "`sing`", "`sing`, `with_colour`", "with_colour is owed later and already in docs"),
    ("docs/messaging.md", "`sing`", "`sing`, `Birds.sing`", "there is no test Birds.sing"),
    ("include/dohle/options.hpp", "void sing()", "// void sing()", "Bird::sing is due and not in include/dohle"),
    ("include/dohle/options.hpp", "void sing()", "/* sing */ void call()", "Bird::sing is due and not in include/dohle"),
    ("src/messaging/colours.cpp", '"Blue"', '"Green"', '"Blue" is not in both'),
]


def breaches(files):
    return planted_files.breaches(seed_names.check, files)


class SeedNames(unittest.TestCase):
    def test_a_clean_list_has_no_breach(self):
        self.assertEqual(breaches(CLEAN), [])

    def test_each_planted_breach_is_found(self):
        for path, before, after, said in PLANTED:
            with self.subTest(said=said, after=after):
                self.assertIn(before, CLEAN[path])
                found = breaches({**CLEAN, path: CLEAN[path].replace(before, after, 1)})
                self.assertTrue(any(said in each for each in found), found)


if __name__ == "__main__":
    unittest.main()
