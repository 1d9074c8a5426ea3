#!/usr/bin/env python3
"""iotpki dm with the wallets of a fake Namecoin Core and a fake Emercoin Core: each thing that can go wrong with its own
exit code and words and before anything is sent, waiting and Ctrl-C, several networks in one list."""
import json, os, shutil, signal, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))
from kit import ENVIRONMENT, IOTPKI, Chain, Node, must, run

END, LATER = "2035-01-01T00:00:00Z", "2036-01-01T00:00:00Z"
HASH = "sha256=" + "a1" * 32
failed = []


def check(what, ok, more=""):
    if not ok:
        failed.append(what)
        print(f"FAILED: {what}: {more}")


class Owner:
    """An owner's folder, and the names in it."""
    serial = 0

    def __init__(self, base, *words):
        Owner.serial += 1
        self.base, self.dir = base, f"{base}/dm{Owner.serial}"
        must(IOTPKI, "dm", "init", "--dir", self.dir, *words)

    def name(self, who):
        if not os.path.exists(f"{self.base}/{who}"):
            must(IOTPKI, "identity", "new", "--name", who, "--dir", f"{self.base}/{who}")
        return ["--cert", f"{self.base}/{who}/cert.pem"]

    def words(self, verb, *words):
        return [IOTPKI, "dm", verb, *words, "--dir", self.dir]

    def dm(self, verb, *words):
        return run(*self.words(verb, *words))

    def register(self, who, *words):
        return self.dm("register", *self.name(who), "--expires", END, "--yes", "--no-wait", *words)

    def json(self, verb, *words):
        done = run(IOTPKI, "--json", "dm", verb, *words, "--dir", self.dir)
        return done.code, json.loads(done.out)


class World:
    """One kind of chain with an owner, and names on it in any state."""

    def __init__(self, kind, base):
        self.kind, self.base = kind, f"{base}/{kind}"
        os.mkdir(self.base)
        self.chain = Chain(kind, self.base)
        self.namecoin = kind == "namecoin"
        self.prefix = "iot/" if self.namecoin else "iot:"
        self.program = f"{kind}-cli"
        self.owner = Owner(self.base, "--bnode", self.chain.url, "--type", kind, "--credentials", self.chain.cookie)
        self.names = 0

    def new(self):
        self.names += 1
        return f"{self.kind}{self.names}"

    def registered(self):
        who = self.new()
        self.until(who, "registered", lambda: self.owner.register(who))
        return who

    def until(self, who, state, command):
        for _ in range(4):
            done = command()
            check(f"{self.kind}: {state} goes on", done.code == 0, done)
            if self.owner.json("show", who)[1]["result"]["state"] == state:
                return
            self.chain.call("fake_mine", 13 if state == "registered" else 1)
        check(f"{self.kind}: {who} becomes {state}", False)

    def paid(self):
        """What the wallet has left: whatever is sent costs a fee."""
        return self.chain.call("fake_get")["balance"]

    def update(self, who, value, *more):
        if self.namecoin:
            return self.chain.call("name_update", self.prefix + who, value, *[{"destAddress": a} for a in more])
        return self.chain.call("name_update", self.prefix + who, value, 0, *more)

    def refused(self, what, code, text, done, sent):
        """The exit code, the words (what, where, what to do), and nothing was sent."""
        check(f"{self.kind}, {what}: exit {code}", done.code == code, done)
        check(f"{self.kind}, {what}: the words", text in done.err and self.chain.url in done.err, done)
        check(f"{self.kind}, {what}: what to do", self.program in done.err, done)
        check(f"{self.kind}, {what}: nothing was sent", self.paid() == sent, (sent, self.paid()))

    def with_switch(self, what, switch, back, code, text):
        """Registering, renewing and revoking under one switch of the node."""
        mine, who = self.registered(), self.new()
        self.chain.call("fake_set", switch)
        sent = self.paid()
        for verb, done in (("register", self.owner.register(who)),
                           ("dry run", self.owner.register(who, "--dry-run")),
                           ("renew", self.owner.dm("renew", mine, "--expires", LATER, "--yes", "--no-wait"))):
            self.refused(f"{what}, {verb}", code, text, done, sent)
        revoked = self.owner.dm("revoke", mine, "--yes", "--no-wait")
        check(f"{self.kind}, {what}, revoke: exit {code}", revoked.code == code, revoked)
        self.chain.call("fake_set", back)
        # It was not forgotten: no word of it is needed again.
        self.until(mine, "revoked", lambda: self.owner.dm("sync", mine, "--no-wait"))
        check(f"{self.kind}, {what}: the other name was never begun", self.owner.dm("show", who).code != 0)

    def switches(self):
        self.with_switch("no funds", {"funds": False}, {"funds": True}, 20, "not enough coins")
        self.with_switch("locked", {"locked": True}, {"locked": False}, 21, "the wallet is locked")
        self.with_switch("initial download", {"ibd": True}, {"ibd": False}, 27, "not in sync")
        self.with_switch("old tip", {"tip_age_s": 5 * 3600}, {"tip_age_s": -1}, 27, "not in sync")
        self.with_switch("starting", {"warmup": True}, {"warmup": False}, 27, "not in sync")
        self.with_switch("unauthorized", {"unauthorized": True}, {"unauthorized": False}, 4, "refuses the credentials")
        self.with_switch("no connection", {"blackhole": "reset"}, {"blackhole": None}, 5, "cannot be reached")
        self.with_switch("no wallet", {"no_wallet": True}, {"no_wallet": False}, 3, "no wallet")

    def names_of_others(self):
        taken = self.new()
        self.chain.call("fake_as", {"wallet": "other"})
        if self.namecoin:
            txid, salt = self.chain.call("name_new", self.prefix + taken)
            self.chain.call("fake_mine", 13)
            self.chain.call("name_firstupdate", self.prefix + taken, salt, txid, HASH)
        else:
            self.chain.call("name_new", self.prefix + taken, HASH, 100)
        other = self.chain.call("getnewaddress")
        self.chain.call("fake_as", {"wallet": "w" if self.namecoin else ""})
        sent = self.paid()
        self.refused("somebody registers it now", 22, "not confirmed yet", self.owner.register(taken), sent)
        self.chain.call("fake_mine", 1)
        self.refused("taken", 23, "somebody else", self.owner.register(taken), sent)
        self.refused("revoke of another's", 24, "not in this wallet", self.owner.dm("revoke", taken, "--yes", "--no-wait"), sent)
        given = self.registered()
        self.update(given, HASH, other)
        self.chain.call("fake_mine", 1)
        sent = self.paid()
        self.refused("transferred", 24, "not in this wallet", self.owner.dm("renew", given, "--expires", LATER, "--yes"), sent)

    def pending(self):
        who = self.registered()
        self.update(who, HASH)
        sent = self.paid()
        self.refused("pending", 22, "not confirmed yet", self.owner.dm("renew", who, "--expires", LATER, "--yes", "--no-wait"), sent)
        # A revocation waits for its turn, and comes right behind it.
        self.until(who, "revoked", lambda: self.owner.dm("revoke", who, "--yes", "--no-wait"))

    def long_values(self):
        who = self.registered()
        self.update(who, HASH + "|x=" + "y" * (516 - len(HASH) - 3))
        self.chain.call("fake_mine", 1)
        sent = self.paid()
        self.refused("too long to renew", 26, "too long", self.owner.dm("renew", who, "--expires", LATER, "--yes"), sent)
        self.refused("too long to revoke", 26, "too long", self.owner.dm("revoke", who, "--yes"), sent)
        self.update(who, HASH + "|x=" + "y" * (505 - len(HASH) - 3))
        self.chain.call("fake_mine", 1)
        self.until(who, "revoked", lambda: self.owner.dm("sync", who, "--no-wait"))

    def revoked(self):
        who = self.registered()
        self.update(who, HASH + "|status=revoked")
        self.chain.call("fake_mine", 1)
        self.update(who, HASH)
        self.chain.call("fake_mine", 1)
        sent = self.paid()
        self.refused("revoked before", 7, "revoked", self.owner.dm("renew", who, "--expires", LATER, "--yes"), sent)

    def expired(self):
        who = self.registered()
        self.chain.call("fake_set", {"expiry_blocks": 1})
        self.chain.call("fake_mine", 4000 if not self.namecoin else 40)
        sent = self.paid()
        self.refused("expired", 25, "not registered here", self.owner.dm("renew", who, "--expires", LATER, "--yes"), sent)
        self.refused("expired, revoke", 25, "not registered here", self.owner.dm("revoke", who, "--yes"), sent)
        self.chain.call("fake_set", {"expiry_blocks": 30 if self.namecoin else 175})

    def waiting(self):
        who = self.new()
        words = self.owner.words("register", *self.owner.name(who), "--expires", END, "--yes")
        first = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        line = first.stderr.readline()
        check(f"{self.kind}: it says what it waits for", "to go" in line, line)
        first.send_signal(signal.SIGINT)
        out, err = first.communicate(timeout=30)
        check(f"{self.kind}: Ctrl-C", first.returncode == 130 and f"dm sync {who}" in err, (first.returncode, err))
        second = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        while second.poll() is None:
            self.chain.call("fake_mine", 4 if self.namecoin else 1)
            time.sleep(0.5)
        out, err = second.communicate()
        check(f"{self.kind}: it waits until it is done", second.returncode == 0 and f"{who}: registered" in out, (out, err))
        check(f"{self.kind}: registered again", self.owner.register(who).code in (0, 3))

    def shows_the_price(self):
        who, coin = self.new(), "NMC" if self.namecoin else "EMC"
        done = self.owner.register(who, "--dry-run")
        check(f"{self.kind}: the price", done.code == 0 and f" {coin}; balance " in done.out and "costs about 0.0" in done.out, done)
        asked = self.owner.dm("register", *self.owner.name(who), "--expires", END)
        check(f"{self.kind}: asks before it pays", asked.code == 2 and "--yes" in asked.err, asked)
        code, shown = self.owner.json("register", *self.owner.name(who), "--expires", END, "--dry-run")
        network = shown["result"]["networks"][0]
        check(f"{self.kind}: --json", code == 0 and network["coin"] == coin and network["cost"].startswith("0.0"), shown)
        check(f"{self.kind}: nothing was begun", self.owner.dm("show", who).code != 0)

    def all(self):
        self.shows_the_price()
        self.switches()
        self.names_of_others()
        self.pending()
        self.long_values()
        self.revoked()
        self.waiting()
        self.expired()
        check(f"{self.kind}: never a third parameter", self.chain.call("fake_get")["violations"] == [])
        check(f"{self.kind}: never name_delete", self.chain.sent()["name_delete"] == 0)


def init_rules(base):
    """--pin, --type, --credentials belong to the --bnode before them."""
    with open(base + "/login", "w") as f:
        f.write("user:password\n")
    os.chmod(base + "/login", 0o600)
    pin, https = "sha256//" + "A" * 43 + "=", "https://192.0.2.1:7443/"
    owner = Owner(base, "--network", "farm", "--bnode", https, "--pin", pin, "--bnode", "http://127.0.0.1:1/", "--type", "emercoin",
                  "--credentials", base + "/login", "--bnode", "http://127.0.0.1:2/wallet/w", "--type", "namecoin", "--network", "nmc",
                  "--credentials", base + "/login")
    with open(owner.dir + "/dm.yaml") as f:
        nodes = [line.strip() for line in f if "name:" in line]
    login = f'credentials: "{os.path.realpath(base)}/login"'
    check("dm.yaml", nodes == [f'- {{name: node1, type: "iotpki", network: "farm", url: "{https}", pin: "{pin}"}}',
                               f'- {{name: node2, type: "emercoin", url: "http://127.0.0.1:1/", {login}}}',
                               f'- {{name: node3, type: "namecoin", network: "nmc", url: "http://127.0.0.1:2/wallet/w", {login}}}'], nodes)
    for words, text in ((["--type", "namecoin"], "behind its --bnode"), (["--bnode", https, "--type", "dogecoin"], "one of"),
                        (["--bnode", "http://127.0.0.1:1/", "--type", "namecoin", "--credentials", base + "/none"], "no such file"),
                        (["--bnode", "http://127.0.0.1:1/", "--credentials", base + "/login"], "credentials")):
        done = run(IOTPKI, "dm", "init", "--dir", base + "/wrong", *words)
        check(f"init {words}", done.code in (2, 3) and text in done.err, done)
    with open(owner.dir + "/dm.yaml") as f:
        check("no password in dm.yaml", "password" not in f.read())


def readme(base):
    """The commands of the README, word for word but for the address and the question."""
    os.mkdir(base + "/readme")
    base += "/readme"
    chain = Chain("namecoin", base)
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    with open(os.path.join(top, "README.md")) as f:
        block = f.read().split("```sh chains\n")[1].split("```")[0]
    must(IOTPKI, "identity", "new", "--name", "gate", "--dir", base + "/gate")
    script = block.replace("http://127.0.0.1:8336/", chain.url).replace("~/.namecoin/.cookie", chain.cookie)
    script = script.replace("gate.pem", base + "/gate/cert.pem").replace("iotpki ", IOTPKI + " ")
    lines = [line.split(" #")[0].rstrip() for line in script.splitlines()]
    try:
        check("README: five commands", len(lines) == 5, lines)
        for line in lines:
            yes = " --yes" if " register " in line or " revoke " in line else ""
            process = subprocess.Popen(line + yes, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       text=True, env={**ENVIRONMENT, "XDG_DATA_HOME": base})
            while process.poll() is None:
                chain.call("fake_mine", 1)
                time.sleep(0.25)
            check(f"README: {line}", process.returncode == 0, process.communicate())
    finally:
        chain.stop()


def added_later(base):
    """A chain joins a list whose names are on a ledger: dm register adds the name, a revocation passes over the rest."""
    os.mkdir(base + "/later")
    base += "/later"
    chain, ledger = Chain("emercoin", base), Node(base + "/node")
    try:
        words = ["--bnode", ledger.url, "--pin", ledger.pin]
        owner = Owner(base, *words)
        for who in ("a", "b"):
            check("on the ledger", owner.register(who).code == 0)
        must(IOTPKI, "dm", "init", "--dir", owner.dir, *words, "--bnode", chain.url, "--type", "emercoin", "--credentials", chain.cookie)
        done = owner.dm("sync", "a")
        check("sync says where it is missing", done.code == 5 and "dm register adds it" in done.out, done)
        chain.call("fake_set", {"funds": False})
        done = owner.register("a")
        check("not without money", done.code == 20 and "not everywhere yet" in done.err, done)
        chain.call("fake_set", {"funds": True})
        done = owner.register("a")
        check("register adds it", done.code == 0 and chain.sent()["name_new"] == 1, done)
        chain.call("fake_mine", 1)
        check("everywhere", owner.dm("sync", "a").code == 0)
        check("only the one", owner.register("a").code in (0, 3) and chain.sent()["name_new"] == 1)
        done = owner.dm("revoke", "b", "--yes")
        check("nothing to revoke on the chain", done.code == 0 and chain.sent()["name_update"] == 0, done)
        done = owner.dm("revoke", "nobody", "--yes")
        check("a name of nobody", done.code != 0, done)
    finally:
        ledger.stop()
        chain.stop()


def several(base):
    """Ledgers and both chains in one list: not done until all have it, and a revocation waits for none."""
    os.mkdir(base + "/several")
    base += "/several"
    for kind in ("namecoin", "emercoin"):
        os.mkdir(f"{base}/{kind}")
    namecoin, emercoin = Chain("namecoin", base + "/namecoin"), Chain("emercoin", base + "/emercoin")
    ledgers = [Node(f"{base}/node{i}") for i in range(2)]
    words = [w for n in ledgers for w in ("--bnode", n.url, "--pin", n.pin)]
    for chain in (namecoin, emercoin):
        words += ["--bnode", chain.url, "--type", chain.kind, "--credentials", chain.cookie]
    try:
        owner = Owner(base, *words)
        emercoin.call("fake_set", {"blackhole": "reset"})
        done = owner.register("a")
        check("one network is away: nothing is begun", done.code == 5 and emercoin.url in done.err and owner.dm("show", "a").code != 0, done)
        emercoin.call("fake_set", {"blackhole": None})
        done = owner.register("a")
        check("begun everywhere", done.code == 0 and "not everywhere yet" in done.err and "pre-ordered, 12 blocks to go" in done.out, done)
        emercoin.call("fake_mine", 1)
        code, listed = owner.json("list")
        states = {n["network"]: n["state"] for n in listed["result"][0]["networks"]}
        check("dm list", code == 0 and listed["result"][0]["state"] == "partial"
              and states == {"namecoin": "pre-ordered", "emercoin": "registered"}, listed)
        namecoin.call("fake_mine", 13)
        check("sync", owner.dm("sync", "--no-wait").code == 0)
        namecoin.call("fake_mine", 1)
        code, synced = owner.json("sync", "a")
        check("all have it", code == 0 and synced["result"][0]["done"] is True, synced)
        # A renewal that one network cannot pay is begun nowhere; then it is done everywhere.
        renew = ("renew", "a", "--expires", LATER, "--yes", "--no-wait")
        emercoin.call("fake_set", {"funds": False})
        done = owner.dm(*renew)
        check("a renewal without money", done.code == 20 and namecoin.sent()["name_update"] == 0, done)
        emercoin.call("fake_set", {"funds": True})
        check("renewed", owner.dm(*renew).code == 0)
        for chain in (emercoin, namecoin):
            chain.call("fake_mine", 1)
        check("renewed everywhere", owner.json("sync", "a")[1]["result"][0]["done"] is True)
        emercoin.call("fake_set", {"blackhole": "reset"})
        done = owner.dm("revoke", "a", "--yes", "--no-wait")
        check("revoked wherever it can be", done.code == 5 and emercoin.url in done.err and "counts already" in done.err, done)
        check("Namecoin has the revocation", len(namecoin.call("name_pending", "iot/a")) == 1)
        namecoin.call("fake_mine", 1)
        emercoin.call("fake_set", {"blackhole": None})
        check("sync sends the rest", owner.dm("sync", "--no-wait").code == 0)
        emercoin.call("fake_mine", 1)
        code, synced = owner.json("sync", "a")
        check("revoked everywhere", code == 0 and synced["result"][0]["done"] is True
              and owner.json("show", "a")[1]["result"]["state"] == "revoked", synced)
        # A pre-order is given up, not finished, for a name that is revoked.
        check("another name", owner.register("b").code == 0)
        emercoin.call("fake_mine", 1)
        done = owner.dm("revoke", "b", "--yes", "--no-wait")
        emercoin.call("fake_mine", 1)
        namecoin.call("fake_mine", 13)
        check("revoked while pre-ordered", owner.dm("sync", "b").code == 0 and namecoin.sent()["name_firstupdate"] == 1, done)
    finally:
        for node in ledgers:
            node.stop()
        namecoin.stop()
        emercoin.stop()


def main():
    with tempfile.TemporaryDirectory(prefix="iotpki-dm-") as base:
        init_rules(base)
        several(base)
        readme(base)
        added_later(base)
        for kind in ("namecoin", "emercoin"):
            world = World(kind, base)
            try:
                world.all()
            finally:
                world.chain.stop()
    print(f"figure: {len(failed)} wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
