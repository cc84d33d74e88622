// A user's program with messages of protobuf, which dohle::protobuf links.
#include <dohle/codec/protobuf.hpp>

#include <cstdio>
#include <string>

#include <google/protobuf/wrappers.pb.h>

int main() {
  google::protobuf::StringValue greeting;
  greeting.set_value("hello");
  std::string bytes;
  const auto encoded =
      dohle::Codec<google::protobuf::StringValue>::encode(greeting, {.topic = "t"}, bytes);
  if (!encoded || bytes.size() != 7) return 1;
  std::printf("%zu bytes\n", bytes.size());
  return 0;
}
