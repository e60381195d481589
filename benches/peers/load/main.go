// Puts or gets of random keys on a cluster of etcd or Cassandra, each client waiting for its answer before it asks again:
// what `redis-benchmark -P 1` does at the doors of the others. One line: operations per second, median and 99 % in ms, failed.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

var (
	store     = flag.String("store", "etcd", "etcd or cassandra")
	endpoints = flag.String("endpoints", "127.0.0.1:2379", "addresses, with commas; client i uses one of them, in turn")
	clients   = flag.Int("clients", 64, "connections, each with one request under way")
	keys      = flag.Int("keys", 1_000_000, "different keys")
	size      = flag.Int("size", 100, "bytes of a value")
	load      = flag.String("load", "put", "put, get (etcd: linearizable, Cassandra: QUORUM) or get-serializable (etcd)")
	duration  = flag.Duration("duration", 8*time.Second, "how long")
)

// What one client saw.
type seen struct {
	took   []time.Duration
	failed int
}

// One connection to one node, which puts or gets as -load says.
type client func(ctx context.Context, key, value string) error

func main() {
	flag.Parse()
	connect := map[string]func(address string) (client, error){"etcd": etcd, "cassandra": cassandra}[*store]
	if connect == nil {
		log.Fatalf("-store is etcd or cassandra, not %q", *store)
	}
	addresses := strings.Split(*endpoints, ",")
	connections := make([]client, *clients)
	for i := range connections {
		connection, err := connect(addresses[i%len(addresses)])
		if err != nil {
			log.Fatalf("cannot connect: %v", err)
		}
		connections[i] = connection
	}
	results := make([]seen, *clients)
	ctx, cancel := context.WithTimeout(context.Background(), *duration)
	defer cancel()
	begin := time.Now()
	var running sync.WaitGroup
	for i, connection := range connections {
		running.Add(1)
		go func() {
			defer running.Done()
			results[i] = ask(ctx, connection)
		}()
	}
	running.Wait()
	report(results, time.Since(begin))
}

// Asks until the time is up.
func ask(ctx context.Context, connection client) (all seen) {
	value := strings.Repeat("x", *size)
	for ctx.Err() == nil {
		key := fmt.Sprintf("key:%012d", rand.IntN(*keys))
		begin := time.Now()
		err := connection(ctx, key, value)
		if ctx.Err() != nil {
			break // Cut off by the end, not by the server.
		}
		if err != nil {
			all.failed++
			continue
		}
		all.took = append(all.took, time.Since(begin))
	}
	return all
}

func report(results []seen, elapsed time.Duration) {
	var took []time.Duration
	failed := 0
	for _, client := range results {
		took = append(took, client.took...)
		failed += client.failed
	}
	if len(took) == 0 {
		log.Fatalf("nothing was answered, %d requests failed", failed)
	}
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))].Microseconds()) / 1000
	}
	fmt.Printf("%.0f %.3f %.3f %d\n", float64(len(took))/elapsed.Seconds(), at(0.5), at(0.99), failed)
}
