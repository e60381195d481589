import static java.util.Map.entry;

import io.lettuce.core.KeyScanCursor;
import io.lettuce.core.KeyValue;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScanArgs;
import io.lettuce.core.ScanCursor;
import io.lettuce.core.SetArgs;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.lettuce.core.api.sync.RedisCommands;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;

final class LettuceSuite {
    interface Use {
        void of(RedisCommands<String, String> c) throws Exception;
    }

    static void at(Suite.Address door, String secret, Use use) throws Exception {
        RedisURI.Builder where =
                RedisURI.builder().withHost(door.host()).withPort(door.port()).withTimeout(Duration.ofSeconds(30));
        if (secret != null) {
            where.withPassword(secret.toCharArray());
        }
        RedisClient client = RedisClient.create(where.build());
        try (StatefulRedisConnection<String, String> connection = client.connect()) {
            use.of(connection.sync());
        } finally {
            client.shutdown(0, 5, TimeUnit.SECONDS);
        }
    }

    static Suite.Body with(Use use) {
        return () -> at(Suite.DOOR, null, use);
    }

    static void scan(RedisCommands<String, String> c) {
        Suite.scanKeys().forEach(key -> c.set(key, "v"));
        TreeSet<String> found = new TreeSet<>();
        ScanArgs page = ScanArgs.Builder.limit(10).match(Suite.PREFIX + "scan:*");
        ScanCursor cursor = ScanCursor.INITIAL;
        do {
            KeyScanCursor<String> result = c.scan(cursor, page);
            found.addAll(result.getKeys());
            cursor = result;
        } while (!cursor.isFinished());
        Suite.expect(found, Suite.scanKeys());
        Suite.expect(c.del(Suite.scanKeys().toArray(new String[0])), 25L);
    }

    static void pipeline(RedisCommands<String, String> c) throws Exception {
        StatefulRedisConnection<String, String> connection = c.getStatefulConnection();
        RedisAsyncCommands<String, String> batch = connection.async();
        connection.setAutoFlushCommands(false);
        List<RedisFuture<String>> gets = new ArrayList<>();
        for (String number : Suite.counted()) {
            batch.set(Suite.K, number);
            gets.add(batch.get(Suite.K));
        }
        connection.flushCommands();
        List<String> found = new ArrayList<>();
        for (RedisFuture<String> get : gets) {
            found.add(get.get(30, TimeUnit.SECONDS));
        }
        Suite.expect(found, Suite.counted());
    }

    public static void main(String[] arguments) throws Exception {
        String k = Suite.K;
        String a = Suite.PREFIX + "a";
        String b = Suite.PREFIX + "b";
        Suite.run(arguments, RedisClient.class, with(c -> {
            Suite.expect(c.set(Suite.PREFIX + "greeting", "hello"), "OK");
            Suite.expect(c.get(Suite.PREFIX + "greeting"), "hello");
        }), List.of(
                entry("connect", with(c -> Suite.expect(c.ping(), "PONG"))),
                entry("set", with(c -> Suite.expect(c.set(k, Suite.TEXT), "OK"))),
                entry("get", with(c -> {
                    Suite.expect(c.get(k), Suite.TEXT);
                    Suite.expect(c.get(Suite.NOBODY), null);
                })),
                entry("mget", with(c -> {
                    Suite.expect(c.mset(Map.of(a, "1", b, "2")), "OK");
                    List<KeyValue<String, String>> found = c.mget(a, Suite.NOBODY, b);
                    Suite.expect(found.stream().map(one -> one.getValueOrElse("none")).toList(), List.of("1", "none", "2"));
                })),
                entry("expire", with(c -> {
                    c.set(k, "v", SetArgs.Builder.ex(100));
                    Suite.expectBetween(c.ttl(k), 1, 100);
                    Suite.expect(c.expire(k, 1000), true);
                    Suite.expectBetween(c.ttl(k), 101, 1000);
                    Suite.expect(c.persist(k), true);
                    Suite.expect(c.ttl(k), -1L);
                })),
                entry("scan", with(LettuceSuite::scan)),
                entry("pipeline", with(LettuceSuite::pipeline)),
                entry("password", () -> at(Suite.LOCKED, Suite.PASSWORD, c -> Suite.expect(c.set(k, "v"), "OK"))),
                entry("wrong_password", () -> {
                    Suite.expectError("WRONGPASS", () -> at(Suite.LOCKED, Suite.WRONG, c -> c.get(k)));
                    Suite.expectError("NOAUTH", () -> at(Suite.LOCKED, null, c -> c.get(k)));
                }),
                entry("quit", with(c -> Suite.expect(c.quit(), "OK"))),
                entry("refused_lock", with(c -> Suite.expectError(
                        "compare-and-set", () -> c.set(k, "v", SetArgs.Builder.nx())))),
                entry("refused_counter", with(c -> Suite.expectError("compare-and-set", () -> c.incr(k)))),
                entry("refused_transaction", with(c -> Suite.expectError("MULTI is not offered", () -> c.multi())))));
    }
}
