#include "node/journal/journal.hpp"

namespace dohle::node {

std::string_view journal_version() {
  return DOHLE_VERSION;
}

Result<void> judge(Taken taken, const JournalPlace& at, std::string_view remedy) {
  if (taken == Taken::taken || (taken == Taken::unknown_kind && at.is_optional)) return {};
  const std::string writer =
      at.version.empty() ? "" : ", written by Dohle " + std::string(at.version) + ",";
  const std::string record = at.where + writer;
  if (taken == Taken::senseless) {
    return fail(Error::storage(
        Errc::damaged, record + " does not fit the lines before it: " + std::string(remedy)));
  }
  return fail(Error::storage(Errc::unsupported_version,
                             record + " is of the kind " + std::string(at.kind) + ", which Dohle " +
                                 std::string(journal_version()) +
                                 " does not know: run that version or a later one"));
}

}  // namespace dohle::node
