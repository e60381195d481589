// node-redis.
import { RESP_TYPES, createClient } from "redis";

import { ALL_BYTES, DOOR, K, LOCKED, PASSWORD, PREFIX, SCAN_KEYS, WRONG, expect, expectBetween, expectError, run } from "./suite.mjs";

async function within(body, door = DOOR, password = undefined) {
  const c = createClient({ socket: { ...door, reconnectStrategy: false }, password });
  c.on("error", () => {});
  try {
    await c.connect();
    return await body(c);
  } finally {
    if (c.isOpen) c.destroy();
  }
}

await run(
  "redis",
  () => within(async (c) => {
    expect(await c.set(`${PREFIX}greeting`, "hello"), "OK");
    expect(await c.get(`${PREFIX}greeting`), "hello");
    await c.close();
  }),
  {
    connect: () => within(async (c) => expect(await c.ping(), "PONG")),
    set: () => within(async (c) => expect(await c.set(K, ALL_BYTES), "OK")),
    get: () => within(async (c) => {
      const bytes = c.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      expect(await bytes.get(K), ALL_BYTES);
      expect(await c.get(`${PREFIX}nobody`), null);
    }),
    mget: () => within(async (c) => {
      expect(await c.mSet([[`${PREFIX}a`, "1"], [`${PREFIX}b`, "2"]]), "OK");
      expect(await c.mGet([`${PREFIX}a`, `${PREFIX}nobody`, `${PREFIX}b`]), ["1", null, "2"]);
    }),
    expire: () => within(async (c) => {
      await c.set(K, "v", { expiration: { type: "EX", value: 100 } });
      expectBetween(await c.ttl(K), 1, 100);
      expect(await c.expire(K, 1000), 1);
      expectBetween(await c.ttl(K), 101, 1000);
      expect(await c.persist(K), 1);
      expect(await c.ttl(K), -1);
    }),
    scan: () => within(async (c) => {
      for (const key of SCAN_KEYS) await c.set(key, "v");
      const found = new Set();
      for await (const keys of c.scanIterator({ MATCH: `${PREFIX}scan:*`, COUNT: 10 })) keys.forEach((key) => found.add(key));
      expect([...found].sort(), SCAN_KEYS);
      expect(await c.del(SCAN_KEYS), 25);
    }),
    pipeline: () => within(async (c) => {
      const batch = c.multi();
      for (let k = 0; k < 100; k += 1) batch.set(K, String(k)).get(K);
      const wanted = Array.from({ length: 200 }, (_, k) => (k % 2 ? String((k - 1) / 2) : "OK"));
      expect(await batch.execAsPipeline(), wanted);
    }),
    password: () => within(async (c) => {
      expect(await c.set(K, "v"), "OK");
      expect(await c.get(K), "v");
    }, LOCKED, PASSWORD),
    wrong_password: async () => {
      await expectError(within((c) => c.get(K), LOCKED, WRONG), /WRONGPASS/);
      await expectError(within((c) => c.get(K), LOCKED), /NOAUTH/);
    },
    quit: () => within(async (c) => expect(await c.sendCommand(["QUIT"]), "OK")),
    refused_lock: () => within((c) => expectError(c.set(K, "v", { condition: "NX" }), /compare-and-set/)),
    refused_counter: () => within((c) => expectError(c.incr(K), /compare-and-set/)),
    refused_transaction: () => within((c) => expectError(c.multi().set(K, "v").exec(), /is not offered: commands on several keys/)),
  },
);
