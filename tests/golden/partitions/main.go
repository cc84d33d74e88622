// Prints the partitions that kafka-go's balancers choose, as lines of partitions.jsonl.gz.
// make-partitions in the folder above runs it.
package main

import (
	"encoding/json"
	"hash/crc32"
	"math/rand"
	"os"

	"github.com/segmentio/kafka-go"
)

type record struct {
	Key       []byte `json:"key"` // null: no key
	Value     int    `json:"value_bytes"`
	Partition int    `json:"partition"`
	Count     int    `json:"count,omitempty"` // the number of partitions, where it changes
}

type line struct {
	By          string   `json:"by"`
	Partitioner string   `json:"partitioner"`
	Consistent  bool     `json:"consistent"`
	Chunk       int      `json:"chunk,omitempty"`
	Hasher      string   `json:"hasher,omitempty"`
	Partitions  int      `json:"partitions"`
	Records     []record `json:"records"`
}

type keys int

const (
	noNull keys = iota // every record has a key
	noEmpty            // every record has a key that is not empty
	someNull           // some records have no key
)

func messages(random *rand.Rand, kind keys) []kafka.Message {
	var all []kafka.Message
	for i := 0; i < 160; i++ {
		var key []byte
		if i < 64 {
			key = []byte{byte(4 * i)}
		} else {
			key = make([]byte, random.Intn(40))
			random.Read(key)
		}
		if kind == noEmpty && len(key) == 0 {
			key = []byte("not empty")
		}
		if kind == someNull && random.Intn(3) == 0 {
			key = nil
		}
		all = append(all, kafka.Message{Key: key, Value: make([]byte, random.Intn(1000))})
	}
	return all
}

func numbers(count int) []int {
	all := make([]int, count)
	for i := range all {
		all[i] = i
	}
	return all
}

func main() {
	out := json.NewEncoder(os.Stdout)
	random := rand.New(rand.NewSource(20261129))
	counts := []int{1, 2, 3, 7, 12, 100, 4096}
	print := func(what line, kind keys, balancer kafka.Balancer, count int) {
		what.By = "kafka-go"
		what.Partitions = count
		for _, message := range messages(random, kind) {
			chosen := balancer.Balance(message, numbers(count)...)
			what.Records = append(what.Records, record{Key: message.Key, Value: len(message.Value), Partition: chosen})
		}
		if err := out.Encode(what); err != nil {
			panic(err)
		}
	}
	for _, count := range counts {
		print(line{Partitioner: "hash"}, someNull, &kafka.Hash{}, count)
		print(line{Partitioner: "hash", Hasher: "crc32"}, someNull, &kafka.Hash{Hasher: crc32.NewIEEE()}, count)
		print(line{Partitioner: "reference_hash"}, noNull, &kafka.ReferenceHash{}, count)
		print(line{Partitioner: "reference_hash", Hasher: "crc32"}, noNull, &kafka.ReferenceHash{Hasher: crc32.NewIEEE()}, count)
		print(line{Partitioner: "crc32"}, noEmpty, kafka.CRC32Balancer{}, count)
		print(line{Partitioner: "crc32", Consistent: true}, someNull, kafka.CRC32Balancer{Consistent: true}, count)
		print(line{Partitioner: "murmur2"}, noNull, kafka.Murmur2Balancer{}, count)
		print(line{Partitioner: "murmur2", Consistent: true}, someNull, kafka.Murmur2Balancer{Consistent: true}, count)
		print(line{Partitioner: "least_bytes"}, someNull, &kafka.LeastBytes{}, count)
		for _, chunk := range []int{0, 1, 5} {
			print(line{Partitioner: "round_robin", Chunk: chunk}, someNull, &kafka.RoundRobin{ChunkSize: chunk}, count)
		}
	}
	// The number of partitions grows.
	grown := line{By: "kafka-go", Partitioner: "least_bytes", Partitions: 2}
	balancer := &kafka.LeastBytes{}
	for i, message := range messages(random, someNull) {
		count := 2 + i/40
		chosen := balancer.Balance(message, numbers(count)...)
		grown.Records = append(grown.Records,
			record{Key: message.Key, Value: len(message.Value), Partition: chosen, Count: count})
	}
	if err := out.Encode(grown); err != nil {
		panic(err)
	}
}
