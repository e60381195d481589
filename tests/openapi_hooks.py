"""What schemathesis must be told: lines of JSON are sent as they are; and what OpenAPI has no words for.

A request that shall be valid names its key once, has one expiry, and hands back no version, cursor or context, which only a
node can make, and most of its filters for log lines are filters (a grammar of their own); without that most requests would be
refused before a node looks at the rest. Requests that shall be refused
stay as they were made up. Each answer is a line in the file OPENAPI_TALLY: mode, status, operation.
"""

import os

import schemathesis

HANDED_OUT = ("version", "cursor")
FILTERS = ("info", "warn,quorate_node=debug", "error,quorate_http=info,quorate_wal=warn")


@schemathesis.serializer("application/x-ndjson")
def lines_of_json(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", errors="surrogatepass")


def shall_be_valid(case):
    return case.meta is not None and case.meta.generation.mode.value == "positive"


def key_once(case):
    body = case.body if isinstance(case.body, dict) else {}
    places = [(body, name) for name in ("key", "key64") if name in body]
    places += [(case.query, name) for name in ("key64", "key") if name in case.query]
    if not places and "{key}" not in case.path:
        case.query["key"] = "greeting"
    for place, name in places if "{key}" in case.path else places[1:]:
        del place[name]


@schemathesis.hook
def before_call(ctx, case, kwargs):
    if not shall_be_valid(case):
        return
    for name in HANDED_OUT:
        case.query.pop(name, None)
    case.headers.pop("X-Kv-Context", None)
    if "ttl" in case.query:
        case.query.pop("expires-at-ms", None)
    if case.path.startswith("/api/v1/store") or case.path == "/api/v1/explain":
        key_once(case)
    if case.path == "/api/v1/admin/log" and case.method == "POST":
        made_up = str(case.query.get("filter", ""))
        case.query["filter"] = (*FILTERS, made_up)[len(made_up) % 4]


@schemathesis.hook
def after_call(ctx, case, response):
    tally = os.environ.get("OPENAPI_TALLY")
    if tally:
        mode = "valid" if shall_be_valid(case) else "other"
        served = "absent" if "x-kv-absent" in response.headers else response.status_code
        with open(tally, "a", encoding="utf-8") as file:
            file.write(f"{mode} {served} {case.method} {case.path}\n")
