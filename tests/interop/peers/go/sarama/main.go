// sarama against a server: ADDRESS TOPIC COUNT. Exits with 0 if all checks pass.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const partitions = 4

func check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

// collector reads until it has seen `count` values, then ends its session.
type collector struct {
	count int
	done  context.CancelFunc
	lock  sync.Mutex
	seen  map[string]bool
}

func (c *collector) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (c *collector) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (c *collector) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, more := <-claim.Messages():
			if !more {
				return nil
			}
			session.MarkMessage(message, "")
			c.lock.Lock()
			c.seen[string(message.Value)] = true
			whole := len(c.seen) == c.count
			c.lock.Unlock()
			if whole {
				c.done()
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func main() {
	address, topic := []string{os.Args[1]}, os.Args[2]
	count, _ := strconv.Atoi(os.Args[3])
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest

	admin, err := sarama.NewClusterAdmin(address, config)
	check("admin", err)
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}
	check("create", admin.CreateTopic(topic, detail, false))
	if err := admin.CreateTopic(topic, detail, false); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		check("create again", fmt.Errorf("wanted TOPIC_ALREADY_EXISTS, got %v", err))
	}
	topics, err := admin.ListTopics()
	check("list", err)
	if topics[topic].NumPartitions != partitions {
		check("list", fmt.Errorf("the topic has not its %d partitions", partitions))
	}

	producer, err := sarama.NewSyncProducer(address, config)
	check("producer", err)
	messages := make([]*sarama.ProducerMessage, count)
	for i := range messages {
		messages[i] = &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(fmt.Sprintf("key %d", i%13)),
			Value: sarama.StringEncoder(strconv.Itoa(i))}
	}
	check("produce", producer.SendMessages(messages))
	check("close", producer.Close())

	groupID := "of " + topic
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	reading, done := context.WithCancel(ctx)
	group, err := sarama.NewConsumerGroup(address, groupID, config)
	check("group", err)
	collected := &collector{count: count, done: done, seen: map[string]bool{}}
	for reading.Err() == nil {
		check("consume", group.Consume(reading, []string{topic}, collected))
	}
	cancel()
	check("close the group", group.Close())
	if len(collected.seen) != count {
		check("read", fmt.Errorf("wanted %d, got %d in time", count, len(collected.seen)))
	}
	committed, err := admin.ListConsumerGroupOffsets(groupID, map[string][]int32{topic: {0, 1, 2, 3}})
	check("committed", err)
	sum := int64(0)
	for _, block := range committed.Blocks[topic] {
		sum += max(block.Offset, 0)
	}
	if sum != int64(count) {
		check("committed", fmt.Errorf("wanted %d, got %d", count, sum))
	}
	if err := admin.DeleteTopic(topic + "-absent"); !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		check("delete what is not there", fmt.Errorf("wanted UNKNOWN_TOPIC_OR_PARTITION, got %v", err))
	}
	check("close the admin", admin.Close())
	fmt.Printf("created %d partitions, produced %d, read %d in a group\n", partitions, count, len(collected.seen))
}
