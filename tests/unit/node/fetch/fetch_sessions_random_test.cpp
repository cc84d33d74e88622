// Random requests of clients with fetch sessions, against lists of the partitions that each session
// fetches.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../../random_events.hpp"
#include "base/broker_errors.hpp"
#include "node/fetch/fetch_sessions.hpp"
#include "node/storage/partition.hpp"

namespace dohle::node {
namespace {

using Name = std::pair<std::string, std::int32_t>;

/// A session as its client knows it.
struct Model {
  std::int32_t id = 0;
  std::int32_t epoch = 1;
  /// In the order of serving, with the offset of each.
  std::vector<std::pair<Name, std::int64_t>> fetched;

  void set(const Name& name, std::int64_t offset) {
    const auto known = std::ranges::find(fetched, name, &std::pair<Name, std::int64_t>::first);
    if (known != fetched.end()) {
      known->second = offset;
    } else {
      fetched.emplace_back(name, offset);
    }
  }
};

class World {
 public:
  explicit World(Random& random)
      : random_(random),
        ids_(random.next()),
        sessions_({.max_sessions = 4, .max_partitions = 20, .eviction_age = Duration(1'000)},
                  ids_) {}

  void step() {
    now_ += Duration(below(400));
    switch (below(6)) {
      case 0:
        return begin();
      case 1:
        return fetch_once();
      case 2:
        return go_on_with_wrong_epoch();
      default:
        return go_on();
    }
  }
  void check() const {
    sessions_.check_invariants();
    EXPECT_LE(sessions_.size(), 4u);
    EXPECT_LE(sessions_.partitions(), 20u);
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  Name draw_name() {
    return {std::string(1, static_cast<char>('a' + below(3))), static_cast<std::int32_t>(below(4))};
  }

  std::vector<std::pair<Name, std::int64_t>> draw_wishes(wire::FetchRequest& request,
                                                         std::uint64_t most) {
    std::vector<std::pair<Name, std::int64_t>> wishes;
    for (std::uint64_t left = below(most + 1); left > 0; --left) {
      const Name name = draw_name();
      const auto offset = static_cast<std::int64_t>(below(1'000));
      auto& topic = request.topics.emplace_back();
      topic.topic = name.first;
      auto& partition = topic.partitions.emplace_back();
      partition.partition = PartitionId{name.second};
      partition.fetch_offset = Offset{offset};
      wishes.emplace_back(name, offset);
    }
    return wishes;
  }

  static void expect_same(const Model& model, const ServedFetchSession& session) {
    ASSERT_EQ(session.size(), model.fetched.size());
    for (std::size_t i = 0; i < session.size(); ++i) {
      const FetchEntry& entry = session.entry(session.place(i));
      EXPECT_EQ(session.topic(entry).name, model.fetched[i].first.first) << "at " << i;
      EXPECT_EQ(entry.partition.value, model.fetched[i].first.second) << "at " << i;
      EXPECT_EQ(entry.fetch_offset.value, model.fetched[i].second) << "at " << i;
    }
  }

  /// Begins a session, perhaps in place of an earlier one.
  void begin() {
    wire::FetchRequest request;
    if (!models_.empty() && below(2) == 0) {
      const auto old = models_.begin();
      request.session_id = old->first;
      models_.erase(old);
    }
    Model model;
    for (const auto& [name, offset] : draw_wishes(request, 9)) model.set(name, offset);
    auto begun = sessions_.begin(request, false, now_);
    ASSERT_EQ(begun.error, broker_error::none);
    EXPECT_FALSE(begun.is_incremental);
    expect_same(model, *begun.session);
    if (begun.session_id == 0) return;
    model.id = begun.session_id;
    models_[model.id] = std::move(model);
  }
  void fetch_once() {
    wire::FetchRequest request;
    request.session_epoch = -1;
    Model model;
    std::vector<Name> seen;
    for (const auto& [name, offset] : draw_wishes(request, 5)) model.set(name, offset);
    auto begun = sessions_.begin(request, false, now_);
    EXPECT_EQ(begun.session_id, 0);
    EXPECT_FALSE(begun.session->is_lasting());
    expect_same(model, *begun.session);
  }
  void go_on_with_wrong_epoch() {
    if (models_.empty()) return;
    wire::FetchRequest request;
    request.session_id = models_.begin()->first;
    request.session_epoch = models_.begin()->second.epoch + 1;
    const auto begun = sessions_.begin(request, false, now_);
    EXPECT_TRUE(begun.error == broker_error::invalid_fetch_session_epoch ||
                begun.error == broker_error::fetch_session_id_not_found);
  }
  void go_on() {
    if (models_.empty()) return;
    auto at = models_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(below(models_.size())));
    Model& model = at->second;
    wire::FetchRequest request;
    request.session_id = model.id;
    request.session_epoch = model.epoch;
    for (std::uint64_t left = below(3); left > 0; --left) {
      const Name name = draw_name();
      auto& topic = request.forgotten_topics_data.emplace_back();
      topic.topic = name.first;
      topic.partitions.push_back(PartitionId{name.second});
    }
    Model after = model;
    for (const auto& topic : request.forgotten_topics_data) {
      const Name name{topic.topic, topic.partitions.front().value};
      std::erase_if(after.fetched, [&](const auto& each) { return each.first == name; });
    }
    for (const auto& [name, offset] : draw_wishes(request, 4)) after.set(name, offset);
    auto begun = sessions_.begin(request, false, now_);
    if (begun.error == broker_error::fetch_session_id_not_found) {
      models_.erase(at);  // given up for another one
      return;
    }
    ASSERT_EQ(begun.error, broker_error::none);
    expect_same(after, *begun.session);
    if (begun.session_id == 0) {
      models_.erase(at);
      return;
    }
    ++after.epoch;
    serve_some(after, *begun.session);
    model = std::move(after);
    expect_same(model, *begun.session);
  }
  /// Some of them are served: the others come first next time.
  void serve_some(Model& model, ServedFetchSession& session) {
    std::vector<std::uint32_t> served;
    std::vector<std::pair<Name, std::int64_t>> first, last;
    for (std::size_t i = 0; i < session.size(); ++i) {
      const bool is_served = below(2) == 0;
      if (is_served) served.push_back(session.place(i));
      (is_served ? last : first).push_back(model.fetched[i]);
    }
    session.move_to_end(served);
    first.insert(first.end(), last.begin(), last.end());
    model.fetched = std::move(first);
  }

  Random& random_;
  SeededSecureRandom ids_;
  FetchSessions sessions_;
  TimePoint now_{Duration(1'000'000)};
  std::map<std::int32_t, Model> models_;
};

TEST(FetchSessionsRandom, AgreeWithTheirClientsForAnyRequests) {
  test::play_seeds(1'000, [](Random& random) {
    World world(random);
    for (int i = 0; i < 100 && !testing::Test::HasFailure(); ++i) {
      world.step();
      world.check();
    }
  });
}

}  // namespace
}  // namespace dohle::node
