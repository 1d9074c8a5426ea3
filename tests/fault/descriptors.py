#!/usr/bin/env python3
"""Every program started with some of the descriptors 0 to 2 closed, in all eight ways: nothing that it opens takes
their place, so no message is written into a lock, a database or a socket."""
import itertools, os, re, select, shutil, signal, socket, subprocess, sys, tempfile
from kit import AGENT, BNODE, ENVIRONMENT, HELPER, IOTPKI, Node, must

SUBSETS = [s for n in range(4) for s in itertools.combinations((0, 1, 2), n)]
problems = []
count = 0


def trace_of(path):
    with open(path) as f:
        return f.read().splitlines()


def run(closed, args, trace, timeout=20):
    keep = "".join(f" {fd}>&-" for fd in closed)
    script = f'exec "$@"{keep}'
    with open(os.devnull, "r+b") as nothing:
        return subprocess.Popen(["strace", "-f", "-y", "-qq", "-s", "60", "-e", "signal=none", "-o", trace, "bash", "-c", script, "sh", *args],
                                stdin=nothing, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


def judge(name, closed, trace, program):
    """After the program's own exec: uses of 0 to 2 for something else, and writes to such."""
    began = False
    for line in trace_of(trace):
        if "execve(" in line and os.path.basename(program) in line and line.endswith("= 0"):
            began = True
        if not began:
            continue
        line = re.sub(r"^\d+ +", "", line)
        if (m := re.match(r"(?:write|writev|sendto|sendmsg)\(([012])<([^>]*)>", line)) and not re.match(r"/dev/null$|/$|pipe:", m[2]):
            problems.append(f"{name}, closed {closed}: a message into {m[2]}: {line[:150]}")
        if (m := re.search(r" = ([012])<([^>]*)>$", line)) and int(m[1]) in closed and m[2] not in ("/", "/dev/null"):
            # The dynamic linker reads and closes libraries before main; the client library, a guest in other
            # programs, fills no places but moves its socket to another number before it is used.
            if ".so" in m[2] or "ld.so.cache" in m[2] or (program == HELPER and m[2].startswith("socket:")):
                continue
            problems.append(f"{name}, closed {closed}: {m[2]} became descriptor {m[1]}")


def each(name, program, arguments, code, more=None):
    """arguments(number) of one run; more(process, number) talks to a daemon and ends it."""
    global count
    for number, closed in enumerate(SUBSETS):
        with tempfile.NamedTemporaryFile() as trace:
            args = [str(a) for a in arguments(number)]
            process = run(closed, args, trace.name)
            if more is not None:
                more(process, number)
            try:
                out, err = process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                problems.append(f"{name}, closed {closed}: it hangs")
                continue
            count += 1
            # What cannot be printed is an error of its own: 10, or the helper's 1, at which sshd drops all of it.
            if process.returncode not in ((code, 1 if program == HELPER else 10) if 1 in closed else (code,)):
                problems.append(f"{name}, closed {closed}: exit {process.returncode}: {out} {err}")
            judge(name, closed, trace.name, program)


def child_of(process):
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as f:
        return int(f.read().split()[0])


def wait_for(ready, process):
    for _ in range(2000):
        if ready() or process.poll() is not None:
            return
        select.select([], [], [], 0.01)


def main():
    if shutil.which("strace") is None:
        print("strace is missing")
        return 77
    with tempfile.TemporaryDirectory(prefix="iotpki-fds-") as base:
        node = Node(base + "/node")
        try:
            everything(base, node)
        finally:
            node.stop()
    for text in problems:
        print("FAILED:", text)
    print(f"figure: {count} starts with closed descriptors, {len(problems)} wrong")
    return 1 if problems else 0


def everything(base, node):
    dm = base + "/dm"
    must(IOTPKI, "dm", "init", "--bnode", node.url, "--pin", node.pin, "--dir", dm)
    must(IOTPKI, "identity", "new", "--name", "alice", "--dir", base + "/alice")
    must(IOTPKI, "dm", "register", "--cert", base + "/alice/cert.pem", "--dir", dm)
    config = base + "/etc/iotpki.yaml"
    os.mkdir(base + "/etc")
    with open(config, "w") as f:
        f.write(f'version: 1\nbnodes:\n  - {{name: home, type: iotpki, network: farm, url: "{node.url}", pin: "{node.pin}"}}\n')
    with open(base + "/etc/members.yaml", "w") as f:
        f.write("version: 1\nroles: {operator: {users: [pi], services: [sshd]}}\nmembers: []\n")
    for name in os.listdir(base + "/etc"):
        os.chmod(os.path.join(base, "etc", name), 0o640)
    must(IOTPKI, "--config", config, "member", "add", "--cert", base + "/alice/cert.pem", "--role", "operator", "--expires", "300d")
    cli = [IOTPKI, "--config", config, "--socket", base + "/none.sock"]

    each("identity new", IOTPKI, lambda n: [IOTPKI, "identity", "new", "--dir", f"{base}/id{n}"], 0)
    each("dm init", IOTPKI, lambda n: [IOTPKI, "dm", "init", "--dir", f"{base}/dm{n}", "--bnode", node.url, "--pin", node.pin], 0)
    each("dm renew", IOTPKI, lambda n: [IOTPKI, "dm", "renew", "alice", "--expires", f"{400 + n}d", "--dir", dm], 0)
    each("member deny", IOTPKI, lambda n: [*cli, "member", "deny" if n % 2 == 0 else "allow", "alice"], 0)
    each("member check", IOTPKI, lambda n: [*cli, "member", "check", "alice"], 0)
    each("refused", IOTPKI, lambda n: [*cli, "member", "show", "nobody"], 6)
    each("bnode init", BNODE, lambda n: [BNODE, "init", "--dir", f"{base}/node{n}", "--open"], 0)
    each("bnode audit", BNODE, lambda n: [BNODE, "audit", "--dir", f"{base}/node{n}"], 0)
    each("bnode refused", BNODE, lambda n: [BNODE, "pin", "--dir", f"{base}/none"], 3)

    def stop_bnode(process, number):
        wait_for(lambda: os.path.exists(f"{base}/node{number}/ledger/lock.mdb"), process)
        talk(process, number)

    port = free_port()

    def talk(process, number):
        wait_for(lambda: connects(port), process)
        os.kill(child_of(process), signal.SIGTERM)

    each("bnode serve", BNODE, lambda n: [BNODE, "serve", "--dir", f"{base}/node{n}", "--listen", f"http://127.0.0.1:{port}/"], 0, stop_bnode)

    with open(base + "/alice.pub", "w") as f:
        f.write(must(IOTPKI, "identity", "ssh-key", "--dir", base + "/alice").out)
    with open(base + "/alice.pub") as f:
        kind, key = f.read().split()[:2]
    user = ["--user", "root"] if os.geteuid() == 0 else []

    def ask(process, number):
        wait_for(lambda: listens(f"{base}/agent{number}.sock"), process)
        # A question through the whole of it, and an edit that it must read.
        helper = subprocess.run([HELPER, "--socket", f"{base}/agent{number}.sock", "pi", kind, key], capture_output=True, text=True, timeout=20)
        if os.geteuid() == 0 and key not in helper.stdout:
            problems.append(f"iotpki-agent, {number}: it does not admit: {helper}")
        os.kill(child_of(process), signal.SIGTERM)

    must(*cli, "member", "allow", "alice")
    each("agent", AGENT, lambda n: [AGENT, "--config", config, "--state-dir", f"{base}/state{n}", "--socket", f"{base}/agent{n}.sock",
                                    "--log", "stderr" if n % 2 else f"file:{base}/log{n}", *user], 0, ask)

    agent = subprocess.Popen([AGENT, "--config", config, "--state-dir", base + "/state", "--socket", base + "/agent.sock", "--log", "stderr", *user],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: listens(base + "/agent.sock"), agent)
        each("authorized-keys", HELPER, lambda n: [HELPER, "--socket", base + "/agent.sock", "pi", kind, key], 0)
    finally:
        agent.terminate()
        agent.wait(20)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(path):
    """The path is there from bind() on, a moment before somebody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        return s.connect_ex(path) == 0


def connects(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


sys.exit(main())
