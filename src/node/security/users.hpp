#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/scram.hpp"
#include "base/disk.hpp"
#include "base/secure_random.hpp"
#include "dohle/error.hpp"
#include "dohle/sasl.hpp"
#include "node/journal/file_journal.hpp"
#include "node/lines.hpp"
#include "node/security/user_line.hpp"

namespace dohle::node {

/// The users that the node knows: those of PLAIN from its options, and those of SCRAM from the
/// journal in the file dohle-users (docs/formats.md, "Users"). A change of a SCRAM user takes
/// effect once it is durable; then `done` is called, in the order of the calls.
///
/// The journal also holds the key of the decoys: verifiers of users that are not there, which are
/// the same at each login and after each start. Owner's thread only.
class Users {
 public:
  static constexpr std::string_view file_name = "dohle-users";
  using Done = FileJournal::Done;

  /// A SCRAM user under one mechanism.
  struct Key {
    std::string name;
    auth::Digest digest = auth::Digest::sha512;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  using ScramUsers = std::map<Key, auth::ScramVerifier>;

  struct Options {
    std::string directory;
    /// At most one for each name.
    std::vector<UserEntry> plain = {};
    /// SCRAM users that the first start stores, before any other change.
    std::vector<UserEntry> first_scram = {};
    /// Whether clients log in. If false, the file is created by the first change.
    bool are_needed = false;
    /// Mechanisms that are offered; users of others are warned of.
    std::vector<SaslMechanism> mechanisms = {};
    /// As FileJournal::Options::note.
    std::function<void(std::uint64_t)> note = [](std::uint64_t) {};
  };

  /// The verifier that checks a login's password.
  struct Found {
    auth::Digest digest = auth::Digest::sha512;
    auth::ScramVerifier verifier;
  };

  /// All but the options outlive it.
  Users(Disk& disk, SecureRandom& random, Lines& lines, Options options);

  /// Reads the journal, if there is one or users are needed. `sizes`: as known from other files. A
  /// journal that is missing in spite of them is damage; with users of the first start it is begun
  /// anew, with a line. Blocks. Errors: damaged, unsupported_version, storage.
  Result<void> open(KnownSizes sizes);
  /// Whether `open` with these sizes begins the journal anew.
  [[nodiscard]] bool begins_anew(const KnownSizes& sizes) const;
  /// The size of the journal's file. None if there is none, or if a refused line may be in it.
  [[nodiscard]] std::optional<std::uint64_t> file_bytes() const;
  /// As FileJournal::work_beside.
  void work_beside();
  /// Calls `idle` once all changes have an outcome.
  void when_idle(Task idle);

  /// The user's verifier under that mechanism, or a decoy: nothing tells which.
  [[nodiscard]] Found find(SaslMechanism mechanism, std::string_view name) const;
  [[nodiscard]] const ScramUsers& scram() const { return scram_; }
  /// The number of SCRAM users once all changes so far are durable, or more.
  [[nodiscard]] std::size_t promised() const { return scram_.size() + being_added_; }
  /// Stores a SCRAM user or replaces it. Errors: storage.
  void set(UserEntry user, Done done);
  /// Deletes a SCRAM user under one mechanism, if it is there. Errors: storage.
  void remove(Key key, Done done);

  void check_invariants() const;

 private:
  [[nodiscard]] std::string path() const {
    return options_.directory + "/" + std::string(file_name);
  }
  [[nodiscard]] bool is_missing(const KnownSizes& sizes) const;
  Result<void> open_journal(const KnownSizes& sizes);
  Result<void> store_first();
  void say_that_first_users_are_not_taken();
  void warn_of_users_without_mechanism() const;
  void warn_if_there_are_none() const;
  [[nodiscard]] Taken take(const JournalLine& line);
  [[nodiscard]] bool take_user(const std::vector<std::string_view>& words);
  void append(std::string body, FileJournal::Reserve reserve, Task change, Done done);
  void put(Key key, auth::ScramVerifier verifier);
  void erase(const Key& key);

  Disk& disk_;
  SecureRandom& random_;
  Lines& lines_;
  Options options_;
  std::map<std::string, UserEntry, std::less<>> plain_;
  ScramUsers scram_;
  /// Changes under way that may each add one.
  std::size_t being_added_ = 0;
  std::string decoy_key_;
  /// How many users have each form. Decoys have the forms of users, as often as these, so that
  /// neither the salt nor the time of a check shows which users exist.
  class Forms {
   public:
    explicit Forms(auth::VerifierForm without_users) : without_users_(without_users) {}
    void add(const auth::VerifierForm& form) { ++counts_[form]; }
    void remove(const auth::VerifierForm& form);
    /// The form for a name, of which `seed` is a hash. A further user changes it for few names.
    [[nodiscard]] const auth::VerifierForm& pick(std::uint64_t seed) const;

   private:
    auth::VerifierForm without_users_;
    std::map<auth::VerifierForm, std::size_t> counts_;
  };
  Forms& forms_of(auth::Digest digest) {
    return digest == auth::Digest::sha256 ? sha256_forms_ : sha512_forms_;
  }
  Forms plain_forms_{{}};
  Forms sha256_forms_{{.digest = auth::Digest::sha256}};
  Forms sha512_forms_{{.digest = auth::Digest::sha512}};
  std::unique_ptr<FileJournal> journal_;
  bool is_beside_ = false;
};

}  // namespace dohle::node
