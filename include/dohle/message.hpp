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
  /// The header's name; several headers of a message may have the same name.
  std::string name;
  /// The header's value. If absent, it is null.
  std::optional<std::string> value;
  friend bool operator==(const Header&, const Header&) = default;
};

/// A message to publish, or a copy of a received one. Bodies and keys are bytes and are sent
/// unchanged. An absent body is a tombstone. An absent key differs from an empty key. A copy of a
/// received message keeps its partition and timestamp: when it is published again, it goes to the
/// partition of that number, unless `with_partition({})` resets it.
///
/// The `with_*` members build a message in a chain: `Message("text").with_key("k").with_header("a",
/// "b")`. Not thread safe; copies are independent.
class DOHLE_API Message {
 public:
  Message() = default;
  /// A message with that body.
  explicit Message(std::string body) : body_(std::move(body)) {}

  /// Sets the body.
  Message& with_body(std::string body) & { return body_ = std::move(body), *this; }
  /// Removes the body, so that the message is a tombstone. On a compacted topic it deletes its key.
  Message& with_tombstone() & { return body_.reset(), *this; }
  /// Sets the key.
  Message& with_key(std::string key) & { return key_ = std::move(key), *this; }
  /// Appends a header. An earlier header of that name stays.
  Message& with_header(std::string name, std::optional<std::string> value) & {
    headers_.push_back({std::move(name), std::move(value)});
    return *this;
  }
  /// Replaces all headers.
  Message& with_headers(std::vector<Header> headers) & {
    return headers_ = std::move(headers), *this;
  }
  /// Sets the partition. Default: none, the client chooses it.
  Message& with_partition(PartitionId partition) & { return partition_ = partition, *this; }
  /// Sets an offset for the caller's own use. The server assigns the real offset.
  Message& with_offset(Offset offset) & { return offset_ = offset, *this; }
  /// Sets the timestamp. Default: none, the time at which it is published.
  Message& with_timestamp(Timestamp timestamp) & { return timestamp_ = timestamp, *this; }
  /// Sets metadata for the caller's own use; never sent.
  Message& with_metadata(std::string name, std::string value) & {
    metadata_.insert_or_assign(std::move(name), std::move(value));
    return *this;
  }
  /// Sets an id for the caller's own use; never sent.
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

  /// The body. If absent, the message is a tombstone.
  [[nodiscard]] const std::optional<std::string>& body() const { return body_; }
  /// The key. If absent, the message has no key.
  [[nodiscard]] const std::optional<std::string>& key() const { return key_; }
  /// The headers in the order in which they were added.
  [[nodiscard]] const std::vector<Header>& headers() const { return headers_; }
  /// The first header of that name; null if there is none.
  [[nodiscard]] const Header* find_header(std::string_view name) const;
  /// Appends the headers whose name the message does not have yet. Names that repeat within
  /// `headers` stay repeated.
  void merge_headers(const std::vector<Header>& headers);
  /// The partition. none if the client chooses it.
  [[nodiscard]] PartitionId partition() const { return partition_; }
  /// See with_offset.
  [[nodiscard]] Offset offset() const { return offset_; }
  /// The timestamp. none means the time at which it is published.
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
