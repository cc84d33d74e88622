#pragma once

#include <deque>
#include <optional>

#include "base/chain.hpp"
#include "net/frame_prefix.hpp"

namespace dohle::net {

/// Cuts Slices as they arrive through a pipe into frames. A frame that lies within one Slice is
/// shared, any other is put together in a buffer of its own once its length was admitted.
class PipeFrames {
 public:
  /// What arrives is in memory already: the whole frame is asked for with its length.
  static constexpr bool is_read_in_pieces = false;

  explicit PipeFrames(std::size_t max_frame_bytes) : max_frame_bytes_(max_frame_bytes) {}

  void add(Slice slice);
  /// Bytes that arrived and are in no frame taken.
  [[nodiscard]] std::size_t size() const { return size_; }
  void clear();

  [[nodiscard]] FrameState state();
  [[nodiscard]] std::size_t length() const { return length_; }
  void admit() { is_admitted_ = true; }
  [[nodiscard]] Slice take_frame();
  [[nodiscard]] const Error& error() const { return *error_; }

 private:
  [[nodiscard]] Slice take(std::size_t size);

  std::size_t max_frame_bytes_;
  std::deque<Slice> slices_;
  std::size_t size_ = 0;
  bool has_length_ = false;
  bool is_admitted_ = false;
  std::size_t length_ = 0;
  std::optional<Error> error_;
};

/// Appends to `into` what `bytes` stands for. File ranges that are in memory are shared, others are
/// read; an error of a file is returned.
Result<void> append_slices(Chain bytes, std::vector<Slice>& into);

}  // namespace dohle::net
