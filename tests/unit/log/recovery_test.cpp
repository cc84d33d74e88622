#include <string>

#include "base/broker_errors.hpp"
#include "log_fixture.hpp"

namespace dohle::log {
namespace {

using RecoveryTest = LogTest;

TEST_F(RecoveryTest, a_tail_torn_at_any_byte_is_cut_and_kept) {
  open();
  ASSERT_TRUE(append(make_batch(3)).has_value());
  sync();
  const std::uint64_t synced_bytes = log_->size_bytes();
  ASSERT_TRUE(append(make_batch(2)).has_value());
  const std::uint64_t whole_first = log_->size_bytes();
  ASSERT_TRUE(append(make_batch(4)).has_value());
  const Slice all = *log_->read(Offset{0}, Offset{9}, 1_MiB, true)->flatten();
  const auto state = file(0, ".log");
  std::string state_bytes(8192, '\0');
  const auto state_file = *disk_.open(std::string(directory) + "/dohle-log", OpenMode::read_write);
  state_bytes.resize(*state_file->read(0, std::as_writable_bytes(std::span(state_bytes))));
  for (std::uint64_t size = synced_bytes; size < all.size(); ++size) {
    log_.reset();
    auto log = file();
    ASSERT_TRUE(log->truncate(0).has_value());
    const Bytes left = all.bytes().first(size);
    ASSERT_TRUE(log->write(0, {&left, 1}).has_value());
    const Bytes old_state = as_bytes(state_bytes);
    ASSERT_TRUE(state_file->write(0, {&old_state, 1}).has_value());
    open();
    EXPECT_EQ(log_->end(), Offset{size < whole_first ? 3 : 5}) << size;
    EXPECT_EQ(log_->synced_end(), log_->end());
    // Zeros at the end come from extending the file and are not kept.
    const std::uint64_t kept_at = size < whole_first ? synced_bytes : whole_first;
    std::uint64_t torn = size - kept_at;
    while (torn > 0 && left[kept_at + torn - 1] == std::byte{0}) --torn;
    EXPECT_EQ(report_.cut_bytes, torn) << size;
    if (report_.cut_bytes == 0) continue;
    EXPECT_EQ(report_.kept_in, path(0, size < whole_first ? ".cut-3" : ".cut-5"));
    EXPECT_EQ((*disk_.open(report_.kept_in, OpenMode::read))->size(), report_.cut_bytes);
    EXPECT_FALSE(report_.why.empty());
  }
}

TEST_F(RecoveryTest, zeros_that_the_file_was_extended_by_are_no_damage) {
  open();
  ASSERT_TRUE(append(make_batch(3)).has_value());
  sync();
  ASSERT_TRUE(append(make_batch(2)).has_value());
  const std::uint64_t written = log_->size_bytes();
  for (const std::uint64_t zeros : {1UZ, 60UZ, 61UZ, 4'096UZ, 200'000UZ}) {
    log_.reset();
    ASSERT_TRUE(file()->truncate(written).has_value());
    ASSERT_TRUE(file()->truncate(written + zeros).has_value());
    open();
    EXPECT_EQ(log_->end(), Offset{5}) << zeros;
    EXPECT_EQ(report_.cut_bytes, 0u) << zeros;
    EXPECT_EQ(report_.why, "") << zeros;
    EXPECT_EQ(file()->size(), written) << zeros;
  }
}

TEST_F(RecoveryTest, a_torn_tail_is_kept_without_the_zeros_behind_it) {
  open();
  ASSERT_TRUE(append(make_batch(3)).has_value());
  sync();
  const std::uint64_t kept_until = log_->size_bytes();
  ASSERT_TRUE(append(make_batch(2)).has_value());
  log_.reset();
  ASSERT_TRUE(file()->truncate(kept_until + 20).has_value());
  ASSERT_TRUE(file()->truncate(kept_until + 20'000).has_value());
  open();
  EXPECT_EQ(log_->end(), Offset{3});
  EXPECT_GT(report_.cut_bytes, 0u);
  EXPECT_LE(report_.cut_bytes, 20u);
  EXPECT_EQ((*disk_.open(report_.kept_in, OpenMode::read))->size(), report_.cut_bytes);
}

TEST_F(RecoveryTest, a_wrong_length_is_no_torn_batch_if_whole_batches_lie_within_it) {
  open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(make_batch(4)).has_value());
  const std::uint64_t bytes = log_->size_bytes() / 3;
  log_.reset();
  flip(bytes + 8);  // the highest byte of the second batch's length
  const auto refused = try_open();
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message().find("--accept-loss t-0@4"), std::string::npos)
      << refused.error().to_string();
  // Without them it is the end of a file that a power loss left short.
  ASSERT_TRUE(file()->truncate(2 * bytes).has_value());
  open();
  EXPECT_EQ(log_->end(), Offset{4});
  EXPECT_GT(report_.cut_bytes, 0u);
}

TEST_F(RecoveryTest, zeros_in_the_place_of_acknowledged_bytes_are_refused) {
  open();
  ASSERT_TRUE(append(make_batch(3)).has_value());
  sync();
  const std::uint64_t size = log_->size_bytes();
  log_.reset();
  ASSERT_TRUE(file()->truncate(0).has_value());
  ASSERT_TRUE(file()->truncate(size).has_value());
  EXPECT_FALSE(try_open().has_value());
}

TEST_F(RecoveryTest, the_segment_of_the_recovery_point_may_have_zeros_although_another_follows) {
  config_.segment_bytes = 2'000;
  open();
  ASSERT_TRUE(append(make_batch(10)).has_value());
  sync();
  const std::uint64_t first = log_->size_bytes();
  ASSERT_TRUE(append(make_batch(10)).has_value());  // begins a segment at the recovery point
  ASSERT_TRUE(disk_.exists(path(10, ".log")));
  log_.reset();
  ASSERT_TRUE(file()->truncate(first + 4'096).has_value());
  open();
  EXPECT_EQ(log_->end(), Offset{20});
  EXPECT_EQ(offsets_from(0).size(), 20u);
  EXPECT_EQ(file()->size(), first);
}

TEST_F(RecoveryTest, damage_below_the_recovery_point_is_refused_with_advice) {
  open();
  ASSERT_TRUE(append(make_batch(3)).has_value());
  sync();
  ASSERT_TRUE(append(make_batch(3)).has_value());
  const auto size = file()->size();
  log_.reset();
  // The start reads only the headers before the recovery point in its segment; the CRC is checked
  // before the first fetch. The wrong bit makes this header lead to a wrong place.
  flip(8);
  const auto opened = try_open();
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(opened.error().is(Errc::damaged));
  EXPECT_NE(opened.error().message().find("recovery point"), std::string_view::npos);
  EXPECT_NE(opened.error().message().find("restore"), std::string_view::npos);
  flip(8);
  ASSERT_TRUE(file()->truncate(size / 2 - 1).has_value());
  EXPECT_FALSE(try_open().has_value()) << "acknowledged bytes are missing";
}

TEST_F(RecoveryTest, a_bit_flipped_below_the_recovery_point_is_found_before_it_is_served) {
  open();
  ASSERT_TRUE(append(make_batch(3)).has_value());
  ASSERT_TRUE(append(make_batch(3)).has_value());
  stop();
  const auto size = file()->size();
  for (std::uint64_t at = 17; at < size; at += 5) {
    if (at >= size / 2 && at < size / 2 + 17) continue;  // offset, length, epoch: without CRC
    flip(at);
    went_offline_.reset();
    auto opened = try_open(true);
    if (opened) {
      log_ = std::move(opened->log);
      const auto first = log_->fetch(Offset{0}, log_->end(), 1_MiB, true);
      ASSERT_TRUE(first.has_value());
      EXPECT_TRUE(first->is_being_checked);
      EXPECT_TRUE(first->bytes.empty());
      loop_.run();
      EXPECT_FALSE(log_->fetch(Offset{0}, log_->end(), 1_MiB, true).has_value()) << at;
      ASSERT_TRUE(went_offline_.has_value()) << at;
      EXPECT_NE(went_offline_->message().find("restore"), std::string_view::npos);
    }
    log_.reset();
    flip(at);
  }
  open(true);
  EXPECT_EQ(offsets_from(0).size(), 6u);
}

TEST_F(RecoveryTest, a_start_after_a_clean_stop_reads_no_batches) {
  config_.segment_bytes = 5'000;
  open();
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(append(make_batch(5, 100, 1000 + i, {9, 0, 5 * i})).has_value());
  }
  stop();
  open(true);
  EXPECT_EQ(log_->end(), Offset{200});
  EXPECT_EQ(log_->synced_end(), Offset{200});
  EXPECT_EQ(log_->recovery_point(), Offset{200});
  EXPECT_EQ(report_.walked_bytes, 0u);
  EXPECT_EQ(log_->unchecked_bytes(), log_->size_bytes());
  EXPECT_EQ(offsets_from(0).size(), 200u);
  EXPECT_EQ(log_->unchecked_bytes(), 0u);
  // All five batches that may be in flight are still known, not only the one in the snapshot.
  for (int i = 35; i < 40; ++i) {
    const auto again = append(make_batch(5, 100, 1000 + i, {9, 0, 5 * i}));
    ASSERT_TRUE(again.has_value()) << i;
    EXPECT_TRUE(again->is_duplicate);
    EXPECT_EQ(again->base_offset, Offset{5 * i});
  }
  EXPECT_EQ(append(make_batch(1, 10, 5, {9, 0, 200}))->base_offset, Offset{200});
}

TEST_F(RecoveryTest, a_file_changed_after_a_clean_stop_is_read) {
  open();
  ASSERT_TRUE(append(make_batch(3)).has_value());
  stop();
  ASSERT_TRUE(append(make_batch(2)).has_value());
  open(true);
  EXPECT_EQ(log_->end(), Offset{5});
  EXPECT_GT(report_.walked_bytes, 0u);
}

TEST_F(RecoveryTest, a_gap_between_segments_above_the_recovery_point_ends_the_log) {
  config_.segment_bytes = 2'000;
  open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(make_batch(10)).has_value());
  ASSERT_EQ(log_->segment_count(), 3u);
  log_.reset();
  ASSERT_TRUE(disk_.remove(path(10, ".log")).has_value());
  open();
  EXPECT_EQ(log_->end(), Offset{10});
  EXPECT_EQ(report_.cut_from, Offset{10});
  EXPECT_EQ(report_.cut_to, Offset{30});
  EXPECT_TRUE(disk_.exists(path(20, ".log.cut")));
  EXPECT_EQ(append(make_batch(1))->base_offset, Offset{10});
}

TEST_F(RecoveryTest, a_gap_below_the_recovery_point_is_refused) {
  config_.segment_bytes = 2'000;
  open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(make_batch(10)).has_value());
  sync();
  log_.reset();
  ASSERT_TRUE(disk_.remove(path(20, ".log")).has_value());
  EXPECT_FALSE(try_open().has_value());
}

TEST_F(RecoveryTest, a_torn_segment_ends_the_log_and_drops_later_segments) {
  config_.segment_bytes = 2'000;
  open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(make_batch(10)).has_value());
  log_.reset();
  flip(500, 10);
  EXPECT_FALSE(try_open().has_value()) << "no power loss leaves that";
  life_.end = LastLife::End::killed;
  life_.noted_end = Offset{10};
  open();
  EXPECT_EQ(log_->end(), Offset{10});
  EXPECT_EQ(report_.cut_to, Offset{30});
  EXPECT_EQ(offsets_from(0).size(), 10u);
  open();
  EXPECT_EQ(log_->end(), Offset{10});
  EXPECT_EQ(report_.cut_bytes, 0u);
}

TEST_F(RecoveryTest, indexes_that_are_lost_or_wrong_are_built_again) {
  for (const std::string_view suffix : {".index", ".timeindex"}) {
    for (const bool is_lost : {true, false}) {
      log_.reset();
      ASSERT_TRUE(disk_.exists("/data") ? disk_.remove_all("/data").has_value() : true);
      open();
      for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(append(make_batch(10, 200, 1000 + 10 * i)).has_value());
      }
      stop();
      log_.reset();
      if (is_lost) {
        ASSERT_TRUE(disk_.remove(path(0, suffix)).has_value());
      } else {
        const std::string zeros(file(0, suffix)->size(), '\0');
        const Bytes piece = as_bytes(zeros);
        ASSERT_TRUE(file(0, suffix)->write(0, {&piece, 1}).has_value());
      }
      open(true);
      EXPECT_EQ(offsets_from(777).front(), 770);
      const auto found = log_->offset_for(Timestamp{1777});
      ASSERT_TRUE(found.has_value() && found->has_value()) << suffix << is_lost;
      EXPECT_EQ((*found)->offset, Offset{777}) << suffix << is_lost;
    }
  }
}

class LostIndexTest : public LogTest {
 protected:
  /// Three segments of 4 MB with an index entry for every other batch, after a clean stop.
  void fill() {
    config_.segment_bytes = 4'000'000;
    config_.index_interval_bytes = 400;
    open();
    for (int i = 0; log_->segment_count() < 3 || log_->size_bytes() < 11'500'000; ++i) {
      ASSERT_TRUE(append(make_batch(1, 200, 1000 + i)).has_value());
    }
    stop();
    bases_ = {0};
    for (const auto& entry : *disk_.list(directory)) {
      if (!entry.name.ends_with(".log") || entry.name == Segment::file_name(Offset{0}, ".log"))
        continue;
      bases_.push_back(std::stoll(entry.name));
    }
    log_.reset();
    loop_.run();
  }
  void lose_half(std::int64_t base, std::string_view suffix) {
    auto index = file(base, suffix);
    ASSERT_TRUE(index->truncate(index->size() / 48 * 24).has_value());
  }
  /// How often a fetch from there has to wait for a disk thread before it finds its batch.
  int waits_of_fetch(std::int64_t offset) {
    for (int waits = 0; waits < 10; ++waits) {
      const auto fetched = log_->fetch(Offset{offset}, log_->end(), 1'000, true);
      EXPECT_TRUE(fetched.has_value()) << fetched.error().to_string();
      if (!fetched || !fetched->is_being_checked) {
        EXPECT_TRUE(fetched && !fetched->bytes.empty());
        EXPECT_EQ(fetched ? offsets_in(*fetched->bytes.flatten()).front() : -1, offset);
        return waits;
      }
      loop_.run();
      EXPECT_EQ(checked_, waits + 1) << "the waiting caller is told";
    }
    ADD_FAILURE() << "the fetch waits for ever";
    return -1;
  }
  std::vector<std::int64_t> bases_;
};

TEST_F(LostIndexTest, a_fetch_waits_for_a_disk_thread_that_builds_it_again) {
  for (const std::size_t segment : {1uz, 2uz}) {
    for (const bool is_lost : {true, false}) {
      log_.reset();
      if (disk_.exists("/data")) (void)disk_.remove_all("/data");
      fill();
      const std::int64_t base = bases_.at(segment);
      const auto before = file(base, ".index")->size();
      if (is_lost) {
        ASSERT_TRUE(disk_.remove(path(base, ".index")).has_value());
      } else {
        lose_half(base, ".index");
      }
      open(true);
      checked_ = 0;
      const std::int64_t late = (segment == 1 ? bases_[2] : log_->end().value) - 10;
      ASSERT_GT(late, base);
      EXPECT_EQ(waits_of_fetch(late), 2) << "for the index, and for the check of the bytes";
      checked_ = 0;
      EXPECT_EQ(waits_of_fetch(late - 1), 0);
      EXPECT_GE(file(base, ".index")->size() + 100, before);
    }
  }
}

TEST_F(LostIndexTest, that_cannot_be_built_is_an_error_once_for_each_attempt) {
  fill();
  ASSERT_TRUE(disk_.remove(path(bases_[1], ".index")).has_value());
  // The length of a batch in the middle: those behind it are not found.
  const auto batches = static_cast<std::uint64_t>(bases_[2] - bases_[1]);
  const std::uint64_t batch_bytes = file(bases_[1])->size() / batches;
  flip(batches / 2 * batch_bytes + 8, bases_[1]);
  open(true);
  const Offset late{bases_[2] - 10};
  auto fetched = log_->fetch(late, log_->end(), 1'000, true);
  ASSERT_TRUE(fetched.has_value() && fetched->is_being_checked);
  for (int i = 0; i < 5 && fetched && fetched->is_being_checked; ++i) {
    loop_.run();
    fetched = log_->fetch(late, log_->end(), 1'000, true);
  }
  ASSERT_FALSE(fetched.has_value());
  EXPECT_TRUE(fetched.error().is(Errc::damaged)) << fetched.error().to_string();
}

TEST_F(LostIndexTest, of_the_last_segment_is_built_again_before_an_append) {
  for (const std::string_view suffix : {".index", ".timeindex"}) {
    log_.reset();
    if (disk_.exists("/data")) (void)disk_.remove_all("/data");
    fill();
    ASSERT_TRUE(disk_.remove(path(bases_[2], suffix)).has_value());
    open(true);
    EXPECT_FALSE(log_->is_prepared());
    EXPECT_FALSE(append(make_batch(1)).has_value()) << "the owner walks no segment";
    bool is_prepared = false;
    log_->prepare([&] { is_prepared = true; });
    loop_.run();
    ASSERT_TRUE(is_prepared && log_->is_prepared());
    const Offset end = log_->end();
    EXPECT_EQ(append(make_batch(1))->base_offset, end);
    EXPECT_EQ(offsets_from(end.value), std::vector<std::int64_t>{end.value});
  }
}

TEST_F(LostIndexTest, keeps_a_segment_until_its_expiry_time_is_known) {
  fill();
  ASSERT_TRUE(disk_.remove(path(0, ".timeindex")).has_value());
  config_.retention_ms = 1'000;
  open(true);
  const Now late{TimePoint{}, Timestamp{1'000'000'000}};
  EXPECT_EQ(log_->retain(late).value_or(9), 0u);
  loop_.run();
  EXPECT_GT(log_->retain(late).value_or(0), 0u);
}

TEST_F(LostIndexTest, is_built_again_by_a_clean_stop) {
  fill();
  ASSERT_TRUE(disk_.remove(path(bases_[2], ".timeindex")).has_value());
  open(true);
  stop();
  EXPECT_GT(file(bases_[2], ".timeindex")->size(), 0u);
}

TEST_F(LostIndexTest, is_never_built_in_a_directory_that_another_topic_has_by_now) {
  fill();
  for (const std::string_view suffix : {".index", ".timeindex"}) {
    ASSERT_TRUE(disk_.remove(path(bases_[2], suffix)).has_value());
  }
  open(true);
  bool is_done = false;
  log_->prepare([&] { is_done = true; });
  (void)log_->fetch(log_->end() + -10, log_->end(), 1'000, true);
  // The topic is deleted, and one of the same name created, before a disk thread comes to it.
  log_.reset();
  ASSERT_TRUE(disk_.rename(directory, std::string(directory) + ".deleted").has_value());
  OpenOptions options;
  options.files = files_;
  auto next = PartitionLog::open(disk_, directory, config_, options);
  ASSERT_TRUE(next.has_value());
  ASSERT_TRUE(append_to(*next->log, make_batch(3)));
  const auto names = [&](const std::string& of) {
    std::vector<std::string> found;
    for (const auto& entry : *disk_.list(of)) {
      found.push_back(entry.name + " " + std::to_string(entry.size));
    }
    return found;
  };
  const auto before = names(directory);
  const auto deleted = names(std::string(directory) + ".deleted");
  loop_.run();
  EXPECT_TRUE(is_done);
  EXPECT_EQ(names(directory), before);
  EXPECT_EQ(names(std::string(directory) + ".deleted"), deleted);
}

TEST_F(RecoveryTest, index_entries_that_were_never_written_are_found_again) {
  open();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(append(make_batch(10, 200, 1000 + 10 * i)).has_value());
  }
  sync();  // without flush, so that index entries in memory are lost with the log
  open(true);
  EXPECT_EQ(log_->max_timestamp()->value().offset, Offset{199});
  EXPECT_EQ(log_->offset_for(Timestamp{1195})->value().offset, Offset{195});
}

TEST_F(RecoveryTest, partition_metadata_is_written_again_only_if_its_bytes_are_lost) {
  const std::string path = std::string(directory) + "/partition.metadata";
  const auto read = [&] {
    const auto found = *disk_.open(path, OpenMode::read);
    std::string text(found->size(), '\0');
    EXPECT_TRUE(found->read(0, std::as_writable_bytes(std::span(text))).has_value());
    return text;
  };
  const auto write = [&](std::string_view text) {
    const Bytes piece = as_bytes(text);
    ASSERT_TRUE((*disk_.open(path, OpenMode::truncate))->write(0, {&piece, 1}).has_value());
  };
  open();
  ASSERT_TRUE(append(make_batch(4)).has_value());
  const std::string text = read();
  EXPECT_TRUE(text.starts_with("version: 0\ntopic_id: ")) << text;
  log_.reset();
  ASSERT_TRUE(disk_.remove(path).has_value());
  open();
  EXPECT_EQ(read(), text);
  for (const std::size_t zeros : {std::size_t{0}, std::size_t{50}}) {
    write(std::string(zeros, '\0'));
    open();
    EXPECT_EQ(read(), text) << zeros;
  }
  const std::string other = "version: 0\ntopic_id: AQAAAAAAAAAAAAAAAAAAAA";
  write(other);
  open();
  EXPECT_EQ(read(), other);
}

TEST_F(RecoveryTest, a_lost_snapshot_is_built_from_the_log) {
  config_.segment_bytes = 2'000;
  open();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(append(make_batch(5, 100, 1, {i % 2, 0, 5 * (i / 2)})).has_value());
  }
  stop();
  log_.reset();
  const auto entries = *disk_.list(directory);
  for (const auto& entry : entries) {
    if (entry.name.ends_with(".snapshot")) {
      ASSERT_TRUE(disk_.remove(std::string(directory) + "/" + entry.name).has_value());
    }
  }
  open(true);
  const auto gap = append(make_batch(1, 10, 1, {0, 0, 26}));
  ASSERT_FALSE(gap.has_value());
  EXPECT_TRUE(gap.error().is_broker(broker_error::out_of_order_sequence_number));
  EXPECT_TRUE(append(make_batch(1, 10, 1, {0, 0, 25})).has_value());
}

class ManyProducersTest : public LogTest {
 protected:
  static constexpr std::int64_t producers = 5'000;
  /// A first segment with one batch of each producer, and a second one with the next batch of one.
  void fill() {
    const Slice batch = make_batch(1, 100, 1000, {0, 0, 0});
    config_.segment_bytes = static_cast<std::int32_t>(batch.size() * producers);
    config_.retention_bytes = 1;
    open();
    for (std::int64_t id = 0; id < producers; ++id) append_by(id, 0);
    ASSERT_EQ(log_->segment_count(), 1u);
    append_by(0, 1);
    ASSERT_EQ(log_->segment_count(), 2u);
  }
  void append_by(std::int64_t id, std::int32_t sequence) {
    ASSERT_TRUE(append(make_batch(1, 100, 1000, {id, 0, sequence})).has_value()) << id;
  }
  std::size_t retire() {
    log_->synced(log_->end());
    const auto retired = log_->retain({TimePoint{}, Timestamp{2000}});
    EXPECT_TRUE(retired.has_value()) << retired.error().to_string();
    return retired.value_or(99);
  }
  std::uint64_t size_of_snapshot(std::int64_t at) {
    return disk_.exists(path(at, ".snapshot")) ? file(at, ".snapshot")->size() : 0;
  }
};

TEST_F(ManyProducersTest, are_written_on_a_disk_thread_and_their_segment_stays_until_then) {
  fill();
  EXPECT_EQ(size_of_snapshot(producers), 0u);
  EXPECT_EQ(retire(), 0u);
  append_by(1, 1);
  append_by(producers, 0);
  loop_.run();
  EXPECT_EQ(size_of_snapshot(producers), 10u + 46u * producers) << "as they were at the roll";
  EXPECT_EQ(retire(), 1u);
  for (int life = 0; life < 2; ++life) {
    for (const auto& [id, sequence] : {std::pair(0, 1), {1, 1}, {2, 0}, {4'999, 0}, {5'000, 0}}) {
      const auto twice = append(make_batch(1, 100, 1000, {id, 0, sequence}));
      EXPECT_TRUE(twice && twice->is_duplicate) << id;
    }
    sync();
    open();
  }
}

TEST_F(ManyProducersTest, are_written_again_after_a_roll_while_they_are_written) {
  fill();
  for (std::int64_t id = 1; id < producers; ++id) append_by(id, 1);
  append_by(0, 2);
  ASSERT_EQ(log_->segment_count(), 3u);
  loop_.run();
  EXPECT_GT(size_of_snapshot(producers), 0u);
  EXPECT_EQ(size_of_snapshot(log_->end().value), size_of_snapshot(producers));
  EXPECT_EQ(retire(), 2u);
}

TEST_F(ManyProducersTest, of_a_log_that_is_deleted_meanwhile_leave_no_file_in_the_next_one) {
  fill();
  log_.reset();
  ASSERT_TRUE(disk_.rename(directory, std::string(directory) + ".deleted").has_value());
  ASSERT_TRUE(disk_.make_directories(directory).has_value());
  loop_.run();
  EXPECT_TRUE(disk_.list(directory)->empty());
}

TEST_F(ManyProducersTest, are_all_in_the_snapshot_of_a_clean_stop) {
  fill();
  stop();
  EXPECT_EQ(size_of_snapshot(producers + 1), 10u + 46u * producers);
  open(true);
  const auto twice = append(make_batch(1, 100, 1000, {producers - 1, 0, 0}));
  EXPECT_TRUE(twice && twice->is_duplicate);
}

TEST_F(RecoveryTest, leader_epochs_survive_and_are_cut_with_the_log) {
  open();
  ASSERT_TRUE(append(make_batch(3), 1000, 1).has_value());
  ASSERT_TRUE(append(make_batch(3), 1000, 4).has_value());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(log_->latest_epoch(), LeaderEpoch{4});
    EXPECT_EQ(log_->epoch_end(LeaderEpoch{1})->end, Offset{3});
    EXPECT_EQ(log_->epoch_end(LeaderEpoch{2})->epoch, LeaderEpoch{1});
    EXPECT_EQ(log_->epoch_end(LeaderEpoch{4})->end, Offset{6});
    EXPECT_EQ(log_->epoch_end(LeaderEpoch{0})->end, Offset{0});
    EXPECT_TRUE(log_->epoch_end(LeaderEpoch{5})->epoch.is_none());
    if (round == 1) {
      ASSERT_TRUE(disk_.remove(std::string(directory) + "/leader-epoch-checkpoint").has_value());
    }
    open();
  }
}

// A log of three segments of ten records each, [0, 10), [10, 20), [20, 30), synced and stopped.
class StoppedLogTest : public LogTest {
 protected:
  void SetUp() override {
    config_.segment_bytes = 2'000;
    open();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(make_batch(10)).has_value());
    stop();
    ASSERT_EQ(log_->segment_count(), 3u);
    life_.marked = log_->marked();
    log_.reset();
  }
  /// The text of the refusal.
  std::string refusal() {
    const auto opened = try_open();
    return opened ? "" : std::string(opened.error().message());
  }
  static bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != text.npos;
  }
};

TEST_F(StoppedLogTest, opens_as_the_clean_stop_mark_says_without_reading) {
  open();
  EXPECT_EQ(log_->end(), Offset{30});
  EXPECT_EQ(report_.walked_bytes, 0u);
  EXPECT_EQ(offsets_from(0).size(), 30u);
  ASSERT_TRUE(life_.marked->segments.at(2).last_crc.has_value());
  EXPECT_EQ(log_->marked(), *life_.marked);
}

TEST_F(StoppedLogTest, refuses_a_segment_that_is_not_the_last_and_was_emptied_or_deleted) {
  const auto size = file(10)->size();
  ASSERT_TRUE(file(10)->truncate(0).has_value());
  EXPECT_TRUE(contains(refusal(), "--accept-loss t-0@10")) << refusal();
  ASSERT_TRUE(file(10)->truncate(size).has_value());
  ASSERT_TRUE(disk_.remove(path(10, ".log")).has_value());
  EXPECT_TRUE(contains(refusal(), "--accept-loss t-0@10")) << refusal();
  EXPECT_TRUE(contains(refusal(), "delete the topic")) << refusal();
  EXPECT_TRUE(contains(refusal(), "topic t, partition 0, offset 10")) << refusal();
}

TEST_F(StoppedLogTest, refuses_a_first_segment_that_is_missing) {
  ASSERT_TRUE(disk_.remove(path(0, ".log")).has_value());
  EXPECT_TRUE(contains(refusal(), "first segment is missing")) << refusal();
  life_ = {};
  EXPECT_TRUE(contains(refusal(), "--accept-loss t-0@0")) << refusal();
  accepted_ = {Offset{0}};
  open();
  EXPECT_EQ(log_->log_start(), Offset{10});
  EXPECT_EQ(offsets_from(10).size(), 20u);
  accepted_.clear();
  open();
  EXPECT_EQ(log_->log_start(), Offset{10});
}

TEST_F(StoppedLogTest, reads_a_first_segment_that_was_given_up_and_is_put_back) {
  const std::string state = std::string(directory) + "/dohle-log";
  std::vector<std::byte> before((*disk_.open(state, OpenMode::read))->size());
  ASSERT_TRUE((*disk_.open(state, OpenMode::read))->read(0, before).has_value());
  ASSERT_TRUE(disk_.rename(path(0, ".log"), "/data/copy").has_value());
  life_ = {};
  accepted_ = {Offset{0}};
  open();
  ASSERT_EQ(log_->log_start(), Offset{10});
  log_.reset();
  accepted_.clear();
  // The state file comes from the same copy.
  ASSERT_TRUE(disk_.rename("/data/copy", path(0, ".log")).has_value());
  const Bytes piece(before);
  ASSERT_TRUE((*disk_.open(state, OpenMode::truncate))->write(0, {&piece, 1}).has_value());
  open();
  EXPECT_EQ(log_->log_start(), Offset{0});
  EXPECT_EQ(offsets_from(0).size(), 30u);
}

TEST_F(StoppedLogTest, reads_a_segment_that_was_given_up_and_is_put_back) {
  ASSERT_TRUE(disk_.rename(path(10, ".log"), "/data/copy").has_value());
  life_ = {};
  accepted_ = {Offset{10}};
  open();
  ASSERT_EQ(offsets_from(0).size(), 20u);
  log_.reset();
  accepted_.clear();
  ASSERT_TRUE(disk_.rename("/data/copy", path(10, ".log")).has_value());
  open();
  EXPECT_EQ(offsets_from(0).size(), 30u);
  EXPECT_EQ(offsets_from(10).front(), 10);
}

TEST_F(StoppedLogTest, opens_although_its_state_file_is_lost) {
  ASSERT_TRUE(disk_.remove(std::string(directory) + "/dohle-log").has_value());
  open();
  EXPECT_EQ(log_->end(), Offset{30});
  EXPECT_EQ(offsets_from(0).size(), 30u);
}

TEST_F(StoppedLogTest, refuses_files_of_another_partition) {
  ASSERT_TRUE(disk_.rename(directory, "/data/t-1").has_value());
  OpenOptions options;
  options.topic_id.bytes[0] = 7;
  const auto opened = PartitionLog::open(disk_, "/data/t-1", config_, options);
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(contains(opened.error().message(), "exchanged")) << opened.error().to_string();
}

TEST_F(StoppedLogTest, goes_offline_when_offsets_are_missing_between_two_segments) {
  // 0.1.0 stored no sizes.
  life_ = {};
  ASSERT_TRUE(file(0)->truncate(0).has_value());
  EXPECT_TRUE(contains(refusal(), "--accept-loss t-0@0")) << refusal();
}

TEST_F(StoppedLogTest, gives_up_a_damaged_batch_alone_when_its_loss_is_accepted) {
  flip(500, 10);
  open();  // reads nothing
  EXPECT_TRUE(log_->fetch(Offset{10}, log_->end(), 1_MiB, true)->is_being_checked);
  loop_.run();
  ASSERT_TRUE(went_offline_.has_value());
  EXPECT_TRUE(contains(went_offline_->message(), "--accept-loss t-0@10"))
      << went_offline_->message();
  accepted_ = {Offset{11}};
  open();
  ASSERT_EQ(report_.unfounded.size(), 1u);
  EXPECT_TRUE(contains(report_.unfounded[0], "nothing was given up")) << report_.unfounded[0];
  EXPECT_TRUE(report_.accepted.empty());
  accepted_ = {Offset{10}};
  open();
  EXPECT_EQ(log_->end(), Offset{30});
  EXPECT_EQ(offsets_from(0).size(), 20u);
  EXPECT_EQ(offsets_from(10).front(), 20);
  EXPECT_EQ(offsets_from(15).front(), 20);
  EXPECT_TRUE(disk_.exists(path(10, ".lost-10")));
  EXPECT_EQ(append(make_batch(1))->base_offset, Offset{30});
  accepted_.clear();
  life_ = {};
  open();
  EXPECT_EQ(offsets_from(0).size(), 21u);
}

TEST_F(LogTest, a_damaged_batch_within_a_segment_is_given_up_and_those_behind_it_stay) {
  open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(append(make_batch(4)).has_value());
  stop();
  const std::uint64_t bytes = log_->size_bytes() / 5;
  life_.marked = log_->marked();
  log_.reset();
  flip(bytes + 100);
  accepted_ = {Offset{4}};
  open();
  EXPECT_EQ(log_->end(), Offset{20});
  EXPECT_EQ(offsets_from(0).size(), 16u);
  EXPECT_EQ((*disk_.open(path(0, ".lost-4"), OpenMode::read))->size(), bytes);
  stop();
  life_.marked = log_->marked();
  accepted_.clear();
  open();
  EXPECT_EQ(offsets_from(4).front(), 8);
  EXPECT_EQ(append(make_batch(1))->base_offset, Offset{20});
}

TEST_F(LogTest, a_lost_end_is_given_up_and_its_offsets_are_not_used_again) {
  open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(make_batch(4)).has_value());
  const std::uint64_t bytes = log_->size_bytes() / 3;
  log_.reset();
  life_.end = LastLife::End::killed;
  life_.noted_end = Offset{12};
  ASSERT_TRUE(file()->truncate(2 * bytes).has_value());
  const auto refused = try_open();
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message().find("--accept-loss t-0@8"), std::string::npos)
      << refused.error().to_string();
  accepted_ = {Offset{8}};
  open();
  EXPECT_EQ(log_->end(), Offset{12});
  EXPECT_EQ(append(make_batch(1))->base_offset, Offset{12});
  EXPECT_EQ(offsets_from(8).front(), 12);
}

TEST_F(LogTest, a_killed_log_is_cut_only_above_its_noted_offset) {
  open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(append(make_batch(4)).has_value());
  const std::uint64_t bytes = log_->size_bytes() / 3;
  log_.reset();
  flip(bytes + 100);
  life_.end = LastLife::End::killed;
  life_.noted_end = Offset{8};
  EXPECT_FALSE(try_open().has_value());
  life_.noted_end = Offset{4};
  open();
  EXPECT_EQ(log_->end(), Offset{4});
  EXPECT_GT(report_.cut_bytes, 0u);
}

}  // namespace
}  // namespace dohle::log
