"""coredis."""

import importlib.metadata

import coredis
from coredis.exceptions import RedisError, ResponseError
from suite import (
    ALL_BYTES, DOOR, LOCKED, PASSWORD, PREFIX, WRONG, expect, expect_between, expect_error, run, scan_keys,
)

K = PREFIX + "k"


def client(door=DOOR, **more):
    return coredis.Redis(host=door[0], port=int(door[1]), **more)


async def hello():
    async with client() as c:
        expect(await c.set(PREFIX + "greeting", "hello"), True)
        expect(await c.get(PREFIX + "greeting"), b"hello")


async def connect():
    async with client() as c:
        expect(await c.ping(), b"PONG")


async def set_():
    async with client() as c:
        expect(await c.set(K, ALL_BYTES), True)


async def get():
    async with client() as c:
        expect(await c.get(K), ALL_BYTES)
        expect(await c.get(PREFIX + "nobody"), None)


async def mget():
    async with client() as c:
        expect(await c.mset({PREFIX + "a": "1", PREFIX + "b": "2"}), True)
        expect(tuple(await c.mget([PREFIX + "a", PREFIX + "nobody", PREFIX + "b"])), (b"1", None, b"2"))


async def expire():
    async with client() as c:
        await c.set(K, "v", ex=100)
        expect_between(await c.ttl(K), 1, 100)
        expect(await c.expire(K, 1000), True)
        expect_between(await c.ttl(K), 101, 1000)
        expect(await c.persist(K), True)
        expect(await c.ttl(K), -1)


async def scan():
    async with client(decode_responses=True) as c:
        for key in scan_keys():
            await c.set(key, "v")
        expect({key async for key in c.scan_iter(match=PREFIX + "scan:*", count=10)}, scan_keys())
        expect(await c.delete(list(scan_keys())), 25)


async def pipeline():
    async with client() as c:
        async with c.pipeline(transaction=False) as batch:
            found = [reply for k in range(100) for reply in (batch.set(K, str(k)), batch.get(K))]
        expect([await reply for reply in found], [reply for k in range(100) for reply in (True, str(k).encode())])


async def password():
    async with client(LOCKED, password=PASSWORD) as c:
        expect(await c.set(K, "v"), True)
        expect(await c.get(K), b"v")


async def wrong_password():
    for secret in (WRONG, None):
        try:
            async with client(LOCKED, password=secret) as c:
                found = await c.ping()
        except (RedisError, ExceptionGroup) as error:
            words = " ".join(flat(error))
            if not ("WRONGPASS" in words or "NOAUTH" in words or "uthentication" in words or "invalid username" in words):
                raise AssertionError(f"not a word of the password: {words}") from error
        else:
            raise AssertionError(f"no error but {found!r}")


def flat(error):
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from flat(inner)
    else:
        yield f"{type(error).__name__}: {error}"


async def quit():
    async with client() as c:
        expect(await c.quit(), True)


async def refused_lock():
    async with client() as c:
        await expect_error(c.set(K, "v", condition=coredis.PureToken.NX), ResponseError, "compare-and-set")


async def refused_counter():
    async with client() as c:
        await expect_error(c.incr(K), ResponseError, "compare-and-set")


async def refused_transaction():
    # It does not pass on what was refused: to a command between MULTI and EXEC it knows no answer but QUEUED.
    try:
        async with client() as c, c.pipeline(transaction=True) as batch:
            batch.set(K, "v")
    except (RedisError, ExceptionGroup) as error:
        words = " ".join(flat(error))
        if "is not offered" not in words and "Abnormal response in pipeline" not in words:
            raise AssertionError(words) from error
    else:
        raise AssertionError("no error")


set_.__name__ = "set"
run(
    importlib.metadata.version("coredis"),
    hello,
    [
        connect, set_, get, mget, expire, scan, pipeline, password, wrong_password, quit,
        refused_lock, refused_counter, refused_transaction,
    ],
)
