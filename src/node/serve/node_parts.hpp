#pragma once

#include <tuple>
#include <type_traits>

namespace dohle {

class Disk;
class Executor;

}  // namespace dohle

namespace dohle::node {

class Authorizer;
class BatchChecks;
class Dispatcher;
class FetchSessions;
class FetchWaits;
class GroupService;
class Lines;
class RequestFaults;
class Sessions;
class Storage;
class TimeSearches;
class Users;
struct NodeSettings;

/// The parts of a node that serve requests. All outlive every request. Only `Parts` reads them.
class NodeParts {
 public:
  struct All {
    const NodeSettings& settings;
    const Authorizer& authorizer;
    Executor& loop;
    Disk& disk;
    Lines& lines;
    const Sessions& sessions;
    Dispatcher& dispatcher;
    Storage& storage;
    Users& users;
    GroupService& groups;
    BatchChecks& batch_checks;
    TimeSearches& time_searches;
    FetchWaits& fetch_waits;
    FetchSessions& fetch_sessions;
    /// Null but in tests.
    RequestFaults* faults;
  };

  explicit NodeParts(const All& all)
      : parts_(&all.settings, &all.authorizer, &all.loop, &all.disk, &all.lines, &all.sessions,
               &all.dispatcher, &all.storage, &all.users, &all.groups, &all.batch_checks,
               &all.time_searches, &all.fetch_waits, &all.fetch_sessions, all.faults) {}

 private:
  template <class... Named>
  friend class Parts;

  std::tuple<const NodeSettings*, const Authorizer*, Executor*, Disk*, Lines*, const Sessions*,
             Dispatcher*, Storage*, Users*, GroupService*, BatchChecks*, TimeSearches*, FetchWaits*,
             FetchSessions*, RequestFaults*>
      parts_;
};

/// Those parts of a node that a handler or a class names, and no others:
///
///     const Parts<Dispatcher, GroupService> node = call.node;
///     node.get<GroupService>()…
///
/// Copyable. The parts outlive it.
template <class... Named>
class Parts {
  template <class Part>
  static constexpr bool is_read_only =
      std::is_same_v<Part, NodeSettings> || std::is_same_v<Part, Authorizer> ||
      std::is_same_v<Part, Sessions>;
  template <class Part>
  using Pointer = std::conditional_t<is_read_only<Part>, const Part*, Part*>;
  template <class Part>
  static constexpr bool is_nullable = std::is_same_v<Part, RequestFaults>;
  template <class Part>
  using Given =
      std::conditional_t<is_nullable<Part>, Pointer<Part>,
                         std::add_lvalue_reference_t<std::remove_pointer_t<Pointer<Part>>>>;

 public:
  /// Implicit, so that a function that takes some parts may be called with all of them.
  Parts(const NodeParts& all) : parts_(std::get<Pointer<Named>>(all.parts_)...) {}

  /// A reference to the part, which has to be among the named ones. A pointer to the faults, null
  /// but in tests. The settings, the authorizer and the sessions are const.
  template <class Part>
  [[nodiscard]] Given<Part> get() const {
    constexpr bool is_named = (std::is_same_v<Part, Named> || ...);
    static_assert(is_named,
                  "dohle: Parts::get: this part of the node is not named: add it to the arguments "
                  "of the Parts, so that a reader sees that it is used");
    if constexpr (is_named && is_nullable<Part>) {
      return std::get<Pointer<Part>>(parts_);
    } else if constexpr (is_named) {
      return *std::get<Pointer<Part>>(parts_);
    }
  }

 private:
  std::tuple<Pointer<Named>...> parts_;
};

}  // namespace dohle::node
