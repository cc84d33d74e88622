// Options of codecs, through client and node.
#include <optional>
#include <string>
#include <string_view>

#include "dohle/codec/json.hpp"
#include "options_fixture.hpp"

namespace {

/// A type with two codecs.
struct Landing {
  std::string airport;
  int gate = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Landing, airport, gate)
};

struct LandingAsText {
  static constexpr std::string_view name = "text";
  static constexpr std::string_view content_type = "text/x-landing";
  static dohle::Result<void> encode(const Landing& landing, const dohle::CodecContext&,
                                    std::string& into) {
    into += landing.airport + "/" + std::to_string(landing.gate);
    return {};
  }
  static dohle::Result<Landing> decode(dohle::Bytes bytes, const dohle::CodecContext& context) {
    const std::string text(dohle::as_text(bytes));
    const std::size_t at = text.find('/');
    if (at == std::string::npos) {
      return dohle::fail(dohle::Error::client(dohle::Errc::codec_failed,
                                              "no landing in " +
                                                  std::string(context.is_key ? "a key" : "a body") +
                                                  " of topic " + std::string(context.topic)));
    }
    return Landing{text.substr(0, at), std::stoi(text.substr(at + 1))};
  }
};

/// A key whose bytes show that its codec knows the topic, that it is a key, and the headers.
struct Slot {
  std::uint8_t hall = 0, gate = 0;
};

}  // namespace

template <>
struct dohle::Codecs<Landing> {
  using list = dohle::CodecList<dohle::JsonCodec<Landing>, LandingAsText>;
};

template <>
struct dohle::Codec<Slot> {
  static constexpr std::string_view name = "slot";
  static Result<void> encode(const Slot& slot, const CodecContext& context, std::string& into) {
    if (context.headers.first("bad")) {
      return fail(Error::client(Errc::codec_failed, "the header bad is there"));
    }
    into += std::string(context.is_key ? "k" : "b") + std::string(context.topic);
    into += {static_cast<char>('0' + slot.hall), static_cast<char>('0' + slot.gate)};
    return {};
  }
  static Result<Slot> decode(Bytes bytes, const CodecContext& context) {
    const std::string_view text = as_text(bytes);
    if (!context.is_key || text.size() != 4) {
      return fail(Error::client(Errc::codec_failed, "no slot"));
    }
    return Slot{static_cast<std::uint8_t>(text[2] - '0'), static_cast<std::uint8_t>(text[3] - '0')};
  }
};

namespace dohle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto first = StartOffset::first();
const std::string json_text = R"({"airport":"PRAHA","gate":7})";

/// "BODY" or "BODY [content-type]".
std::string with_type(const RawEvent& event) {
  const auto type = event.header("content-type");
  return std::string(event.body().value_or("none")) +
         (type ? " [" + std::string(*type) + "]" : std::string());
}

class CodecOption : public Options {
 protected:
  /// Reads the topic from its start, as bytes.
  void read_bodies() {
    keep(broker_->subscribe(
        "t", [this](RawEvent event) { lines_.add(with_type(event)); },
        kafka::with_start_offset(first)));
  }
  template <class... Given>
  void read_landings(Given... given) {
    keep(broker_->subscribe<Landing>(
        "t",
        [this](const Landing& landing) {
          lines_.add(landing.airport + " " + std::to_string(landing.gate));
        },
        kafka::with_start_offset(first), with_subscribe_retry(0, 0ms), given...));
  }
  void keep(Result<Subscriber> reader) {
    ASSERT_TRUE(reader) << reader.error().to_string();
    reader_.emplace(std::move(*reader));
  }
  void expect_line(const std::string& line) {
    EXPECT_TRUE(lines_.wait_for(line)) << testing::PrintToString(lines_.all());
  }
  template <class... Given>
  void publish_landing(Given&&... given) {
    const auto sent = broker_->publish("t", Landing{"PRAHA", 7}, with_publish_async(false),
                                       std::forward<Given>(given)...);
    ASSERT_TRUE(sent) << sent.error().to_string();
  }
  BrokerOption reporting() {
    return with_error_handler([this](const Failure& failure) {
      lines_.add("failed: " + std::string(failure.error.message()));
    });
  }

  /// It ends before the objects that its handlers use.
  std::optional<Subscriber> reader_;
};

TEST_F(CodecOption, codec_of_a_broker_encodes_its_messages_and_decodes_received_ones) {
  connect(with_codec("text"));
  publish_landing();
  read_bodies();
  expect_line("PRAHA/7");
  read_landings();
  expect_line("PRAHA 7");
}

TEST_F(CodecOption, codec_of_a_subscription_overrides_that_of_the_broker) {
  connect(with_codec("json"));
  ASSERT_TRUE(broker_->publish("t", Message("PRAHA/8")));
  read_landings(with_codec("text"));
  expect_line("PRAHA 8");
}

TEST_F(CodecOption, body_codec_overrides_that_of_the_broker) {
  connect(with_codec("json"));
  publish_landing(with_publish_body_codec("text"));
  read_bodies();
  expect_line("PRAHA/7");
}

TEST_F(CodecOption, without_a_name_is_the_first_of_the_type) {
  connect();
  publish_landing();
  read_bodies();
  expect_line(json_text);
}

TEST_F(CodecOption, of_another_name_is_an_error_of_its_call) {
  connect(with_codec("xml"));
  const auto sent = broker_->publish("t", Landing{"PRAHA", 7});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().message(), "codec is xml; the codecs of this type are json, text");
  const auto named = broker_->publish("t", Landing{"PRAHA", 7}, with_publish_body_codec("bson"));
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().message(), "body_codec is bson; the codecs of this type are json, text");
  const auto text = broker_->publish("t", "text");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message(), "codec is xml; the codecs of this type are raw");
  const auto reader = broker_->subscribe<Landing>("t", [](const Landing&) {});
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().message(), "codec is xml; the codecs of this type are json, text");
  EXPECT_TRUE(broker_->publish("t", Message("text"))) << "a Message has no codec";
  EXPECT_TRUE(broker_->publish("t", "text", with_publish_body_codec("raw")));
}

TEST_F(CodecOption, of_a_message_is_refused_unless_it_is_raw) {
  connect(with_content_type(true));
  const auto sent = broker_->publish("t", Message("text"), with_publish_body_codec("json"));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().message(),
            "body_codec is json; a Message is published as it is, with the codec raw");
  const auto typed = broker_->publish("t", Message("text"), with_content_type(true));
  ASSERT_FALSE(typed);
  EXPECT_THAT(std::string(typed.error().message()), HasSubstr("content_type is true; a Message"));
  ASSERT_TRUE(broker_->publish("t", Message("text"), with_publish_body_codec("raw")));
  read_bodies();
  expect_line("text");
}

TEST_F(CodecOption, content_type_of_a_broker_is_sent_and_chooses_the_codec_of_received_messages) {
  connect(with_content_type(true), reporting());
  publish_landing(with_publish_body_codec("text"));
  publish_landing();
  read_bodies();
  expect_line("PRAHA/7 [text/x-landing]");
  expect_line(json_text + " [application/json]");
  ASSERT_TRUE(broker_->publish("t", Message("LINZ/9").with_header("content-type", "text")));
  read_landings();
  expect_line("LINZ 9");
}

TEST_F(CodecOption, content_type_of_a_publish_overrides_that_of_the_broker) {
  connect();
  publish_landing(with_content_type(true));
  read_bodies();
  expect_line(json_text + " [application/json]");
}

TEST_F(CodecOption, content_type_leaves_a_header_of_the_publish_alone) {
  connect(with_content_type(true));
  publish_landing(kafka::with_headers({{"content-type", "application/vnd.landing+json"}}));
  read_bodies();
  expect_line(json_text + " [application/vnd.landing+json]");
}

TEST_F(CodecOption, content_type_of_a_subscription_overrides_that_of_the_broker) {
  connect();
  ASSERT_TRUE(broker_->publish("t", Message("LINZ/9").with_header("content-type", "text")));
  read_landings(with_content_type(true));
  expect_line("LINZ 9");
}

TEST_F(CodecOption, content_type_of_no_codec_is_a_decode_failure_that_names_it) {
  connect(with_content_type(true), reporting());
  ASSERT_TRUE(broker_->publish("t", Message("<a/>").with_header("content-type", "text/xml")));
  read_landings();
  ASSERT_TRUE(lines_.wait_for(1));
  EXPECT_THAT(lines_.all().front(),
              HasSubstr("a body of topic t has the content-type \"text/xml\"; the codecs of this "
                        "type have application/json, text/x-landing"));
}

TEST_F(CodecOption, key_encoder_writes_the_key_and_key_as_reads_it) {
  connect();
  ASSERT_TRUE(broker_->publish("t", "text", with_key(Slot{2, 5})));
  ASSERT_TRUE(broker_->publish("t", Message("message"), with_key(Slot{3, 6})));
  ASSERT_TRUE(broker_->publish("t", Message("own").with_key("none"), with_key(Slot{3, 6})));
  const std::vector<Message> span{Message("in a span")};
  ASSERT_TRUE(broker_->publish("t", std::span(span), with_key(Slot{4, 7})).front());
  ASSERT_TRUE(broker_->publish("t", "without"));
  keep(broker_->subscribe(
      "t",
      [this](RawEvent event) {
        const auto slot = key_as<Slot>(event);
        std::string text =
            slot ? (*slot ? std::to_string((*slot)->hall) + "-" + std::to_string((*slot)->gate)
                          : "no key")
                 : std::string(slot.error().message());
        if (event.body() == "own") text = std::string(*event.key());
        lines_.add(std::string(*event.body()) + ": " + text);
      },
      kafka::with_start_offset(first)));
  expect_line("text: 2-5");
  expect_line("message: 3-6");
  expect_line("own: none");
  expect_line("in a span: 4-7");
  expect_line("without: no key");
}

TEST_F(CodecOption, key_encoder_sees_topic_and_headers_and_its_error_is_that_of_publish) {
  connect();
  const auto sent =
      broker_->publish("t", Message("text").with_header("bad", ""), with_key(Slot{2, 5}));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().message(), "the header bad is there");
  const auto both = broker_->publish(
      "t", "text",
      PublishOptions{.key = "k", .key_encoder = [](auto&&...) { return Result<void>(); }});
  ASSERT_FALSE(both);
  EXPECT_EQ(both.error().message(), "key and key_encoder are both set; a message has one key");
}

TEST_F(CodecOption, key_as_refuses_other_names_and_other_bytes) {
  connect();
  ASSERT_TRUE(broker_->publish("t", "text", kafka::with_message_key("abc")));
  keep(broker_->subscribe(
      "t",
      [this](RawEvent event) {
        lines_.add(std::string(key_as<Slot>(event).error().message()));
        lines_.add(std::string(key_as<Slot>(event, "json").error().message()));
      },
      kafka::with_start_offset(first)));
  expect_line("no slot");
  expect_line("codec is json; the codecs of this type are slot");
}

}  // namespace
}  // namespace dohle
