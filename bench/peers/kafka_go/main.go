// Runs kafka-go against a server with the options that the messaging API's model sets by default, and
// prints the keys of `dohle bench`.
//
//	kafka_go publish|receive [-brokers HOST:PORT] [-topic NAME] [-records COUNT] [-size 100]
//	         [-group NAME] [-acks none|one|all] [-commit-interval 0s]
//
// publish: a call of an asynchronous Writer for each message (batches of 100 messages, 1 MiB and
// 10 ms, round robin, acks none), until all are written. receive: FetchMessage and CommitMessages of a
// Reader for each message; without a commit interval each commit is a request. Time and CPU count from
// the first message on.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
)

const sampledBytes = 1 << 20

func check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "kafka_go: %s: %v\n", what, err)
		os.Exit(1)
	}
}

type options struct {
	brokers, topic, group string
	records, size         int
	acks                  kafka.RequiredAcks
	commitInterval        time.Duration
}

func parse() (string, options) {
	if len(os.Args) < 2 {
		check("usage", fmt.Errorf("kafka_go publish|receive [-name value]…"))
	}
	var parsed options
	acks := map[string]kafka.RequiredAcks{"none": kafka.RequireNone, "one": kafka.RequireOne, "all": kafka.RequireAll}
	flags := flag.NewFlagSet("kafka_go", flag.ExitOnError)
	flags.StringVar(&parsed.brokers, "brokers", "127.0.0.1:9092", "a server")
	flags.StringVar(&parsed.topic, "topic", "bench", "the topic, which exists")
	flags.StringVar(&parsed.group, "group", "bench", "the group of receive")
	flags.IntVar(&parsed.records, "records", 1_000_000, "messages")
	flags.IntVar(&parsed.size, "size", 100, "bytes of each")
	named := flags.String("acks", "none", "none, one or all")
	flags.DurationVar(&parsed.commitInterval, "commit-interval", 0, "0: a request for each message")
	check("options", flags.Parse(os.Args[2:]))
	required, known := acks[*named]
	if !known {
		check("options", fmt.Errorf("-acks is %s; allowed are none, one and all", *named))
	}
	parsed.acks = required
	return os.Args[1], parsed
}

func usage() (cpuMicroseconds float64, peakMegabytes float64) {
	var now syscall.Rusage
	check("getrusage", syscall.Getrusage(syscall.RUSAGE_SELF, &now))
	cpu := func(t syscall.Timeval) float64 { return float64(t.Sec)*1e6 + float64(t.Usec) }
	return cpu(now.Utime) + cpu(now.Stime), float64(now.Maxrss) * 1024 / 1e6
}

type stopwatch struct {
	began time.Time
	cpu   float64
}

func start() stopwatch {
	cpu, _ := usage()
	return stopwatch{time.Now(), cpu}
}

func (watch stopwatch) report(records, size int, failed int64) {
	seconds := time.Since(watch.began).Seconds()
	cpu, peak := usage()
	count := float64(records)
	fmt.Printf(`{"records":%d,"seconds":%.6f,"records_per_second":%.1f,"mb_per_second":%.3f,`+
		`"cpu_us_per_record":%.4f,"memory_peak_mb":%.1f,"failed":%d}`+"\n",
		records, seconds, count/seconds, count*float64(size)/1e6/seconds, (cpu-watch.cpu)/count, peak, failed)
}

func publish(wanted options) {
	var written, failed atomic.Int64
	writer := &kafka.Writer{
		Addr: kafka.TCP(wanted.brokers), Topic: wanted.topic, Balancer: &kafka.RoundRobin{}, MaxAttempts: 10,
		BatchSize: 100, BatchBytes: 1_048_576, BatchTimeout: 10 * time.Millisecond,
		ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, RequiredAcks: wanted.acks, Async: true,
		Completion: func(messages []kafka.Message, err error) {
			if err != nil {
				failed.Add(int64(len(messages)))
			}
			written.Add(int64(len(messages)))
		}}
	random := rand.New(rand.NewSource(1))
	bytes := make([]byte, wanted.size+sampledBytes)
	random.Read(bytes)
	send := func(number int) {
		at := number * 61 % sampledBytes
		check("publish", writer.WriteMessages(context.Background(), kafka.Message{Value: bytes[at : at+wanted.size]}))
	}
	wait := func(count int64) {
		for deadline := time.Now().Add(2 * time.Minute); written.Load() < count; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				check("publish", fmt.Errorf("%d of %d messages were written", written.Load(), count))
			}
		}
	}
	send(0)
	wait(1)
	watch := start()
	for number := range wanted.records {
		send(number)
	}
	wait(int64(wanted.records) + 1)
	watch.report(wanted.records, wanted.size, failed.Load())
	check("close", writer.Close())
}

func receive(wanted options) {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{wanted.brokers}, GroupID: wanted.group, Topic: wanted.topic,
		StartOffset: kafka.FirstOffset, QueueCapacity: 100, MinBytes: 1, MaxBytes: 50 << 20, MaxWait: 500 * time.Millisecond,
		CommitInterval: wanted.commitInterval})
	ctx := context.Background()
	var watch stopwatch
	for number := range wanted.records {
		message, err := reader.FetchMessage(ctx)
		check("receive", err)
		if number == 0 {
			watch = start()
		}
		check("commit", reader.CommitMessages(ctx, message))
	}
	watch.report(wanted.records, wanted.size, 0)
	check("close", reader.Close())
}

func main() {
	mode, wanted := parse()
	switch mode {
	case "publish":
		publish(wanted)
	case "receive":
		receive(wanted)
	default:
		check("usage", fmt.Errorf("the modes are publish and receive, not %s", mode))
	}
}
