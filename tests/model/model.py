#!/usr/bin/env python3
"""An independent model of the decision, and the rows that it is compared on.

Written from the rules (docs/design.md, "Decision", and the design's point 4), not from decide.c: it
must stay that way, or the comparison proves nothing. Slow and literal on purpose.

usage: model.py            print the rows, one a line: ROW|EXPECTED
A ROW is a scenario: the entry, the question, the policy, what each node will answer and in which
order. EXPECTED has the decision after each arrival, up to the first final one.
"""
import itertools
import random
import sys

# Numbers of the public header: part of its contract.
DENY, ADMIT, UNAVAILABLE = 0, 1, 2
REASON = {
    "none": 0, "not-member": 101, "member-expired": 102, "member-denied": 103,
    "not-permitted": 104, "unregistered": 201, "expired": 202, "revoked": 203,
    "hash-mismatch": 204, "re-registered": 205, "disagree": 206, "too-few-answers": 301,
    "not-ready": 302, "stale": 303,
}
(PENDING, REGISTERED, REVOKED, EXPIRED, UNREGISTERED, STALE, NOT_READY, UNREACHABLE, UNAUTHORIZED,
 MALFORMED) = range(10)
KEY, CERT, NAME = 0, 1, 2
DISSENT_DENY, OUTVOTE = 0, 1
SAME_REGISTRATION, PIN, FOLLOW = 0, 1, 2
NODES_MAX = 16
NONE = -1  # an absent hash, pin or time

# Highest first.
OBJECTIONS = ["revoked", "re-registered", "expired", "hash-mismatch", "unregistered"]


# ---------------------------------------------------------------------------- the model

def is_wellformed(a):
    return a["outcome"] in (REGISTERED, REVOKED, EXPIRED, UNREGISTERED) and \
        0 <= a["network"] < NODES_MAX


def is_revoked(a):
    if a["outcome"] == REVOKED:
        return True
    return a["outcome"] in (REGISTERED, EXPIRED) and bool(a["revoked"])


def is_stale(a, now):
    return bool(a["rolled_back"]) or now - a["tip"] > max(a["max_age"], 0)


def node_of(answers, index):
    """The slot that stands for the node: two URLs of one key are one node, and it votes once."""
    twin = answers[index]["twin"]
    return node_of(answers, twin - 1) if 1 <= twin <= index else index


def nodes_where(answers, condition):
    return {node_of(answers, i) for i, a in enumerate(answers) if condition(i, a)}


def voters(answers):
    return sum(1 for i in range(len(answers)) if node_of(answers, i) == i)


def time_of(s, answers, n):
    """max(clock, floor, build, n-th newest tip of the good nodes - 2 h), good depending on it."""
    known = max(s["clock"], s["floor"], s["build"])
    now = known
    while 1 <= n <= voters(answers):
        newest = {}
        for i, a in enumerate(answers):
            if is_wellformed(a) and (is_revoked(a) or not is_stale(a, now)):
                node = node_of(answers, i)
                newest[node] = max(newest.get(node, a["tip"]), a["tip"])
        tips = sorted(newest.values(), reverse=True)
        then = max(known, tips[n - 1] - 2 * 3600) if len(tips) >= n else known
        if then == now:
            break
        now = then
    return now


def judge(a, now, fresh, deadline):
    if not 0 <= a["network"] < NODES_MAX:
        return MALFORMED
    outcome = a["outcome"]
    if outcome == PENDING:
        return UNREACHABLE if deadline else PENDING
    if outcome in (NOT_READY, UNREACHABLE, UNAUTHORIZED):
        return outcome
    if not is_wellformed(a):
        return MALFORMED
    if is_revoked(a):
        return REVOKED
    if is_stale(a, fresh):
        return STALE
    if outcome == REGISTERED:
        end = a["ends"] if a["ex"] == NONE else min(a["ends"], a["ex"])
        if now >= end:
            return EXPIRED
    return outcome


def match(s, a):
    """(matches, by something that the entry does not hold)"""
    same_cert = a["cert"] == s["entry_cert"]
    if s["presented"] == CERT:
        return a["cert"] == s["shown"], not same_cert
    if s["presented"] == NAME:
        return same_cert, False
    if s["presented"] == KEY:
        if s["shown"] == s["entry_key"] and same_cert:
            return True, False
        if a["ssh"] != NONE and s["shown"] == a["ssh"]:
            return True, not (same_cert and s["entry_ssh"] == a["ssh"])
    return False, False


def objection(s, a, judged):
    """What a good answer says against the peer: a name of OBJECTIONS, "" when it agrees, or None."""
    if judged == REVOKED:
        return "revoked"
    if judged == UNREGISTERED:
        return "unregistered"
    if judged not in (REGISTERED, EXPIRED):
        return None
    if a["outcome"] == REGISTERED:
        pin = s["pins"][a["network"]]
        if pin == NONE or (pin != a["registration"] and s["key_change"] != FOLLOW):
            return "re-registered"
    if judged == EXPIRED:
        return "expired"
    matches, changed = match(s, a)
    if matches and (not changed or s["key_change"] in (SAME_REGISTRATION, FOLLOW)):
        return ""
    return "hash-mismatch"


def soft_fail(s, answers, judged, now):
    if not s["soft"] or not 1 <= s["needed"] <= voters(answers):
        return False
    if any(j not in (REGISTERED, UNREACHABLE, NOT_READY) for j in judged):
        return False
    held = {KEY: (s["entry_key"], s["entry_ssh"]), CERT: (s["entry_cert"],)}
    if s["presented"] not in (KEY, CERT, NAME):
        return False
    if s["presented"] != NAME and s["shown"] not in held[s["presented"]]:
        return False
    if any(s["pins"][a["network"]] == NONE for a in answers):
        return False
    if not (s["last_seen"] and s["last_verdict"] == ADMIT and s["last_known"]):
        return False
    return 0 <= s["last_age"] <= s["soft_max_age"] and now < s["last_ends"]


def is_sensible(s, answers):
    """What no caller may mean never admits, not even where enough nodes agree."""
    if s["dissent"] not in (DISSENT_DENY, OUTVOTE) or \
            s["key_change"] not in (SAME_REGISTRATION, PIN, FOLLOW):
        return False
    if s["dissent"] == OUTVOTE and 2 * s["needed"] <= voters(answers):
        return False
    for i, a in enumerate(answers):
        if a["twin"] and (a["twin"] > i or answers[a["twin"] - 1]["twin"]):
            return False
    outcomes = [o for o in range(PENDING, MALFORMED + 1) if o != STALE]
    return all(a["outcome"] in outcomes and 0 <= a["network"] < NODES_MAX and a["max_age"] >= 0
               for a in answers)


def decide(s, answers, deadline):
    if s["no_array"] or len(answers) > NODES_MAX:
        answers = []
    n = s["needed"]
    reachable = 1 <= n <= voters(answers)
    now = time_of(s, answers, n)
    # One node alone must not make the others stale.
    fresh = time_of(s, answers, 2) if n == 1 else now
    judged = [judge(a, now, fresh, deadline) for a in answers]
    against = [objection(s, a, j) for a, j in zip(answers, judged)]
    agreeing = len(nodes_where(answers, lambda i, _: against[i] == ""))
    good = len(nodes_where(answers, lambda i, _: against[i] is not None))
    complete = PENDING not in judged
    worst = next((o for o in OBJECTIONS if o in against), None)

    def result(verdict, reason, final, soft=False, followed=False):
        nodes = ["%d/%d" % (j, REASON[o or "none"]) for j, o in zip(judged, against)]
        return final, "%d,%d,%d,%d,%d,%d,%d,%d,%s" % (
            verdict, REASON[reason], final, soft, followed, now, good, agreeing, ":".join(nodes))

    if not s["member"]:
        return result(DENY, "not-member", True)
    if now >= min(s["member_ends"], s["cert_ends"]):
        return result(DENY, "member-expired", True)
    if s["denied"]:
        return result(DENY, "member-denied", True)
    if not s["permitted"]:
        return result(DENY, "not-permitted", True)
    if s["tombstoned"] or worst == "revoked":
        return result(DENY, "revoked", True)
    if now < s["cert_begins"]:
        return result(DENY, "member-expired", complete)

    enough = reachable and agreeing >= n
    sensible = is_sensible(s, answers)
    outvoted = s["dissent"] == OUTVOTE and worst in ("unregistered", "hash-mismatch")
    if sensible and enough and (worst is None or outvoted):
        followed = any(
            o == "" and (match(s, a)[1] or s["pins"][a["network"]] != a["registration"])
            for a, o in zip(answers, against))
        return result(ADMIT, "none", True, followed=followed)
    if worst is not None:
        return result(DENY, "disagree" if enough else worst, complete)
    if sensible and complete and soft_fail(s, answers, judged, now):
        return result(ADMIT, "none", True, soft=True)
    for reason, outcome in (("not-ready", NOT_READY), ("stale", STALE)):
        if outcome in judged:
            return result(UNAVAILABLE, reason, complete)
    return result(UNAVAILABLE, "too-few-answers", complete)


def story(s):
    """The decisions after nothing, after each arrival, and at the deadline; up to the final one."""
    slots = [dict(a, outcome=PENDING) for a in s["nodes"]]
    told = []
    final, text = decide(s, slots, False)
    told.append(text)
    for index in s["order"]:
        if final:
            return told
        slots[index] = s["nodes"][index]
        final, text = decide(s, slots, False)
        told.append(text)
    if not final:
        told.append(decide(s, slots, True)[1])
    return told


# ---------------------------------------------------------------------------- the rows

NOW = 1_800_000_000
HOUR = 3600
FAR = NOW + 10_000 * HOUR
E_CERT, E_KEY, E_SSH, N_CERT, N_SSH, LIFE, LIFE2 = 10, 20, 30, 11, 31, 40, 41
INT_MIN, INT_MAX = -2**63, 2**63 - 1

SCENARIO = dict(
    member=1, member_ends=FAR, denied=0, permitted=1, tombstoned=0, entry_cert=E_CERT,
    entry_key=E_KEY, entry_ssh=E_SSH, cert_begins=0, cert_ends=FAR, needed=1,
    dissent=DISSENT_DENY, key_change=SAME_REGISTRATION, soft=0, soft_max_age=4 * HOUR,
    last_seen=1, last_verdict=ADMIT, last_known=1, last_age=HOUR, last_ends=FAR, clock=NOW,
    floor=0, build=NOW - 1000 * HOUR, presented=CERT, shown=E_CERT, no_array=0)
ANSWER = dict(outcome=REGISTERED, network=0, cert=E_CERT, ssh=E_SSH, revoked=0, ex=NONE,
              registration=LIFE, ends=FAR, tip=NOW, max_age=HOUR, twin=0, rolled_back=0)
FIELDS, ANSWER_FIELDS = list(SCENARIO), list(ANSWER)

# What a node may answer; "silent" never does.
KINDS = {
    "agrees": {}, "changed": dict(cert=N_CERT, ssh=N_SSH), "new-ssh": dict(ssh=N_SSH),
    "no-ssh": dict(ssh=NONE), "other-life": dict(registration=LIFE2),
    "other-life-ended": dict(registration=LIFE2, ends=NOW), "second-network": dict(network=1),
    "ended": dict(ends=NOW), "ended-by-owner": dict(ex=NOW), "expired": dict(outcome=EXPIRED),
    "revoked": dict(outcome=REVOKED), "revoked-in-record": dict(revoked=1),
    "revoked-stale": dict(outcome=REVOKED, tip=NOW - 99 * HOUR),
    "stale": dict(tip=NOW - HOUR - 1), "unregistered": dict(outcome=UNREGISTERED),
    "unregistered-revoked": dict(outcome=UNREGISTERED, revoked=1),
    "unregistered-stale": dict(outcome=UNREGISTERED, tip=NOW - HOUR - 1),
    "not-ready": dict(outcome=NOT_READY), "unreachable": dict(outcome=UNREACHABLE),
    "unauthorized": dict(outcome=UNAUTHORIZED), "malformed": dict(outcome=MALFORMED),
    "says-stale": dict(outcome=STALE), "ahead": dict(tip=NOW + 3 * HOUR, ends=NOW + HOUR),
    "rolled-back": dict(rolled_back=1), "rolled-back-revoked": dict(rolled_back=1, revoked=1),
    "silent": None,
}
SHOWN = [(CERT, E_CERT), (CERT, N_CERT), (KEY, E_KEY), (KEY, E_SSH), (KEY, N_SSH), (NAME, 0)]


def scenario(nodes, pins=(LIFE, LIFE), order=None, **changes):
    s = dict(SCENARIO, **changes)
    s["nodes"] = nodes
    s["pins"] = list(pins) + [NONE] * (NODES_MAX - len(pins))
    s["order"] = list(range(len(nodes))) if order is None else order
    return s


def of_kinds(kinds, turn, **changes):
    """Kinds in their order of arrival; turn puts them into other slots."""
    count = len(kinds)
    slot_of = [(i + turn) % count for i in range(count)] if count else []
    nodes = [None] * count
    for kind, slot in zip(kinds, slot_of):
        nodes[slot] = dict(ANSWER, **(KINDS[kind] or {}))
    order = [slot for kind, slot in zip(kinds, slot_of) if KINDS[kind] is not None]
    return scenario(nodes, order=order, **changes)


def rows_of_kinds(rng):
    """0 to 3 nodes, each kind of answer in each place of the order of arrival."""
    for count in range(4):
        for kinds in itertools.product(KINDS, repeat=count):
            # Three nodes: the policy is drawn, for each of the n and of the dissents.
            changes = [None] if count == 3 else itertools.product(
                (SAME_REGISTRATION, PIN, FOLLOW), (0, 1), SHOWN if count < 2 else [None])
            for change in changes:
                for needed, dissent in itertools.product(range(1, count + 1) or [0, 1], (0, 1)):
                    key_change, soft, shown = change or (rng.randrange(3), rng.randrange(2), None)
                    presented, hashed = shown or rng.choice(SHOWN)
                    yield of_kinds(kinds, rng.randrange(3), needed=needed, dissent=dissent,
                                   key_change=key_change, soft=soft, presented=presented,
                                   shown=hashed)


TIMES = [NOW - 2, NOW - 1, NOW, NOW + 1, FAR]
CHANGES = {
    "member": [0], "member_ends": TIMES, "denied": [1], "permitted": [0], "tombstoned": [1],
    "cert_begins": TIMES, "cert_ends": TIMES, "entry_ssh": [NONE, N_SSH], "entry_cert": [N_CERT],
    "entry_key": [21, E_SSH], "needed": [0, 1, 2, 3, 4], "dissent": [OUTVOTE],
    "key_change": [PIN, FOLLOW], "soft": [1], "last_seen": [0],
    "last_verdict": [DENY, UNAVAILABLE], "last_known": [0],
    "last_age": [-1, 0, 4 * HOUR - 1, 4 * HOUR, 4 * HOUR + 1], "last_ends": TIMES,
    "soft_max_age": [-1, 0, HOUR - 1, HOUR], "clock": TIMES + [0, NOW - 2 * HOUR - 1],
    "floor": TIMES, "build": TIMES,
}
ANSWER_CHANGES = {
    "outcome": list(range(1, 10)), "network": [1, 2], "cert": [N_CERT], "ssh": [NONE, N_SSH, E_KEY],
    "revoked": [1], "ex": TIMES, "registration": [LIFE2], "ends": TIMES,
    "tip": [NOW - 1, NOW - HOUR - 1, NOW - HOUR, NOW - HOUR + 1, NOW + 2 * HOUR - 1, NOW + 2 * HOUR,
            NOW + 2 * HOUR + 1, NOW + 2 * HOUR + 2, FAR + 2 * HOUR],
    "max_age": [-1, 0, 1, 4 * HOUR], "rolled_back": [1],
}
NONSENSE = {
    "needed": [0, 17, 2**32 - 1], "dissent": [2, 77], "key_change": [3, 77], "presented": [3, 77],
    "member_ends": [INT_MIN, INT_MAX], "cert_begins": [INT_MIN, INT_MAX],
    "cert_ends": [INT_MIN, INT_MAX], "last_verdict": [3], "last_age": [INT_MIN, INT_MAX],
    "last_ends": [INT_MIN, INT_MAX], "soft_max_age": [INT_MIN, INT_MAX],
    "clock": [INT_MIN, INT_MAX], "floor": [INT_MIN], "build": [INT_MIN], "no_array": [1],
}
ANSWER_NONSENSE = {
    "outcome": [10, 77], "network": [15, 16, 255], "ex": [INT_MIN, INT_MAX],
    "ends": [INT_MIN, INT_MAX], "tip": [INT_MIN, INT_MIN + 7199, INT_MIN + 7201, INT_MAX],
    "max_age": [INT_MIN, INT_MAX], "twin": [1, 2, 3, 4, 17, 255],
}


def vary(rng, thing, tables, times):
    for _ in range(times):
        table = rng.choice(tables)
        field = rng.choice(list(table))
        thing[field] = rng.choice(table[field])


def random_row(rng, scenario_tables, answer_tables):
    count = rng.choice([1, 1, 2, 2, 3, 3, 3, 4, 5])
    presented, shown = rng.choice(SHOWN)
    nodes = [dict(ANSWER) for _ in range(count)]
    for node in nodes:
        vary(rng, node, answer_tables, rng.choice([0, 0, 0, 1, 1, 2]))
    s = scenario(nodes, pins=rng.choice([(LIFE, LIFE)] * 4 + [(LIFE,), (LIFE2, LIFE), (NONE, LIFE)]),
                 needed=rng.randint(1, count), presented=presented, shown=shown)
    vary(rng, s, scenario_tables, rng.choice([0, 1, 1, 2, 3]))
    if rng.random() < 0.35:  # an outage
        s["soft"] = 1
        for node in rng.sample(nodes, rng.randint(1, count)):
            node["outcome"] = rng.choice([UNREACHABLE, UNREACHABLE, NOT_READY])
    s["order"] = rng.sample(range(count), rng.choice([count, count, count, rng.randint(0, count)]))
    return s


def twin_row(rng):
    """Two to five URLs of fewer nodes, whose answers differ in time, in what they say, or not."""
    s = random_row(rng, [CHANGES], [ANSWER_CHANGES])
    while len(s["nodes"]) < 2:
        s = random_row(rng, [CHANGES], [ANSWER_CHANGES])
    nodes = s["nodes"]
    firsts = [0]
    for i in range(1, len(nodes)):
        if rng.random() < 0.6:
            nodes[i]["twin"] = 1 + rng.choice(firsts)
        else:
            firsts.append(i)
    for node in nodes:
        if rng.random() < 0.3:
            node["tip"] = rng.choice(ANSWER_CHANGES["tip"])
        if rng.random() < 0.1:
            node["rolled_back"] = 1
    s["needed"] = rng.randint(1, len(firsts) + (rng.random() < 0.2))
    s["dissent"] = rng.choice((DISSENT_DENY, DISSENT_DENY, OUTVOTE))
    return s


def crowds(rng):
    """The most nodes that there may be, and one more."""
    for count in (NODES_MAX, NODES_MAX + 1):
        for needed in (1, 8, 9, NODES_MAX, NODES_MAX + 1):
            for dissent in (DISSENT_DENY, OUTVOTE):
                nodes = [dict(ANSWER) for _ in range(count)]
                vary(rng, nodes[-1], [ANSWER_CHANGES], 1)
                yield scenario(nodes, needed=needed, dissent=dissent)
                twins = [dict(ANSWER, twin=0 if i < needed else needed) for i in range(count)]
                yield scenario(twins, needed=needed, dissent=dissent)


def rows():
    rng = random.Random(20261122)
    drawn = [random_row(rng, [CHANGES], [ANSWER_CHANGES]) for _ in range(20000)]
    drawn += [random_row(rng, [CHANGES, NONSENSE], [ANSWER_CHANGES, ANSWER_NONSENSE])
              for _ in range(8000)]
    drawn += [twin_row(rng) for _ in range(12000)]
    drawn += crowds(rng)
    of_all = list(rows_of_kinds(rng))
    # Mixed, so that whoever stops at the first difference meets every kind of row early.
    rng.shuffle(drawn)
    rng.shuffle(of_all)
    return drawn + of_all


def text_of(s):
    words = [s[field] for field in FIELDS] + s["pins"] + [len(s["nodes"])]
    for node in s["nodes"]:
        words += [node[field] for field in ANSWER_FIELDS]
    words += [len(s["order"])] + s["order"]
    return " ".join(map(str, words))


def main():
    out = sys.stdout
    for s in rows():
        out.write("%s|%s\n" % (text_of(s), " ".join(story(s))))


if __name__ == "__main__":
    main()
