package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gocql/gocql"
)

// A prepared statement at QUORUM over a connection of its own, to a node that coordinates all of its requests.
func cassandra(address string) (client, error) {
	cluster := gocql.NewCluster(address)
	cluster.DisableInitialHostLookup = true
	cluster.NumConns = 1
	cluster.Consistency = gocql.Quorum
	cluster.ConnectTimeout = 5 * time.Second
	cluster.Timeout = 10 * time.Second
	cluster.Logger = silent{}
	session, err := cluster.CreateSession()
	if err != nil {
		return nil, err
	}
	if err := makeTable(session); err != nil {
		return nil, err
	}
	switch *load {
	case "put":
		return func(ctx context.Context, key, value string) error {
			return session.Query("INSERT INTO bench.kv (k, v) VALUES (?, ?)", key, value).WithContext(ctx).Exec()
		}, nil
	case "get":
		return func(ctx context.Context, key, _ string) error {
			var value string
			err := session.Query("SELECT v FROM bench.kv WHERE k = ?", key).WithContext(ctx).Scan(&value)
			if errors.Is(err, gocql.ErrNotFound) {
				return nil
			}
			return err
		}, nil
	}
	return nil, fmt.Errorf("-load is put or get for Cassandra, not %q", *load)
}

// Three copies of each row.
func makeTable(session *gocql.Session) error {
	for _, statement := range []string{
		"CREATE KEYSPACE IF NOT EXISTS bench WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}",
		"CREATE TABLE IF NOT EXISTS bench.kv (k text PRIMARY KEY, v text)",
	} {
		if err := session.Query(statement).Exec(); err != nil {
			return err
		}
	}
	return nil
}

// It warns of every request that the end cuts off.
type silent struct{}

func (silent) Print(...any)          {}
func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}
