// kafka-go against a server: ADDRESS TOPIC COUNT. Exits with 0 if all checks pass. With SASL in the
// environment, as MECHANISM NAME PASSWORD, it logs in; with TLS_CA, a file, it does so over TLS.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

const partitions = 4

func check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func login() sasl.Mechanism {
	words := strings.SplitN(os.Getenv("SASL"), " ", 3)
	if len(words) != 3 {
		return nil
	}
	algorithm := scram.SHA256
	switch words[0] {
	case "PLAIN":
		return plain.Mechanism{Username: words[1], Password: words[2]}
	case "SCRAM-SHA-512":
		algorithm = scram.SHA512
	}
	mechanism, err := scram.Mechanism(algorithm, words[1], words[2])
	check("login", err)
	return mechanism
}

func encryption() *tls.Config {
	file := os.Getenv("TLS_CA")
	if file == "" {
		return nil
	}
	authorities := x509.NewCertPool()
	bytes, err := os.ReadFile(file)
	check("TLS_CA", err)
	authorities.AppendCertsFromPEM(bytes)
	return &tls.Config{RootCAs: authorities}
}

// The transport answers metadata from what it keeps, and does not ask anew after CreatePartitions.
func waitForPartitions(ctx context.Context, client *kafka.Client, topic string) error {
	for {
		metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err != nil {
			return err
		}
		if len(metadata.Topics) == 1 && len(metadata.Topics[0].Partitions) == partitions {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the topic has not its %d partitions", partitions)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func main() {
	address, topic := os.Args[1], os.Args[2]
	count, _ := strconv.Atoi(os.Args[3])
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()

	transport := &kafka.Transport{SASL: login(), TLS: encryption(), MetadataTTL: 100 * time.Millisecond}
	dialer := &kafka.Dialer{Timeout: 10 * time.Second, SASLMechanism: login(), TLS: encryption()}
	// The transport does not pass on why a connection fails.
	connection, err := dialer.DialContext(ctx, "tcp", address)
	check("dial", err)
	check("close the connection", connection.Close())
	client := &kafka.Client{Addr: kafka.TCP(address), Timeout: 10 * time.Second, Transport: transport}
	create := func() error {
		answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
			{Topic: topic, NumPartitions: partitions - 2, ReplicationFactor: 1}}})
		if err != nil {
			return err
		}
		return answer.Errors[topic]
	}
	check("create", create())
	if err := create(); !errors.Is(err, kafka.TopicAlreadyExists) {
		check("create again", fmt.Errorf("wanted TOPIC_ALREADY_EXISTS, got %v", err))
	}
	grow := func() error {
		answer, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
			Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: partitions}}})
		if err != nil {
			return err
		}
		return answer.Errors[topic]
	}
	check("add partitions", grow())
	if err := grow(); !errors.Is(err, kafka.InvalidPartitionNumber) {
		check("add none", fmt.Errorf("wanted INVALID_PARTITIONS, got %v", err))
	}
	check("metadata", waitForPartitions(ctx, client, topic))

	writer := &kafka.Writer{Addr: kafka.TCP(address), Topic: topic, Balancer: &kafka.Hash{}, RequiredAcks: kafka.RequireAll,
		Transport: transport}
	messages := make([]kafka.Message, count)
	for i := range messages {
		messages[i] = kafka.Message{Key: []byte(fmt.Sprintf("key %d", i%13)), Value: []byte(strconv.Itoa(i))}
	}
	check("produce", writer.WriteMessages(ctx, messages...))
	check("close", writer.Close())

	group := "of " + topic
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{address}, GroupID: group, Topic: topic,
		StartOffset: kafka.FirstOffset, MaxWait: 500 * time.Millisecond, Dialer: dialer})
	seen := map[string]bool{}
	for len(seen) < count {
		message, err := reader.FetchMessage(ctx)
		check("fetch", err)
		seen[string(message.Value)] = true
		check("commit", reader.CommitMessages(ctx, message))
	}
	check("close the reader", reader.Close())
	wanted := map[string][]int{topic: {0, 1, 2, 3}}
	committed, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: wanted})
	check("committed", err)
	sum := int64(0)
	for _, partition := range committed.Topics[topic] {
		sum += max(partition.CommittedOffset, 0)
	}
	if sum != int64(count) {
		check("committed", fmt.Errorf("wanted %d, got %d", count, sum))
	}
	gone, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic + "-absent"}})
	check("delete", err)
	if !errors.Is(gone.Errors[topic+"-absent"], kafka.UnknownTopicOrPartition) {
		check("delete what is not there", fmt.Errorf("wanted UNKNOWN_TOPIC_OR_PARTITION, got %v", gone.Errors))
	}
	fmt.Printf("created %d partitions, produced %d, read %d in a group\n", partitions, count, len(seen))
}
