#include "node/group/group_records.hpp"

#include "wire/versioned.hpp"

namespace dohle::node {

namespace {

// The versions that Apache Kafka 4.x writes for groups of this kind.
constexpr std::int16_t offset_value_version = 3;
// The only version with an expiry. It has no leader epoch.
constexpr std::int16_t expiring_offset_value_version = 1;
constexpr std::int16_t group_value_version = 3;
constexpr std::int16_t old_offset_key = 0;

template <class Key>
Result<GroupRecord> with_key(const Key& key) {
  auto bytes = wire::encode_key(key);
  if (!bytes) return fail(bytes.error());
  auto flat = bytes->flatten();
  if (!flat) return fail(flat.error());
  return GroupRecord{*std::move(flat), std::nullopt};
}

template <class Key, class Value>
Result<GroupRecord> with_value(const Key& key, const Value& value, std::int16_t version) {
  auto record = with_key(key);
  if (!record) return record;
  auto bytes = wire::encode_versioned(value, version);
  if (!bytes) return fail(bytes.error());
  auto flat = bytes->flatten();
  if (!flat) return fail(flat.error());
  record->value = *std::move(flat);
  return record;
}

Error damaged(const Error& why) {
  return Error::storage(Errc::damaged, "a group's record: " + std::string(why.message()));
}

/// Reads a value. A later version is an error: the key is of a known kind, so the record must not
/// be skipped.
template <class Value>
Result<Value> read_value(const Slice& value) {
  auto read = wire::decode_versioned<Value>(value);
  if (read) return read;
  if (!read.error().is(Errc::unsupported_version)) return fail(damaged(read.error()));
  return fail(
      Error::storage(Errc::unsupported_version,
                     "a group's record: " + std::string(read.error().message()) + "; Dohle " +
                         std::string(journal_version()) +
                         " does not know it: run the version that wrote it or a later one"));
}

Result<StoredRecord> read_offset(const Slice& key, const std::optional<Slice>& value) {
  // Kinds 0 and 1 differ only in the number.
  const auto names = wire::decode<wire::OffsetCommitKey>(key.sub(sizeof(std::int16_t)), 0);
  if (!names) return fail(damaged(names.error()));
  StoredOffset stored{names->group, names->topic, names->partition, std::nullopt};
  if (!value) return stored;
  const auto committed = read_value<wire::OffsetCommitValue>(*value);
  if (!committed) return fail(committed.error());
  stored.committed =
      CommittedOffset{committed->offset, committed->leader_epoch, committed->metadata,
                      committed->commit_timestamp, committed->expire_timestamp};
  return stored;
}

}  // namespace

Result<GroupRecord> offset_record(const std::string& group, const std::string& topic,
                                  PartitionId partition, const CommittedOffset& committed) {
  wire::OffsetCommitValue value;
  value.offset = committed.offset;
  value.leader_epoch = committed.leader_epoch;
  value.metadata = committed.metadata;
  value.commit_timestamp = committed.committed_at;
  value.expire_timestamp = committed.expires_at;
  return with_value(
      wire::OffsetCommitKey{group, topic, partition}, value,
      committed.expires_at.is_none() ? offset_value_version : expiring_offset_value_version);
}

Result<GroupRecord> offset_tombstone(const std::string& group, const std::string& topic,
                                     PartitionId partition) {
  return with_key(wire::OffsetCommitKey{group, topic, partition});
}

Result<GroupRecord> group_record(const ClassicGroup& group) {
  return with_value(wire::GroupMetadataKey{group.id()}, group.to_stored(), group_value_version);
}

Result<GroupRecord> group_tombstone(const std::string& group) {
  return with_key(wire::GroupMetadataKey{group});
}

Result<StoredRecord> read_group_record(const Slice& key, const std::optional<Slice>& value) {
  const auto kind = wire::peek_version(key);
  if (!kind) return fail(damaged(kind.error()));
  if (*kind == wire::OffsetCommitKey::record_type || *kind == old_offset_key) {
    return read_offset(key, value);
  }
  if (*kind != wire::GroupMetadataKey::record_type) return StoredUnknown{};
  auto names = wire::decode_key<wire::GroupMetadataKey>(key);
  if (!names) return fail(damaged(names.error()));
  if (!value) return StoredGroup{std::move(names->group), std::nullopt};
  auto state = read_value<wire::GroupMetadataValue>(*value);
  if (!state) return fail(state.error());
  return StoredGroup{std::move(names->group), *std::move(state)};
}

}  // namespace dohle::node
