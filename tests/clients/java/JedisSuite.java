import static java.util.Map.entry;

import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.Response;
import redis.clients.jedis.Transaction;
import redis.clients.jedis.params.ScanParams;
import redis.clients.jedis.params.SetParams;
import redis.clients.jedis.resps.ScanResult;

final class JedisSuite {
    interface Use {
        void of(Jedis c) throws Exception;
    }

    static void at(Suite.Address door, String secret, Use use) throws Exception {
        DefaultJedisClientConfig config =
                DefaultJedisClientConfig.builder().timeoutMillis(30_000).password(secret).build();
        try (Jedis c = new Jedis(new HostAndPort(door.host(), door.port()), config)) {
            use.of(c);
        }
    }

    static Suite.Body with(Use use) {
        return () -> at(Suite.DOOR, null, use);
    }

    static void scan(Jedis c) {
        Suite.scanKeys().forEach(key -> c.set(key, "v"));
        TreeSet<String> found = new TreeSet<>();
        ScanParams page = new ScanParams().match(Suite.PREFIX + "scan:*").count(10);
        String cursor = ScanParams.SCAN_POINTER_START;
        do {
            ScanResult<String> result = c.scan(cursor, page);
            found.addAll(result.getResult());
            cursor = result.getCursor();
        } while (!cursor.equals(ScanParams.SCAN_POINTER_START));
        Suite.expect(found, Suite.scanKeys());
        Suite.expect(c.del(Suite.scanKeys().toArray(new String[0])), 25L);
    }

    static void pipeline(Jedis c) {
        Pipeline batch = c.pipelined();
        List<Response<String>> gets = Suite.counted().stream().map(number -> {
            batch.set(Suite.K, number);
            return batch.get(Suite.K);
        }).toList();
        batch.sync();
        Suite.expect(gets.stream().map(Response::get).toList(), Suite.counted());
    }

    public static void main(String[] arguments) throws Exception {
        String k = Suite.K;
        String a = Suite.PREFIX + "a";
        String b = Suite.PREFIX + "b";
        Suite.run(arguments, Jedis.class, with(c -> {
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
                    Suite.expect(c.mset(a, "1", b, "2"), "OK");
                    Suite.expect(c.mget(a, Suite.NOBODY, b), Arrays.asList("1", null, "2"));
                })),
                entry("expire", with(c -> {
                    c.set(k, "v", SetParams.setParams().ex(100));
                    Suite.expectBetween(c.ttl(k), 1, 100);
                    Suite.expect(c.expire(k, 1000), 1L);
                    Suite.expectBetween(c.ttl(k), 101, 1000);
                    Suite.expect(c.persist(k), 1L);
                    Suite.expect(c.ttl(k), -1L);
                })),
                entry("scan", with(JedisSuite::scan)),
                entry("pipeline", with(JedisSuite::pipeline)),
                entry("password", () -> at(Suite.LOCKED, Suite.PASSWORD, c -> Suite.expect(c.set(k, "v"), "OK"))),
                entry("wrong_password", () -> {
                    Suite.expectError("WRONGPASS", () -> at(Suite.LOCKED, Suite.WRONG, c -> c.get(k)));
                    Suite.expectError("NOAUTH", () -> at(Suite.LOCKED, null, c -> c.get(k)));
                }),
                // Its own method is gone: the command is sent as it is.
                entry("quit", with(c -> Suite.expect(
                        new String((byte[]) c.sendCommand(() -> "QUIT".getBytes())), "OK"))),
                entry("refused_lock", with(c -> Suite.expectError(
                        "compare-and-set", () -> c.set(k, "v", SetParams.setParams().nx())))),
                entry("refused_counter", with(c -> Suite.expectError("compare-and-set", () -> c.incr(k)))),
                entry("refused_transaction", with(c -> Suite.expectError(
                        "is not offered: commands on several keys", () -> {
                            try (Transaction batch = c.multi()) {
                                batch.set(k, "v");
                                batch.exec();
                            }
                        })))));
    }
}
