#include "fault/redeliveries.hpp"

#include <sstream>

namespace dohle::fault {

namespace {

/// Whether nothing but blanks is left.
bool is_at_end(std::istream& words) {
  return (words >> std::ws).eof();
}

std::string in_words(std::size_t line, const std::string& member, int attempt) {
  return "by " + member + " in line " + std::to_string(line) + ", attempt " +
         std::to_string(attempt);
}

}  // namespace

void Redeliveries::read(std::istream& history) {
  for (std::string line; std::getline(history, line);) read_line(line);
}

void Redeliveries::read_line(const std::string& line) {
  ++line_;
  if (!take(line)) {
    complaints_.push_back("line " + std::to_string(line_) + " of the history is '" + line + "'");
  }
}

bool Redeliveries::take(const std::string& line) {
  std::istringstream words(line);
  std::string kind;
  words >> kind;
  if (kind == "handled") return take_handled(words);
  if (kind == "committed") return take_committed(words);
  if (kind == "begins") {
    std::string what;
    if (!std::getline(words >> std::ws, what)) return false;
    events_.push_back({.what = what, .begins = line_});
    return true;
  }
  if (kind == "over") {
    for (Event& event : events_) {
      if (!event.over) event.over = line_;
    }
    return is_at_end(words);
  }
  std::string group, member;
  const bool is_loss = kind == "lost";
  if (!is_loss && kind != "assigned") return false;
  if (!(words >> group >> member) || !is_at_end(words)) return false;
  if (is_loss) {
    ++losses_;
    lost_[group] = line_;
  } else {
    assigned_[group] = {.line = line_, .lost = lost_[group]};
  }
  return true;
}

bool Redeliveries::take_handled(std::istream& words) {
  Place place;
  auto& [group, topic, partition, offset] = place;
  Handling now{.line = line_};
  words >> group >> topic >> partition >> offset >> now.attempt >> now.message >> now.member;
  if (!words || !is_at_end(words)) return false;
  now.assigned = assigned_[group];
  handled(place, std::move(now));
  return true;
}

bool Redeliveries::take_committed(std::istream& words) {
  Partition where;
  auto& [group, topic, partition] = where;
  std::int64_t offset = 0;
  if (!(words >> group >> topic >> partition >> offset) || !is_at_end(words)) return false;
  const auto [known, is_new] = commits_.try_emplace(where, Commit{offset, line_});
  if (is_new) return true;
  if (offset < known->second.offset) {
    complaints_.push_back("line " + std::to_string(line_) + ": group " + group + " has committed " +
                          std::to_string(offset) + " in " + topic + " partition " +
                          std::to_string(partition) + ", after " +
                          std::to_string(known->second.offset) + " in line " +
                          std::to_string(known->second.line));
  } else if (offset > known->second.offset) {
    known->second = {offset, line_};
  }
  return true;
}

void Redeliveries::handled(const Place& place, Handling now) {
  ++handlings_;
  const std::string& group = std::get<0>(place);
  ++chains_[{group, now.message}].attempts[now.attempt];
  const auto [known, is_new] = records_.try_emplace(place);
  Record& record = known->second;
  if (is_new) {
    check_first(place, now);
    check_committed(place, nullptr, now);
  } else if (now.assigned.line != record.last.assigned.line ||
             now.attempt != record.last.attempt + 1) {
    ++again_;
    check_again(place, record, now);
    check_committed(place, &record.last, now);
  }
  record.last = std::move(now);
}

void Redeliveries::check_first(const Place& place, const Handling& now) {
  Chain& chain = chains_[{std::get<0>(place), now.message}];
  std::set<Place>& records = chain.records[now.attempt];
  records.insert(place);
  // A message is published once, and stored in a retry topic once for each time that it failed.
  const auto reasons = now.attempt == 1 ? 1 : chain.attempts[now.attempt - 1];
  if (records.size() <= static_cast<std::size_t>(reasons)) return;
  accuse(place, nullptr, now,
         "is record " + std::to_string(records.size()) + " of its message there, which " +
             (now.attempt == 1 ? "was published once"
                               : "had attempt " + std::to_string(now.attempt - 1) + " " +
                                     std::to_string(reasons) + " times"));
}

void Redeliveries::check_again(const Place& place, Record& record, const Handling& now) {
  const Handling& before = record.last;
  if (now.assigned.line == before.assigned.line) {
    return accuse(place, &before, now,
                  "is handled again, and its partition was not assigned anew between");
  }
  // A handler that was about to begin may begin after the loss.
  if (now.assigned.lost > before.assigned.line) return;
  for (std::size_t at = record.explained_by; at < events_.size(); ++at) {
    const Event& event = events_[at];
    if ((event.over && *event.over < before.line) || event.begins > now.assigned.line) continue;
    record.explained_by = at + 1;
    return;
  }
  const bool is_used = record.explained_by > 0;
  accuse(place, &before, now,
         events_.empty() ? "is handled again, and nothing was killed, cut or lost"
                         : "is handled again, and nothing was killed, cut or lost between" +
                               std::string(is_used ? " but what explains an earlier time" : "") +
                               ", at last in line " + std::to_string(events_.back().begins) + " (" +
                               events_.back().what + ")");
}

void Redeliveries::check_committed(const Place& place, const Handling* before,
                                   const Handling& now) {
  const Commit* const commit = commit_of(place);
  if (commit == nullptr || commit->offset <= std::get<3>(place)) return;
  accuse(place, before, now,
         before == nullptr ? "is handled for the first time after it was committed"
                           : "is handled again below the committed offset");
}

const Redeliveries::Commit* Redeliveries::commit_of(const Place& place) const {
  const auto& [group, topic, partition, offset] = place;
  const auto found = commits_.find({group, topic, partition});
  return found == commits_.end() ? nullptr : &found->second;
}

void Redeliveries::accuse(const Place& place, const Handling* before, const Handling& now,
                          std::string_view of_what) {
  const auto& [group, topic, partition, offset] = place;
  std::string text = "group " + group + ": " + topic + " partition " + std::to_string(partition) +
                     " offset " + std::to_string(offset) + " (message " + now.message + ") ";
  text += of_what;
  text += ": ";
  if (before != nullptr) {
    text += "first " + in_words(before->line, before->member, before->attempt) + ", then ";
  }
  text += in_words(now.line, now.member, now.attempt);
  const Commit* const commit = commit_of(place);
  text += commit == nullptr ? "; no commit was seen"
                            : "; committed up to " + std::to_string(commit->offset) + " in line " +
                                  std::to_string(commit->line);
  complaints_.push_back(std::move(text));
}

}  // namespace dohle::fault
