#!/usr/bin/env python3
"""The agent killed at every call while it takes a new list, with every such call failing once, without
descriptors, with full disks, stopped, and restarted under questions. Root, whom the helper believes."""
import os, re, resource, select, shutil, signal, socket, subprocess, sys, tempfile, time
from kit import AGENT, ENVIRONMENT, HELPER, IOTPKI, Node, must

CHANGING = ("write", "pwrite64", "writev", "fsync", "fdatasync", "msync", "ftruncate", "flock", "rename", "renameat", "unlink",
            "mkdir", "rmdir", "fchown", "openat", "close", "exit_group")
FULL = ("write", "pwrite64", "writev", "mkdir", "rename", "ftruncate")
problems, figures = [], {}


def problem(text):
    problems.append(text)


def count(key, n=1):
    figures[key] = figures.get(key, 0) + n


class Farm:
    def __init__(self, base):
        self.base, self.node = base, Node(base + "/node")
        dm = base + "/dm"
        must(IOTPKI, "dm", "init", "--bnode", self.node.url, "--pin", self.node.pin, "--dir", dm)
        self.etc("one")
        for name in ("alice", "bob", "carol"):
            must(IOTPKI, "identity", "new", "--name", name, "--dir", f"{base}/{name}")
            must(IOTPKI, "dm", "register", "--cert", f"{base}/{name}/cert.pem", "--dir", dm)
        self.keys = {n: must(IOTPKI, "identity", "ssh-key", "--dir", f"{base}/{n}").out.split()[:2] for n in ("alice", "bob", "carol")}
        self.member("one", "alice")
        # The new list: bob in a file of his own, carol revoked.
        shutil.copytree(base + "/one", base + "/two")
        self.member("two", "carol")
        must(IOTPKI, "dm", "revoke", "carol", "--yes", "--dir", dm)
        self.etc("bob-etc")
        self.member("bob-etc", "bob")
        os.mkdir(base + "/two/members.d")
        with open(base + "/bob-etc/members.yaml") as f:
            entry = f.read().split("members:", 1)[1]
        self.write("two/members.d/bob.yaml", "version: 1\nmembers:" + entry)

    def write(self, path, text):
        with open(os.path.join(self.base, path), "w") as f:
            f.write(text)
        os.chmod(os.path.join(self.base, path), 0o640)

    def etc(self, name):
        os.mkdir(os.path.join(self.base, name))
        self.write(name + "/iotpki.yaml", f'version: 1\nbnodes:\n  - {{name: home, type: iotpki, network: farm, url: "{self.node.url}", '
                   f'pin: "{self.node.pin}"}}\nquery: {{node_timeout_ms: 800, deadline_ms: 1000}}\n')
        self.write(name + "/members.yaml", "version: 1\nroles: {operator: {users: [pi], services: [sshd]}}\nmembers: []\n")

    def member(self, folder, who):
        must(IOTPKI, "--config", f"{self.base}/{folder}/iotpki.yaml", "member", "add", "--cert", f"{self.base}/{who}/cert.pem",
             "--role", "operator", "--expires", "300d")


class Agent:
    serial = 0

    def __init__(self, farm, etc, state, wrapper=(), limit=None, patience=30):
        Agent.serial += 1
        self.farm, self.socket, self.log = farm, f"{farm.base}/s{Agent.serial}", f"{farm.base}/log{Agent.serial}"
        read, told = os.pipe()
        self.args = [AGENT, "--config", etc + "/iotpki.yaml", "--state-dir", state, "--socket", self.socket, "--user", "root",
                     "--helper-user", "root", "--log", "file:" + self.log]
        self.process = subprocess.Popen(
            [*wrapper, *self.args, "--ready-fd", str(told)], pass_fds=[told], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
            preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
        os.close(told)
        with os.fdopen(read) as lines:
            self.ready = bool(lines.readline()) if select.select([read], [], [], patience)[0] else False

    def say(self, text):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(10)
            try:
                s.connect(self.socket)
                s.send(text.encode())
                return s.recv(16384).decode()
            except OSError:
                return ""

    def ask(self, who):
        kind, key = self.farm.keys[who]
        return (self.say(f"iotpki/1 authorize-key\nuser=pi\nservice=sshd\ntype={kind}\nkey={key}\n").splitlines() or ["none"])[0]

    def status(self):
        return dict(line.split("=", 1) for line in self.say("iotpki/1 status\n").splitlines()[1:])

    def pid(self):
        """The agent's own, behind strace."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            return int((f.read().split() or [self.process.pid])[0])

    def end(self, number=signal.SIGKILL):
        if self.process.poll() is None:
            try:
                os.kill(self.pid(), number)
            except ProcessLookupError:
                pass
        try:
            return self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            problem("the agent does not end")
            return self.process.communicate()


def strace(name, what, n):
    return ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + name, "-e", f"inject={name}:{what}" + (f":when={n}" if n else "")]


def leftovers(folder):
    """What a state folder holds beside the accepted list and the state's own files."""
    usual = {"members.accepted": None, "state": {"data.mdb"}}
    left = [f for f in os.listdir(folder) if f not in usual]
    inner = os.path.join(folder, "state")
    if os.path.isdir(inner):
        left += ["state/" + f for f in os.listdir(inner) if f not in usual["state"]]
    return left


def members_with_broken_list(farm, state):
    """After a restart with a list that cannot be read: what was accepted last counts."""
    shutil.rmtree(farm.base + "/broken", ignore_errors=True)
    shutil.copytree(farm.base + "/one", farm.base + "/broken")
    farm.write("broken/members.yaml", "members: [")
    agent = Agent(farm, farm.base + "/broken", state)
    status = agent.status()
    agent.end()
    if status.get("state") not in ("good", "new"):
        problem(f"the next start finds the state {status.get('state')}")
    return status.get("members")


def points_of(trace, folder):
    """The agent's own calls on a folder, each with its number among its like (strace counts by process)."""
    counts, points, own = {}, [], None
    for line in trace:
        if m := re.match(r"(\d+) +(\w+)\(", line):
            own = own or m[1]
            if m[1] != own:
                continue
            counts[m[2]] = counts.get(m[2], 0) + 1
            if folder in line and m[2] in CHANGING + ("read", "getdents64"):
                points.append((m[2], counts[m[2]]))
    return points


def error_of(name):
    return "ENOSPC" if name in FULL else "EMFILE" if name == "openat" else "EIO"


def wait_until(test):
    for _ in range(1500):
        if test():
            return True
        select.select([], [], [], 0.01)
    return False


def new_lists(farm):
    """Killed, and with failing calls, while the agent takes the list of three in place of the list of one."""
    start = farm.base + "/start"
    Agent(farm, farm.base + "/one", start).end()
    trace_state = farm.base + "/traced"
    shutil.copytree(start, trace_state)
    with tempfile.NamedTemporaryFile("r") as trace:
        agent = Agent(farm, farm.base + "/two", trace_state, ["strace", "-f", "-y", "-qq", "-s", "0", "-e", "signal=none", "-o", trace.name])
        assert agent.status().get("members") == "3", agent.status()
        agent.end(signal.SIGTERM)
        points = points_of(trace, trace_state)
    for name, n in points:
        state = farm.base + "/state"
        if name in CHANGING:
            shutil.copytree(start, state)
            agent = Agent(farm, farm.base + "/two", state, strace(name, "signal=KILL", n))
            agent.end()
            count("kills")
            kept = farm.base + "/kept"
            shutil.copytree(state, kept)
            if (members := members_with_broken_list(farm, state)) not in ("1", "3"):
                problem(f"killed at {name} {n}: {members} members are in force after it")
            agent = Agent(farm, farm.base + "/two", kept)
            if agent.status().get("members") != "3" or agent.status().get("list-valid") != "yes":
                problem(f"killed at {name} {n}: the next start has {agent.status()}")
            agent.end(signal.SIGTERM)
            if left := leftovers(kept):
                problem(f"killed at {name} {n}: the next start leaves {left}")
            shutil.rmtree(kept)
            shutil.rmtree(state)
        if name == "exit_group":
            continue
        shutil.copytree(start, state)
        error = error_of(name)
        agent = Agent(farm, farm.base + "/two", state, strace(name, "error=" + error, n))
        count("errors")
        if agent.ready:
            if (members := agent.status().get("members")) not in ("1", "3"):
                problem(f"{error} at {name} {n}: {members} members are in force")
            agent.end(signal.SIGTERM)
        else:
            count("refused starts")
            _, err = agent.end()
            if agent.process.returncode <= 0 or len(err.splitlines()) != 1:
                problem(f"{error} at {name} {n}: it ends with {agent.process.returncode}, {err!r}")
        if (members := members_with_broken_list(farm, state)) not in ("1", "3"):
            problem(f"{error} at {name} {n}: {members} members are in force after it")
        shutil.rmtree(state)


def learns(farm, state, wrapper=()):
    """carol is revoked: that is to be kept for good. What she gets, and whether the log says that nothing could be written."""
    agent = Agent(farm, farm.base + "/two", state, wrapper)
    word = agent.ask("carol") if agent.ready else "none"
    agent.end(signal.SIGTERM)
    with open(agent.log) as f:
        log = f.read()
    return word, log


def tombstones(farm):
    """Killed, and with failing calls, while the first revocation is written."""
    start, state = farm.base + "/t-start", farm.base + "/t-state"
    Agent(farm, farm.base + "/two", start).end(signal.SIGTERM)
    shutil.copytree(start, state)
    with tempfile.NamedTemporaryFile("r") as trace:
        word, log = learns(farm, state, ["strace", "-f", "-y", "-qq", "-s", "0", "-e", "signal=none", "-o", trace.name])
        points = points_of(trace, state + "/state")
    if not word.endswith(" DENY") or "event=tombstone " not in log:
        problem(f"a revocation is not learnt: {word}")
    if not any(name == "fdatasync" for name, _ in points):
        problem("the write of a revocation was not seen")
    for name, n in points:
        for what in ("signal=KILL", "error=" + error_of(name)):
            if name not in CHANGING and what == "signal=KILL" or name == "exit_group":
                continue
            shutil.rmtree(state)
            shutil.copytree(start, state)
            word, log = learns(farm, state, strace(name, what, n))
            count("state kills" if what == "signal=KILL" else "state errors")
            if what != "signal=KILL" and not word.endswith(" DENY"):
                problem(f"{what} at {name} {n}: a revoked key gets {word}")
            if name in ("pwrite64", "writev", "fdatasync") and what != "signal=KILL" and "event=state-not-written" not in log:
                problem(f"{what} at {name} {n}: is not told of")
            agent = Agent(farm, farm.base + "/two", state)
            status = agent.status()
            if status.get("state") != "good" or status.get("tombstones") not in ("0", "1"):
                problem(f"{what} at {name} {n}: the next start has {status}")
            agent.end()
            if left := [f for f in os.listdir(state + "/state") if f != "data.mdb"]:
                problem(f"{what} at {name} {n}: the next start leaves {left}")


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def descriptors(farm):
    """RLIMIT_NOFILE from 3 to 64 at the start, and from nothing left to plenty while it runs."""
    state = farm.base + "/fd-state"
    admitted = 0
    for limit in [*range(3, 33), 40, 48, 56, 64]:
        agent = Agent(farm, farm.base + "/two", state, limit=limit)
        count("limits")
        if agent.ready:
            word = agent.ask("alice")
            admitted += word.endswith(" ADMIT")
            if agent.ask("carol").endswith(" ADMIT"):
                problem(f"with {limit} descriptors a revoked key is admitted")
            _, err = agent.end(signal.SIGTERM)
            if agent.process.returncode != 0:
                problem(f"with {limit} descriptors it ends with {agent.process.returncode}: {err!r}")
        else:
            _, err = agent.end()
            if agent.process.returncode <= 0 and limit > 6:
                problem(f"with {limit} descriptors it does not start: {agent.process.returncode} {err!r}")
    if admitted == 0:
        problem("no limit lets the agent admit anybody")
    shutil.copytree(farm.base + "/one", farm.base + "/edited")
    agent = Agent(farm, farm.base + "/edited", state)
    pid, (soft, hard) = agent.process.pid, resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE)
    for free in range(12):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(fds(pid) + free, hard), hard))
        count("limits")
        if agent.ask("carol").endswith(" ADMIT"):
            problem(f"with {free} free descriptors a revoked key is admitted")
        agent.ask("alice")
    # An edit that comes while there is none is read when there are some again, without another edit.
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    shutil.copytree(farm.base + "/two/members.d", farm.base + "/edited/members.d")
    shutil.copy2(farm.base + "/two/members.yaml", farm.base + "/edited/new")
    os.rename(farm.base + "/edited/new", farm.base + "/edited/members.yaml")
    wait_until(lambda: "reload-failed" in open(agent.log).read())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    if not wait_until(lambda: agent.status().get("members") == "3" and agent.status().get("list-valid") == "yes"):
        problem(f"an edit without descriptors is never read: {agent.status()}")
    if not agent.ask("alice").endswith(" ADMIT"):
        problem("with descriptors again nobody is admitted")
    agent.end(signal.SIGTERM)


def full_disks(farm):
    """No write succeeds, in the state folder as in the log: logins get their verdicts."""
    for error in ("ENOSPC", "EIO", "EROFS"):
        # The state folder is there: a start that cannot make it is refused.
        os.mkdir(farm.base + "/full-" + error, 0o700)
        # The ready line is a write too.
        agent = Agent(farm, farm.base + "/two", farm.base + "/full-" + error, strace("write,fsync,rename", "error=" + error, 0), patience=0)
        if not wait_until(lambda: agent.status().get("members") is not None):
            problem(f"{error}: no answer at all")
        for who, word in (("alice", "ADMIT"), ("bob", "ADMIT"), ("carol", "DENY")):
            count("full")
            if not (got := agent.ask(who)).endswith(" " + word):
                problem(f"{error} at every write: {who} gets {got}")
        agent.end(signal.SIGTERM)


def helpers(agent, count):
    kind, key = agent.farm.keys["alice"]
    return [subprocess.Popen([HELPER, "--socket", agent.socket, "pi", kind, key], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True) for _ in range(count)]


def outcome(processes, what):
    """How many got the key; each must end by itself, well, with a line or nothing."""
    keys = 0
    for process in processes:
        try:
            out, _ = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            problem(f"{what}: a client waits for ever")
            continue
        if process.returncode != 0 or (out and out.count("\n") != 1):
            problem(f"{what}: exit {process.returncode}, {out!r}")
        keys += bool(out)
        count("clients")
    return keys


def stopped(farm):
    agent = Agent(farm, farm.base + "/two", farm.base + "/stop-state")
    os.kill(agent.process.pid, signal.SIGSTOP)
    if outcome(helpers(agent, 3), "stopped agent"):
        problem("a stopped agent admits")
    os.kill(agent.process.pid, signal.SIGCONT)
    if outcome(helpers(agent, 3), "continued agent") != 3:
        problem("after SIGCONT nobody is admitted")
    # Questions hang at a B-node that does not answer; the agent is killed under them and started again.
    os.kill(farm.node.process.pid, signal.SIGSTOP)
    time.sleep(1.2)  # what is reused is older than positive_ttl then
    waiting = helpers(agent, 50)
    wait_until(lambda: int(agent.status().get("waiting", 0)) >= 25 or all(p.poll() is not None for p in waiting))
    agent.end()
    again = subprocess.Popen(agent.args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if outcome(waiting, "restart under 50 questions"):
        problem("a question without a B-node's answer admits")
    os.kill(farm.node.process.pid, signal.SIGCONT)
    if not wait_until(lambda: outcome(helpers(agent, 1), "after the restart") == 1):
        problem("after the restart nobody is admitted")
    again.terminate()
    again.wait(20)


def main():
    if shutil.which("strace") is None or os.geteuid() != 0:
        print("strace is missing, or this is not root")
        return 77
    with tempfile.TemporaryDirectory(prefix="iotpki-agent-") as base:
        farm = Farm(base)
        try:
            for part in (new_lists, tombstones, descriptors, full_disks, stopped):
                if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
                    part(farm)
        finally:
            os.kill(farm.node.process.pid, signal.SIGCONT)
            farm.node.stop()
    for text in problems:
        print("FAILED:", text)
    print("figure: agent: " + ", ".join(f"{n} {what}" for what, n in figures.items()) + f", {len(problems)} wrong")
    return 1 if problems else 0


sys.exit(main())
