#!/usr/bin/env python3
"""Slow, silent and greedy clients in crowds (TM-16), while an honest client reads: it never fails, and the node's memory and
descriptors stay within what iotpki-bnode(1) says. As a benchmark (argument "bench") also what its p99 becomes.
An attack comes from addresses of its own in 127.0.0.0/8."""
import errno, gc, itertools, multiprocessing, os, resource, select, socket, ssl, statistics, subprocess, sys, tempfile, time
from node import Answers, Node, body, owner_of, post

BENCH = sys.argv[1:] == ["bench"]
NAMES = 20000
CONNECTIONS = 512
RSS_MAX_MIB = 192  # 32 of bodies, twice for growing buffers, 64 of answers, 512 connections of 16 KiB and a TLS session, the program
SHOW = post(body("name_show", "iot:00000000-0000-4000-8000-000000000000"))
LARGE = post(b"[" + b",".join(body("name_filter", "^iot:", 0, i * 1000, 1000) for i in range(19)) + b"]")


def whole(data):
    yield data
    while True:
        yield b""


def bytewise(data, at_once=0):
    yield data[:at_once]
    for i in range(at_once, len(data)):
        yield data[i:i + 1]


def endless(head, more):
    yield head
    while True:
        yield more


HEAD = b"POST / HTTP/1.1\r\nHost: n\r\n"
BODY = HEAD + b"Content-Length: %d\r\n\r\n"
# name: connections, addresses, what each sends tick by tick, TLS port, of what else
ATTACKS = {
    "request lines byte by byte": (400, 1, lambda: bytewise(b"POST /" + b"a" * 500 + b" HTTP/1.1\r\n"), False, ""),
    "headers byte by byte": (400, 1, lambda: bytewise(HEAD + b"X: y\r\n" * 100, len(HEAD)), False, ""),
    "headers without end": (400, 1, lambda: endless(HEAD, b"X: " + b"y" * 200 + b"\r\n"), False, ""),
    "bodies byte by byte": (400, 1, lambda: bytewise(BODY % 9999 + b" " * 9999, 100), False, ""),
    "bodies of 1 MiB": (400, 1, lambda: endless(BODY % (1 << 20), b" " * 65536), False, ""),
    "bodies of 256 KiB never whole": (400, 4, lambda: endless(BODY % (256 * 1024) + b" " * 250000, b""), False, ""),
    "10,000 idle": (10000, 1, lambda: whole(b""), False, ""),
    "10,000 idle from 40 addresses": (10000, 40, lambda: whole(b""), False, ""),
    "10,000 pipelined, no answer read": (20, 1, lambda: whole(SHOW * 10000), False, ""),
    "large answers that nobody reads": (400, 4, lambda: whole(LARGE), False, ""),
    "handshakes that never end": (400, 1, lambda: endless(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0"), True, ""),
    "half a request and half closed": (400, 1, lambda: whole(SHOW[:-5]), False, "shut"),
    "connections, a thousand a second": (1000, 1, lambda: iter([b""]), False, "close"),
}
TICK_S = 0.1
DIALS_EACH_TICK = 100  # again, after the first; an attacker's own work must not be what disturbs


class Crowd:
    """One attack, in a process of its own."""

    def __init__(self, ports, number, row):
        self.count, self.addresses, self.script, tls, self.what = row
        self.target = ("127.0.0.1", ports[1] if tls else ports[0])
        self.number, self.serial, self.socks = number, itertools.count(), {}

    def dial(self):
        s = socket.socket()
        s.setblocking(False)
        s.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.bind((f"127.1.{self.number}.{1 + next(self.serial) % self.addresses}", 0))
        s.connect_ex(self.target)
        self.socks[s.fileno()] = [s, self.script(), b""]
        self.poll.register(s.fileno(), select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR)

    def drop(self, fd):
        s = self.socks.pop(fd)[0]
        self.poll.unregister(fd)
        s.close()

    def feed(self, fd):
        """Whether the connection still goes on."""
        s, script, rest = entry = self.socks[fd]
        try:
            rest = rest or next(script)
            entry[2] = rest[s.send(rest):] if rest else b""
            if self.what == "shut" and rest and not entry[2]:
                s.shutdown(socket.SHUT_WR)
        except StopIteration:
            return False
        except OSError as e:
            return e.errno in (errno.EAGAIN, errno.EINPROGRESS, errno.ENOTCONN)
        return self.what != "close" or bool(entry[2])

    def run(self, wire):
        self.poll = select.epoll()
        for _ in range(self.count):
            self.dial()
        first = True
        while not wire.poll(0 if first else TICK_S):
            for fd, _ in self.poll.poll(0):
                self.drop(fd)
            for fd in list(self.socks):
                if not self.feed(fd):
                    self.drop(fd)
            for _ in range(min(self.count - len(self.socks), DIALS_EACH_TICK)):
                self.dial()
            if first:
                wire.send("standing")
            first = False


class Honest:
    """Asks over kept and over new connections, in turn, plain and TLS."""

    def __init__(self, node):
        self.ports = (node.port, node.more_ports[0])
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        self.kept = [self.dial(False), self.dial(True)]

    def dial(self, tls):
        s = socket.create_connection(("127.0.0.1", self.ports[tls]), 20)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tls.wrap_socket(s) if tls else s

    def one(self, turn):
        begin = time.perf_counter()
        fresh = turn % 10 == 0
        s = self.dial(turn % 20 == 0) if fresh else self.kept[turn % 2]
        s.sendall(SHOW)
        status, _, content = Answers(s).next()
        took = time.perf_counter() - begin
        assert status == 200 and b'"status":"registered"' in content, (turn, status, content)
        if fresh:
            s.close()
        return took

    def p99(self, count):
        took = sorted(self.one(turn) for turn in range(count))
        return took[count * 99 // 100]


def held(pid):
    """Resident MiB and descriptors."""
    with open(f"/proc/{pid}/status") as f:
        kib = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    return kib / 1024, len(os.listdir(f"/proc/{pid}/fd"))


def attack(node, honest, number, count):
    """p99 before and under attack, most memory, most descriptors."""
    row = list(ATTACKS.values())[number]
    wire, child_wire = multiprocessing.Pipe()
    crowd = multiprocessing.Process(target=Crowd((node.port, node.more_ports[0]), number, row).run, args=(child_wire,), daemon=True)
    quiet = honest.p99(count)
    crowd.start()
    child_wire.close()
    assert wire.poll(60), "the attack does not stand"
    most = held(node.process.pid)
    worst = []
    for _ in range(4):
        worst.append(honest.p99(count // 4))
        most = tuple(map(max, most, held(node.process.pid)))
    wire.send("enough")
    crowd.join(30)
    assert crowd.exitcode == 0, crowd.exitcode
    return quiet, statistics.median(worst), *most


def run(folder):
    node = Node(folder, owner_of(folder))
    subprocess.run(["rm", "-r", f"{node.dir}/ledger"], check=True)
    subprocess.run([os.path.join(os.environ["BUILD"], "tests", "bench", "bnode_fill"), "names", f"{node.dir}/ledger", str(NAMES), "0", "/dev/null"],
                   check=True, stdout=subprocess.DEVNULL)
    node.start("--listen", "https://127.0.0.1:0/", "--connections", str(CONNECTIONS))
    try:
        measure(node)
        assert node.stop() == 0
    finally:
        if node.process.poll() is None:
            node.process.kill()
            node.process.wait()


def measure(node):
    honest = Honest(node)
    honest.p99(400)
    ratios, after = {}, []
    for _ in range(3 if BENCH else 2):
        for number, name in enumerate(ATTACKS):
            quiet, worst, mib, fds = attack(node, honest, number, 2000 if BENCH else 400)
            assert mib < RSS_MAX_MIB, f"{name}: {mib:.0f} MiB"
            assert fds < CONNECTIONS * 9 // 8 + 16 + 64 + 4 * 2 * 2, f"{name}: {fds} descriptors"
            ratios.setdefault(name, []).append(worst / quiet)
            BENCH or print(f"figure: {name}: p99 {quiet * 1e6:.0f} us, under attack {worst * 1e6:.0f} us, {mib:.0f} MiB, {fds} descriptors", flush=True)
        after.append(held(node.process.pid)[0])
    if not BENCH:
        return
    name, ratio = max(((n, min(r)) for n, r in ratios.items()), key=lambda row: row[1])
    print(f"bench: slow_clients_p99 ratio={ratio:.2f} goal=2.0 {'ok' if ratio <= 2 else 'short'} worst of {len(ratios)} attacks: {name}")
    flat = after[2] / after[1]
    print(f"bench: slow_clients_memory ratio={flat:.2f} goal=1.1 {'ok' if flat <= 1.1 else 'short'} {after[1]:.0f} MiB after all attacks twice, {after[2]:.0f} after all again")


gc.disable()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
with tempfile.TemporaryDirectory() as scratch:
    run(scratch)
