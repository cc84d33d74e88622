// franz-go against a server: ADDRESS TOPIC COUNT. Exits with 0 if all checks pass. With SASL in the
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

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const partitions = 4

func check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func login() []kgo.Opt {
	words := strings.SplitN(os.Getenv("SASL"), " ", 3)
	if len(words) != 3 {
		return nil
	}
	options := []kgo.Opt{}
	if file := os.Getenv("TLS_CA"); file != "" {
		authorities := x509.NewCertPool()
		bytes, err := os.ReadFile(file)
		check("TLS_CA", err)
		authorities.AppendCertsFromPEM(bytes)
		options = append(options, kgo.DialTLSConfig(&tls.Config{RootCAs: authorities}))
	}
	auth := scram.Auth{User: words[1], Pass: words[2]}
	switch words[0] {
	case "SCRAM-SHA-256":
		return append(options, kgo.SASL(auth.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		return append(options, kgo.SASL(auth.AsSha512Mechanism()))
	}
	return append(options, kgo.SASL(plain.Auth{User: words[1], Pass: words[2]}.AsMechanism()))
}

func main() {
	address, topic := os.Args[1], os.Args[2]
	count, _ := strconv.Atoi(os.Args[3])
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()

	client, err := kgo.NewClient(append(login(), kgo.SeedBrokers(address))...)
	check("client", err)
	admin := kadm.NewClient(client)
	made, err := admin.CreateTopic(ctx, partitions, 1, nil, topic)
	check("create", err)
	check("create", made.Err)
	again, err := admin.CreateTopic(ctx, partitions, 1, nil, topic)
	if err == nil {
		err = again.Err
	}
	if !errors.Is(err, kerr.TopicAlreadyExists) {
		check("create again", fmt.Errorf("wanted TOPIC_ALREADY_EXISTS, got %v", err))
	}
	listed, err := admin.ListTopics(ctx)
	check("list", err)
	if !listed.Has(topic) || len(listed[topic].Partitions) != partitions {
		check("list", fmt.Errorf("the topic has not its %d partitions", partitions))
	}

	for i := 0; i < count; i++ {
		record := &kgo.Record{Topic: topic, Key: []byte(fmt.Sprintf("key %d", i%13)), Value: []byte(strconv.Itoa(i))}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) { check("produce", err) })
	}
	check("flush", client.Flush(ctx))

	group := "of " + topic
	reader, err := kgo.NewClient(append(login(), kgo.SeedBrokers(address), kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())...)
	check("reader", err)
	seen := map[string]bool{}
	for len(seen) < count {
		fetches := reader.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			check("fetch", failed.Err)
		}
		fetches.EachRecord(func(record *kgo.Record) { seen[string(record.Value)] = true })
	}
	check("commit", reader.CommitUncommittedOffsets(ctx))
	committed, err := admin.FetchOffsets(ctx, group)
	check("committed", err)
	sum := int64(0)
	committed.Each(func(offset kadm.OffsetResponse) { sum += offset.At })
	if sum != int64(count) {
		check("committed", fmt.Errorf("wanted %d, got %d", count, sum))
	}
	reader.Close()
	_, err = admin.DeleteTopic(ctx, topic+"-absent")
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		check("delete what is not there", fmt.Errorf("wanted UNKNOWN_TOPIC_OR_PARTITION, got %v", err))
	}
	client.Close()
	fmt.Printf("created %d partitions, produced %d, read %d in a group\n", partitions, count, len(seen))
}
