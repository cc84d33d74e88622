#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>

#include "base/descriptor.hpp"
#include "base/disk.hpp"
#include "disk/system_calls.hpp"

namespace dohle::disk {

/// Makes the names in a directory durable.
Result<void> sync_directory_at(const std::string& path, SystemCalls& calls);

/// A file of the file system. `path()` is the path at the open, also after a rename. Thread safety:
/// as File. `sync` may be called from any thread, one at a time, beside all other calls.
class OpenFile final : public File {
 public:
  static Result<std::shared_ptr<OpenFile>> open(const std::string& path, OpenMode mode,
                                                SystemCalls& calls);

  OpenFile(std::string path, Descriptor descriptor, std::uint64_t size, FileIdentity identity,
           SystemCalls& calls)
      : path_(std::move(path)),
        descriptor_(std::move(descriptor)),
        identity_(identity),
        calls_(calls),
        size_(size) {}

  /// The names in a directory, which `sync` opens.
  static std::shared_ptr<OpenFile> names_in(const std::string& directory, SystemCalls& calls);

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] FileIdentity identity() const override { return identity_; }
  [[nodiscard]] std::uint64_t size() const override {
    return size_.load(std::memory_order_relaxed);
  }
  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const override;
  Result<void> write(std::uint64_t offset, std::span<const Bytes> pieces) override;
  Result<void> reserve(std::uint64_t end) override;
  Result<void> extend(std::uint64_t end) override;
  Result<void> truncate(std::uint64_t size) override;
  [[nodiscard]] std::optional<Timestamp> modified_at() const override;
  [[nodiscard]] int descriptor() const override { return descriptor_.number(); }

  /// The number of the device that holds the file.
  [[nodiscard]] std::uint64_t device() const { return identity_.device; }
  /// Makes all writes durable. Every call after a failure returns the first failure: the system
  /// reports lost pages once, and then treats them as clean.
  Result<void> sync();
  /// The first failure of `sync`, if any.
  [[nodiscard]] Result<void> health() const;

 private:
  Result<std::size_t> write_some(std::uint64_t offset, std::span<const iovec> pieces);
  Result<void> allocate(std::uint64_t end, int mode);
  Result<void> check_free_space(std::uint64_t bytes) const;
  Result<void> sync_once();

  std::string path_;
  Descriptor descriptor_;
  FileIdentity identity_;
  SystemCalls& calls_;
  std::atomic<std::uint64_t> size_;
  std::uint64_t reserved_ = 0;
  bool can_reserve_ = true;
  bool is_directory_ = false;
  mutable std::mutex health_mutex_;
  std::optional<Error> sync_error_;
};

}  // namespace dohle::disk
