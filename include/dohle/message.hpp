#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dohle/export.hpp"
#include "dohle/ids.hpp"
#include "dohle/record.hpp"

namespace dohle {
inline namespace v0 {

/// A header that a Message owns. Names may repeat, order is kept, a value may be null.
struct Header {
  /// Its name, which other headers of the message may have, too.
  std::string name;
  /// Its value. If absent, it is null.
  std::optional<std::string> value;
  friend bool operator==(const Header&, const Header&) = default;
};

/// A message: what is published, or a copy of what was received. Bodies and keys are bytes and are
/// sent as they are. An absent body is a tombstone, an absent key is not an empty key. A copy of
/// what was received has its partition and time too: published again it goes to the partition of
/// that number, unless `with_partition({})` leaves it to the balancer.
///
/// The `with_*` members build one in a chain: `Message("text").with_key("k").with_header("a",
/// "b")`. Not thread safe; copies are independent.
class DOHLE_API Message {
 public:
  Message() = default;
  /// A message with that body.
  explicit Message(std::string body) : body_(std::move(body)) {}

  /// Sets the body.
  Message& with_body(std::string body) & { return body_ = std::move(body), *this; }
  /// No body: on a compacted topic it deletes the key.
  Message& with_tombstone() & { return body_.reset(), *this; }
  /// Sets the key.
  Message& with_key(std::string key) & { return key_ = std::move(key), *this; }
  /// Appends; an earlier header of that name stays.
  Message& with_header(std::string name, std::optional<std::string> value) & {
    headers_.push_back({std::move(name), std::move(value)});
    return *this;
  }
  /// Replaces all headers.
  Message& with_headers(std::vector<Header> headers) & {
    return headers_ = std::move(headers), *this;
  }
  /// The partition to send to, instead of the balancer's choice.
  Message& with_partition(PartitionId partition) & { return partition_ = partition, *this; }
  /// Bookkeeping of the caller's; the server assigns the offset.
  Message& with_offset(Offset offset) & { return offset_ = offset, *this; }
  /// The record's time; none: when it is published.
  Message& with_timestamp(Timestamp timestamp) & { return timestamp_ = timestamp, *this; }
  /// Stays in this process: never sent.
  Message& with_metadata(std::string name, std::string value) & {
    metadata_.insert_or_assign(std::move(name), std::move(value));
    return *this;
  }
  /// An id for the caller's own use; never sent.
  Message& with_id(std::string id) & { return id_ = std::move(id), *this; }

  Message&& with_body(std::string v) && { return std::move(with_body(std::move(v))); }
  Message&& with_tombstone() && { return std::move(with_tombstone()); }
  Message&& with_key(std::string v) && { return std::move(with_key(std::move(v))); }
  Message&& with_header(std::string name, std::optional<std::string> value) && {
    return std::move(with_header(std::move(name), std::move(value)));
  }
  Message&& with_headers(std::vector<Header> v) && { return std::move(with_headers(std::move(v))); }
  Message&& with_partition(PartitionId v) && { return std::move(with_partition(v)); }
  Message&& with_offset(Offset v) && { return std::move(with_offset(v)); }
  Message&& with_timestamp(Timestamp v) && { return std::move(with_timestamp(v)); }
  Message&& with_metadata(std::string name, std::string value) && {
    return std::move(with_metadata(std::move(name), std::move(value)));
  }
  Message&& with_id(std::string v) && { return std::move(with_id(std::move(v))); }

  /// If absent, the message is a tombstone.
  [[nodiscard]] const std::optional<std::string>& body() const { return body_; }
  /// If absent, the message has no key.
  [[nodiscard]] const std::optional<std::string>& key() const { return key_; }
  /// In the order in which they were added.
  [[nodiscard]] const std::vector<Header>& headers() const { return headers_; }
  /// The first header of that name; null if there is none.
  [[nodiscard]] const Header* find_header(std::string_view name) const;
  /// Appends those of `headers` whose name is not there yet, repeated ones as they are.
  void merge_headers(const std::vector<Header>& headers);
  /// none: the balancer chooses.
  [[nodiscard]] PartitionId partition() const { return partition_; }
  /// See with_offset.
  [[nodiscard]] Offset offset() const { return offset_; }
  /// none: the time at which it is published.
  [[nodiscard]] Timestamp timestamp() const { return timestamp_; }
  /// See with_metadata.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// See with_id.
  [[nodiscard]] const std::string& id() const { return id_; }

 private:
  std::optional<std::string> body_;
  std::optional<std::string> key_;
  std::vector<Header> headers_;
  PartitionId partition_;
  Offset offset_;
  Timestamp timestamp_;
  std::map<std::string, std::string> metadata_;
  std::string id_;
};

}  // namespace v0
}  // namespace dohle
