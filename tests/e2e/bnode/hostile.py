#!/usr/bin/env python3
"""Requests that no honest client sends (security.md H03 to H09, server side): each gets its refusal
or a closed connection, and while they go on the node answers others."""
import json, select, socket, time
from node import Answers, body, main, post

GOOD = body("getblockchaininfo")


def answer(node, raw):
    """Status of the first answer; 0: closed without one."""
    with node.connect() as s:
        try:
            s.sendall(raw)
        except OSError:
            pass
        try:
            return Answers(s).next()[0]
        except (EOFError, ConnectionError):
            return 0


def raw_requests(node):
    head = b"POST / HTTP/1.1\r\nHost: node\r\n"
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)
    rows = [
        ("a good one", post(GOOD), (200,)),
        ("chunked", head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk, (200,)),
        ("an unknown coding", head + b"Transfer-Encoding: gzip\r\n\r\n" + chunk, (400,)),
        ("identity", head + b"Transfer-Encoding: identity\r\n\r\n" + chunk, (400,)),
        ("a coding below chunked", head + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk, (400,)),
        ("length and chunked (smuggling)", head + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(GOOD) + chunk, (400, 0)),
        ("two lengths", head + b"Content-Length: %d\r\nContent-Length: 5\r\n\r\n" % len(GOOD) + GOOD, (400, 0)),
        ("length negative", head + b"Content-Length: -1\r\n\r\n" + GOOD, (400, 0)),
        ("length with sign", head + b"Content-Length: +5\r\n\r\n" + GOOD, (400, 0)),
        ("length 2^64", head + b"Content-Length: 18446744073709551616\r\n\r\n" + GOOD, (400, 413, 0)),
        ("length 1 TiB", head + b"Content-Length: 1099511627776\r\n\r\n" + GOOD, (413,)),
        ("chunk size overflow", head + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", (400, 413, 0)),
        ("header line of 1 MiB", head + b"X: " + b"a" * (1 << 20) + b"\r\n\r\n", (400, 413, 414, 431, 0)),
        ("10,000 headers", head + b"X: y\r\n" * 10000 + b"\r\n", (400, 413, 431, 0)),
        ("request line of 1 MiB", b"POST /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n", (400, 413, 414, 431, 0)),
        ("path with a query", b"POST /?" + b"a" * 100 + b" HTTP/1.1\r\nHost: n\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD, (200,)),
        ("traversal", b"POST /../etc/passwd HTTP/1.1\r\nHost: n\r\nContent-Length: 2\r\n\r\n{}", (404,)),
        ("percent NUL", b"POST /%00 HTTP/1.1\r\nHost: n\r\nContent-Length: 2\r\n\r\n{}", (400, 404)),
        ("absolute address", b"POST http://other/ HTTP/1.1\r\nHost: n\r\nContent-Length: 2\r\n\r\n{}", (400, 404)),
        ("no host", b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD, (400, 200)),
        ("HTTP/2 by prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 405, 505, 0)),
        ("TLS to the plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500 + b"\r\n\r\n", (400, 405, 0)),
        ("HTTP/0.9", b"POST /\r\n\r\n", (400, 405, 411, 500, 505, 0)),
        ("unknown method word", b"GARBAGE / HTTP/1.1\r\nHost: n\r\n\r\n", (400, 405, 501)),
        ("origin", post(GOOD, b"oRiGiN: http://x\r\n"), (403,)),
        ("empty body", post(b""), (500,)),
        ("body of 1 MiB", post(b" " * (1 << 20)), (413,)),
        ("body of 1 MiB and a byte", post(b" " * ((1 << 20) + 1)), (413, 0)),
        ("expects to go on", post(GOOD, b"Expect: 100-continue\r\n"), (100, 200)),
        ("depth 100,000", post(b"[" * 100000), (500,)),
    ]
    for name, raw, want in rows:
        got = answer(node, raw)
        assert got in want, f"{name}: {got}, not {want}"
    return len(rows)


def pipeline(node, count):
    with node.connect() as s:
        answers, sent, got = Answers(s), 0, 0
        requests = b"".join(post(body("name_show", "iot:none", id=i)) for i in range(count))
        s.setblocking(False)
        while got < count:
            readable, writable, _ = select.select([s], [s] if sent < len(requests) else [], [], 20)
            assert readable or writable, f"pipeline stands after {got}"
            if writable:
                sent += s.send(requests[sent:sent + 65536])
            if readable:
                answers.more()
                while answers.seen.count(b"\n{") > 0 and b"}\n" in answers.seen:
                    status, _, content = answers.next()
                    assert status == 500 and json.loads(content)["id"] == got
                    got += 1
    return count


def half_requests(node):
    """Every place where a client can stop, a few hundred times: others are answered meanwhile."""
    full = post(GOOD)
    cuts = [0, 4, 20, full.index(b"\r\n\r\n") + 2, len(full) - 1]
    held = []
    for i in range(300):
        s = node.connect()
        s.sendall(full[:cuts[i % len(cuts)]])
        held.append(s)
    begin = time.monotonic()
    for _ in range(200):
        assert answer(node, full) == 200
    print(f"figure: 200 answers beside 300 half requests in {time.monotonic() - begin:.2f} s")
    return held


def cut_in_time(node, held):
    """With --request-seconds 1 all are closed, also one that sends a byte now and then."""
    full = post(b" " * 1000)
    slow = node.connect()
    slow.setblocking(False)
    at, waiting, deadline = 0, set(held) | {slow}, time.monotonic() + 30
    while waiting:
        assert time.monotonic() < deadline, f"{len(waiting)} connections are held open"
        for s in select.select(list(waiting), [], [], 0.1)[0]:
            try:
                closed = s.recv(4096) == b""
            except ConnectionError:
                closed = True
            if closed:
                waiting.discard(s)
        if slow in waiting and at < len(full):
            try:
                at += slow.send(full[at:at + 1])
            except (BlockingIOError, ConnectionError):
                pass
    assert at < len(full), "the slow request got to its end"


def half_closed(node):
    """A whole request after which no more comes is answered."""
    with node.connect() as s:
        s.sendall(post(GOOD))
        s.shutdown(socket.SHUT_WR)
        assert Answers(s).next()[0] == 200


def connections_of(node):
    s = node.connect()
    s.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    with s:
        text = Answers(s).next()[2].decode()
    return int(text.split("\niotpki_bnode_connections ")[1].split("\n")[0])


def answers_nobody_reads(node):
    """Pipelined until neither side takes more: closed in time, although the client stays."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", node.port))
    s.setblocking(False)
    flood, deadline = post(GOOD) * 1000, time.monotonic() + 30
    while connections_of(node) > 1:
        assert time.monotonic() < deadline, "who reads nothing is held"
        try:
            s.send(flood)
        except (BlockingIOError, ConnectionError):
            select.select([], [], [], 0.1)
    s.close()


def test(folder, node):
    node.start("--request-seconds", "30")
    checks = raw_requests(node) + pipeline(node, 10000)
    half_closed(node)
    held = half_requests(node)
    for s in held:
        s.close()
    assert answer(node, post(GOOD)) == 200
    assert node.stop() == 0
    node.start("--request-seconds", "1", "--listen", "https://127.0.0.1:0/")
    held = [node.connect() for _ in range(50)]
    for s in held:
        s.sendall(b"POST / HTTP/1.1\r\nHost: n\r\nContent-Le")
    # A ClientHello that never ends, and a connection that never begins one.
    held += [node.connect(port=node.more_ports[0]) for _ in range(20)]
    for s in held[50:60]:
        s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40)
    # Half a request and half closed: when both come at once, libmicrohttpd may not see the end of the stream.
    for cut in range(1, 40):
        held.append(node.connect())
        held[-1].sendall(post(GOOD)[:-cut])
        held[-1].shutdown(socket.SHUT_WR)
    cut_in_time(node, held)
    assert answer(node, post(GOOD)) == 200
    answers_nobody_reads(node)
    # A half request must not hold up the end of the program.
    half = node.connect()
    half.sendall(post(GOOD)[:-1])
    assert node.stop() == 0
    print(f"figure: {checks} hostile and pipelined requests")


main(test)
