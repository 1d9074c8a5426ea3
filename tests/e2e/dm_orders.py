#!/usr/bin/env python3
"""What one dm command leaves to the next, with the wallets of fake nodes: a revocation is not taken back, not held up by a
silent wallet, by another command that waits, or by strangers' operations; nothing is paid for twice."""
import os, re, shutil, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dm_chains import END, ENVIRONMENT, IOTPKI, LATER, Chain, Node, Owner, World, check, failed, run


def until(what, told, seconds=30):
    """True as soon as told() is; not a measurement, only a way out."""
    for _ in range(seconds * 10):
        if told():
            return True
        time.sleep(0.1)
    check(what, False, "it never came")
    return False


def start(words):
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


class Orders(World):
    def sent_of(self, method):
        return self.chain.sent()[method]

    def not_taken_back(self):
        """The wallet is locked, the revocation is wanted: renew and register do not replace it."""
        who = self.registered()
        self.chain.call("fake_set", {"locked": True})
        check(f"{self.kind}: locked", self.owner.dm("revoke", who, "--yes", "--no-wait").code == 21)
        self.chain.call("fake_set", {"locked": False})
        before = self.sent_of("name_update")
        for verb, done in (("renew", self.owner.dm("renew", who, "--expires", LATER, "--yes", "--no-wait")),
                           ("register", self.owner.register(who))):
            check(f"{self.kind}: {verb} of a name that is being revoked", done.code in (3, 7), done)
        check(f"{self.kind}: nothing was sent", self.sent_of("name_update") == before)
        self.until(who, "revoked", lambda: self.owner.dm("sync", who, "--no-wait"))
        # A reorganisation takes the revocation out of the chain.
        self.chain.call("fake_rollback", 1)
        done = self.owner.dm("renew", who, "--expires", LATER, "--yes", "--no-wait")
        check(f"{self.kind}: a reorganisation un-revokes nothing", done.code == 7, done)
        check(f"{self.kind}: sync sends it again", self.owner.dm("sync", who, "--no-wait").code == 0)
        self.chain.call("fake_mine", 1)
        check(f"{self.kind}: and it is there", "status=revoked" in self.chain.call("name_show", self.prefix + who)["value"])

    def old_tip(self):
        who = self.registered()
        before = self.sent_of("name_update")
        self.chain.call("fake_set", {"tip_age_s": 5 * 3600})
        for _ in range(2):
            done = self.owner.dm("revoke", who, "--yes", "--no-wait")
            check(f"{self.kind}: an old tip is said", done.code == 27, done)
        check(f"{self.kind}: and the revocation is sent, once", self.sent_of("name_update") == before + 1)
        self.chain.call("fake_set", {"tip_age_s": -1})
        self.until(who, "revoked", lambda: self.owner.dm("sync", who, "--no-wait"))

    def others_mempool(self):
        """Emercoin gives everybody's unconfirmed operations in one answer, which anybody can make too long."""
        who = self.registered()
        self.chain.call("fake_as", {"wallet": "other"})
        for i in range(60):
            self.chain.call("name_new", f"{'x' * 400}{self.names}-{i}", "z" * 20000, 1)
        self.chain.call("fake_as", {"wallet": ""})
        done = self.owner.dm("revoke", who, "--yes", "--no-wait")
        check("emercoin: revoked beside a long mempool", done.code == 0 and self.sent_of("name_update") > 0, done)
        self.chain.call("fake_mine", 2)
        self.until(who, "revoked", lambda: self.owner.dm("sync", who, "--no-wait"))

    def beside_one_that_waits(self):
        """dm register waits for blocks for hours; a revocation of another name does not."""
        who, other = self.new(), self.registered()
        first = start(self.owner.words("register", *self.owner.name(who), "--expires", END, "--yes"))
        check(f"{self.kind}: it waits", "to go" in first.stderr.readline())
        try:
            done = self.owner.dm("revoke", other, "--yes", "--no-wait")
            check(f"{self.kind}: revoked meanwhile", done.code == 0 and first.poll() is None, done)
        except subprocess.TimeoutExpired:
            check(f"{self.kind}: revoked meanwhile", False, "it waits for the one that waits")
        # And of the same name: then the one that waits says so and ends.
        check(f"{self.kind}: the same name", self.owner.dm("revoke", who, "--yes", "--no-wait").code == 0)
        for _ in range(100):
            if first.poll() is not None:
                break
            self.chain.call("fake_mine", 1)
            time.sleep(0.3)
        out, err = first.communicate(timeout=30)
        check(f"{self.kind}: it says what happened", first.returncode == 7 and "meanwhile (revoke)" in err and "registered" not in out,
              (first.returncode, out, err))
        self.until(who, "revoked" if not self.namecoin else "never registered", lambda: self.owner.dm("sync", who, "--no-wait"))

    def somebody_was_faster(self):
        """Another's name leaves nothing behind in the store, and one that was only pre-ordered is given up by dm revoke."""
        who, taken = self.new(), self.new()
        if self.namecoin:
            check("pre-ordered", self.owner.register(who).code == 0)
        self.chain.call("fake_as", {"wallet": "other"})
        for name in (who, taken):
            if self.namecoin:
                txid, salt = self.chain.call("name_new", self.prefix + name)
                self.chain.call("fake_mine", 13)
                self.chain.call("name_firstupdate", self.prefix + name, salt, txid, "sha256=" + "b2" * 32)
            else:
                self.chain.call("name_new", self.prefix + name, "sha256=" + "b2" * 32, 100)
            self.chain.call("fake_mine", 1)
        self.chain.call("fake_as", {"wallet": "w" if self.namecoin else ""})
        if self.namecoin:
            done = self.owner.dm("sync", who, "--no-wait")
            check("somebody was faster", done.code == 23 and "dm revoke gives up" in done.err, done)
            check("given up", self.owner.dm("revoke", who, "--yes").code == 0)
        done = self.owner.dm("revoke", taken, "--yes", "--no-wait")
        check(f"{self.kind}: another's name", done.code == 24, done)
        check(f"{self.kind}: is not kept", self.owner.dm("show", taken).code == 3)
        done = self.owner.dm("sync")
        check(f"{self.kind}: nothing is left to do", done.code == 0, done)

    def other_wallet(self):
        """The wallet that pre-ordered is not loaded: no second pre-order, and the first is not forgotten."""
        who = self.new()
        check("pre-ordered", self.owner.register(who).code == 0)
        ordered = self.sent_of("name_new")
        self.chain.call("fake_as", {"wallet": "other"})
        self.chain.call("fake_mine", 13)
        done = self.owner.dm("sync", who, "--no-wait")
        check("another wallet", done.code == 24 and self.sent_of("name_new") == ordered, done)
        done = self.owner.register(who, "--dry-run")
        check("what a second one costs", done.code == 0 and "costs about 0.012" in done.out and self.sent_of("name_new") == ordered, done)
        self.chain.call("fake_as", {"wallet": "w"})
        self.until(who, "registered", lambda: self.owner.dm("sync", who, "--no-wait"))
        check("one pre-order", self.sent_of("name_new") == ordered)

    def all(self):
        self.somebody_was_faster()
        self.not_taken_back()
        self.old_tip()
        self.beside_one_that_waits()
        if self.namecoin:
            self.other_wallet()
        else:
            self.others_mempool()


def silent_wallet(base):
    """A wallet that takes the question and says nothing: neither the ledger nor the other chain waits for it."""
    os.mkdir(base + "/silent")
    base += "/silent"
    for kind in ("namecoin", "emercoin"):
        os.mkdir(f"{base}/{kind}")
    silent, other, ledger = Chain("namecoin", base + "/namecoin"), Chain("emercoin", base + "/emercoin"), Node(base + "/node")
    try:
        words = ["--bnode", ledger.url, "--pin", ledger.pin]
        for chain in (silent, other):
            words += ["--bnode", chain.url, "--type", chain.kind, "--credentials", chain.cookie]
        owner = Owner(base, *words)
        check("begun", owner.register("a").code == 0)
        for chain in (silent, other):
            chain.call("fake_mine", 13)
        check("entered", owner.dm("sync", "a", "--no-wait").code == 0)
        for chain in (silent, other):
            chain.call("fake_mine", 1)
        check("done", owner.dm("sync", "a").code == 0)
        with open(base + "/iotpki.yaml", "w") as f:
            f.write(f'version: 1\nbnodes:\n  - {{name: n, type: iotpki, network: iotpki, url: "{ledger.url}", pin: "{ledger.pin}"}}\n')
        os.chmod(base + "/iotpki.yaml", 0o640)
        silent.call("fake_set", {"blackhole": "accept"})
        words = owner.words("revoke", "a", "--yes", "--no-wait")
        traced = shutil.which("strace") is not None
        trace = ["strace", "-f", "-qq", "-e", "trace=connect", "-e", "signal=none", "-o", base + "/trace"]
        revoke = start(trace + words if traced else words)
        until("the ledger has it", lambda: "revoked" in run(IOTPKI, "--config", base + "/iotpki.yaml", "history", "a").out)
        check("before any wallet is waited for", revoke.poll() is None)
        until("the other chain has it", lambda: other.sent()["name_update"] == 1)
        check("before the silent one is waited for", revoke.poll() is None)
        out, err = revoke.communicate(timeout=60)
        check("the silent one is named", revoke.returncode == 5 and silent.url in err and "counts already" in err, (revoke.returncode, err))
        if traced:
            with open(base + "/trace") as f:
                ports = re.findall(r"htons\((\d+)\)", f.read())
            check("the ledger is the first that is asked", ports[:1] == re.findall(r":(\d+)/", ledger.url), ports)
        silent.call("fake_set", {"blackhole": None})
        check("and gets it later", owner.dm("sync", "a", "--no-wait").code == 0 and silent.sent()["name_update"] == 1)
    finally:
        ledger.stop()
        for chain in (silent, other):
            chain.stop()


def main():
    with tempfile.TemporaryDirectory(prefix="iotpki-dm-") as base:
        silent_wallet(base)
        for kind in ("namecoin", "emercoin"):
            world = Orders(kind, base)
            try:
                world.all()
            finally:
                world.chain.stop()
    print(f"figure: {len(failed)} wrong")
    return 1 if failed else 0


sys.exit(main())
