package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

func goRedis(body func(c *redis.Client) error) func() error {
	return func() error { return goRedisAt(door, "", body) }
}

func goRedisAt(addr, secret string, body func(c *redis.Client) error) error {
	c := redis.NewClient(&redis.Options{Addr: addr, Password: secret})
	defer c.Close()
	return body(c)
}

func goRedisHello() error {
	return goRedisAt(door, "", func(c *redis.Client) error {
		if err := c.Set(ctx, prefix+"greeting", "hello", 0).Err(); err != nil {
			return err
		}
		found, err := c.Get(ctx, prefix+"greeting").Result()
		return first(err, expect(found, "hello"))
	})
}

var goRedisCases = []testCase{
	{"connect", goRedis(func(c *redis.Client) error { return expect(c.Ping(ctx).Val(), "PONG") })},
	{"set", goRedis(func(c *redis.Client) error { return c.Set(ctx, k, allBytes(), 0).Err() })},
	{"get", goRedis(func(c *redis.Client) error {
		found, err := c.Get(ctx, k).Result()
		if missing := c.Get(ctx, nobody).Err(); !errors.Is(missing, redis.Nil) {
			return fmt.Errorf("nobody: %w", missing)
		}
		return first(err, expect(found, allBytes()))
	})},
	{"mget", goRedis(func(c *redis.Client) error {
		set := c.MSet(ctx, prefix+"a", 1, prefix+"b", 2).Err()
		found, err := c.MGet(ctx, prefix+"a", nobody, prefix+"b").Result()
		return first(set, err, expect(found, []any{"1", nil, "2"}))
	})},
	{"expire", goRedis(func(c *redis.Client) error {
		return first(
			c.Set(ctx, k, "v", 100e9).Err(),
			expectBetween(c.TTL(ctx, k).Val(), 1, 100),
			expect(c.Expire(ctx, k, 1000e9).Val(), true),
			expectBetween(c.TTL(ctx, k).Val(), 101, 1000),
			expect(c.Persist(ctx, k).Val(), true),
			expect(int64(c.TTL(ctx, k).Val()), int64(-1)),
		)
	})},
	{"scan", goRedis(func(c *redis.Client) error {
		for _, key := range scanKeys() {
			if err := c.Set(ctx, key, "v", 0).Err(); err != nil {
				return err
			}
		}
		var found []string
		keys := c.Scan(ctx, 0, prefix+"scan:*", 10).Iterator()
		for keys.Next(ctx) {
			found = append(found, keys.Val())
		}
		slices.Sort(found)
		return first(keys.Err(), expect(slices.Compact(found), scanKeys()), expect(c.Del(ctx, scanKeys()...).Val(), int64(25)))
	})},
	{"pipeline", goRedis(func(c *redis.Client) error {
		var gets []*redis.StringCmd
		_, err := c.Pipelined(ctx, func(batch redis.Pipeliner) error {
			for at := range 100 {
				batch.Set(ctx, k, at, 0)
				gets = append(gets, batch.Get(ctx, k))
			}
			return nil
		})
		for at, get := range gets {
			err = first(err, expect(get.Val(), fmt.Sprint(at)))
		}
		return err
	})},
	{"password", func() error {
		return goRedisAt(locked, password, func(c *redis.Client) error { return c.Set(ctx, k, "v", 0).Err() })
	}},
	{"wrong_password", func() error {
		get := func(c *redis.Client) error { return c.Get(ctx, k).Err() }
		return first(expectError(goRedisAt(locked, wrong, get), "WRONGPASS"), expectError(goRedisAt(locked, "", get), "NOAUTH"))
	}},
	// Its Quit is not implemented: the command is sent as it is.
	{"quit", goRedis(func(c *redis.Client) error { return expect(c.Do(ctx, "QUIT").Val(), "OK") })},
	{"refused_lock", goRedis(func(c *redis.Client) error {
		return expectError(c.SetNX(ctx, k, "v", 100e9).Err(), "compare-and-set")
	})},
	{"refused_counter", goRedis(func(c *redis.Client) error {
		return expectError(c.Incr(ctx, k).Err(), "compare-and-set")
	})},
	{"refused_transaction", goRedis(func(c *redis.Client) error {
		_, err := c.TxPipelined(ctx, func(batch redis.Pipeliner) error { return batch.Set(ctx, k, "v", 0).Err() })
		return expectError(err, "is not offered: commands on several keys")
	})},
}
