// ioredis, and iovalkey, which was forked from it.
import { ALL_BYTES, DOOR, K, LOCKED, PASSWORD, PREFIX, SCAN_KEYS, WRONG, expect, expectBetween, expectError, run } from "./suite.mjs";

export async function suite(name, Redis) {
  // A client that can't connect tries for ever unless it is told not to.
  const client = (options = {}) => {
    const c = new Redis({ ...DOOR, retryStrategy: () => null, ...options });
    c.on("error", () => {});
    return c;
  };
  const within = async (body, options) => {
    const c = client(options);
    try {
      return await body(c);
    } finally {
      c.disconnect();
    }
  };
  const cluster = async (body) => {
    const c = new Redis.Cluster([DOOR]);
    c.on("error", () => {});
    try {
      return await body(c);
    } finally {
      c.disconnect();
    }
  };
  const atAllKeys = async (body) => {
    for (let k = 0; k < 400; k += 1) await body(`${PREFIX}${k}`, String(k));
  };
  const inTime = async (body) => {
    for (const deadline = Date.now() + 60_000; ;) {
      try {
        return await body();
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
    }
  };
  await run(
    name,
    async () => {
      const c = client();
      expect(await c.set(`${PREFIX}greeting`, "hello"), "OK");
      expect(await c.get(`${PREFIX}greeting`), "hello");
      expect(await c.quit(), "OK");
    },
    {
      connect: () => within(async (c) => expect(await c.ping(), "PONG")),
      set: () => within(async (c) => expect(await c.set(K, ALL_BYTES), "OK")),
      get: () => within(async (c) => {
        expect(await c.getBuffer(K), ALL_BYTES);
        expect(await c.get(`${PREFIX}nobody`), null);
      }),
      mget: () => within(async (c) => {
        expect(await c.mset({ [`${PREFIX}a`]: 1, [`${PREFIX}b`]: 2 }), "OK");
        expect(await c.mget(`${PREFIX}a`, `${PREFIX}nobody`, `${PREFIX}b`), ["1", null, "2"]);
      }),
      expire: () => within(async (c) => {
        await c.set(K, "v", "EX", 100);
        expectBetween(await c.ttl(K), 1, 100);
        expect(await c.expire(K, 1000), 1);
        expectBetween(await c.ttl(K), 101, 1000);
        expect(await c.persist(K), 1);
        expect(await c.ttl(K), -1);
      }),
      scan: () => within(async (c) => {
        for (const key of SCAN_KEYS) await c.set(key, "v");
        const found = new Set();
        for await (const keys of c.scanStream({ match: `${PREFIX}scan:*`, count: 10 })) keys.forEach((key) => found.add(key));
        expect([...found].sort(), SCAN_KEYS);
        expect(await c.del(...SCAN_KEYS), 25);
      }),
      pipeline: () => within(async (c) => {
        const batch = c.pipeline();
        for (let k = 0; k < 100; k += 1) batch.set(K, k).get(K);
        const wanted = Array.from({ length: 200 }, (_, k) => [null, k % 2 ? String((k - 1) / 2) : "OK"]);
        expect(await batch.exec(), wanted);
      }),
      password: () => within(async (c) => {
        expect(await c.set(K, "v"), "OK");
        expect(await c.get(K), "v");
      }, { ...LOCKED, password: PASSWORD }),
      wrong_password: async () => {
        await expectError(within((c) => c.get(K), { ...LOCKED, password: WRONG }), /WRONGPASS|NOAUTH/);
        await expectError(within((c) => c.get(K), { ...LOCKED }), /NOAUTH/);
      },
      // It waits for the server to close.
      quit: async () => {
        const c = client();
        const ended = new Promise((done) => { c.once("end", done); });
        expect(await c.quit(), "OK");
        await ended;
      },
      refused_lock: () => within((c) => expectError(c.set(K, "v", "NX"), /compare-and-set/)),
      refused_counter: () => within((c) => expectError(c.incr(K), /compare-and-set/)),
      refused_transaction: () => within((c) => expectError(c.multi().set(K, "v").exec(), /is not offered: commands on several keys/)),
    },
    Redis.Cluster && {
      spread: () => cluster(async (c) => {
        await atAllKeys(async (key, value) => expect(await c.set(key, value), "OK"));
        await atAllKeys(async (key, value) => expect(await c.get(key), value));
        expect(c.nodes("master").length, 4);
      }),
      outlive: () => cluster(async (c) => {
        expect(await c.set(K, "v"), "OK");
        process.kill(Number(process.env.VICTIM), "SIGKILL");
        await atAllKeys(async (key, value) => expect(await inTime(() => c.set(key, value)), "OK"));
        await atAllKeys(async (key, value) => expect(await inTime(() => c.get(key)), value));
      }),
    },
  );
}
