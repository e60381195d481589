"""What every client in Python is asked: named cases, one line of output for each.

The door without a password is at DOOR, that with one at LOCKED; keys begin with PREFIX. `hello` as the only argument:
connect, set, get and leave, for the fixtures of handshakes.
"""

import asyncio
import inspect
import os
import sys

DOOR = os.environ["DOOR"].rsplit(":", 1)
LOCKED = os.environ["LOCKED"].rsplit(":", 1)
PASSWORD = os.environ["PASSWORD"]
WRONG = "not-the-password"
PREFIX = os.environ["PREFIX"]
ALL_BYTES = bytes(range(256))


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"{found!r} instead of {wanted!r}")


def expect_between(found, low, high):
    if not low <= found <= high:
        raise AssertionError(f"{found!r} is not from {low} to {high}")


def scan_keys():
    return {f"{PREFIX}scan:{k}" for k in range(25)}


def call(function):
    result = function()
    if inspect.isawaitable(result):
        asyncio.run(result)


async def expect_error(awaitable, kind, words):
    try:
        found = await awaitable
    except kind as error:
        if words not in str(error):
            raise AssertionError(f"the error does not say {words!r}: {error}") from error
    else:
        raise AssertionError(f"no error but {found!r}")


def run(version, hello, cases, only_if_asked=()):
    print(f"version {version}")
    if sys.argv[1:] == ["hello"]:
        call(hello)
        return
    wanted = sys.argv[1:]
    for case in only_if_asked if wanted else cases:
        if wanted and case.__name__ not in wanted:
            continue
        try:
            call(case)
            print(f"ok {case.__name__}", flush=True)
        except Exception as error:  # whatever the client throws is what the suite wants to see
            print(f"FAILED {case.__name__}: {type(error).__name__}: {error}", flush=True)
