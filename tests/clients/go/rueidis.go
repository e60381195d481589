package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/redis/rueidis"
)

// The cache on the client's side needs CLIENT TRACKING, which is not offered. One connection: which of several takes a
// command is left to chance.
func rueidisAt(addr, secret string, body func(c rueidis.Client) error) error {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, Password: secret, DisableCache: true, PipelineMultiplex: -1})
	if err != nil {
		return err
	}
	defer c.Close()
	return body(c)
}

func rueidisDo(body func(c rueidis.Client) error) func() error {
	return func() error { return rueidisAt(door, "", body) }
}

func rueidisHello() error {
	return rueidisAt(door, "", func(c rueidis.Client) error {
		if err := c.Do(ctx, c.B().Set().Key(prefix+"greeting").Value("hello").Build()).Error(); err != nil {
			return err
		}
		found, err := c.Do(ctx, c.B().Get().Key(prefix+"greeting").Build()).ToString()
		return first(err, expect(found, "hello"))
	})
}

func rueidisTTL(c rueidis.Client) time.Duration {
	seconds, err := c.Do(ctx, c.B().Ttl().Key(k).Build()).AsInt64()
	if err != nil {
		return -9 * time.Second
	}
	return time.Duration(seconds) * time.Second
}

var rueidisCases = []testCase{
	{"connect", rueidisDo(func(c rueidis.Client) error {
		found, err := c.Do(ctx, c.B().Ping().Build()).ToString()
		return first(err, expect(found, "PONG"))
	})},
	{"set", rueidisDo(func(c rueidis.Client) error {
		return c.Do(ctx, c.B().Set().Key(k).Value(allBytes()).Build()).Error()
	})},
	{"get", rueidisDo(func(c rueidis.Client) error {
		found, err := c.Do(ctx, c.B().Get().Key(k).Build()).ToString()
		if missing := c.Do(ctx, c.B().Get().Key(nobody).Build()).Error(); !rueidis.IsRedisNil(missing) {
			return fmt.Errorf("nobody: %w", missing)
		}
		return first(err, expect(found, allBytes()))
	})},
	{"mget", rueidisDo(func(c rueidis.Client) error {
		set := c.Do(ctx, c.B().Mset().KeyValue().KeyValue(prefix+"a", "1").KeyValue(prefix+"b", "2").Build()).Error()
		found, err := c.Do(ctx, c.B().Mget().Key(prefix+"a", nobody, prefix+"b").Build()).AsStrSlice()
		return first(set, err, expect(found, []string{"1", "", "2"}))
	})},
	{"expire", rueidisDo(func(c rueidis.Client) error {
		set := c.Do(ctx, c.B().Set().Key(k).Value("v").ExSeconds(100).Build()).Error()
		before := expectBetween(rueidisTTL(c), 1, 100)
		expire := c.Do(ctx, c.B().Expire().Key(k).Seconds(1000).Build()).Error()
		after := expectBetween(rueidisTTL(c), 101, 1000)
		persist := c.Do(ctx, c.B().Persist().Key(k).Build()).Error()
		return first(set, before, expire, after, persist, expect(rueidisTTL(c), -time.Second))
	})},
	{"scan", rueidisDo(func(c rueidis.Client) error {
		for _, key := range scanKeys() {
			if err := c.Do(ctx, c.B().Set().Key(key).Value("v").Build()).Error(); err != nil {
				return err
			}
		}
		var found []string
		for cursor, begun := uint64(0), false; !begun || cursor != 0; begun = true {
			page, err := c.Do(ctx, c.B().Scan().Cursor(cursor).Match(prefix+"scan:*").Count(10).Build()).AsScanEntry()
			if err != nil {
				return err
			}
			cursor, found = page.Cursor, append(found, page.Elements...)
		}
		slices.Sort(found)
		deleted, err := c.Do(ctx, c.B().Del().Key(scanKeys()...).Build()).AsInt64()
		return first(expect(slices.Compact(found), scanKeys()), err, expect(deleted, int64(25)))
	})},
	{"pipeline", rueidisDo(func(c rueidis.Client) error {
		var batch rueidis.Commands
		for at := range 100 {
			batch = append(batch, c.B().Set().Key(k).Value(fmt.Sprint(at)).Build(), c.B().Get().Key(k).Build())
		}
		for at, reply := range c.DoMulti(ctx, batch...) {
			found, err := reply.ToString()
			wanted := "OK"
			if at%2 == 1 {
				wanted = fmt.Sprint(at / 2)
			}
			if err := first(err, expect(found, wanted)); err != nil {
				return err
			}
		}
		return nil
	})},
	{"password", func() error {
		return rueidisAt(locked, password, func(c rueidis.Client) error {
			return c.Do(ctx, c.B().Set().Key(k).Value("v").Build()).Error()
		})
	}},
	{"wrong_password", func() error {
		get := func(c rueidis.Client) error { return c.Do(ctx, c.B().Get().Key(k).Build()).Error() }
		return first(expectError(rueidisAt(locked, wrong, get), "WRONGPASS"), expectError(rueidisAt(locked, "", get), "NOAUTH"))
	}},
	{"quit", rueidisDo(func(c rueidis.Client) error {
		found, err := c.Do(ctx, c.B().Quit().Build()).ToString()
		return first(err, expect(found, "OK"))
	})},
	{"refused_lock", rueidisDo(func(c rueidis.Client) error {
		return expectError(c.Do(ctx, c.B().Set().Key(k).Value("v").Nx().Build()).Error(), "compare-and-set")
	})},
	{"refused_counter", rueidisDo(func(c rueidis.Client) error {
		return expectError(c.Do(ctx, c.B().Incr().Key(k).Build()).Error(), "compare-and-set")
	})},
	{"refused_transaction", rueidisDo(func(c rueidis.Client) error {
		replies := c.DoMulti(ctx, c.B().Multi().Build(), c.B().Set().Key(k).Value("v").Build(), c.B().Exec().Build())
		return first(
			expectError(replies[0].Error(), "is not offered: commands on several keys"),
			expectError(replies[2].Error(), "is not offered: commands on several keys"),
		)
	})},
}
