#!/usr/bin/env python3
"""dm register, renew and revoke, killed before every call that changes something and before every word to a node, on
Namecoin, Emercoin and three iotpki nodes; the same command again, until it is done: exactly one pre-order, one
registration, one update everywhere, and one thing paid for once."""
import json, os, re, shutil, sys, tempfile, threading
from kit import IOTPKI, Chain, Node, calls, fault, kill_points, must, parallel, run

END, LATER = "2035-01-01T00:00:00Z", "2036-01-01T00:00:00Z"
counts, lock = {}, threading.Lock()
problems = []


def problem(case, point, text):
    with lock:
        problems.append(f"{case}, {' '.join(map(str, point))}: {text}")


def count(key, n=1):
    with lock:
        counts[key] = counts.get(key, 0) + n


def points(folder, args):
    """Also between a request and its answer: then the node has done it, and nobody knows."""
    answers = [("recvfrom", n) for name, n, line, ours in calls(folder, args) if name == "recvfrom"]
    return answers


class Case:
    """One command, over a fresh name for every kill."""
    serial = 0

    def __init__(self, name, base):
        self.name, self.base = name, os.path.join(base, name.replace(" ", "-"))
        os.mkdir(self.base)
        self.prepare()

    def fresh(self):
        Case.serial += 1
        work = os.path.join(self.base, f"work{Case.serial}")
        self.who = f"name{Case.serial}-{self.name.replace(' ', '-')}"
        os.mkdir(work)
        must(IOTPKI, "identity", "new", "--name", self.who, "--dir", work + "/id")
        shutil.copytree(self.base + "/dm", work + "/dm")
        self.before(work)
        return work

    def before(self, work):
        pass

    def register(self, work):
        return [IOTPKI, "dm", "register", "--cert", work + "/id/cert.pem", "--expires", END, "--yes", "--no-wait", "--dir", work + "/dm"]

    def revoke(self, work):
        return [IOTPKI, "dm", "revoke", self.who, "--yes", "--no-wait", "--dir", work + "/dm"]

    def renew(self, work):
        return [IOTPKI, "dm", "renew", self.who, "--expires", LATER, "--yes", "--no-wait", "--dir", work + "/dm"]

    def shown(self, work):
        done = run(IOTPKI, "--json", "dm", "show", self.who, "--dir", work + "/dm")
        return json.loads(done.out)["result"] if done.code == 0 else None

    def block(self):
        pass

    def kill(self, point, mined=False):
        work = self.fresh()
        before = self.mark()
        done = fault("signal=KILL", *point, self.command(work))
        if mined:
            self.block()
            point = (*point, "then a block")
        count("kills", done.code != 0)
        if run(IOTPKI, "dm", "list", "--dir", work + "/dm").code != 0:
            problem(self.name, point, "the store cannot be read after the kill")
        if wrong := self.resume(work, before):
            problem(self.name, point, wrong)
        shutil.rmtree(work)

    def all(self):
        sample = self.fresh()
        found = kill_points(sample, self.command(sample))
        sample = self.fresh()
        answers = points(sample, self.command(sample))
        sample, before = self.fresh(), self.mark()
        must(*self.command(sample))
        if wrong := self.resume(sample, before):
            problem(self.name, ("no", "kill"), wrong)
        for point in found + answers:
            self.kill(point)
        # What was sent, and not noted, is no longer in the mempool when the command is run again.
        for point in answers:
            self.kill(point, mined=True)
        print(f"{self.name}: {len(found) + 2 * len(answers)} kills")


class OnChain(Case):
    """steps: commands and blocks before the one that is killed; wanted: the calls that all of it comes to."""
    kind, state, steps, wanted, again = "namecoin", "registered", (), {}, "register"

    def prepare(self):
        self.chain = Chain(self.kind, self.base)
        self.prefix = "iot/" if self.kind == "namecoin" else "iot:"
        must(IOTPKI, "dm", "init", "--dir", self.base + "/dm", "--bnode", self.chain.url, "--type", self.kind,
             "--credentials", self.chain.cookie)

    def before(self, work):
        self.begun = self.chain.sent()
        for step in self.steps:
            if isinstance(step, int):
                self.chain.call("fake_mine", step)
            else:
                must(*getattr(self, step)(work))

    def mark(self):
        return self.begun

    def command(self, work):
        return getattr(self, self.again)(work)

    def block(self):
        self.chain.call("fake_mine", 1)

    def resume(self, work, before):
        for _ in range(4):
            done = run(*self.command(work))
            if done.code != 0 and "is registered already" not in done.err:
                return f"the same command again fails: {done}"
            shown = self.shown(work)
            if shown["state"] == self.state and all(n["done"] for n in shown["networks"]) and self.complete(shown):
                break
            self.chain.call("fake_mine", 13)
        now = self.chain.sent()
        sent = {m: now[m] - before[m] for m in now if now[m] != before[m]}
        if sent != self.wanted:
            return f"sent {sent}, not {self.wanted}"
        return self.judge()

    def complete(self, shown):
        return self.again != "renew" or f"ex={2082758400}" in shown["value"]

    def judge(self):
        params = (self.prefix + self.who, True) if self.kind == "emercoin" else (self.prefix + self.who,)
        history = self.chain.call("name_history", *params)
        revoked = [h for h in history if "status=revoked" in h["value"]]
        lives = 1 if self.kind == "namecoin" else len([h for h in history if h["operation"] == "name_new"])
        if lives != 1 or len(history) != 1 + self.wanted.get("name_update", 0):
            return f"{lives} registrations, {len(history)} operations"
        if len(revoked) != (self.state == "revoked"):
            return f"{len(revoked)} revocations"
        return None

    def all(self):
        try:
            super().all()
        finally:
            self.chain.stop()


class NamecoinOrder(OnChain):
    wanted = {"name_new": 1, "name_firstupdate": 1}


class NamecoinEnter(NamecoinOrder):
    steps = ("register", 13)


class NamecoinConfirm(NamecoinOrder):
    steps = ("register", 13, "register", 1)


class NamecoinRevoke(OnChain):
    state, again, steps = "revoked", "revoke", ("register", 13, "register", 1, "register")
    wanted = {"name_new": 1, "name_firstupdate": 1, "name_update": 1}


class NamecoinRevokeConfirm(NamecoinRevoke):
    steps = NamecoinRevoke.steps + ("revoke", 1)


class NamecoinRevokePending(NamecoinRevoke):
    """The registration is not in a block yet: the revocation lines up behind it."""
    steps = ("register", 13, "register")


class NamecoinRenew(NamecoinRevoke):
    state, again = "registered", "renew"


class EmercoinRegister(OnChain):
    kind, wanted = "emercoin", {"name_new": 1}


class EmercoinRenew(OnChain):
    kind, again, steps, wanted = "emercoin", "renew", ("register", 1, "register"), {"name_new": 1, "name_update": 1}


class EmercoinRevoke(EmercoinRenew):
    state, again = "revoked", "revoke"


class MixedRevoke(OnChain):
    """A ledger and a chain: what the ledger has is never forgotten for the chain, whoever goes on with it."""
    kind, state, again, steps, wanted = "emercoin", "revoked", "revoke", ("register", 1, "register"), {"name_new": 1, "name_update": 1}

    def prepare(self):
        self.chain, self.node, self.prefix = Chain(self.kind, self.base), Node(self.base + "/node"), "iot:"
        must(IOTPKI, "dm", "init", "--dir", self.base + "/dm", "--bnode", self.node.url, "--pin", self.node.pin,
             "--bnode", self.chain.url, "--type", self.kind, "--credentials", self.chain.cookie)
        with open(self.base + "/node.yaml", "w") as f:
            f.write(f'version: 1\nbnodes:\n  - {{name: n, type: iotpki, network: iotpki, url: "{self.node.url}", pin: "{self.node.pin}"}}\n')
        os.chmod(self.base + "/node.yaml", 0o640)

    def ledger_revoked(self):
        out = run(IOTPKI, "--config", self.base + "/node.yaml", "history", self.who).out
        return len(re.findall(r"\brevoked +[0-9a-f]{64}", out))

    def resume(self, work, before):
        if self.ledger_revoked():
            for _ in range(2):
                run(IOTPKI, "dm", "sync", self.who, "--no-wait", "--dir", work + "/dm")
                self.chain.call("fake_mine", 1)
            if self.shown(work)["state"] != "revoked":
                return "sync alone does not revoke it everywhere"
        return super().resume(work, before) or (None if self.ledger_revoked() == 1 else "the ledger has not one revocation")

    def all(self):
        try:
            super().all()
        finally:
            self.node.stop()


class ThreeLedgers(Case):
    again = "register"

    def prepare(self):
        self.nodes = [Node(f"{self.base}/node{i}") for i in range(3)]
        words = [w for n in self.nodes for w in ("--bnode", n.url, "--pin", n.pin)]
        must(IOTPKI, "dm", "init", "--dir", self.base + "/dm", *words)
        for i, node in enumerate(self.nodes):
            with open(f"{self.base}/node{i}.yaml", "w") as f:
                f.write(f'version: 1\nbnodes:\n  - {{name: n, type: iotpki, network: iotpki, url: "{node.url}", pin: "{node.pin}"}}\n')
            os.chmod(f"{self.base}/node{i}.yaml", 0o640)

    def mark(self):
        return None

    def command(self, work):
        return getattr(self, self.again)(work)

    def resume(self, work, before):
        done = run(*self.command(work))
        if done.code != 0 and "is registered already" not in done.err:
            return f"the same command again fails: {done}"
        for i in range(3):
            out = run(IOTPKI, "--config", f"{self.base}/node{i}.yaml", "history", self.who).out
            ids = set(re.findall(r"\bregistered +([0-9a-f]{64})", out))
            revoked = len(re.findall(r"\brevoked +[0-9a-f]{64}", out))
            if len(ids) != 1 or revoked != (self.again == "revoke"):
                return f"node {i}: {len(ids)} registrations, {revoked} revocations"
            if i > 0 and ids != first:
                return f"node {i} has another registration"
            first = ids
        return None

    def all(self):
        try:
            super().all()
        finally:
            for node in self.nodes:
                node.stop()


class ThreeLedgersRevoke(ThreeLedgers):
    again = "revoke"

    def before(self, work):
        must(*self.register(work))


CASES = (("namecoin order", NamecoinOrder), ("namecoin enter", NamecoinEnter), ("namecoin confirm", NamecoinConfirm),
         ("namecoin revoke", NamecoinRevoke), ("namecoin revoke confirm", NamecoinRevokeConfirm),
         ("namecoin revoke pending", NamecoinRevokePending), ("namecoin renew", NamecoinRenew),
         ("emercoin register", EmercoinRegister), ("emercoin renew", EmercoinRenew), ("emercoin revoke", EmercoinRevoke),
         ("mixed revoke", MixedRevoke), ("three ledgers register", ThreeLedgers), ("three ledgers revoke", ThreeLedgersRevoke))


def main():
    if shutil.which("strace") is None:
        print("strace is missing")
        return 77
    with tempfile.TemporaryDirectory(prefix="iotpki-fault-") as base:
        chosen = [c for c in CASES if len(sys.argv) < 2 or c[0] in sys.argv[1:]]
        parallel([lambda n=n, c=c: c(n, base).all() for n, c in chosen])
    for text in problems:
        print("FAILED:", text)
    print(f"figure: {len(chosen)} commands: {counts.get('kills', 0)} kills, {len(problems)} wrong")
    return 1 if problems else 0


sys.exit(main())
