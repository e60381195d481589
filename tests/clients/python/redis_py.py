"""redis-py, any version since 5."""

import os
import signal
import time

import redis

from suite import ALL_BYTES, DOOR, LOCKED, PASSWORD, PREFIX, WRONG, expect, expect_between, run, scan_keys

K = PREFIX + "k"


def client(door=DOOR, **more):
    return redis.Redis(host=door[0], port=int(door[1]), socket_timeout=30, **more)


def refused(function, words):
    try:
        found = function()
    except redis.ResponseError as error:
        if words not in str(error):
            raise AssertionError(f"the error does not say {words!r}: {error}") from error
    else:
        raise AssertionError(f"no error but {found!r}")


def hello():
    with client() as c:
        expect(c.set(PREFIX + "greeting", "hello"), True)
        expect(c.get(PREFIX + "greeting"), b"hello")


def connect():
    with client() as c:
        expect(c.ping(), True)


def set_():
    with client() as c:
        expect(c.set(K, ALL_BYTES), True)


def get():
    with client() as c:
        expect(c.get(K), ALL_BYTES)
        expect(c.get(PREFIX + "nobody"), None)


def mget():
    with client() as c:
        expect(c.mset({PREFIX + "a": 1, PREFIX + "b": 2}), True)
        expect(c.mget(PREFIX + "a", PREFIX + "nobody", PREFIX + "b"), [b"1", None, b"2"])


def expire():
    with client() as c:
        c.set(K, "v", ex=100)
        expect_between(c.ttl(K), 1, 100)
        expect(c.expire(K, 1000), True)
        expect_between(c.ttl(K), 101, 1000)
        expect(c.persist(K), True)
        expect(c.ttl(K), -1)


def scan():
    with client(decode_responses=True) as c:
        for key in scan_keys():
            c.set(key, "v")
        expect(set(c.scan_iter(match=PREFIX + "scan:*", count=10)), scan_keys())
        expect(c.delete(*scan_keys()), 25)


def pipeline():
    with client() as c, c.pipeline(transaction=False) as batch:
        for k in range(100):
            batch.set(K, k).get(K)
        expect(batch.execute(), [reply for k in range(100) for reply in (True, str(k).encode())])


def password():
    with client(LOCKED, password=PASSWORD) as c:
        expect(c.set(K, "v"), True)
    with client(LOCKED, username="default", password=PASSWORD) as c:
        expect(c.get(K), b"v")


def wrong_password():
    for secret in (WRONG, None):
        try:
            with client(LOCKED, password=secret) as c:
                found = c.ping()
        except redis.AuthenticationError:
            continue
        raise AssertionError(f"no error but {found!r}")


def quit():
    c = client(single_connection_client=True)
    expect(c.execute_command("QUIT"), True)
    c.close()


def refused_lock():
    with client() as c:
        refused(lambda: c.set(K, "v", nx=True), "compare-and-set")


def refused_counter():
    with client() as c:
        refused(lambda: c.incr(K), "compare-and-set")


def refused_transaction():
    one, other = PREFIX + "in-transaction", PREFIX + "in-transaction-too"
    with client() as c, c.pipeline(transaction=True) as batch:
        c.set(one, "before")
        refused(lambda: batch.set(one, "v").set(other, "v").execute(), "is not offered: commands on several keys")
        expect(c.mget(one, other), [b"before", None])


def at_all_keys(function):
    for k in range(400):
        function(f"{PREFIX}{k}", str(k).encode())


def cluster():
    return redis.RedisCluster(host=DOOR[0], port=int(DOOR[1]), socket_timeout=30)


def spread():
    with cluster() as c:
        expect(len(c.get_nodes()), 4)
        at_all_keys(lambda key, value: expect(c.set(key, value), True))
        at_all_keys(lambda key, value: expect(c.get(key), value))


def outlive():
    def in_time(function):
        deadline = time.monotonic() + 60
        while True:
            try:
                return function()
            except (redis.ConnectionError, redis.TimeoutError, redis.exceptions.ClusterError):
                if time.monotonic() > deadline:
                    raise

    with cluster() as c:
        expect(c.set(K, "v"), True)
        os.kill(int(os.environ["VICTIM"]), signal.SIGKILL)
        at_all_keys(lambda key, value: expect(in_time(lambda: c.set(key, value)), True))
        at_all_keys(lambda key, value: expect(in_time(lambda: c.get(key)), value))


set_.__name__ = "set"
run(
    redis.__version__,
    hello,
    [
        connect, set_, get, mget, expire, scan, pipeline, password, wrong_password, quit,
        refused_lock, refused_counter, refused_transaction,
    ],
    [spread, outlive],
)
