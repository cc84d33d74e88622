// Prints the partitions that librdkafka's partitioners choose for keys, as lines of
// partitions.jsonl.gz. make-partitions in the folder above runs it.
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

typedef int32_t (*partitioner)(const rd_kafka_topic_t *, const void *, size_t, int32_t, void *, void *);

static void print_base64(const unsigned char *bytes, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < size; i += 3) {
    const size_t left = size - i;
    const unsigned word = bytes[i] << 16 | (left > 1 ? bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
    putchar(digits[word >> 18]);
    putchar(digits[word >> 12 & 63]);
    putchar(left > 1 ? digits[word >> 6 & 63] : '=');
    putchar(left > 2 ? digits[word & 63] : '=');
  }
}

static void print_line(const char *name, int consistent, partitioner choose, int32_t partitions) {
  printf("{\"by\":\"librdkafka\",\"partitioner\":\"%s\",\"consistent\":%s,\"partitions\":%d,\"records\":[", name,
         consistent ? "true" : "false", partitions);
  for (int i = 0; i < 140; ++i) {
    unsigned char key[40];
    // An empty key is no key to the random ones.
    const size_t size = i < 64 ? 1 : (size_t)(rand() % 40) + !consistent;
    for (size_t at = 0; at < size; ++at) key[at] = i < 64 ? (unsigned char)(4 * i) : (unsigned char)rand();
    printf("%s{\"key\":\"", i == 0 ? "" : ",");
    print_base64(key, size);
    printf("\",\"partition\":%d}", choose(NULL, key, size, partitions, NULL, NULL));
  }
  printf("]}\n");
}

int main(void) {
  const int32_t counts[] = {1, 2, 3, 7, 12, 100, 4096};
  srand(20261129);
  for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i) {
    print_line("crc32", 1, rd_kafka_msg_partitioner_consistent, counts[i]);
    print_line("crc32", 0, rd_kafka_msg_partitioner_consistent_random, counts[i]);
    print_line("murmur2", 1, rd_kafka_msg_partitioner_murmur2, counts[i]);
    print_line("murmur2", 0, rd_kafka_msg_partitioner_murmur2_random, counts[i]);
    print_line("hash", 0, rd_kafka_msg_partitioner_fnv1a, counts[i]);
  }
  return 0;
}
