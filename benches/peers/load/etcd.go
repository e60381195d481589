package main

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

func etcd(address string) (client, error) {
	connection, err := clientv3.New(clientv3.Config{
		Logger:      zap.NewNop(), // It warns of every request that the end cuts off.
		Endpoints:   []string{address},
		DialTimeout: 5 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	get := func(options ...clientv3.OpOption) client {
		return func(ctx context.Context, key, _ string) error {
			_, err := connection.Get(ctx, key, options...)
			return err
		}
	}
	switch *load {
	case "put":
		return func(ctx context.Context, key, value string) error {
			_, err := connection.Put(ctx, key, value)
			return err
		}, nil
	case "get":
		return get(), nil
	case "get-serializable":
		return get(clientv3.WithSerializable()), nil
	}
	return nil, fmt.Errorf("-load is put, get or get-serializable for etcd, not %q", *load)
}
