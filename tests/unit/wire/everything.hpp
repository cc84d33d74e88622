#pragma once

#include "wire/codec.hpp"
#include "wire/fields.hpp"

namespace dohle::wire {

/// A message with every type of field. Versions 0 and 1 are plain, 2 and 3 flexible.
struct Everything {
  static constexpr Api api{ApiKey::none, versions(0, 3), flexible_since(2)};

  struct Inner {
    std::int32_t number = -7;
    std::string text;
    std::string tag;

    static void fields(auto& self, auto& f) {
      f(self.number, "number");
      f(self.text, "text");
      f(self.tag, "tag", tagged(3, 2));
    }
  };

  bool flag = false;
  std::int8_t i8 = 0;
  std::int16_t i16 = 0;
  std::uint16_t u16 = 0;
  std::int32_t i32 = 0;
  std::uint32_t u32 = 0;
  std::int64_t i64 = 0;
  double f64 = 0;
  Offset offset;
  TopicId topic_id;
  Uuid uuid{};
  std::string text;
  std::optional<std::string> nullable_text;
  Slice bytes;
  std::optional<Slice> nullable_bytes;
  std::optional<Chain> records;
  std::vector<std::int32_t> numbers;
  std::vector<std::string> texts;
  std::vector<Inner> inners;
  std::optional<std::vector<Inner>> nullable_inners;
  std::optional<Inner> nullable_inner;
  std::int32_t kept_since_one = 5;
  std::int32_t dropped_since_one = 6;
  std::optional<std::string> nullable_since_one = std::string{};
  std::uint32_t tagged_number = 9;
  Inner tagged_inner;
  std::vector<Inner> tagged_inners;
  std::optional<std::string> tagged_text;

  static void fields(auto& self, auto& f) {
    f(self.flag, "flag");
    f(self.i8, "i8");
    f(self.i16, "i16");
    f(self.u16, "u16");
    f(self.i32, "i32");
    f(self.u32, "u32");
    f(self.i64, "i64");
    f(self.f64, "f64");
    f(self.offset, "offset");
    f(self.topic_id, "topicId");
    f(self.uuid, "uuid");
    f(self.text, "text");
    f(self.nullable_text, "nullableText");
    f(self.bytes, "bytes");
    f(self.nullable_bytes, "nullableBytes");
    f(self.records, "records");
    f(self.numbers, "numbers");
    f(self.texts, "texts");
    f(self.inners, "inners");
    f(self.nullable_inners, "nullableInners");
    f(self.nullable_inner, "nullableInner");
    f(self.kept_since_one, "keptSinceOne", since(1));
    f(self.dropped_since_one, "droppedSinceOne", since(1), ignorable);
    f(self.nullable_since_one, "nullableSinceOne", nullable_since(1));
    f(self.tagged_number, "taggedNumber", tagged(0, 2));
    f(self.tagged_inner, "taggedInner", tagged(1, 2));
    f(self.tagged_inners, "taggedInners", tagged(2, 3));
    f(self.tagged_text, "taggedText", tagged(10, 2), ignorable);
  }
};

/// A string and an array, encoded by hand in tests of invalid input.
struct Small {
  static constexpr Api api{ApiKey::none, versions(0, 2), flexible_since(1)};

  struct Item {
    std::int16_t id = 0;
    std::string name;

    static void fields(auto& self, auto& f) {
      f(self.id, "id");
      f(self.name, "name");
    }
  };

  std::string name;
  std::vector<Item> items;
  std::int32_t first_tag = 0;
  std::string second_tag;

  static void fields(auto& self, auto& f) {
    f(self.name, "name");
    f(self.items, "items");
    f(self.first_tag, "firstTag", tagged(0, 1), ignorable);
    f(self.second_tag, "secondTag", tagged(4, 1), ignorable);
  }
};

}  // namespace dohle::wire
