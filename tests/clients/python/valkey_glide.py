"""valkey-glide: a core in Rust behind a client in Python."""

import contextlib
import importlib.metadata

from glide import (
    Batch, ClosingError, ConditionalChange, ExpirySet, ExpiryType, GlideClient, GlideClientConfiguration, NodeAddress,
    RequestError, ServerCredentials,
)
from suite import (
    ALL_BYTES, DOOR, LOCKED, PASSWORD, PREFIX, WRONG, expect, expect_between, expect_error, run, scan_keys,
)

K = PREFIX + "k"


@contextlib.asynccontextmanager
async def client(door=DOOR, secret=None):
    credentials = ServerCredentials(secret) if secret else None
    addresses = [NodeAddress(door[0], int(door[1]))]
    config = GlideClientConfiguration(addresses, credentials=credentials, request_timeout=30_000)
    c = await GlideClient.create(config)
    try:
        yield c
    finally:
        await c.close()


async def hello():
    async with client() as c:
        expect(await c.set(PREFIX + "greeting", "hello"), "OK")
        expect(await c.get(PREFIX + "greeting"), b"hello")


async def connect():
    async with client() as c:
        expect(await c.ping(), b"PONG")


async def set_():
    async with client() as c:
        expect(await c.set(K, ALL_BYTES), "OK")


async def get():
    async with client() as c:
        expect(await c.get(K), ALL_BYTES)
        expect(await c.get(PREFIX + "nobody"), None)


async def mget():
    async with client() as c:
        expect(await c.mset({PREFIX + "a": "1", PREFIX + "b": "2"}), "OK")
        expect(await c.mget([PREFIX + "a", PREFIX + "nobody", PREFIX + "b"]), [b"1", None, b"2"])


async def expire():
    async with client() as c:
        await c.set(K, "v", expiry=ExpirySet(ExpiryType.SEC, 100))
        expect_between(await c.ttl(K), 1, 100)
        expect(await c.expire(K, 1000), True)
        expect_between(await c.ttl(K), 101, 1000)
        expect(await c.persist(K), True)
        expect(await c.ttl(K), -1)


async def scan():
    async with client() as c:
        for key in scan_keys():
            await c.set(key, "v")
        cursor, found = b"0", set()
        while True:
            cursor, keys = await c.scan(cursor, match=PREFIX + "scan:*", count=10)
            found |= {key.decode() for key in keys}
            if cursor == b"0":
                break
        expect(found, scan_keys())
        expect(await c.delete(list(scan_keys())), 25)


async def pipeline():
    async with client() as c:
        batch = Batch(is_atomic=False)
        for k in range(100):
            batch.set(K, str(k)).get(K)
        found = await c.exec(batch, raise_on_error=True)
        expect(found, [reply for k in range(100) for reply in ("OK", str(k).encode())])


async def password():
    async with client(LOCKED, PASSWORD) as c:
        expect(await c.set(K, "v"), "OK")
        expect(await c.get(K), b"v")


async def wrong_password():
    for secret, words in ((WRONG, "WRONGPASS"), (None, "NOAUTH")):
        try:
            async with client(LOCKED, secret) as c:
                found = await c.ping()
        except (ClosingError, RequestError) as error:
            if not any(text in str(error) for text in (words, "uthentication", "invalid username")):
                raise AssertionError(f"not a word of the password: {error}") from error
        else:
            raise AssertionError(f"no error but {found!r}")


async def quit():
    async with client() as c:
        expect(await c.custom_command(["QUIT"]), "OK")


async def refused_lock():
    async with client() as c:
        change = ConditionalChange.ONLY_IF_DOES_NOT_EXIST
        await expect_error(c.set(K, "v", conditional_set=change), RequestError, "compare-and-set")


async def refused_counter():
    async with client() as c:
        await expect_error(c.incr(K), RequestError, "compare-and-set")


async def refused_transaction():
    async with client() as c:
        batch = Batch(is_atomic=True)
        batch.set(K, "v")
        await expect_error(c.exec(batch, raise_on_error=True), RequestError, "is not offered: commands on several keys")


set_.__name__ = "set"
run(
    importlib.metadata.version("valkey-glide"),
    hello,
    [
        connect, set_, get, mget, expire, scan, pipeline, password, wrong_password, quit,
        refused_lock, refused_counter, refused_transaction,
    ],
)
