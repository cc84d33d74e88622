// Codecs of your own: a type with two codecs, JSON and a line of text, and a key that is a value.
// A name selects the codec of a publish, the header content-type that of a received message. The
// node is inside the program, in memory.
//
// It prints:
//
//   [application/json] {"city":"Brno","parcels":3} -> Brno, 3 parcels on route 7
//   [text/x-load] Praha=12 -> Praha, 12 parcels on route 8
//   body_codec is xml; the codecs of this type are json, line
#include <cstdint>
#include <iostream>
#include <latch>
#include <string>

#include <dohle/codec/json.hpp>
#include <dohle/kafka.hpp>

#include "checked.hpp"

namespace kafka = dohle::kafka;

/// The load of a van. Its codecs are declared before the first publish or subscribe.
struct Load {
  std::string city;
  int parcels = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Load, city, parcels)
};

/// "CITY=PARCELS".
struct LoadAsLine {
  static constexpr std::string_view name = "line";
  static constexpr std::string_view content_type = "text/x-load";
  static dohle::Result<void> encode(const Load& load, const dohle::CodecContext&,
                                    std::string& into) {
    into += load.city + "=" + std::to_string(load.parcels);
    return {};
  }
  static dohle::Result<Load> decode(dohle::Bytes bytes, const dohle::CodecContext& context) {
    const std::string text(dohle::as_text(bytes));
    const std::size_t at = text.find('=');
    if (at == std::string::npos) {
      return dohle::fail(dohle::Error::client(dohle::Errc::codec_failed,
                                              "no load in topic " + std::string(context.topic)));
    }
    return Load{text.substr(0, at), std::stoi(text.substr(at + 1))};
  }
};

template <>
struct dohle::Codecs<Load> {
  using list = dohle::CodecList<dohle::JsonCodec<Load>, LoadAsLine>;
};

/// A key: two bytes, big-endian. A codec of the type itself, which is then its only one.
struct Route {
  std::uint16_t number = 0;
};

template <>
struct dohle::Codec<Route> {
  static constexpr std::string_view name = "route";
  static Result<void> encode(const Route& route, const CodecContext&, std::string& into) {
    into += {static_cast<char>(route.number >> 8), static_cast<char>(route.number & 0xff)};
    return {};
  }
  static Result<Route> decode(Bytes bytes, const CodecContext&) {
    if (bytes.size() != 2) return fail(Error::client(Errc::codec_failed, "a route has two bytes"));
    const auto high = std::to_integer<unsigned>(bytes[0]),
               low = std::to_integer<unsigned>(bytes[1]);
    return Route{static_cast<std::uint16_t>(high << 8 | low)};
  }
};

int main() {
  auto broker = checked(
      kafka::new_broker(dohle::with_address("embedded:memory"), dohle::with_content_type(true)));
  check(broker.connect());
  check(kafka::create_topic(broker, "loads", 1, 1));

  std::latch received(2);
  auto watch = checked(broker.subscribe<Load>(
      "loads",
      [&received](dohle::Event<Load> load) {
        const auto route = checked(dohle::key_as<Route>(load));
        std::cout << "[" << load.header("content-type").value_or("none") << "] "
                  << load.body().value_or("none") << " -> " << load->city << ", " << load->parcels
                  << " parcels on route " << route.value_or(Route{}).number << '\n';
        received.count_down();
      },
      dohle::with_group_id("vans")));

  checked(broker.publish("loads", Load{"Brno", 3}, dohle::with_key(Route{7})));
  checked(broker.publish("loads", Load{"Praha", 12}, dohle::with_key(Route{8}),
                         dohle::with_publish_body_codec("line")));
  received.wait();

  const auto refused =
      broker.publish("loads", Load{"Brno", 1}, dohle::with_publish_body_codec("xml"));
  if (!refused) std::cout << refused.error().message() << '\n';
  checked(broker.disconnect());
  return 0;
}
