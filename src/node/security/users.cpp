#include "node/security/users.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <span>
#include <utility>

#include "auth/digest.hpp"
#include "base/assert.hpp"
#include "base/base64.hpp"
#include "base/random.hpp"

namespace dohle::node {

namespace {

using Reserve = FileJournal::Reserve;

constexpr std::size_t decoy_key_bytes = 32;
constexpr std::string_view user_kind = "scram-user", deleted_kind = "deleted-scram-user",
                           key_kind = "decoy-key";

auth::VerifierForm form_of(auth::Digest digest, const auth::ScramVerifier& verifier) {
  return {digest, verifier.iterations, auth::form_of_salt(verifier.salt)};
}

std::uint64_t number_of(const auth::VerifierForm& form) {
  const std::uint64_t digest = form.digest == auth::Digest::sha256 ? 1 : 2;
  return split_mixed(digest << 48 | std::uint64_t{form.iterations} << 16 | form.salt.octets);
}

// It cannot be computed without the key.
std::uint64_t seed_of(std::string_view key, std::string_view name) {
  std::uint64_t seed = 0;
  const std::string drawn = auth::hmac(auth::Digest::sha256, key, "form " + std::string(name));
  std::memcpy(&seed, drawn.data(), sizeof(seed));
  return seed;
}

// Names may contain spaces, which separate words.
std::string line_of(const Users::Key& key, const auth::ScramVerifier& verifier) {
  return std::string(user_kind) + " " + to_base64(key.name) + " " +
         std::string(name_of(key.digest)) + " " + std::to_string(verifier.iterations) + " " +
         to_base64(verifier.salt) + " " + to_base64(verifier.stored_key) + " " +
         to_base64(verifier.server_key);
}

std::string line_of_deleted(const Users::Key& key) {
  return std::string(deleted_kind) + " " + to_base64(key.name) + " " +
         std::string(name_of(key.digest));
}

std::string line_of_key(std::string_view key) {
  return std::string(key_kind) + " " + to_base64(key);
}

std::optional<Users::Key> key_of(std::string_view name, std::string_view mechanism) {
  auto octets = from_base64(name);
  if (!octets || octets->empty()) return std::nullopt;
  for (const auth::Digest digest : {auth::Digest::sha256, auth::Digest::sha512}) {
    if (mechanism == name_of(digest)) return Users::Key{*std::move(octets), digest};
  }
  return std::nullopt;
}

// The last line of each user counts. The key's line comes after the users of the first start, as in
// the journal that is replaced.
std::vector<std::string> compacted(const std::vector<JournalLine>& lines) {
  std::map<Users::Key, std::string> users;
  std::string decoy_key;
  for (const JournalLine& line : lines) {
    std::string body(line.kind);
    for (const std::string_view word : line.words) body.append(" ").append(word);
    if (line.kind == key_kind) {
      decoy_key = std::move(body);
      continue;
    }
    if (line.kind != user_kind && line.kind != deleted_kind) continue;
    const auto key = key_of(line.words.at(0), line.words.at(1));
    if (!key) continue;
    if (line.kind == user_kind) {
      users[*key] = std::move(body);
    } else {
      users.erase(*key);
    }
  }
  std::vector<std::string> bodies;
  for (auto& [key, body] : users) bodies.push_back(std::move(body));
  bodies.push_back(std::move(decoy_key));
  return bodies;
}

}  // namespace

Users::Users(Disk& disk, SecureRandom& random, Lines& lines, Options options)
    : disk_(disk), random_(random), lines_(lines), options_(std::move(options)) {
  for (UserEntry& user : options_.plain) {
    std::string name = user.name;
    plain_.insert_or_assign(std::move(name), std::move(user));
  }
  options_.plain.clear();
  for (const auto& [name, user] : plain_) {
    plain_forms_.add(form_of(user.digest, user.verifier));
  }
}

bool Users::is_missing(const KnownSizes& sizes) const {
  return (sizes.noted.value_or(0) > 0 || sizes.marked) && !disk_.exists(path());
}

bool Users::begins_anew(const KnownSizes& sizes) const {
  return !options_.first_scram.empty() && is_missing(sizes);
}

Result<void> Users::open(KnownSizes sizes) {
  const bool has_to_be_there = is_missing(sizes);
  if (begins_anew(sizes)) {
    lines_.warn(path() +
                " is missing: the users of the file of SCRAM users are stored anew, and all "
                "later changes of users are lost");
    sizes = {};
  }
  const bool is_wanted = options_.are_needed || !options_.first_scram.empty();
  if (!is_wanted && !has_to_be_there && !disk_.exists(path())) return {};
  if (auto opened = open_journal(sizes); !opened) return opened;
  if (options_.are_needed) {
    warn_of_users_without_mechanism();
    warn_if_there_are_none();
  }
  return {};
}

// Users that were made before the first start with logins, as well.
void Users::say_that_first_users_are_not_taken() {
  const auto missing = std::ranges::count_if(options_.first_scram, [&](const UserEntry& user) {
    return !scram_.contains({user.name, user.digest});
  });
  const std::string line =
      "the file of SCRAM users is for the first start and was not taken: " + journal_->path() +
      " has " + std::to_string(scram_.size()) + " already, and `dohle user` changes them";
  if (missing == 0) {
    lines_.inform(line);
  } else {
    lines_.warn(line + "; " + std::to_string(missing) +
                " of the file are not among them and cannot log in");
  }
  options_.first_scram.clear();
}

void Users::warn_of_users_without_mechanism() const {
  const auto warn = [&](SaslMechanism mechanism, std::ptrdiff_t users) {
    if (users == 0 || std::ranges::count(options_.mechanisms, mechanism) > 0) return;
    lines_.warn(std::to_string(users) + " users of " + std::string(to_string(mechanism)) +
                " cannot log in by it: it is not among the mechanisms that are offered");
  };
  warn(SaslMechanism::plain, std::ssize(plain_));
  for (const auth::Digest digest : {auth::Digest::sha256, auth::Digest::sha512}) {
    warn(auth::mechanism_of(digest), std::ranges::count_if(scram_, [=](const auto& user) {
           return user.first.digest == digest;
         }));
  }
}

// Later starts do not take the file of SCRAM users: a rewrite of the journal drops deletions, so
// deleted users would return.
void Users::warn_if_there_are_none() const {
  if (!plain_.empty() || !scram_.empty()) return;
  lines_.warn(
      "no client can log in: there is neither a user of PLAIN nor one of SCRAM; stop the "
      "node, and start it with --plain-user-file, or move " +
      path() + " away and start it with --scram-user-file");
}

std::optional<std::uint64_t> Users::file_bytes() const {
  if (!journal_ || journal_->is_broken()) return std::nullopt;
  return journal_->size();
}

Result<void> Users::open_journal(const KnownSizes& sizes) {
  FileJournal::Options of_file;
  of_file.directory = options_.directory;
  of_file.name = file_name;
  of_file.sizes = sizes;
  of_file.note = options_.note;
  of_file.remedy =
      "restore it from a copy; or, if there is none, move it away and start with "
      "--scram-user-file, "
      "whose users are then stored";
  auto journal = FileJournal::open(disk_, std::move(of_file),
                                   [this](const JournalLine& line) { return take(line); });
  if (!journal) return fail(journal.error());
  journal_ = *std::move(journal);
  if (const std::uint64_t dropped = journal_->dropped_bytes(); dropped > 0) {
    lines_.warn(journal_->path() + ": dropped " + std::to_string(dropped) +
                " bytes of an unacknowledged last change that a crash cut off");
  }
  // The key's line ends the first start: without it no client has logged in yet.
  if (decoy_key_.empty()) {
    if (auto stored = store_first(); !stored) return stored;
  } else if (!options_.first_scram.empty()) {
    say_that_first_users_are_not_taken();
  }
  if (is_beside_) journal_->work_beside();
  return {};
}

Result<void> Users::store_first() {
  Result<void> outcome;
  const auto keep = [&](Result<void> stored) {
    if (outcome) outcome = std::move(stored);
  };
  for (UserEntry& user : options_.first_scram) {
    Key key{std::move(user.name), user.digest};
    journal_->append(line_of(key, user.verifier), Reserve::is_kept, keep);
    put(std::move(key), std::move(user.verifier));
  }
  if (options_.are_needed && scram_.empty() && !plain_.empty()) {
    lines_.inform(path() +
                  " begins without SCRAM users; a later start does not take --scram-user-file, and "
                  "`dohle user create` adds users");
  }
  options_.first_scram.clear();
  std::array<std::byte, decoy_key_bytes> bytes{};
  random_.fill(bytes);
  decoy_key_ = as_text(bytes);
  journal_->append(line_of_key(decoy_key_), Reserve::is_kept, keep);
  return outcome;
}

void Users::work_beside() {
  is_beside_ = true;
  if (journal_) journal_->work_beside();
}

void Users::when_idle(Task idle) {
  if (!journal_) return idle();
  journal_->when_idle(std::move(idle));
}

void Users::check_invariants() const {
  DOHLE_ASSERT(scram_.empty() || !decoy_key_.empty(), "there are users and no key for decoys");
  if (journal_) journal_->check_invariants();
}

// --- lines

Taken Users::take(const JournalLine& line) {
  const auto taken_if = [](bool makes_sense) {
    return makes_sense ? Taken::taken : Taken::senseless;
  };
  if (line.kind == user_kind) return taken_if(take_user(line.words));
  if (line.kind == deleted_kind) {
    const auto key = line.words.size() == 2 ? key_of(line.words[0], line.words[1]) : std::nullopt;
    if (key) erase(*key);
    return taken_if(key.has_value());
  }
  if (line.kind == key_kind) {
    auto key = line.words.size() == 1 ? from_base64(line.words[0]) : std::nullopt;
    if (!key || key->size() != decoy_key_bytes) return Taken::senseless;
    decoy_key_ = *std::move(key);
    return Taken::taken;
  }
  return Taken::unknown_kind;
}

bool Users::take_user(const std::vector<std::string_view>& words) {
  if (words.size() != 6) return false;
  auto key = key_of(words[0], words[1]);
  std::uint32_t iterations = 0;
  const bool is_number = read_number(words[2], iterations);
  auto salt = from_base64(words[3]);
  auto stored_key = from_base64(words[4]);
  auto server_key = from_base64(words[5]);
  if (!key || !is_number || !salt || !stored_key || !server_key) return false;
  put(*std::move(key), auth::ScramVerifier{*std::move(salt), *std::move(stored_key),
                                           *std::move(server_key), iterations});
  return true;
}

// --- logins

// The decoy is made in any case, so that the time does not show which users exist.
Users::Found Users::find(SaslMechanism mechanism, std::string_view name) const {
  DOHLE_ASSERT(!decoy_key_.empty(), "a client logs in before the users are open");
  const bool is_plain = mechanism == SaslMechanism::plain;
  const bool is_sha256 = mechanism == SaslMechanism::scram_sha_256;
  const Forms& forms = is_plain ? plain_forms_ : is_sha256 ? sha256_forms_ : sha512_forms_;
  const auth::VerifierForm& form = forms.pick(seed_of(decoy_key_, name));
  Found found{form.digest, auth::make_decoy(form, decoy_key_, name)};
  if (is_plain) {
    const auto user = plain_.find(name);
    if (user != plain_.end()) found = {user->second.digest, user->second.verifier};
  } else {
    const auto user = scram_.find({std::string(name), form.digest});
    if (user != scram_.end()) found.verifier = user->second;
  }
  return found;
}

void Users::Forms::remove(const auth::VerifierForm& form) {
  const auto found = counts_.find(form);
  DOHLE_ASSERT(found != counts_.end(), "a removed user's verifier form was not counted");
  if (--found->second == 0) counts_.erase(found);
}

// Weighted rendezvous hashing: each form bids for the name, and one with more users bids more.
const auth::VerifierForm& Users::Forms::pick(std::uint64_t seed) const {
  const auth::VerifierForm* best = &without_users_;
  double lowest = std::numeric_limits<double>::infinity();
  for (const auto& [form, users] : counts_) {
    const double drawn = static_cast<double>(split_mixed(seed ^ number_of(form)) >> 11) + 1;
    const double bid = -std::log(drawn * 0x1p-53) / static_cast<double>(users);
    if (bid >= lowest) continue;
    lowest = bid;
    best = &form;
  }
  return *best;
}

// --- changes

void Users::put(Key key, auth::ScramVerifier verifier) {
  erase(key);
  forms_of(key.digest).add(form_of(key.digest, verifier));
  scram_.emplace(std::move(key), std::move(verifier));
}

void Users::erase(const Key& key) {
  const auto found = scram_.find(key);
  if (found == scram_.end()) return;
  forms_of(key.digest).remove(form_of(key.digest, found->second));
  scram_.erase(found);
}

void Users::set(UserEntry user, Done done) {
  Key key{std::move(user.name), user.digest};
  std::string line = line_of(key, user.verifier);
  const std::size_t added = scram_.contains(key) ? 0 : 1;
  being_added_ += added;
  append(
      std::move(line), Reserve::is_kept,
      [this, key = std::move(key), verifier = std::move(user.verifier)]() mutable {
        put(std::move(key), std::move(verifier));
      },
      [this, added, done = std::move(done)](Result<void> outcome) mutable {
        being_added_ -= added;
        done(std::move(outcome));
      });
}

void Users::remove(Key key, Done done) {
  std::string line = line_of_deleted(key);
  append(
      std::move(line), Reserve::may_be_used, [this, key = std::move(key)] { erase(key); },
      std::move(done));
}

void Users::append(std::string body, Reserve reserve, Task change, Done done) {
  if (!journal_) {
    const bool had_key = !decoy_key_.empty();
    if (auto opened = open_journal({}); !opened) {
      journal_.reset();
      // Its line may not be in the file, so the next attempt draws another key.
      if (!had_key) decoy_key_.clear();
      return done(std::move(opened));
    }
  }
  journal_->append(
      std::move(body), reserve,
      [this, change = std::move(change), done = std::move(done)](Result<void> outcome) mutable {
        if (outcome) change();
        done(std::move(outcome));
        journal_->rewrite_if_due(scram_.size() + 1, compacted,
                                 [this](const std::string& line) { lines_.warn(line); });
      });
}

}  // namespace dohle::node
