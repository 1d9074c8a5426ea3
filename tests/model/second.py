#!/usr/bin/env python3
"""A second reading of the decision, by somebody who had seen neither decide.c nor model.py's.

Point 4 of the design, rule by rule in its order, and the comments of iotpki/decide.h. Where the
text leaves room, "Chosen:" says what was taken over from docs/design.md.

usage: second.py < ROWS    print each row of model.py, and further ones of all fields mixed, as
ROW|EXPECTED with this model's decisions (the format is model.py's).
"""
import random
import sys

# The numbers of iotpki/decide.h.
DENY, ADMIT, UNAVAILABLE = range(3)
NONE = 0
NOT_MEMBER, MEMBER_EXPIRED, MEMBER_DENIED, NOT_PERMITTED = 101, 102, 103, 104
UNREGISTERED, EXPIRED, REVOKED, HASH_MISMATCH, RE_REGISTERED, DISAGREE = range(201, 207)
TOO_FEW_ANSWERS, NOT_READY, STALE = 301, 302, 303
(SAYS_NOTHING, SAYS_REGISTERED, SAYS_REVOKED, SAYS_EXPIRED, SAYS_UNREGISTERED, IS_STALE,
 IS_NOT_READY, IS_UNREACHABLE, IS_UNAUTHORIZED, IS_MALFORMED) = range(10)
WELL_FORMED = (SAYS_REGISTERED, SAYS_REVOKED, SAYS_EXPIRED, SAYS_UNREGISTERED)
SHOWS_KEY, SHOWS_CERTIFICATE, SHOWS_NAME = range(3)
DISSENT_DENIES, OUTVOTE = range(2)
SAME_REGISTRATION, PIN, FOLLOW = range(3)
NODES_MAX = 16
ABSENT = -1
TWO_HOURS = 7200

HIGHEST_FIRST = (REVOKED, RE_REGISTERED, EXPIRED, HASH_MISMATCH, UNREGISTERED)


# ---------------------------------------------------------------------------- time

def time_now(q, answers, n):
    """max(system clock, floor, build time, n-th newest tip of this query's good nodes - 2 h).

    Stale ones may be among them: a tip that moves now is ahead of it, as all newer ones are.
    """
    told = {}  # a node counts once, by the newest of its tips; not where it rolled back
    for i, a in enumerate(answers):
        if is_well_formed(a) and (says_revoked(a) or not a["rolled_back"]):
            told.setdefault(same_node(answers, i), []).append(a["tip"])
    tips = sorted(map(max, told.values()), reverse=True)
    confirmed = [tips[n - 1] - TWO_HOURS] if 1 <= n <= len(tips) else []
    return max([q["clock"], q["floor"], q["build"]] + confirmed)


def over(now, end):
    """A name ends when now >= expiry, everywhere."""
    return now >= end


# ---------------------------------------------------------------------------- one answer

def says_revoked(a):
    """Its status, or status=revoked in the record (which an unregistered name has not)."""
    with_record = a["outcome"] in (SAYS_REGISTERED, SAYS_EXPIRED)
    return a["outcome"] == SAYS_REVOKED or with_record and bool(a["revoked"])


def same_node(answers, i):
    """Of several URLs of one node the first stands for it."""
    first = answers[i]["twin"] - 1
    return i if first < 0 or first >= i else same_node(answers, first)


def has_nonsense_twin(answers):
    return any(a["twin"] > i or a["twin"] and answers[a["twin"] - 1]["twin"]
               for i, a in enumerate(answers))


def distinct(answers):
    return [i for i in range(len(answers)) if same_node(answers, i) == i]


def is_unknown(a):
    """Chosen: what is no outcome or network counts as malformed, so does a ready-made "stale"."""
    return a["outcome"] not in range(10) or a["outcome"] == IS_STALE or a["network"] >= NODES_MAX


def is_well_formed(a):
    return a["outcome"] in WELL_FORMED and not is_unknown(a)


def judged(a, now, witnessed, deadline):
    """What it says at this time; stale only by what at least two nodes tell. A stale answer is none, except revoked, which counts."""
    if is_unknown(a):
        return IS_MALFORMED
    if a["outcome"] == SAYS_NOTHING and deadline:
        return IS_UNREACHABLE  # a timeout
    if not is_well_formed(a):
        return a["outcome"]
    if says_revoked(a):
        return SAYS_REVOKED
    if a["rolled_back"]:
        return IS_STALE
    if witnessed - a["tip"] > max(0, a["max_age"]):  # a tip ahead of now never is
        return IS_STALE
    ends = [a["ends"]] + ([a["ex"]] if a["ex"] != ABSENT else [])
    if a["outcome"] == SAYS_REGISTERED and over(now, min(ends)):
        return SAYS_EXPIRED
    return a["outcome"]


def registration_differs(q, a):
    """An entry without a pin is re-registered, under follow too: there is nothing to follow."""
    pin = q["pins"][a["network"]]
    return pin == ABSENT or (pin != a["registration"] and q["key_change"] != FOLLOW)


def ways_to_match(q, a):
    """The three of "Matching", each with whether it takes what is not the entry's."""
    shown = q["shown"]
    hash_is_new = a["cert"] != q["entry_cert"]
    if q["presented"] == SHOWS_NAME and not hash_is_new:
        yield False  # asks about the entry's own certificate
    if q["presented"] == SHOWS_CERTIFICATE and shown == a["cert"]:
        yield hash_is_new
    if q["presented"] == SHOWS_KEY and shown == q["entry_key"] and not hash_is_new:
        yield False
    if q["presented"] == SHOWS_KEY and a["ssh"] != ABSENT and shown == a["ssh"]:
        yield hash_is_new or a["ssh"] != q["entry_ssh"]  # "hash or fingerprint is not the entry's"


def objection(q, a, said):
    """Why this good answer does not agree, and whether it agrees by something new."""
    if said == SAYS_REVOKED:
        return REVOKED, False
    # Registration id first, always: also of a name that has ended.
    if a["outcome"] == SAYS_REGISTERED and registration_differs(q, a):
        return RE_REGISTERED, False
    if said == SAYS_EXPIRED:
        return EXPIRED, False
    if said == SAYS_UNREGISTERED:
        return UNREGISTERED, False
    accepts_new = q["key_change"] in (SAME_REGISTRATION, FOLLOW)
    ways = [new for new in ways_to_match(q, a) if accepts_new or not new]
    if not ways:
        return HASH_MISMATCH, False
    return NONE, min(ways) or a["registration"] != q["pins"][a["network"]]


# ---------------------------------------------------------------------------- the whole

def list_says(q, now):
    """Points 1 and 2, in this order."""
    if not q["member"]:
        return NOT_MEMBER
    if over(now, q["member_ends"]) or over(now, q["cert_ends"]):  # "the earliest end wins"
        return MEMBER_EXPIRED
    if q["denied"]:
        return MEMBER_DENIED
    if not q["permitted"]:
        return NOT_PERMITTED
    return NONE


def is_sensible(q, answers):
    """A nonsensical input never admits."""
    count = len(distinct(answers))
    return (1 <= q["needed"] <= count
            and not has_nonsense_twin(answers)
            and q["dissent"] in (DISSENT_DENIES, OUTVOTE)
            and q["key_change"] in (SAME_REGISTRATION, PIN, FOLLOW)
            and q["presented"] in (SHOWS_KEY, SHOWS_CERTIFICATE, SHOWS_NAME)
            and not (q["dissent"] == OUTVOTE and q["needed"] * 2 <= count)
            and not any(is_unknown(a) or a["max_age"] < 0 for a in answers))


def why_unavailable(said):
    if IS_NOT_READY in said:
        return NOT_READY
    return STALE if IS_STALE in said else TOO_FEW_ANSWERS


def shows_the_entrys_own(q):
    """Chosen: the paper's V-4 compares with the stored certificate, so nothing followed counts."""
    if q["presented"] == SHOWS_KEY:
        return q["shown"] in (q["entry_key"], q["entry_ssh"])
    return q["presented"] == SHOWS_NAME or q["shown"] == q["entry_cert"]


def soft_fail_admits(q, answers, said, now):
    """Point 4: only silence is forgiven, and only of a name and key that were admitted lately."""
    forgiven = (SAYS_REGISTERED, IS_NOT_READY, IS_UNREACHABLE)
    return (q["soft"] and all(what in forgiven for what in said)
            and q["last_seen"] and q["last_verdict"] == ADMIT
            and q["last_known"] and 0 <= q["last_age"] <= q["soft_max_age"]
            and not over(now, q["last_ends"]) and shows_the_entrys_own(q)
            # Chosen: an entry without a pin is not admitted by silence either.
            and all(q["pins"][a["network"]] != ABSENT for a in answers))


def decide(q, answers, deadline):
    """(verdict, reason, final, soft, followed, now, good, agreeing, each answer's judgement)"""
    # Chosen: what cannot be a set of answers is none.
    answers = [] if q["no_array"] or len(answers) > NODES_MAX else answers
    now = time_now(q, answers, q["needed"])
    witnessed = time_now(q, answers, max(q["needed"], 2)) if q["needed"] > 0 else now
    said = [judged(a, now, witnessed, deadline) for a in answers]
    views = [objection(q, a, what) if what in WELL_FORMED else None
             for a, what in zip(answers, said)]
    good = [view for view in views if view is not None]
    agreeing = [new for reason, new in good if reason == NONE]

    def nodes(counts):
        return len({same_node(answers, i) for i, view in enumerate(views)
                    if view is not None and counts(view[0])})

    votes = nodes(lambda reason: reason == NONE)
    good_nodes = nodes(lambda reason: True)
    objections = [reason for reason, _ in good if reason != NONE]
    each = ["%d/%d" % (what, view[0] if view else NONE) for what, view in zip(said, views)]

    def result(verdict, reason, final=True, soft=False, followed=False):
        return (verdict, reason, final, soft, followed, now, good_nodes, votes, each)

    from_list = list_says(q, now)
    if from_list != NONE:
        return result(DENY, from_list)
    if q["tombstoned"] or REVOKED in objections:
        return result(DENY, REVOKED)
    over_all = SAYS_NOTHING not in said
    # Chosen: after the answers, whose tips may tell a clockless device that it has begun.
    if now < q["cert_begins"]:
        return result(DENY, MEMBER_EXPIRED, over_all)
    n_agree = 1 <= q["needed"] <= votes
    outvoted = {UNREGISTERED, HASH_MISMATCH} if q["dissent"] == OUTVOTE else set()
    sensible = is_sensible(q, answers)
    if sensible and n_agree and set(objections) <= outvoted:
        return result(ADMIT, NONE, followed=any(agreeing))
    # Also where fewer than n are good: "any other good answer among those received".
    if objections:
        highest = next(reason for reason in HIGHEST_FIRST if reason in objections)
        return result(DENY, DISAGREE if n_agree else highest, over_all)
    if sensible and over_all and soft_fail_admits(q, answers, said, now):
        return result(ADMIT, NONE, soft=True)
    return result(UNAVAILABLE, why_unavailable(said), over_all)


# ---------------------------------------------------------------------------- rows

ENTRY = ("member member_ends denied permitted tombstoned entry_cert entry_key entry_ssh "
         "cert_begins cert_ends").split()
POLICY = ("needed dissent key_change soft soft_max_age last_seen last_verdict last_known last_age "
          "last_ends clock floor build presented shown no_array").split()
ANSWER = ("outcome network cert ssh revoked ex registration ends tip max_age "
          "twin rolled_back").split()


def read_row(words):
    """The query, what each node will answer, and in which order."""
    numbers = iter(words)
    q = {field: next(numbers) for field in ENTRY + POLICY}
    q["pins"] = [next(numbers) for _ in range(NODES_MAX)]
    nodes = [{field: next(numbers) for field in ANSWER} for _ in range(next(numbers))]
    return q, nodes, [next(numbers) for _ in range(next(numbers))]


def tell(decision):
    *head, each = decision
    return ",".join(str(int(field)) for field in head) + "," + ":".join(each)


def story(words):
    """After nothing, after each arrival, at the deadline; up to the first final decision."""
    q, nodes, order = read_row(words)
    answers = [dict(node, outcome=SAYS_NOTHING) for node in nodes]
    told = []
    for index in [None] + order + ["deadline"]:
        if isinstance(index, int):
            answers[index] = nodes[index]
        decision = decide(q, answers, index == "deadline")
        told.append(tell(decision))
        if decision[2]:
            break
    return " ".join(told)


NOW, HOUR = 1_800_000_000, 3600
LATER = NOW + 1000 * HOUR
CERT, NEW_CERT, KEY, SSH, NEW_SSH, LIFE, NEW_LIFE = 10, 11, 20, 30, 31, 40, 41


def mixed_row(rng):
    """Every field drawn, the usual more often: what the others leave apart meets here."""
    def draw(usual, *others, odds=0.9):
        return usual if rng.random() < odds else rng.choice(others)

    def end():
        return draw(LATER, NOW - 1, NOW, NOW + 1, NOW + HOUR, odds=0.93)

    count = rng.randint(1, 6)
    entry = [draw(1, 0, odds=0.98), end(), draw(0, 1, odds=0.98), draw(1, 0, odds=0.98),
             draw(0, 1, odds=0.98), draw(CERT, NEW_CERT), draw(KEY, SSH, NEW_SSH),
             draw(SSH, ABSENT, NEW_SSH, KEY, odds=0.7),
             draw(0, NOW, NOW + 1, NOW + HOUR, odds=0.96), end()]
    policy = [rng.randint(1, count), rng.randrange(2), rng.randrange(3), draw(1, 0, odds=0.6),
              draw(4 * HOUR, 0, 1), draw(1, 0), draw(ADMIT, DENY, UNAVAILABLE), draw(1, 0),
              draw(HOUR, 0, 1, 4 * HOUR, 4 * HOUR + 1, -1, odds=0.7), end(),
              draw(NOW, 0, NOW - 3 * HOUR, NOW - 1, NOW + HOUR, odds=0.7),
              draw(0, NOW, NOW + 1), draw(NOW - 9 * HOUR, NOW, NOW + 2),
              *rng.choice([(SHOWS_CERTIFICATE, CERT), (SHOWS_CERTIFICATE, NEW_CERT),
                           (SHOWS_KEY, KEY), (SHOWS_KEY, SSH), (SHOWS_KEY, NEW_SSH),
                           (SHOWS_NAME, CERT), (SHOWS_NAME, 0)]), 0]
    pins = [draw(LIFE, NEW_LIFE, ABSENT), draw(LIFE, NEW_LIFE, ABSENT)] + [ABSENT] * 14
    troubled = rng.random()  # how much of this network's answers goes wrong
    nodes = []
    twinned = rng.random() < 0.3
    for i in range(count):
        twin = draw(0, *range(1, i + 2), odds=0.5 if twinned else 1)
        outcome = rng.randint(2, 9) if rng.random() < 0.5 * troubled else SAYS_REGISTERED
        nodes += [draw(IS_UNREACHABLE if outcome == IS_STALE else outcome, IS_UNREACHABLE, 0),
                  rng.randrange(2), draw(CERT, NEW_CERT, odds=0.85),
                  draw(SSH, ABSENT, NEW_SSH, KEY, odds=0.7), draw(0, 1, odds=0.98),
                  draw(ABSENT, NOW, NOW + 1, LATER), draw(LIFE, NEW_LIFE, odds=0.95), end(),
                  draw(NOW, NOW - HOUR, NOW - HOUR - 1, NOW - 4 * HOUR, NOW - 4 * HOUR - 1,
                       NOW + HOUR, NOW + 2 * HOUR + 1, NOW + 4 * HOUR),
                  rng.choice([HOUR, HOUR, 4 * HOUR]), twin, draw(0, 1, odds=0.97)]
    order = rng.sample(range(count), draw(count, rng.randint(0, count), odds=0.8))
    return entry + policy + pins + [count] + nodes + [len(order)] + order


def main():
    rng = random.Random(4)
    for line in sys.stdin:
        row = line.split("|")[0]
        print(row + "|" + story(map(int, row.split())))
    for _ in range(20000):
        words = mixed_row(rng)
        print(" ".join(map(str, words)) + "|" + story(words))


if __name__ == "__main__":
    main()
