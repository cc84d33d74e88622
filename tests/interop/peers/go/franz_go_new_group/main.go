// franz-go in a group, told to use one by KIP-848: ADDRESS TOPIC COUNT. Prints how it manages the group and how
// many records it has read.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Keeps the lines about the kind of the group.
type kinds struct {
	mutex sync.Mutex
	lines []string
}

func (k *kinds) Level() kgo.LogLevel { return kgo.LogLevelInfo }

func (k *kinds) Log(_ kgo.LogLevel, line string, _ ...any) {
	if !strings.HasPrefix(line, "beginning to manage ") && !strings.HasPrefix(line, "falling back ") {
		return
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.lines = append(k.lines, line)
}

func (k *kinds) String() string {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return strings.Join(k.lines, ", ")
}

func check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func main() {
	address, topic := os.Args[1], os.Args[2]
	count, err := strconv.Atoi(os.Args[3])
	check("count", err)
	// franz-go has no option for these groups, only this key.
	ctx := context.WithValue(context.Background(), "opt_in_kafka_next_gen_balancer_beta", true)
	ctx, cancel := context.WithTimeout(ctx, 50*time.Second)
	defer cancel()
	kind := &kinds{}
	reader, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.WithContext(ctx), kgo.WithLogger(kind),
		kgo.ConsumerGroup("new-franz-go"), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	check("reader", err)
	seen := map[string]bool{}
	for len(seen) < count {
		fetches := reader.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			check("fetch", failed.Err)
		}
		fetches.EachRecord(func(record *kgo.Record) { seen[string(record.Value)] = true })
	}
	reader.Close()
	fmt.Printf("%s; read %d\n", kind, len(seen))
}
