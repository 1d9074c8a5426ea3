"""A real iotpki-bnode for the tests in this folder."""
import json, os, select, signal, socket, subprocess, sys, tempfile

BUILD = os.environ["BUILD"]
BNODE = os.path.join(BUILD, "bnode", "iotpki-bnode")
TX_TOOL = os.path.join(BUILD, "tests", "e2e", "bnode", "tx_tool")


class Node:
    def __init__(self, folder, owner):
        self.dir = os.path.join(folder, "node")
        subprocess.run([BNODE, "init", "--dir", self.dir, "--owner", owner], check=True, stdout=subprocess.DEVNULL)
        self.process = None

    def start(self, *options, wrapper=()):
        ready, told = os.pipe()
        self.process = subprocess.Popen(
            [*wrapper, BNODE, "serve", "--dir", self.dir, "--listen", "http://127.0.0.1:0/", "--ready-fd", str(told), *options],
            pass_fds=[told], stderr=subprocess.DEVNULL)
        os.close(told)
        with os.fdopen(ready) as lines:
            # One line a listener; not to the end, for a wrapper may hold the other end open.
            count = 1 + options.count("--listen")
            told = [lines.readline() for _ in range(count)] if select.select([ready], [], [], 30)[0] else []
        assert told and told[0].startswith("url=http://127.0.0.1:"), f"no ready line: {told!r}"
        self.port, *self.more_ports = [int(line.split(":")[2].split("/")[0]) for line in told]

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(30)

    def connect(self, timeout=20, port=None):
        s = socket.create_connection(("127.0.0.1", port or self.port), timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s


def body(method, *params, id=1):
    return json.dumps({"jsonrpc": "1.0", "id": id, "method": method, "params": list(params)}).encode()


def post(data, headers=b""):
    return b"POST / HTTP/1.1\r\nHost: node\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(data) + data


class Answers:
    """Reads answer after answer from one connection."""

    def __init__(self, sock):
        self.sock, self.seen = sock, b""

    def next(self):
        while b"\r\n\r\n" not in self.seen:
            self.more()
        head, self.seen = self.seen.split(b"\r\n\r\n", 1)
        lines = head.decode("ascii").split("\r\n")
        headers = {k.lower(): v.strip() for k, v in (l.split(":", 1) for l in lines[1:])}
        length = int(headers.get("content-length", 0))
        while len(self.seen) < length:
            self.more()
        content, self.seen = self.seen[:length], self.seen[length:]
        return int(lines[0].split()[1]), headers, content

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.seen += data


def tx_tool(folder, *args):
    out = subprocess.run([TX_TOOL, os.path.join(folder, "owner"), *map(str, args)], check=True, capture_output=True, text=True).stdout
    return [line.split() for line in out.splitlines()]


def owner_of(folder):
    return tx_tool(folder, "owner")[0][0]


def main(test):
    with tempfile.TemporaryDirectory() as folder:
        node = Node(folder, owner_of(folder))
        try:
            test(folder, node)
        finally:
            if node.process is not None and node.process.poll() is None:
                node.process.kill()
                node.process.wait()
    sys.exit(0)
