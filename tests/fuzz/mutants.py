"""Requests changed into what no schema describes: wrong types, sizes, encodings, methods, framing."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from wire import Request

TEXTS = [
    "",
    " ",
    "0",
    "-1",
    "1e9",
    "1e999",
    "NaN",
    "Infinity",
    "10000000000000000000000",
    "9223372036854775808",
    "-9223372036854775809",
    "1" * 5000,
    "0.1" + "0" * 400 + "1",
    "true",
    "null",
    "[]",
    "{}",
    ".",
    "..",
    "a" * 300,
    "é" * 4000,
    "e\u0301",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "\ufeff",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "\U0001f3ac",
    "\uffff",
    "\x7f\x1b[31m",
    "\r\nx: y",
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "%s%n%x",
    "${jndi:ldap://127.0.0.1/}",
    "../../../../etc/passwd",
    "١٢٣",
    "²",
    "year > 1990 and (",
    "((((" * 200,
    "not " * 500,
    "genre = 'x'" + " or genre = 'x'" * 100,
    "http://127.0.0.1:1/",
    "file:///etc/passwd",
]
NUMBERS = [
    0,
    -0.0,
    -1,
    1.5,
    5.000001,
    10**9,
    2**31,
    2**63,
    -(2**63) - 1,
    2**64,
    10**30,
    10**400,
    1e308,
    5e-324,
    float("nan"),
    float("inf"),
    float("-inf"),
]
TARGETS = [
    b"%",
    b"%zz",
    b"%0",
    b"%00",
    b"%ff",
    b"%c0%af",
    b"%ed%a0%80",
    b"%2f",
    b"%2e%2e%2f",
    b"%252e",
    b"..",
    b".",
    b"//",
    b"/",
    b";",
    b"\\",
    b"\xff",
    b"\xc3\xa9",
    b"%0d%0a",
    b"%7f",
    b"%F0%9F%8E%AC",
    b"a" * 3000,
]
QUERIES = [
    b"&",
    b"=",
    b"&&==&",
    b"n=1&n=2",
    b"n=",
    b"n",
    b"n=%zz",
    b"n=%ff",
    b"n=+1",
    b"n=1_0",
    b"n=%D9%A1",
    b"n=1e3",
    b"n=1;q=2",
    b"q=%00",
    b"q=%ed%a0%80",
    b"filter=%28%28%28%28",
    b"filter=year%3E",
    b"filter=" + b"%28" * 700,
    b"model=%00",
    b"explain=2",
    b"diversity=nan",
    b"diversity=1e400",
    b"diversity=-0",
    b"x=" + b"y" * 5000,
    b"&".join(b"q=%d" % i for i in range(500)),
    b"exclude=" + b"1," * 2000,
    b"cursor=AAAA",
    b"offset=9223372036854775808",
    b"limit=-1",
    b"sort=%00",
]
METHODS = [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"QUERY", b"PROPFIND", b"get"]
TYPES = [
    b"application/json",
    b"application/json; charset=utf-16",
    b"application/json; charset=\xff",
    b"application/x-ndjson",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data",
    b"multipart/form-data; boundary=",
    b"multipart/form-data; boundary=x",
    b"multipart/form-data; boundary=" + b"x" * 300,
    b"image/jpeg",
    b"image/svg+xml",
    b"application/octet-stream",
    b"text/plain",
    b"text/html; charset=unknown-8bit",
    b"*/*",
    b"application/",
    b"/",
    b"",
    b"\xff\xfe",
    b"a" * 4000,
]
HEADERS = [
    (b"accept", b"text/html"),
    (b"accept", b"application/x-ndjson"),
    (b"accept", b"\xff,;q=x"),
    (b"accept", b"*/*;q=" + b"9" * 400),
    (b"accept-encoding", b"gzip"),
    (b"accept-encoding", b"br;q=nan, \xff"),
    (b"accept-language", b"de;q=1e999,\xff"),
    (b"if-none-match", b"*"),
    (b"if-none-match", b'"' + b"x" * 2000),
    (b"if-none-match", b"\xff"),
    (b"if-match", b"*"),
    (b"if-modified-since", b"Thu, 99 Foo 0000 99:99:99 GMT"),
    (b"if-modified-since", b"Sun, 06 Nov 1994 08:49:37 -9999"),
    (b"if-modified-since", b"Mon, 01 Jan 999999999999 00:00:00 GMT"),
    (b"if-range", b"\xff"),
    (b"range", b"bytes=0-0"),
    (b"range", b"bytes=-1"),
    (b"range", b"bytes=9-1,2-"),
    (b"range", b"bytes=" + b"0-1," * 500),
    (b"range", b"bytes=" + b"9" * 500 + b"-"),
    (b"expect", b"100-continue"),
    (b"expect", b"\xff"),
    (b"idempotency-key", b"k"),
    (b"idempotency-key", b"\xff" * 300),
    (b"idempotency-key", b""),
    (b"authorization", b"Bearer "),
    (b"authorization", b"Bearer matinee_000000000000_" + b"0" * 64),
    (b"authorization", b"Basic \xff"),
    (b"x-request-id", b"\xff" * 100),
    (b"x-request-id", b"a" * 4000),
    (b"traceparent", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01"),
    (b"traceparent", b"\xff"),
    (b"x-forwarded-for", b"::ffff:1.2.3.4, \xff"),
    (b"x-forwarded-proto", b"\xff"),
    (b"x-forwarded-host", b"evil.test"),
    (b"forwarded", b"for=_x;host=evil.test"),
    (b"host", b"evil.test"),
    (b"host", b""),
    (b"host", b"127.0.0.1:99999"),
    (b"host", b"[::1"),
    (b"host", b"\xff"),
    (b"origin", b"null"),
    (b"origin", b"http://evil.test"),
    (b"origin", b"http://[::1"),
    (b"origin", b"\xff"),
    (b"sec-fetch-site", b"cross-site"),
    (b"cookie", b"a=b; " * 500),
    (b"cookie", b"\xff=\xff; =; ;="),
    (b"referer", b"http://[::1"),
    (b"upgrade", b"websocket"),
    (b"connection", b"close, \xff"),
    (b"content-encoding", b"gzip"),
    (b"content-encoding", b"br, \xff"),
    (b"content-md5", b"x"),
    (b"x-http-method-override", b"DELETE"),
    (b"x", b"y" * 20_000),
    (b"user-agent", b"\xff\x01"),
]
BODIES = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"[null]",
    b"[[]]",
    b"[{}]",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"1" * 5000,
    b'"x"',
    b'"\\ud800"',
    b'{"\\ud800": 1}',
    b'{"a": 1, "a": 2}',
    b"[" * 20_000,
    b'{"a":' * 5000,
    b"\xff\xfe[\x00]\x00",
    b"\xef\xbb\xbf{}",
    b"\xff",
    b"{'a': 1}",
    b'{"a": 01}',
    b'{"a": 1,}',
    b"// x\n{}",
    b"\0" * 50,
    b"\n" * 1000,
    b"a=b&a=c&%zz",
    b"--x\r\n\r\n--x--\r\n",
    b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n\r\n--x--\r\n',
    b'--x\r\nContent-Disposition: form-data; name="images"; filename="\xff"\r\nContent-Type: \xff\r\n\r\nGIF\r\n--x--',
    b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n",
    b"GIF89a",
    b"\xff\xd8\xff\xe0" + b"\0" * 40,
    b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
    b"RIFF\x00\x00\x00\x00WEBPVP8 ",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
]

Change = Callable[[Request, random.Random], Request]


def mutant(request: Request, rng: random.Random, known: Sequence[bytes] = ()) -> Request:
    """A request with one to three changes.

    Args:
        known: ids that exist, for segments of paths.
    """
    if known and rng.random() < 0.5:
        request = _with_known(request, rng, known)
        if rng.random() < 0.4:
            return request
    changes = rng.choices(_CHANGES, _WEIGHTS, k=rng.choice((1, 1, 2, 3)))
    framing = [change for change in changes if change in _FRAMINGS][:1]
    for change in [*(change for change in changes if change not in _FRAMINGS), *framing]:
        request = change(request, rng)
    return request


def _with_known(request: Request, rng: random.Random, known: Sequence[bytes]) -> Request:
    """Ids that exist in the places of the path that are variable."""
    path, mark, query = request.target.partition(b"?")
    template = request.operation.partition(" ")[2].encode().split(b"/")
    parts = path.split(b"/")
    if len(parts) != len(template):
        return request
    found = [rng.choice(known) if name.startswith(b"{") else part for name, part in zip(template, parts, strict=True)]
    return replace(request, target=b"/".join(found) + mark + query)


def _segment(request: Request, rng: random.Random) -> Request:
    path, mark, query = request.target.partition(b"?")
    parts = path.split(b"/")
    place = rng.randrange(len(parts))
    odd = rng.choice(TARGETS)
    parts[place] = rng.choice((odd, parts[place] + odd, odd + parts[place]))
    return replace(request, target=(b"/".join(parts) or b"/") + mark + query)


def _text_in_path(request: Request, rng: random.Random) -> Request:
    path, mark, query = request.target.partition(b"?")
    parts = path.split(b"/")
    parts[-1] = _percent(rng.choice(TEXTS), rng)
    return replace(request, target=b"/".join(parts) + mark + query)


def _percent(text: str, rng: random.Random) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    every = rng.random() < 0.5
    return b"".join(
        bytes([c]) if (48 <= c < 58 or 65 <= c < 91 or 97 <= c < 123) or (not every and c > 127) else b"%%%02X" % c
        for c in data[:6000]
    )


def _parameter(request: Request, rng: random.Random) -> Request:
    path, _, query = request.target.partition(b"?")
    pairs = [pair for pair in query.split(b"&") if pair]
    what = rng.randrange(4)
    if pairs and what == 0:
        pairs.append(rng.choice(pairs))
    elif pairs and what <= 2:
        place = rng.randrange(len(pairs))
        pairs[place] = pairs[place].partition(b"=")[0] + b"=" + _percent(rng.choice(TEXTS), rng)
    else:
        pairs.append(rng.choice(QUERIES))
    return replace(request, target=path + b"?" + b"&".join(pairs))


def _method(request: Request, rng: random.Random) -> Request:
    return replace(request, method=rng.choice(METHODS))


def _header(request: Request, rng: random.Random) -> Request:
    name, value = rng.choice(HEADERS)
    if name == b"host" and rng.random() < 0.7:  # rarely: it is refused before anything else
        return request
    if rng.random() < 0.1:
        return request.having((name, value), (name, value))
    return request.having((name, value))


def _type(request: Request, rng: random.Random) -> Request:
    kept = tuple(pair for pair in request.headers if pair[0].lower() != b"content-type")
    return replace(request, headers=(*kept, *rng.choice(([], [(b"content-type", rng.choice(TYPES))]))))


def _body(request: Request, rng: random.Random) -> Request:
    return replace(request, body=rng.choice(BODIES))


def _cut(request: Request, rng: random.Random) -> Request:
    if not request.body:
        return _body(request, rng)
    place = rng.randrange(len(request.body))
    what = rng.randrange(4)
    if what == 0:
        changed = request.body[:place]
    elif what == 1:
        changed = request.body[:place] + rng.randbytes(rng.randrange(1, 9)) + request.body[place:]
    elif what == 2:
        changed = (
            request.body[:place] + bytes([request.body[place] ^ 1 << rng.randrange(8)]) + request.body[place + 1 :]
        )
    else:
        changed = request.body * rng.choice((2, 3, 20))
    return replace(request, body=changed[: 1 << 19])


def _value(request: Request, rng: random.Random) -> Request:
    """A JSON body with some values changed."""
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        return _body(request, rng)
    try:
        text = json.dumps(_changed(value, rng), ensure_ascii=rng.random() < 0.7)
    except (ValueError, RecursionError):
        return request
    return replace(request, body=text.encode("utf-8", "surrogatepass")[: 1 << 19])


def _changed(value: Any, rng: random.Random, depth: int = 0) -> Any:
    if depth == 0 or rng.random() < 0.6:
        if isinstance(value, dict) and value:
            return _changed_keys(value, rng, depth)
        if isinstance(value, list) and value and rng.random() < 0.8:
            found = list(value)
            place = rng.randrange(len(found))
            found[place] = _changed(found[place], rng, depth + 1)
            return rng.choice((found, found, found[1:], found * rng.choice((2, 50)), [found]))
    what = rng.randrange(6)
    if what == 0:
        return rng.choice(TEXTS)
    if what == 1:
        return rng.choice(NUMBERS)
    if what == 2:
        return rng.choice([None, True, False, [], {}, [[]], {"a": 1}, [None], ["x", 1]])
    if what == 3:
        return [value] * rng.choice((0, 1, 2, 300))
    if what == 4:
        return {"value": value}
    return str(value)


def _changed_keys(value: dict[str, Any], rng: random.Random, depth: int) -> dict[str, Any]:
    found = dict(value)
    key = rng.choice(list(found))
    what = rng.randrange(6)
    if what == 0:
        del found[key]
    elif what == 1:
        found[rng.choice(TEXTS)] = found[key]
    else:
        found[key] = _changed(found[key], rng, depth + 1)
    return found


def _packed(request: Request, rng: random.Random) -> Request:
    body = rng.choice((gzip.compress(request.body, mtime=0), gzip.compress(b"\0" * (1 << 20), mtime=0), request.body))
    return replace(request.having((b"content-encoding", rng.choice((b"gzip", b"deflate", b"x")))), body=body)


def _chunked(request: Request, rng: random.Random) -> Request:
    """The body in chunks, now and then wrongly framed."""
    step = rng.choice((1, 7, 1000))
    body = request.body[:3000]
    parts = [body[start : start + step] for start in range(0, len(body), step)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    end = rng.choice(
        (b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n", b"zz\r\n", b"-1\r\n\r\n", b"fffffffffffffffff\r\n")
    )
    kept = tuple(pair for pair in request.headers if pair[0].lower() != b"content-length")
    whole = request.whole and end.startswith(b"0")
    return replace(request, headers=(*kept, (b"transfer-encoding", b"chunked")), body=framed + end, whole=whole)


def _framing(request: Request, rng: random.Random) -> Request:
    """A length that is not the body's; then no answer is owed."""
    length = rng.choice((b"-1", b"x", b"", b"1e3", b"9" * 30, b"%d" % (len(request.body) + 5), b"+1", b"0x10"))
    return replace(request.having((b"content-length", length)), whole=False)


def _bare(request: Request, rng: random.Random) -> Request:
    """A head that is none."""
    target = rng.choice((b"*", b"", b"http://evil.test/", b"a b", b"/\0", b"/" + b"x" * 70_000, request.target + b"#x"))
    return replace(request, target=target, whole=False)


_CHANGES: list[Change] = [
    _segment,
    _text_in_path,
    _parameter,
    _method,
    _header,
    _type,
    _body,
    _cut,
    _value,
    _packed,
    _chunked,
    _framing,
    _bare,
]
_FRAMINGS = (_chunked, _framing, _bare)
"""Done last: what changes the body afterwards would make it end anywhere."""
_WEIGHTS = [6, 8, 14, 3, 9, 5, 7, 7, 22, 3, 5, 0.15, 0.15]
