// A user's program: everything that it includes and links comes from the installed tree.
#include <dohle/ids.hpp>
#include <dohle/record.hpp>

#include <cstdio>

int main() {
  const auto id = dohle::TopicId::parse("AAAAAAAAAAAAAAAAAAAAAQ");
  if (!id || id->is_none()) return 1;
  std::printf("topic %s\n", id->to_string().c_str());
  return 0;
}
