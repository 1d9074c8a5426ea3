#!/usr/bin/env python3
"""Commands that write, killed before every call that changes something, and with every call failing once:
the old or the new content, never a mixture; the same command again ends in the new state; nothing piles up."""
import json, os, re, shutil, subprocess, sys, tempfile, threading
from kit import BNODE, IOTPKI, Node, error_points, fault, kill_points, listing, must, parallel, run

END, LATER = "2035-01-01T00:00:00Z", "2036-01-01T00:00:00Z"
counts, lock = {}, threading.Lock()
problems = []


def problem(case, point, text):
    with lock:
        problems.append(f"{case}, {' '.join(map(str, point))}: {text}")


def count(key, n=1):
    with lock:
        counts[key] = counts.get(key, 0) + n


class Case:
    """One command over a fresh copy of a folder for each fault."""
    kills, errors = True, True
    serial = 0

    def __init__(self, name, base, node):
        self.name, self.base, self.node = name, os.path.join(base, name.replace(" ", "-")), node
        os.mkdir(self.base)
        self.prepare()

    def prepare(self):
        """What every fault finds, in self.base/start."""
        os.mkdir(self.path("start"))

    def path(self, *names):
        return os.path.join(self.base, *names)

    def fresh(self):
        """A copy of the start; self.work is where it is."""
        Case.serial += 1
        work = self.path(f"work{Case.serial}")
        shutil.copytree(self.path("start"), work)
        return work

    def state(self, work):
        """"old", "new" or "between" (allowed only where the next run or a reader ends it)."""
        raise NotImplementedError

    def again_ok(self, work, done):
        return done.code == 0

    def left(self, work):
        return [f for f in listing(work) if re.search(r"\.new\b", f)]

    def check_again(self, work, point):
        """Once more without a fault: the new state, and at most what a run without faults leaves."""
        done = run(*self.command(work))
        if not self.again_ok(work, done):
            problem(self.name, point, f"the same command again fails: {done}")
        elif (state := self.state(work)) != "new":
            problem(self.name, point, f"after the same command again the state is {state}")
        elif left := self.left(work):
            problem(self.name, point, f"the next run leaves {left}")

    def kill(self, point):
        work = self.fresh()
        done = fault("signal=KILL", *point, self.command(work))
        state = self.state(work)
        if done.code == 0 and state != "new":
            problem(self.name, point, f"it ended well, but the state is {state}")
        if state not in ("old", "new", "between"):
            problem(self.name, point, f"after a kill: {state}")
        count("kills", done.code != 0)
        count("left", bool(self.left(work)))
        self.check_again(work, point)
        shutil.rmtree(work)

    def error(self, point):
        name, n, error = point
        work = self.fresh()
        done = fault(f"error={error}", name, n, self.command(work))
        state = self.state(work)
        count("errors")
        if done.code == 0 and state != "new":
            problem(self.name, point, f"it ended well, but the state is {state}")
        # What only comes after the new content has its name, or the B-nodes have it, cannot bring the old back.
        if done.code != 0 and state not in ("old", "between") and not re.search("cannot sync|/level: cannot|tls.crt: cannot read", done.err):
            problem(self.name, point, f"the state is {state}: {done}")
        if done.code < 0 or done.code > 120:
            problem(self.name, point, f"it died: {done}")
        if done.code > 0:
            count("refused")
            if len(done.err.splitlines()) != 1 or "/" not in done.err:
                problem(self.name, point, f"not one line that names the file: {done.err!r}")
        self.check_again(work, point)
        shutil.rmtree(work)

    def all(self):
        sample = self.fresh()
        kills = kill_points(sample, self.command(sample)) if self.kills else []
        if self.state(sample) != "new":
            problem(self.name, ("no", "fault"), f"the state is {self.state(sample)}")
        sample = self.fresh()
        errors = error_points(sample, self.command(sample)) if self.errors else []
        for point in kills:
            self.kill(point)
        for point in errors:
            self.error(point)
        print(f"{self.name}: {len(kills)} kills, {len(errors)} errors")


class Identity(Case):
    def command(self, work):
        return [IOTPKI, "identity", "new", "--name", "alice", "--dir", work + "/id"]

    def again_ok(self, work, done):
        # Never over a key that is there: then that is the identity, and it is whole.
        return done.code == 0 or "is there already" in done.err

    def state(self, work):
        if not os.path.exists(work + "/id/key.pem"):
            return "old" if not os.path.exists(work + "/id/cert.pem") else "a certificate without its key"
        if os.stat(work + "/id/key.pem").st_mode & 0o777 != 0o600:
            return "a key that others can read"
        if not os.path.exists(work + "/id/cert.pem"):
            # Whoever reads it next ends it; that is tried with a copy.
            shutil.copytree(work + "/id", work + "/read", dirs_exist_ok=True)
            shown = run(IOTPKI, "identity", "show", "--dir", work + "/read")
            shutil.rmtree(work + "/read")
            return "between" if shown.code == 0 else f"a key without its certificate: {shown}"
        shown = run(IOTPKI, "identity", "show", "--dir", work + "/id")
        return "new" if shown.code == 0 else f"unreadable: {shown}"


class DmInit(Identity):
    def command(self, work):
        return [IOTPKI, "dm", "init", "--bnode", "https://192.0.2.1:7443/", "--pin", "sha256//" + "A" * 43 + "=", "--dir", work + "/id"]

    def again_ok(self, work, done):
        return done.code == 0 and "owner: " in done.out

    def state(self, work):
        state = super().state(work)
        if state != "new":
            return state
        if not os.path.exists(work + "/id/dm.yaml"):
            return "between"
        with open(work + "/id/dm.yaml") as f:
            return "new" if f.read().count("192.0.2.1") == 1 else "half a list"


class BnodeInit(Case):
    def prepare(self):
        super().prepare()
        self.owner = re.search("owner: ([0-9a-f]{64})", must(IOTPKI, "dm", "init", "--dir", self.path("owner")).out)[1]
        must(IOTPKI, "identity", "new", "--name", "alice", "--dir", self.path("alice"))

    def command(self, work):
        return [BNODE, "init", "--dir", work + "/node", "--owner", self.owner]

    def state(self, work):
        names = listing(work)
        if "node/tls.crt" in names and "node/tls.key" not in names:
            return "a certificate without its key"
        if not {"node/tls.crt", "node/tls.key", "node/ledger/data.mdb"} <= set(names):
            return "between"
        # It serves with its pin, and takes what its owner registers.
        shutil.copytree(work + "/node", work + "/try")
        try:
            node = Node(work + "/try", made=True)
            dm = work + "/dm"
            shutil.copytree(self.path("owner"), dm)
            must(IOTPKI, "dm", "init", "--dir", dm, "--bnode", node.url, "--pin", node.pin)
            done = run(IOTPKI, "dm", "register", "--dir", dm, "--cert", self.path("alice", "cert.pem"))
            node.stop()
            return "new" if done.code == 0 else f"it refuses its owner: {done}"
        except AssertionError as e:
            return "between" if str(e).startswith("the node did not start") else str(e)
        finally:
            shutil.rmtree(work + "/try", ignore_errors=True)
            shutil.rmtree(work + "/dm", ignore_errors=True)


class Member(Case):
    """alice and bob are registered; start/ has the configuration and the list."""
    words = ()
    file = "members.yaml"

    def prepare(self):
        super().prepare()
        self.dm = self.path("dm")
        must(IOTPKI, "dm", "init", "--dir", self.dm, "--bnode", self.node.url, "--pin", self.node.pin)
        who = self.name.replace(" ", "-").replace("_", "-")
        for name in ("alice", "bob"):
            must(IOTPKI, "identity", "new", "--name", f"{name}-{who}", "--dir", self.path(name))
            must(IOTPKI, "dm", "register", "--dir", self.dm, "--cert", self.path(name, "cert.pem"))
        start = self.path("start")
        with open(start + "/iotpki.yaml", "w") as f:
            f.write(f'version: 1\nbnodes:\n  - {{name: home, type: iotpki, network: farm, url: "{self.node.url}", pin: "{self.node.pin}"}}\n')
        with open(start + "/members.yaml", "w") as f:
            f.write("# who may come in\nversion: 1\nroles: {operator: {users: [pi], services: [sshd]}}\nmembers: []\n")
        for name in ("iotpki.yaml", "members.yaml"):
            os.chmod(os.path.join(start, name), 0o640)
        self.alice, self.bob = f"alice-{who}", f"bob-{who}"
        must(*self.member(start, "add", "--cert", self.path("alice", "cert.pem"), "--role", "operator", "--expires", END))
        if self.file != "members.yaml":
            # The same entry in a file of members.d.
            os.mkdir(start + "/members.d")
            with open(start + "/members.yaml") as f:
                head, entries = f.read().split("members:", 1)
            with open(os.path.join(start, self.file), "w") as f:
                f.write("version: 1\nmembers:" + entries)
            with open(start + "/members.yaml", "w") as f:
                f.write(head + "members: []\n")
            os.chmod(os.path.join(start, self.file), 0o640)
        # The lock file is no leftover.
        self.old = listing(start)[self.file]
        sample = self.fresh()
        must(*self.command(sample))
        self.new = listing(sample)[self.file]
        assert self.new != self.old

    def member(self, work, *words):
        return [IOTPKI, "--config", work + "/iotpki.yaml", "--socket", work + "/no.sock", "member", *words]

    def command(self, work):
        return self.member(work, *[w.format(alice=self.alice, bob=self.path("bob", "cert.pem")) for w in self.words])

    def state(self, work):
        now = listing(work)[self.file]
        listed = run(*self.member(work, "list"))
        if listed.code != 0:
            return f"the list cannot be read: {listed}"
        if os.stat(os.path.join(work, self.file)).st_mode & 0o777 != 0o640:
            return "another mode"
        return "old" if now == self.old else "new" if now == self.new else f"a mixture: {now!r}"


class MemberAdd(Member):
    words = ("add", "--cert", "{bob}", "--role", "operator", "--expires", LATER)

    def again_ok(self, work, done):
        return done.code == 0 or "is a member already" in done.err


class MemberRenew(Member):
    words = ("renew", "{alice}", "--expires", LATER)


class MemberDeny(Member):
    words = ("deny", "{alice}")


class MemberDenyPart(MemberDeny):
    """In members.d, where a temporary file must not be read as a part of the list."""
    file = "members.d/more.yaml"


class MemberRemove(Member):
    words = ("remove", "{alice}", "--yes")

    def again_ok(self, work, done):
        return done.code == 0 or "is not a member" in done.err


class Dm(Case):
    """A name of its own for every fault: a ledger forgets nothing."""
    names = 0

    def prepare(self):
        super().prepare()
        must(IOTPKI, "dm", "init", "--dir", self.path("start", "dm"), "--bnode", self.node.url, "--pin", self.node.pin)

    def fresh(self):
        work = super().fresh()
        Dm.names += 1
        name = f"name{Dm.names}-{self.name.replace(' ', '-')}"
        with open(work + "/name", "w") as f:
            f.write(name)
        must(IOTPKI, "identity", "new", "--name", name, "--dir", work + "/id")
        self.before(work)
        return work

    def before(self, work):
        must(*self.register(work))

    def register(self, work):
        return [IOTPKI, "dm", "register", "--cert", work + "/id/cert.pem", "--expires", END, "--dir", work + "/dm"]

    def called(self, work):
        with open(work + "/name") as f:
            return f.read()

    def dm(self, work, *words):
        return run(IOTPKI, "--json", "dm", *words, "--dir", work + "/dm")

    def shown(self, work):
        """What the B-node says: (status, expires_at, operations)."""
        config = work + "/iotpki.yaml"
        with open(config, "w") as f:
            f.write(f'version: 1\nbnodes:\n  - {{name: home, type: iotpki, network: iotpki, url: "{self.node.url}", pin: "{self.node.pin}"}}\n')
        os.chmod(config, 0o640)
        done = run(IOTPKI, "--config", config, "history", self.called(work))
        return done.out

    def own(self, work):
        """The owner's own store must be readable whatever happened."""
        done = self.dm(work, "list")
        return None if done.code == 0 else f"the owner's store cannot be read: {done}"


class DmRegister(Dm):
    def before(self, work):
        pass

    command = Dm.register

    def again_ok(self, work, done):
        return done.code == 0 or "is registered already" in done.err

    def state(self, work):
        if wrong := self.own(work):
            return wrong
        has = len(re.findall(r"^.*\bregistered +[0-9a-f]{64}", self.shown(work), re.M))
        return "old" if has == 0 else "new" if has == 1 else f"{has} registrations"


class DmRenew(Dm):
    def command(self, work):
        return [IOTPKI, "dm", "renew", self.called(work), "--expires", LATER, "--dir", work + "/dm"]

    def state(self, work):
        if wrong := self.own(work):
            return wrong
        has = len(re.findall(r"^.*\bupdated +[0-9a-f]{64}", self.shown(work), re.M))
        return "old" if has == 0 else "new" if has == 1 else f"{has} updates"


class DmRevoke(Dm):
    def command(self, work):
        return [IOTPKI, "dm", "revoke", self.called(work), "--yes", "--dir", work + "/dm"]

    def state(self, work):
        if wrong := self.own(work):
            return wrong
        has = len(re.findall(r"^.*\brevoked +[0-9a-f]{64}", self.shown(work), re.M))
        return "old" if has == 0 else "new" if has == 1 else f"{has} revocations"


CASES = (("identity new", Identity), ("dm init", DmInit), ("bnode init", BnodeInit), ("member add", MemberAdd),
         ("member renew", MemberRenew), ("member deny", MemberDeny), ("member deny part", MemberDenyPart),
         ("member remove", MemberRemove), ("dm register", DmRegister), ("dm renew", DmRenew), ("dm revoke", DmRevoke))


def main():
    if shutil.which("strace") is None:
        print("strace is missing")
        return 77
    with tempfile.TemporaryDirectory(prefix="iotpki-fault-") as base:
        node = Node(base + "/node")
        try:
            chosen = [c for c in CASES if len(sys.argv) < 2 or c[0] in sys.argv[1:]]
            parallel([lambda n=n, c=c: c(n, base, node).all() for n, c in chosen])
        finally:
            node.stop()
    for text in problems:
        print("FAILED:", text)
    print(f"figure: {len(chosen)} commands: {counts.get('kills', 0)} kills, {counts.get('errors', 0)} failed calls "
          f"({counts.get('refused', 0)} refused with an error), {counts.get('left', 0)} leftovers taken away by the next run, "
          f"{len(problems)} wrong")
    return 1 if problems else 0


sys.exit(main())
