#include "simulation/watching.hpp"

#include <vector>

namespace dohle::simulation {

using namespace std::chrono_literals;

Watching::Watching(Stage& stage, Readings& group, Handlings& workers)
    : application_(stage, "watching"), group_(group), workers_(workers) {}

void Watching::run() {
  auto client = client::make_client({.bootstrap_servers = {"node:9092"}, .client_id = "watching"},
                                    application_.environment());
  Admin admin = client->admin();
  while (!is_ending_) {
    constexpr std::chrono::milliseconds timeouts[] = {50ms, 1s, 8s};
    const auto timeout = timeouts[application_.draw(std::size(timeouts))];
    switch (application_.draw(4)) {
      case 0:
        (void)application_.within("Admin::list_topics", timeout,
                                  [&] { return admin.list_topics({.timeout = timeout}); });
        break;
      case 1:
        (void)application_.within("Admin::describe_groups", timeout, [&] {
          return admin.describe_groups({"group"}, {.timeout = timeout});
        });
        break;
      case 2:
        (void)ask_for_group(admin, timeout);
        break;
      default:
        (void)ask_for_workers(admin, timeout);
    }
    application_.pass_time(application_.up_to(Duration(1s)));
  }
  if (!ask_for_group(admin, 10s) || !ask_for_workers(admin, 10s)) {
    application_.accuse("the last question for committed offsets has no answer");
  }
  (void)application_.within("Client::close", 5s, [&] { return client->close(5s); });
}

bool Watching::ask_for_group(Admin& admin, std::chrono::milliseconds timeout) {
  std::vector<std::int64_t> least;
  for (std::int32_t i = 0; i < group_.partitions(); ++i) {
    least.push_back(group_.least_committed(PartitionId{i}));
  }
  const auto found = application_.within("Admin::group_offsets", timeout, [&] {
    return admin.group_offsets("group", {.timeout = timeout});
  });
  if (!found) return false;
  for (const GroupOffset& each : *found) {
    const auto index = static_cast<std::size_t>(each.partition.partition.value);
    group_.observed(each.partition.partition, each.offset, least.at(index));
  }
  return true;
}

bool Watching::ask_for_workers(Admin& admin, std::chrono::milliseconds timeout) {
  const auto found = application_.within("Admin::group_offsets", timeout, [&] {
    return admin.group_offsets("workers", {.timeout = timeout});
  });
  if (!found) return false;
  for (const GroupOffset& each : *found) {
    // The group has offsets of its retry topic, too.
    if (each.partition.topic != "jobs") continue;
    workers_.observed(each.partition.partition, each.offset);
  }
  return true;
}

}  // namespace dohle::simulation
