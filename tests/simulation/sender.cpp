#include "simulation/sender.hpp"

#include <utility>

#include "sim/machine.hpp"

namespace dohle::simulation {

using namespace std::chrono_literals;

Sender::Sender(sim::Process& self, std::shared_ptr<client::SimulatedClient> client,
               const ProducerOptions& options, Load& load, Ledger& ledger, Effects& effects)
    : self_(self),
      load_(load),
      number_(++*load.last_producer),
      name_("producer-" + std::to_string(number_)),
      ledger_(ledger),
      effects_(effects),
      random_(self.machine().world().stream(name_)),
      client_(std::move(client)),
      sender_(std::make_shared<client::RecordSender>(client_, options)) {
  sender_->start();
  find_topic();
}

Sender::~Sender() {
  ledger_.died(number_);
  if (!is_closed_) effects_.add(effect::producer_died);
}

void Sender::find_topic() {
  sender_->find_topic("orders", self_.clock().mono() + 20s,
                      [this](Result<std::shared_ptr<client::IntakeTopic>> found) {
                        if (!found) note("no topic: " + found.error().to_string());
                        topic_ = found ? *found : nullptr;
                        self_.executor().post([this] { topic_ ? send_some() : find_topic(); });
                      });
}

void Sender::send_some() {
  const auto burst = 1 + random_.below(8);
  std::string line = "sends";
  for (std::uint64_t i = 0; i < burst && load_.left > 0; ++i) send_one(line);
  note(line);
  if (load_.left == 0) return;
  // On average 4.5 records in 250 ms, which make 1,000 in 56 s.
  const std::uint64_t gap_ms = random_.below(random_.below(4) == 0 ? 2 : 660);
  self_.executor().arm(self_.clock().mono() + std::chrono::milliseconds(gap_ms),
                       [this] { send_some(); });
}

void Sender::send_one(std::string& line) {
  --load_.left;
  const auto& all = topic_->table().all;
  auto& to = *all.at(random_.below(all.size()));
  const std::size_t record = ledger_.sent(number_, to.id);
  line += " " + std::to_string(record) + ">" + std::to_string(to.id.value);
  std::string value = std::to_string(record);
  value.append(random_.below(500), ' ');  // so that batches cross sectors and pages
  DeliveryCallback callback = [this, record](Result<Receipt> outcome) {
    if (outcome) {
      note(std::to_string(record) + " stored at " + std::to_string(outcome->partition.value) + ":" +
           std::to_string(outcome->offset.value));
    } else {
      effects_.add(effect::record_failed);
      const bool may_be_there = outcome.error().stored() != Stored::no;
      note(std::to_string(record) + (may_be_there ? " fails, and may be stored: " : " fails: ") +
           outcome.error().to_string());
    }
    ledger_.told(record, std::move(outcome), self_.clock().mono());
  };
  const auto place = to.queue.append({.value = as_bytes(value)}, {.callback = &callback});
  // The buffer is many times larger than all records.
  if (place.appended != client::PartitionQueue::Appended::ok) {
    ledger_.told(record, fail(Error::client(Errc::limit_reached, "not appended")),
                 self_.clock().mono());
  }
  if (place.wake) sender_->wake(to);
}

void Sender::close() {
  sender_->close(client::CallTime::from(self_.clock().mono(), 5s),
                 [this](Result<FlushReport> report) {
                   note(report ? "closed" : "closed: " + report.error().to_string());
                   is_closed_ = true;
                 });
}

}  // namespace dohle::simulation
