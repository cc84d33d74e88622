#pragma once

#include <librdkafka/rdkafka.h>

#include <string>

/// The functions of one librdkafka, loaded at run time, so that Debian's and a newer one differ
/// only in the path. The functions used here are the same in all of 1.x and 2.x.
struct RdKafka {
  /// Loads `path`, a file or a name for the dynamic loader. Ends the program if that fails.
  explicit RdKafka(const std::string& path);

// A list that clang-format takes for nested calls and would indent further with each line.
// clang-format off
#define DOHLE_RDKAFKA_FUNCTIONS(X)                                                                 \
  X(version_str)                                                                                   \
  X(err2str) X(last_error) X(conf_new) X(conf_set) X(conf_set_dr_msg_cb) X(conf_set_opaque) X(new) \
      X(destroy) X(poll) X(flush) X(outq_len) X(topic_new) X(topic_destroy) X(produce)             \
          X(subscribe) X(poll_set_consumer) X(consumer_close) X(queue_get_consumer) X(queue_new)   \
              X(queue_poll) X(queue_destroy) X(consume_batch_queue) X(message_destroy)             \
                  X(topic_partition_list_new) X(topic_partition_list_add)                          \
                      X(topic_partition_list_destroy) X(NewTopic_new) X(NewTopic_destroy)          \
                          X(CreateTopics) X(event_CreateTopics_result)                             \
                              X(CreateTopics_result_topics) X(topic_result_error) X(event_error)   \
                                  X(event_destroy) X(metadata) X(metadata_destroy)
  // clang-format on

#define DOHLE_RDKAFKA_MEMBER(name) decltype(&::rd_kafka_##name) name##_ = nullptr;
  DOHLE_RDKAFKA_FUNCTIONS(DOHLE_RDKAFKA_MEMBER)
#undef DOHLE_RDKAFKA_MEMBER
};
