#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bytes_of.hpp"
#include "everything.hpp"
#include "wire/big_endian.hpp"
#include "wire/bounded_decode.hpp"
#include "wire/messages/fetch.hpp"

// Bytes that contradict themselves or the limits. Small has a string and an array of {int16,
// string}. From version 1 on it is flexible, with an int32 as tag 0 and a string as tag 4.

namespace dohle::wire {
namespace {

using testing::HasSubstr;

std::string refusal(std::string_view hex, std::int16_t version) {
  const auto message = decode<Small>(bytes_of(hex), version);
  if (message) return "accepted";
  EXPECT_TRUE(message.error().is(Errc::malformed)) << message.error().to_string();
  return std::string(message.error().message());
}

TEST(Malformed, well_formed_bytes_are_accepted) {
  EXPECT_EQ(refusal("0001 61 00000001 0007 0001 62", 0), "accepted");
  EXPECT_EQ(refusal("02 61 02 0007 02 62 00 00", 1), "accepted");
}

TEST(Malformed, errors_name_the_byte_the_field_and_the_fault) {
  EXPECT_EQ(refusal("0001 61 00000002 0007 0001 62 0008 0003 6363", 0),
            "malformed Small version 0 at byte 16, field items.name: length 3, 2 bytes are left");
  EXPECT_EQ(refusal("00", 0),
            "malformed Small version 0 at byte 0, field name: 2 bytes wanted, 1 are left");
}

TEST(Malformed, bytes_after_the_end_are_refused) {
  EXPECT_THAT(refusal("0000 00000000 00", 0), HasSubstr("at byte 6: 1 bytes too many"));
  EXPECT_TRUE(decode_prefix<Small>(bytes_of("0000 00000000 00"), 0));
}

TEST(Malformed, every_prefix_is_refused) {
  const Slice plain = bytes_of("0001 61 00000001 0007 0001 62");
  for (std::size_t size = 0; size < plain.size(); ++size) {
    EXPECT_FALSE(decode<Small>(plain.sub(0, size), 0)) << size;
    EXPECT_FALSE(decode_prefix<Small>(plain.sub(0, size), 0)) << size;
  }
  const Slice compact = bytes_of("02 61 02 0007 02 62 00 02 00 04 00000001 04 03 02 63 63");
  for (std::size_t size = 0; size < compact.size(); ++size) {
    EXPECT_FALSE(decode<Small>(compact.sub(0, size), 1)) << size;
  }
}

TEST(Malformed, nulls_and_negative_lengths_are_refused) {
  EXPECT_THAT(refusal("ffff 00000000", 0), HasSubstr("name: null where null is not allowed"));
  EXPECT_THAT(refusal("0000 ffffffff", 0), HasSubstr("items: null where null is not allowed"));
  EXPECT_THAT(refusal("00 01 00", 1), HasSubstr("name: null where null is not allowed"));
  EXPECT_THAT(refusal("01 00 00", 1), HasSubstr("items: null where null is not allowed"));
  EXPECT_THAT(refusal("fffe 00000000", 0), HasSubstr("negative length -2"));
  EXPECT_THAT(refusal("8000 00000000", 0), HasSubstr("negative length -32768"));
  EXPECT_THAT(refusal("0000 80000000", 0), HasSubstr("negative length -2147483648"));
}

TEST(Malformed, counts_above_the_bytes_left_or_the_limit_are_refused) {
  EXPECT_THAT(refusal("0000 00000005 00000000", 0), HasSubstr("length 5, 4 bytes are left"));
  EXPECT_THAT(refusal("0000 000f4240 00000000", 0), HasSubstr("length 1000000, 4 bytes are left"));
  EXPECT_THAT(refusal("0000 000f4241 00000000", 0),
              HasSubstr("1000001 elements, at most 1000000 are allowed"));
  EXPECT_THAT(refusal("0000 7fffffff", 0), HasSubstr("at most 1000000 are allowed"));
  EXPECT_THAT(refusal("01 ffffffff0f 00", 1), HasSubstr("at most 1000000 are allowed"));
}

TEST(Malformed, elements_of_all_arrays_above_the_limit_are_not_decoded) {
  Small message;
  message.items.resize(7);
  const Slice body = *encode(message, 1)->flatten();
  EXPECT_TRUE(decode_bounded<Small>(body, 1, 7));
  const auto refused = decode_bounded<Small>(body, 1, 6);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::too_large));
  EXPECT_EQ(
      refused.error().message(),
      "Small version 1 at byte 2, field items: all arrays together have more than 6 elements");
}

TEST(Malformed, malformed_variable_length_numbers_are_refused) {
  EXPECT_THAT(refusal("ffffffff10 01 00", 1), HasSubstr("above 32 bits"));
  EXPECT_THAT(refusal("8080808080 01", 1), HasSubstr("above 32 bits"));
  EXPECT_THAT(refusal("80", 1), HasSubstr("cut off"));
  EXPECT_THAT(refusal("ffffffff0f 01 00", 1), HasSubstr("at most 32767 are allowed"));
}

TEST(Malformed, compact_strings_above_32767_bytes_are_refused_even_if_complete) {
  std::string bytes("\x81\x80\x02", 3);
  bytes.append(32768, 'x').append("\x01\x00", 2);
  const auto message = decode<Small>(Slice::copy_of(bytes), 1);
  ASSERT_FALSE(message);
  EXPECT_THAT(message.error().message(), HasSubstr("string of 32768 bytes"));
}

TEST(Malformed, malformed_tags_are_refused) {
  EXPECT_EQ(refusal("01 01 02 00 04 00000001 04 02 01 ff", 1),
            "malformed Small version 1 at byte 12, "
            "field secondTag: the tagged field is shorter than its length says");
  EXPECT_THAT(refusal("01 01 02 00 04 00000001 00 04 00000001", 1),
              HasSubstr("tag 0 out of order"));
  EXPECT_THAT(refusal("01 01 02 04 01 01 00 04 00000001", 1), HasSubstr("tag 0 out of order"));
  EXPECT_THAT(refusal("01 01 02 09 00 09 00", 1), HasSubstr("tag 9 out of order"));
  EXPECT_THAT(refusal("01 01 01 00 03 000000 01", 1), HasSubstr("firstTag: 4 bytes wanted, 3"));
  EXPECT_THAT(refusal("01 01 01 09 05 00", 1), HasSubstr("tagged field of 5 bytes, 1 are left"));
  EXPECT_THAT(refusal("01 01 05 00", 1), HasSubstr("5 tagged fields"));
  EXPECT_THAT(refusal("01 01 ffffffff0f", 1), HasSubstr("4294967295 tagged fields"));
}

TEST(Malformed, more_than_ten_thousand_tags_are_refused) {
  auto tags = [](std::uint32_t count) {
    std::string bytes("\x01\x01", 2);
    for (std::uint32_t n = count;; n >>= 7) {
      bytes += static_cast<char>(n > 127 ? (n & 127) | 128 : n);
      if (n <= 127) break;
    }
    for (std::uint32_t tag = 100; tag < 100 + count; ++tag) {
      bytes += static_cast<char>((tag & 127) | 128);
      bytes += static_cast<char>((tag >> 7 & 127) | 128);
      bytes += static_cast<char>(tag >> 14);
      bytes += '\0';
    }
    return Slice::copy_of(bytes);
  };
  EXPECT_TRUE(decode<Small>(tags(10'000), 1));
  const auto message = decode<Small>(tags(10'001), 1);
  ASSERT_FALSE(message);
  EXPECT_THAT(message.error().message(), HasSubstr("10001 tagged fields"));
}

TEST(Malformed, unknown_tags_are_skipped_at_every_level) {
  const auto message = decode<Small>(
      bytes_of("02 61 02 0007 02 62 01 05 02 ffff 03 00 04 00000005 02 01 ff 04 02 02 63"), 1);
  ASSERT_TRUE(message) << message.error().to_string();
  EXPECT_EQ(message->items.at(0).name, "b");
  EXPECT_EQ(message->first_tag, 5);
  EXPECT_EQ(message->second_tag, "c");
}

TEST(Malformed, tagged_fields_do_not_reach_beyond_their_length) {
  // Tag 4 states 2 bytes, while its string states 5, which the whole message has left.
  EXPECT_THAT(refusal("01 01 02 04 02 06 63 09 03 636363", 1),
              HasSubstr("secondTag: length 5, 1 bytes are left"));
}

TEST(Malformed, records_longer_than_the_frame_are_refused) {
  FetchResponse response;
  response.responses.emplace_back().partitions.emplace_back().records.emplace(
      Slice::copy_of("records"));
  const Slice good = encode(response, 4).value().flatten().value();
  std::string bytes(good.text());
  store_big_endian(reinterpret_cast<std::byte*>(bytes.data() + bytes.size() - 11),
                   std::int32_t{0x7fffffff});
  const auto refused = decode<FetchResponse>(Slice::copy_of(bytes), 4);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("responses.partitions.records: length 2147483647, 7 bytes are left"));
}

}  // namespace
}  // namespace dohle::wire
