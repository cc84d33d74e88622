#include "wire/codec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/disk.hpp"
#include "bytes_of.hpp"
#include "everything.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/metadata.hpp"
#include "wire/messages/produce.hpp"

namespace dohle::wire {
namespace {

using testing::HasSubstr;

Everything filled() {
  Everything e;
  e.flag = true;
  e.i8 = -128;
  e.i16 = -2;
  e.u16 = 65535;
  e.i32 = -3;
  e.u32 = 4294967295u;
  e.i64 = -4;
  e.f64 = -0.5;
  e.offset = Offset{17};
  e.topic_id.bytes[3] = 3;
  e.uuid[15] = 15;
  e.text = "text";
  e.nullable_text = "";
  e.bytes = Slice::copy_of("bytes");
  e.nullable_bytes = Slice::copy_of("more");
  e.records = Chain(Slice::copy_of("records"));
  e.numbers = {1, -1};
  e.texts = {"", "a"};
  e.inners = {{1, "one", "x"}, {2, "two", ""}};
  e.nullable_inners.emplace(1);
  e.nullable_inner = Everything::Inner{3, "three", "y"};
  e.nullable_since_one = "n";
  return e;
}

template <class M>
Slice bytes_in(const M& message, std::int16_t version) {
  auto chain = encode(message, version);
  EXPECT_TRUE(chain) << chain.error().to_string();
  EXPECT_EQ(chain->size(), encoded_size(message, version).value());
  return chain->flatten().value();
}

void expect_filled(const Everything& e) {
  EXPECT_TRUE(e.flag);
  EXPECT_EQ(e.i8, -128);
  EXPECT_EQ(e.i16, -2);
  EXPECT_EQ(e.u16, 65535);
  EXPECT_EQ(e.i32, -3);
  EXPECT_EQ(e.u32, 4294967295u);
  EXPECT_EQ(e.i64, -4);
  EXPECT_EQ(e.f64, -0.5);
  EXPECT_EQ(e.offset, Offset{17});
  EXPECT_EQ(e.topic_id.bytes[3], 3);
  EXPECT_EQ(e.uuid[15], 15);
  EXPECT_EQ(e.text, "text");
  EXPECT_EQ(e.nullable_text, "");
  EXPECT_EQ(e.bytes.text(), "bytes");
  EXPECT_EQ(e.nullable_bytes.value().text(), "more");
  EXPECT_EQ(e.records.value().flatten().value().text(), "records");
  EXPECT_EQ(e.numbers, (std::vector<std::int32_t>{1, -1}));
  EXPECT_EQ(e.texts, (std::vector<std::string>{"", "a"}));
  ASSERT_EQ(e.inners.size(), 2u);
  EXPECT_EQ(e.inners[1].text, "two");
  ASSERT_TRUE(e.nullable_inners);
  EXPECT_EQ(e.nullable_inners->at(0).number, -7);
  ASSERT_TRUE(e.nullable_inner);
  EXPECT_EQ(e.nullable_inner->text, "three");
  EXPECT_EQ(e.nullable_since_one, "n");
}

TEST(Codec, every_type_is_restored_in_every_version) {
  for (std::int16_t version = 0; version <= 3; ++version) {
    SCOPED_TRACE(version);
    Everything e = filled();
    if (version < 2) {
      e.inners[0].tag.clear();
      e.nullable_inner->tag.clear();
    }
    const auto back = decode<Everything>(bytes_in(e, version), version);
    ASSERT_TRUE(back) << back.error().to_string();
    expect_filled(*back);
  }
}

TEST(Codec, nulls_are_restored) {
  for (std::int16_t version = 1; version <= 3; ++version) {
    Everything e;
    e.nullable_since_one.reset();
    const auto back = decode<Everything>(bytes_in(e, version), version);
    ASSERT_TRUE(back) << back.error().to_string();
    EXPECT_FALSE(back->nullable_text);
    EXPECT_FALSE(back->nullable_bytes);
    EXPECT_FALSE(back->records);
    EXPECT_FALSE(back->nullable_inners);
    EXPECT_FALSE(back->nullable_inner);
    EXPECT_FALSE(back->nullable_since_one);
  }
}

// Types that no current message has, so golden bytes do not cover them.
TEST(Codec, numbers_are_big_endian) {
  const Slice bytes = bytes_in(filled(), 2);
  EXPECT_EQ(hex_of(bytes.bytes().first(30)),
            "0180fffeffff"
            "fffffffdffffffff"
            "fffffffffffffffc"
            "bfe0000000000000");
}

TEST(Codec, nullable_structs_are_preceded_by_a_byte) {
  Everything e;
  const std::size_t without = bytes_in(e, 0).size();
  e.nullable_inner = Everything::Inner{};
  EXPECT_EQ(bytes_in(e, 0).size(), without + 4 + 2);
}

TEST(Codec, tagged_fields_are_written_only_if_they_differ_from_their_default) {
  Everything e;
  const std::size_t none = bytes_in(e, 3).size();
  e.tagged_number = 10;
  EXPECT_EQ(bytes_in(e, 3).size(), none + 2 + 4);
  e.tagged_inner.tag = "deep";
  e.tagged_inners.resize(2);
  e.tagged_text = "";
  const auto back = decode<Everything>(bytes_in(e, 3), 3);
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(back->tagged_number, 10u);
  EXPECT_EQ(back->tagged_inner.tag, "deep");
  EXPECT_EQ(back->tagged_inners.size(), 2u);
  EXPECT_EQ(back->tagged_text, "");
}

TEST(Codec, fields_that_a_version_lacks_keep_their_default) {
  Everything e;
  e.dropped_since_one = 60;
  const auto back = decode<Everything>(bytes_in(e, 0), 0);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->kept_since_one, 5);
  EXPECT_EQ(back->dropped_since_one, 6);
  EXPECT_EQ(back->tagged_number, 9u);
}

TEST(Codec, a_set_field_that_the_version_lacks_is_refused_unless_ignorable) {
  Everything e;
  e.kept_since_one = 50;
  const auto refused = encode(e, 0);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::unsupported_version));
  EXPECT_THAT(refused.error().message(), HasSubstr("Everything version 0, field keptSinceOne"));
  EXPECT_TRUE(encode(e, 1));

  Everything tagged;
  tagged.tagged_inners.resize(1);
  EXPECT_FALSE(encode(tagged, 2));
  EXPECT_TRUE(encode(tagged, 3));
  Everything deep;
  deep.tagged_inner.number = 0;
  EXPECT_FALSE(encode(deep, 1));
  Everything dropped;
  dropped.tagged_text = "dropped";
  EXPECT_TRUE(encode(dropped, 1));
}

TEST(Codec, real_messages_follow_their_schemas) {
  MetadataRequest request;
  request.allow_auto_topic_creation = false;
  EXPECT_FALSE(encode(request, 3));
  EXPECT_TRUE(encode(request, 4));
  request.topics.reset();
  EXPECT_TRUE(encode(request, 4));
  request.allow_auto_topic_creation = true;
  const auto null_topics = encode(request, 0);
  ASSERT_FALSE(null_topics);
  EXPECT_THAT(null_topics.error().message(), HasSubstr("field topics: may not be null"));
}

TEST(Codec, a_null_that_the_version_does_not_allow_is_refused_both_ways) {
  Everything e;
  e.nullable_since_one.reset();
  const auto refused = encode(e, 0);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::invalid_argument));
  EXPECT_THAT(refused.error().message(), HasSubstr("nullableSinceOne: may not be null"));
}

TEST(Codec, strings_have_at_most_32767_bytes) {
  Small message;
  message.name.assign(max_string_bytes, 'x');
  for (std::int16_t version = 0; version <= 2; ++version) {
    EXPECT_EQ(decode<Small>(bytes_in(message, version), version).value().name, message.name);
  }
  message.name += 'x';
  const auto refused = encode(message, 2);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is(Errc::invalid_argument));
  message.name.clear();
  message.second_tag.assign(max_string_bytes + 1, 'x');
  EXPECT_FALSE(encode(message, 2)) << "also within a tagged field";
}

TEST(Codec, unknown_versions_are_refused) {
  for (const std::int16_t version : std::initializer_list<std::int16_t>{-1, 4, 32767}) {
    const auto encoded = encode(Everything{}, version);
    ASSERT_FALSE(encoded);
    EXPECT_TRUE(encoded.error().is(Errc::unsupported_version));
    EXPECT_THAT(encoded.error().message(), HasSubstr("only 0 to 3"));
    EXPECT_FALSE(encoded_size(Everything{}, version));
    EXPECT_FALSE(decode<Everything>(Slice{}, version));
  }
}

TEST(Codec, records_are_spliced_in_without_copying) {
  const Slice one = Slice::copy_of("first batch");
  const Slice two = Slice::copy_of("second batch");
  ProduceRequest request;
  auto& partitions = request.topic_data.emplace_back().partition_data;
  partitions.resize(2);
  partitions[0].records.emplace().append(one);
  partitions[0].records->append(two);
  partitions[1].records.emplace();

  const Chain chain = encode(request, 9).value();
  std::vector<const std::byte*> places;
  for (const Chain::Piece& piece : chain.pieces()) places.push_back(std::get<Slice>(piece).data());
  ASSERT_EQ(places.size(), 4u);
  EXPECT_EQ(places[1], one.data());
  EXPECT_EQ(places[2], two.data());
  const auto& before = std::get<Slice>(chain.pieces()[0]);
  const auto& after = std::get<Slice>(chain.pieces()[3]);
  EXPECT_EQ(before.buffer(), after.buffer()) << "one buffer for all that is not records";
  const auto back = decode<ProduceRequest>(chain.flatten().value(), 9).value();
  EXPECT_EQ(back.topic_data[0].partition_data[0].records->flatten().value().text(),
            "first batchsecond batch");
  EXPECT_TRUE(back.topic_data[0].partition_data[1].records->empty());
}

TEST(Codec, file_ranges_are_passed_on_unread) {
  FetchResponse response;
  auto& partition = response.responses.emplace_back().partitions.emplace_back();
  partition.records.emplace().append(FileRange{nullptr, 4096, 1000});
  const Chain chain = encode(response, 12).value();
  EXPECT_EQ(chain.size(), encoded_size(response, 12).value());
  ASSERT_EQ(chain.pieces().size(), 3u);
  EXPECT_EQ(std::get<FileRange>(chain.pieces()[1]).offset, 4096u);
  EXPECT_EQ(std::get<FileRange>(chain.pieces()[1]).size, 1000u);
}

TEST(Codec, bytes_and_records_are_views_that_keep_the_frame) {
  Slice frame = bytes_in(filled(), 3);
  const std::byte* begin = frame.data();
  const std::byte* end = begin + frame.size();
  const auto back = decode<Everything>(frame, 3).value();
  EXPECT_EQ(back.bytes.buffer(), frame.buffer());
  const auto& records = std::get<Slice>(back.records->pieces().at(0));
  EXPECT_EQ(records.buffer(), frame.buffer());
  EXPECT_TRUE(records.data() > begin && records.data() < end);
  frame = Slice{};
  EXPECT_EQ(records.text(), "records");
}

}  // namespace
}  // namespace dohle::wire
