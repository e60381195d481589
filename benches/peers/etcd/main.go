// Puts or gets of random keys on an etcd cluster, each client waiting for its answer before it asks again: what
// `redis-benchmark -P 1` does at the doors of the others. One line: operations per second, median and 99 % in ms, failed.
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

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

var (
	endpoints = flag.String("endpoints", "127.0.0.1:2379", "addresses, with commas; client i uses one of them, in turn")
	clients   = flag.Int("clients", 64, "connections, each with one request under way")
	keys      = flag.Int("keys", 1_000_000, "different keys")
	size      = flag.Int("size", 100, "bytes of a value")
	load      = flag.String("load", "put", "put, get (linearizable) or get-serializable")
	duration  = flag.Duration("duration", 8*time.Second, "how long")
)

// What one client saw.
type seen struct {
	took   []time.Duration
	failed int
}

func main() {
	flag.Parse()
	addresses := strings.Split(*endpoints, ",")
	connections := make([]*clientv3.Client, *clients)
	for i := range connections {
		connection, err := clientv3.New(clientv3.Config{
			Logger:      zap.NewNop(), // It warns of every request that the end cuts off.
			Endpoints:   []string{addresses[i%len(addresses)]},
			DialTimeout: 5 * time.Second,
		})
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
func ask(ctx context.Context, connection *clientv3.Client) (all seen) {
	value := strings.Repeat("x", *size)
	for ctx.Err() == nil {
		key := fmt.Sprintf("key:%012d", rand.IntN(*keys))
		begin := time.Now()
		var err error
		switch *load {
		case "put":
			_, err = connection.Put(ctx, key, value)
		case "get":
			_, err = connection.Get(ctx, key)
		case "get-serializable":
			_, err = connection.Get(ctx, key, clientv3.WithSerializable())
		default:
			log.Fatalf("-load is put, get or get-serializable, not %q", *load)
		}
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
