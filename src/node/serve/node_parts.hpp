#pragma once

#include "base/disk.hpp"
#include "base/executor.hpp"

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

/// The parts of a node that serve requests. All outlive every request.
struct NodeParts {
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

}  // namespace dohle::node
