#!/usr/bin/env python3
"""What iotpki-bnode acknowledged is on the disk.
1. kill -9 in the middle of writes by 8 connections, 50 times: no acknowledged transaction is lost.
2. That shows nothing of power cuts (the page cache survives a kill), so with strace: between a request
   and its acknowledgement a sync of the ledger's data began and ended, and its meta page was written
   through a descriptor that syncs (O_DSYNC), for 1,000 transactions."""
import json, os, random, re, shutil, signal, subprocess, sys, threading
from node import BNODE, Answers, body, main, owner_of, post, tx_tool

CONNECTIONS = 8
KILLS = 50


class Chain:
    """One name and its transactions, in order; how many of them are acknowledged."""

    def __init__(self, folder, name, count):
        self.name = name
        self.txs = [(der, txid) for _, der, txid in tx_tool(folder, "chain", name, count)]
        self.acked = 0


def submit(sock, answers, chain, number):
    der, txid = chain.txs[chain.acked]
    sock.sendall(post(body("name_submit", der, id=number), b"X-Number: %d;\r\n" % number))
    status, _, content = answers.next()
    assert status == 200 and json.loads(content)["result"] == txid, content
    chain.acked += 1


def register(node, chains):
    """One after the other: an owner has at most 4 live preorders."""
    with node.connect() as s:
        answers = Answers(s)
        for chain in chains:
            submit(s, answers, chain, 0)
            submit(s, answers, chain, 0)


def show(node, name):
    with node.connect() as s:
        s.sendall(post(body("name_show", name)))
        return json.loads(Answers(s).next()[2])["result"]


def write_until_killed(node, chain, acks):
    try:
        with node.connect() as s:
            answers = Answers(s)
            while chain.acked < len(chain.txs):
                submit(s, answers, chain, 0)
                acks.release()
    except (EOFError, ConnectionError):
        pass


def kills(folder, node):
    chains = [Chain(folder, f"iot:kill{i}", 400) for i in range(CONNECTIONS)]
    order = random.Random(1)
    node.start()
    register(node, chains)
    for _ in range(KILLS):
        acks = threading.Semaphore(0)
        threads = [threading.Thread(target=write_until_killed, args=(node, c, acks)) for c in chains]
        for thread in threads:
            thread.start()
        for _ in range(order.randint(1, 40)):
            assert acks.acquire(timeout=20)
        node.stop(signal.SIGKILL)
        for thread in threads:
            thread.join()
        node.start()
        for chain in chains:
            # What was on its way when the node died may be in or not; everything acknowledged is.
            txid = show(node, chain.name)["txid"]
            possible = [t for _, t in chain.txs[chain.acked - 1:chain.acked + 1]]
            assert txid in possible, f"{chain.name}: {chain.acked} acknowledged, but the last is {txid}"
    total = sum(c.acked for c in chains)
    for chain in chains:
        with node.connect() as s:
            s.sendall(post(body("name_history", chain.name, True)))
            seen = [e["txid"] for e in json.loads(Answers(s).next()[2])["result"]]
        assert seen[:chain.acked - 1] == [t for _, t in chain.txs[1:chain.acked]]
    assert node.stop() == 0
    assert total > KILLS, total
    subprocess.run([BNODE, "audit", "--dir", node.dir], check=True, stdout=subprocess.DEVNULL)
    print(f"figure: {total} acknowledged writes outlived {KILLS} kills")


def calls_of(trace):
    """Finished calls: (name, arguments, result, line it began, line it ended)."""
    begun = {}
    for at, line in enumerate(trace):
        if part := re.match(r"(\d+) +<\.\.\. (\w+) resumed>(.*) = (-?\d+)", line):
            pid, name, rest, result = part.groups()
            start, args = begun.pop((pid, name))
            yield name, args + rest, int(result), start, at
        elif part := re.match(r"(\d+) +(\w+)\((.*) <unfinished \.\.\.>", line):
            begun[part[1], part[2]] = (at, part[3])
        elif part := re.match(r"(\d+) +(\w+)\((.*)\) += (-?\d+)", line):
            yield part[2], part[3], int(part[4]), at, at


def check_trace(path, count):
    received, acknowledged, data_syncs, meta_writes = {}, {}, [], []
    data_fds, meta_fds = set(), set()
    with open(path, errors="replace") as trace:
        for name, args, result, begin, end in calls_of(trace):
            fd = args.split(",")[0].strip(" )")
            if name == "openat" and "data.mdb" in args:
                (meta_fds if "DSYNC" in args or "O_SYNC" in args else data_fds).add(str(result))
            elif name == "recvfrom" and (number := re.search(r"X-Number: (\d+);", args)):
                received[int(number[1])] = end
            elif name in ("sendto", "sendmsg", "write", "writev") and (
                    number := re.search(r'\\"error\\":null,\\"id\\":(\d+)}', args)):
                acknowledged[int(number[1])] = begin
            elif name in ("fdatasync", "fsync", "msync") and result == 0 and (fd in data_fds or name == "msync"):
                data_syncs.append((begin, end))
            elif name in ("pwrite64", "pwritev") and result > 0 and fd in meta_fds:
                meta_writes.append((begin, end))
    assert data_fds and meta_fds, "the ledger's file was not seen"
    numbers = range(1, count + 1)
    assert all(n in received and n in acknowledged for n in numbers), (len(received), len(acknowledged))
    for n in numbers:
        synced = [e for b, e in data_syncs if received[n] < b and e < acknowledged[n]]
        assert synced, f"number {n} was acknowledged before a sync"
        meta = [e for b, e in meta_writes if min(synced) < b and e < acknowledged[n]]
        assert meta, f"number {n} was acknowledged before its meta page was written"
    return len(data_syncs)


def traced(folder, node):
    each = 1000 // CONNECTIONS
    chains = [Chain(folder, f"iot:trace{i}", each + 2) for i in range(CONNECTIONS)]
    path = os.path.join(folder, "trace")
    calls = "openat,fdatasync,fsync,msync,pwrite64,pwritev,recvfrom,sendto,sendmsg,write,writev"
    node.start(wrapper=["strace", "-f", "-qq", "-s", "400", "-e", "trace=" + calls, "-o", path])
    register(node, chains)

    def run(index):
        with node.connect() as s:
            answers = Answers(s)
            for k in range(each):
                submit(s, answers, chains[index], 1 + index * each + k)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # strace ends with the node, which it passes the signal on to only when it goes to the node itself.
    with open(f"/proc/{node.process.pid}/task/{node.process.pid}/children") as children:
        os.kill(int(children.read().split()[0]), signal.SIGTERM)
    assert node.process.wait(30) == 0
    assert all(c.acked == each + 2 for c in chains)
    syncs = check_trace(path, each * CONNECTIONS)
    print(f"figure: {each * CONNECTIONS} writes acknowledged after their sync, {syncs} syncs")


def test(folder, node):
    kills(folder, node)
    if shutil.which("strace") is None:
        print("strace is missing")
        sys.exit(77)
    traced(folder, node)


main(test)
