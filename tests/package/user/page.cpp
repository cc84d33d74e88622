// A user's program with the optional target dohle::web.
#include <dohle/web.hpp>

#include <cstdio>

int main() {
  const auto page = dohle::web::health_page({.address = "127.0.0.1:0"});
  if (!page) return 1;
  const auto url = (*page)->start({.health = [] { return dohle::ServerHealth(); }});
  if (!url) return 1;
  (*page)->stop();
  std::printf("page at %s\n", url->starts_with("http://127.0.0.1:") ? "loopback" : url->c_str());
  return 0;
}
