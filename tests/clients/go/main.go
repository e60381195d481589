// What every client for Go is asked: named cases, one line of output for each. See ../main.rs.
package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

var (
	door, locked = os.Getenv("DOOR"), os.Getenv("LOCKED")
	password     = os.Getenv("PASSWORD")
	prefix       = os.Getenv("PREFIX")
	k            = prefix + "k"
	nobody       = prefix + "nobody"
	ctx          = context.Background()
)

const wrong = "not-the-password"

type testCase struct {
	name string
	body func() error
}

func allBytes() string {
	bytes := make([]byte, 256)
	for at := range bytes {
		bytes[at] = byte(at)
	}
	return string(bytes)
}

func scanKeys() []string {
	keys := make([]string, 25)
	for at := range keys {
		keys[at] = fmt.Sprintf("%sscan:%d", prefix, at)
	}
	slices.Sort(keys)
	return keys
}

func expect(found, wanted any) error {
	if !reflect.DeepEqual(found, wanted) {
		return fmt.Errorf("%#v instead of %#v", found, wanted)
	}
	return nil
}

func expectBetween(found time.Duration, low, high int) error {
	if found < time.Duration(low)*time.Second || found > time.Duration(high)*time.Second {
		return fmt.Errorf("%v is not from %d s to %d s", found, low, high)
	}
	return nil
}

func expectError(err error, words string) error {
	if err == nil {
		return fmt.Errorf("no error")
	}
	if !strings.Contains(err.Error(), words) {
		return fmt.Errorf("the error does not say %q: %w", words, err)
	}
	return nil
}

// first is the first of them that is an error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func version(module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range info.Deps {
			if dependency.Path == module {
				return strings.TrimPrefix(dependency.Version, "v")
			}
		}
	}
	return "?"
}

func main() {
	module, hello, cases := "github.com/redis/go-redis/v9", goRedisHello, goRedisCases
	if os.Args[1] == "rueidis" {
		module, hello, cases = "github.com/redis/rueidis", rueidisHello, rueidisCases
	}
	fmt.Println("version", version(module))
	if len(os.Args) > 2 && os.Args[2] == "hello" {
		if err := hello(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	for _, one := range cases {
		if err := one.body(); err != nil {
			fmt.Printf("FAILED %s: %s\n", one.name, strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok", one.name)
		}
	}
}
