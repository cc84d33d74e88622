#include "dohle/detail/codec_choice.hpp"

#include <algorithm>
#include <optional>

namespace dohle::messaging {

namespace {

template <class Codecs>
Result<std::size_t> choose(Codecs codecs, std::string_view name, std::string_view option) {
  if (name.empty()) return 0;
  std::string all;
  for (std::size_t i = 0; i < codecs.size(); ++i) {
    const std::string_view each = name_in(codecs[i]).name;
    if (each == name) return i;
    all += (all.empty() ? "" : ", ") + std::string(each);
  }
  return fail(Error::configuration(std::string(option) + " is " + std::string(name) +
                                   "; the codecs of this type are " + all));
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// "application/json; charset=utf-8" without the parameters and the spaces around it.
std::string_view without_parameters(std::string_view text) {
  text = text.substr(0, std::min(text.find(';'), text.size()));
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

bool means(std::string_view content_type, std::string_view codec) {
  return std::ranges::equal(content_type, codec, {}, lower, lower);
}

}  // namespace

Result<std::size_t> choose_codec(std::span<const CodecName> codecs, std::string_view name,
                                 std::string_view option) {
  return choose(codecs, name, option);
}
Result<std::size_t> choose_codec(std::span<const Encoding> codecs, std::string_view name,
                                 std::string_view option) {
  return choose(codecs, name, option);
}

Result<std::size_t> codec_of_body(std::span<const CodecName> codecs, const DecodingChoice& choice,
                                  const CodecContext& context) {
  const auto value = context.headers.first(content_type_header);
  if (!value) return choice.usual;
  const std::string_view content_type = without_parameters(as_text(*value));
  std::string all;
  for (std::size_t i = 0; i < codecs.size(); ++i) {
    if (means(content_type, codecs[i].content_type) || means(content_type, codecs[i].name)) {
      return i;
    }
    all += (all.empty() ? "" : ", ") + std::string(codecs[i].content_type);
  }
  return fail(Error::client(Errc::codec_failed, "a body of topic " + std::string(context.topic) +
                                                    " has the content-type \"" +
                                                    std::string(as_text(*value)) +
                                                    "\"; the codecs of this type have " + all));
}

}  // namespace dohle::messaging
