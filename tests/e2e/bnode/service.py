#!/usr/bin/env python3
"""iotpki-bnode in service: /metrics and /health, who may read them, limits of an address, reload, the end."""
import itertools, json, os, re, signal, socket, ssl, subprocess, threading, time
from node import Answers, BNODE, body, main, owner_of, post, tx_tool

NAME = "iot:00000001-0000-4000-8000-000000000000"
GONE = "iot:0000ffff-0000-4000-8000-000000000000"
FULL = "iot:00000021-0000-4000-8000-000000000000"
LONG = "iot:00000020-0000-4000-8000-000000000000"
LARGE = post(b"[" + b",".join(body("name_history", LONG, True) for _ in range(60)) + b"]")


def dial(node, source):
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
    s.settimeout(20)
    s.bind((source, 0))
    s.connect(("127.0.0.1", node.port))
    return s


def get(node, path, headers=b"Host: 127.0.0.1\r\n", source="127.0.0.1", method=b"GET", more=b"", kept=None):
    if kept is not None:
        kept.sock.sendall(b"GET " + path + b" HTTP/1.1\r\n" + headers + b"\r\n")
        return kept.next()
    with dial(node, source) as s:
        s.sendall(method + b" " + path + b" HTTP/1.1\r\n" + headers + b"\r\n" + more)
        return Answers(s).next()


def ask_raw(node, data, source="127.0.0.1"):
    with dial(node, source) as s:
        s.sendall(post(data))
        return json.loads(Answers(s).next()[2])


def ask(node, *call, source="127.0.0.1"):
    return ask_raw(node, body(*call), source)


# ---- Prometheus text 0.0.4, strictly ----

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z_]+="[^"\\\n]*",?)*)\})? (-?[0-9]+(?:\.[0-9]+)?)')


def parse(text):
    """{(name, labels): value}; every family has HELP, TYPE and then its samples, once and together."""
    assert text.endswith("\n") and "\r" not in text and "\n\n" not in text
    samples, types, family = {}, {}, None
    lines = text[:-1].split("\n")
    for at, line in enumerate(lines):
        if line.startswith("# HELP "):
            name, told = line[7:].split(" ", 1)
            assert name not in types and told.endswith("."), line
            kind = re.fullmatch(rf"# TYPE {name} (counter|gauge|histogram)", lines[at + 1])
            assert kind, f"after {line}: {lines[at + 1]}"
            family, types[name] = name, kind[1]
        elif not line.startswith("# TYPE "):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            base = re.sub("_(bucket|sum|count)$", "", name) if types[family] == "histogram" else name
            assert base == family, f"{line} stands below {family}"
            assert (types[family] == "counter") == name.endswith("_total"), line
            key = name, tuple(sorted(re.findall(r'([a-z_]+)="([^"]*)"', labels or "")))
            assert key not in samples, f"twice: {line}"
            samples[key] = float(value)
            assert types[family] == "gauge" or samples[key] >= 0
    for name in (n for n, kind in types.items() if kind == "histogram"):
        buckets = [(float(dict(labels)["le"]), v) for (n, labels), v in samples.items() if n == name + "_bucket"]
        assert buckets == sorted(buckets) and buckets[-1][0] == float("inf")
        assert [v for _, v in buckets] == sorted(v for _, v in buckets), "buckets must not fall"
        assert buckets[-1][1] == samples[name + "_count", ()]
    return samples


def metrics(node, **options):
    status, headers, content = get(node, b"/metrics", **options)
    assert status == 200 and headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"iot:" not in content and b"127." not in content, "a name or an address"
    return parse(content.decode("ascii"))


def value(samples, name, **labels):
    return samples.get(("iotpki_bnode_" + name, tuple(sorted(labels.items()))), 0)


def counts_what_is_done(node, folder):
    before = metrics(node)
    height = value(before, "ledger_height")
    txs = tx_tool(folder, "chain", NAME, 2)
    for row in txs:
        assert ask(node, "name_submit", row[1])["error"] is None, row
    for _ in range(3):
        assert ask(node, "name_show", NAME)["result"]["name"] == NAME
    assert ask(node, "name_show", GONE)["error"]["code"] == -4
    assert ask(node, "name_submit", "AAAA")["error"]["data"]["reason"] == "bad-encoding"
    assert ask(node, "name_show", NAME, "x")["error"]["code"] == -8
    assert ask(node, "nothing")["error"]["code"] == -32601
    after = metrics(node)

    def grew(name, **labels):
        return value(after, name, **labels) - value(before, name, **labels)
    rows = [
        (3, "calls_total", dict(method="name_show", result="ok")),
        (1, "calls_total", dict(method="name_show", result="not_found")),
        (1, "calls_total", dict(method="name_show", result="bad")),
        (len(txs), "calls_total", dict(method="name_submit", result="ok")),
        (1, "calls_total", dict(method="name_submit", result="refused")),
        (1, "calls_total", dict(method="other", result="bad")),
        (1, "transactions_total", dict(op="PREORDER", reason="ok")),
        (1, "transactions_total", dict(op="REGISTER", reason="ok")),
        (1, "transactions_total", dict(op="unreadable", reason="bad-encoding")),
        (1, "http_answers_total", dict(code="404")),
        (3, "http_answers_total", dict(code="500")),
        (len(txs) + 7, "answer_seconds_count", {}),
        (len(txs) + 8, "connections_total", {}),
        (1, "ledger_names", {}),
    ]
    for want, name, labels in rows:
        if name == "answer_seconds_count":
            want += 1  # the first /metrics
        assert grew(name, **labels) == want, f"{name} {labels}: {grew(name, **labels)}, not {want}"
    assert value(after, "ledger_height") == height + len(txs)
    assert value(after, "ledger_map_used_bytes") <= value(after, "ledger_map_bytes")
    assert value(after, "up") == 1 and value(after, "connections") >= 1 and value(after, "queued_transactions") == 0


def who_may_read(node):
    rows = [
        ("health", b"/health", {}, 200),
        ("metrics from another loopback address", b"/metrics", dict(source="127.0.0.2"), 200),
        ("metrics as localhost", b"/metrics", dict(headers=b"Host: localhost:7443\r\n"), 200),
        ("metrics by IPv6", b"/metrics", dict(headers=b"Host: [::1]:7443\r\n"), 200),
        ("metrics without a host", b"/metrics", dict(headers=b"Host:\r\n"), 200),
        ("metrics by a name pointed here", b"/metrics", dict(headers=b"Host: abc.de\r\n"), 403),
        ("metrics by a name that looks like one", b"/metrics", dict(headers=b"Host: localhost.evil\r\n"), 403),
        ("metrics with an origin", b"/metrics", dict(headers=b"Host: 127.0.0.1\r\nOrigin: http://x\r\n"), 403),
        ("health with an origin", b"/health", dict(headers=b"Host: n\r\nOrigin: null\r\n"), 403),
        ("health for a web page", b"/health", dict(headers=b"Host: n\r\nSec-Fetch-Site: cross-site\r\n"), 403),
        ("health typed in", b"/health", dict(headers=b"Host: n\r\nSec-Fetch-Site: none\r\n"), 200),
        ("with a body", b"/metrics", dict(headers=b"Host: n\r\nContent-Length: 2\r\n", more=b"{}"), 400),
        ("posted", b"/metrics", dict(method=b"POST", headers=b"Host: n\r\nContent-Length: 2\r\n", more=b"{}"), 404),
        ("below", b"/metrics/", {}, 405),
        ("with a query", b"/health?x=1", {}, 200),
    ]
    for name, path, options, want in rows:
        status, _, content = get(node, path, **options)
        assert status == want, f"{name}: {status}, not {want}"
    assert json.loads(get(node, b"/health")[2]) == {"status": "ok"}


def closed(s):
    try:
        return s.recv(1) == b""
    except ConnectionError:
        return True


def limits_of_an_address(node):
    crowd = [dial(node, "127.0.0.2") for _ in range(50)]
    for s in crowd[20:]:
        assert closed(s), "more than --connections-per-address"
    assert ask(node, "getblockchaininfo", source="127.0.0.3")["error"] is None
    assert value(metrics(node, source="127.0.0.4"), "connections_refused_total", reason="address") == 30
    crowd[0].sendall(post(body("getblockchaininfo")))
    assert Answers(crowd[0]).next()[0] == 200
    # All 60 places taken by three addresses: the fourth gets one of theirs.
    crowd += [dial(node, f"127.0.0.{5 + i % 2}") for i in range(40)]
    for source in range(10, 20):
        assert ask(node, "getblockchaininfo", source=f"127.0.0.{source}")["error"] is None
    assert value(metrics(node, source="127.0.0.4"), "connections_cut_total") >= 1
    for s in crowd:
        s.close()


def rate_of_an_address(node):
    refused = 0
    for _ in range(40):
        try:
            refused += get(node, b"/health", source="127.0.0.2")[0] != 200
        except (EOFError, ConnectionError):
            refused += 1
    assert 0 < refused < 40, refused
    assert value(metrics(node, source="127.0.0.3"), "connections_refused_total", reason="rate") == refused


def few_descriptors(node):
    """Fewer than --connections asks for: it serves with what there is."""
    held = [dial(node, f"127.0.0.{2 + i % 50}") for i in range(400)]
    for _ in range(20):
        assert ask(node, "getblockchaininfo")["error"] is None
    assert len(os.listdir(f"/proc/{node.process.pid}/fd")) < 120
    for s in held:
        s.close()


# ---- reload ----

def reload(node):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE

    def dial():
        s = tls.wrap_socket(node.connect(port=node.more_ports[0]))
        return s, s.getpeercert(True)

    def works(s):
        s.sendall(post(body("getblockchaininfo")))
        return Answers(s).next()[0] == 200

    def hup(result, count):
        node.process.send_signal(signal.SIGHUP)
        while value(metrics(node, kept=watch), "reloads_total", result=result) < count:
            assert node.process.poll() is None
    watch = Answers(node.connect())
    kept, old = dial()
    assert works(kept)
    for name in ("tls.key", "tls.crt"):
        os.rename(f"{node.dir}/{name}", f"{node.dir}/{name}.old")
    hup("failed", 1)
    assert dial()[1] == old, "without the files the old key stays"
    os.spawnv(os.P_WAIT, BNODE, [BNODE, "init", "--dir", node.dir, "--open"])
    hup("ok", 1)
    fresh, new = dial()
    assert new != old and works(fresh)
    assert works(kept), "a reload must not cut who is connected"
    os.chmod(f"{node.dir}/tls.key", 0o644)
    hup("failed", 2)
    assert dial()[1] == new
    os.chmod(f"{node.dir}/tls.key", 0o600)


# ---- who takes no answer ----

def submit_long(node, folder):
    rows = tx_tool(folder, "chain", LONG, 200)
    for some in (rows[:100], rows[100:]):
        ask_raw(node, b"[" + b",".join(body("name_submit", row[1]) for row in some) + b"]")


def deaf(node, source):
    """Asks for 4 MB and reads nothing."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.bind((source, 0))
    s.connect(("127.0.0.1", node.port))
    s.sendall(LARGE)
    return s


def refresh_beside_the_deaf(node):
    """A few addresses can hold all that large answers may; a device's question for a hundred names is none."""
    held, watch = [], Answers(node.connect())
    while value(metrics(node, kept=watch), "http_answers_total", code="503") < 8 and len(held) < 200:
        held.append(deaf(node, f"127.0.0.{2 + len(held) % 4}"))
    assert value(metrics(node, kept=watch), "answer_bytes") > 40 << 20
    many = b"[" + b",".join([body("name_show", LONG)] * 100) + b"]"
    for _ in range(3):
        with dial(node, "127.0.0.9") as s:
            s.sendall(post(many))
            status, _, content = Answers(s).next()
        assert status == 200 and content.count(b'"status":"registered"') == 100, (status, content[:200])
    for s in held:
        s.close()
    watch.sock.close()


# ---- a disk that takes no more ----

def failing_until_started_again(node, folder):
    """What is refused before it is written says nothing of the disk."""
    node.start(wrapper=["sh", "-c", 'trap "" XFSZ; ulimit -f 400; exec "$@"', "sh"])
    reasons = (ask(node, "name_submit", row[1])["error"] for row in tx_tool(folder, "chain", FULL, 100))
    refused = next(error for error in reasons if error is not None)
    assert refused["data"]["reason"] == "storage", refused
    watch = Answers(node.connect())
    assert health(watch) == "failing"
    assert ask(node, "name_submit", "AAAA")["error"]["data"]["reason"] == "bad-encoding"
    assert health(watch) == "failing", "nothing can be written still"
    assert value(metrics(node), "up") == 0
    watch.sock.close()
    assert node.stop() == 0
    node.start()
    assert json.loads(get(node, b"/health")[2]) == {"status": "ok"}
    assert node.stop() == 0


# ---- the ready line ----

def ready_line_goes_nowhere_else(node):
    """A descriptor that nobody gave could be that of the ledger itself, once it is open."""
    for number in range(3, 12):
        done = subprocess.run([BNODE, "serve", "--dir", node.dir, "--listen", "http://127.0.0.1:0/", "--ready-fd", str(number)],
                              stderr=subprocess.PIPE, timeout=20)
        assert done.returncode == 2 and b"--ready-fd takes an open descriptor" in done.stderr, (number, done)
        subprocess.run([BNODE, "audit", "--dir", node.dir], check=True, stdout=subprocess.DEVNULL)


# ---- the end ----

def stop_answers_what_is_in_flight(node, folder):
    """What was answered is in the ledger after the end, and nobody gets half an answer."""
    chains = [tx_tool(folder, "chain", f"iot:{i:08x}-0000-4000-8000-000000000000", 300) for i in range(16, 20)]
    told, wrong = [], []

    def write(mine):
        with node.connect() as s:
            answers = Answers(s)
            for row in mine:
                try:
                    s.sendall(post(body("name_submit", row[1])))
                    content = json.loads(answers.next()[2])
                    if content["error"] is not None:
                        wrong.extend([content] if content["error"]["code"] != -28 else [])
                        return
                    told.append(content["result"])
                except (EOFError, ConnectionError):
                    if answers.seen:
                        wrong.append(answers.seen)
                    return
    threads = [threading.Thread(target=write, args=(rows,)) for rows in chains]
    for thread in threads:
        thread.start()
    while len(told) < 40:
        assert any(thread.is_alive() for thread in threads)
    assert node.stop() == 0
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    node.start()
    height = value(metrics(node), "ledger_height")
    assert height >= len(told), (height, len(told))
    for row in itertools.chain(*chains):
        if row[2] in told:
            assert ask(node, "name_submit", row[1])["result"] == row[2]
    assert value(metrics(node), "ledger_height") == height, "one that was answered was not there"
    print(f"figure: {len(told)} of 1200 answered before the end")


def second_signal_ends_at_once(node):
    """An answer that nobody takes holds up the first for five seconds."""
    s = deaf(node, "127.0.0.1")
    watch = Answers(dial(node, "127.0.0.1"))
    while value(metrics(node, kept=watch), "answer_bytes") == 0:
        assert node.process.poll() is None
    node.process.send_signal(signal.SIGTERM)
    while health(watch) == "ok":
        assert node.process.poll() is None
    assert node.stop() == -signal.SIGTERM
    s.close()


def health(kept):
    """The node closes who asks while it ends."""
    try:
        kept.sock.sendall(b"GET /health HTTP/1.1\r\nHost: n\r\n\r\n")
        return json.loads(kept.next()[2])["status"]
    except (EOFError, OSError):
        return None


def test(folder, node):
    ready_line_goes_nowhere_else(node)
    failing_until_started_again(node, folder)
    node.start("--listen", "https://127.0.0.1:0/")
    counts_what_is_done(node, folder)
    who_may_read(node)
    reload(node)
    assert node.stop() == 0
    node.start("--metrics", "off")
    assert get(node, b"/metrics")[0] == 404 and get(node, b"/health")[0] == 200
    assert node.stop() == 0
    node.start("--connections", "60", "--connections-per-address", "20")
    limits_of_an_address(node)
    assert node.stop() == 0
    node.start("--new-per-second", "5")
    rate_of_an_address(node)
    assert node.stop() == 0
    node.start(wrapper=["prlimit", "--nofile=120:120"])
    few_descriptors(node)
    assert node.stop() == 0
    node.start()
    stop_answers_what_is_in_flight(node, folder)
    submit_long(node, folder)
    refresh_beside_the_deaf(node)
    second_signal_ends_at_once(node)


main(test)
