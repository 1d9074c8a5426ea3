#!/usr/bin/env python3
"""Mutation test of the decision: would the rows notice if decide.c or quorum.c were wrong?

usage: mutate.py SOURCE-FOLDER ROWS [--list]

Makes each mutant by one small change of one of the two files, compiles it, plays the rows up to
the first difference. A mutant that no row notices must stand in survivors.txt with the reason why
it behaves the same; a line of survivors.txt that stands for no survivor is an error too. Fails
below 95 % killed.
"""
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

FILES = ["libiotpki/verify/decide.c", "libiotpki/nvs/quorum.c"]
GOAL = 95.0
TIMEOUT_S = 60  # a mutant may loop for ever

OPERATORS = {
    "==": ["!="], "!=": ["=="], "<": ["<=", ">", ">="], "<=": ["<", ">", ">="],
    ">": [">=", "<", "<="], ">=": [">", "<", "<="], "&&": ["||"], "||": ["&&"], "+": ["-"],
    "-": ["+"], "/": ["*"], "+=": ["-=", "="], "|=": ["=", "&="], "&=": ["=", "|="], "++": ["--"],
}
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[A-Za-z_]\w*|\d+|->|\+\+|--|[<>=!+|&/*-]=|&&|\|\||[^\s\w]')
NAMES = re.compile(r"\b(IOTPKI_(?:OUTCOME_|DISSENT_|KEY_|PRESENTED_)?[A-Z_]+|QUORUM_[A-Z_]+|MATCH_[A-Z]+)\b")


def without_comments(text):
    """Comments become blanks: every offset stays what it was."""
    return re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def family(name):
    """Constants that may be taken for each other have one family."""
    if name in ("IOTPKI_NODES_MAX", "IOTPKI_SHA256_LEN", "QUORUM_NEVER"):
        return None
    for prefix in ("IOTPKI_OUTCOME_", "IOTPKI_DISSENT_", "IOTPKI_KEY_", "IOTPKI_PRESENTED_",
                   "QUORUM_", "MATCH_"):
        if name.startswith(prefix):
            return prefix
    if name in ("IOTPKI_DENY", "IOTPKI_ADMIT", "IOTPKI_UNAVAILABLE"):
        return "verdict"
    return "reason"


def families(code):
    members = {}
    for name in NAMES.findall(code):
        kind = family(name)
        if kind is not None and name not in members.setdefault(kind, []):
            members[kind].append(name)
    return members


def body_spans(code):
    """Where the functions' bodies are: top-level { at the start of a line up to } there."""
    return [(m.start(), m.end()) for m in re.finditer(r"^\{\n.*?^\}\n", code, re.S | re.M)]


def token_mutants(code, start, end, members):
    before = ""
    for m in TOKEN.finditer(code, start, end):
        token, at = m.group(), (m.start(), m.end())
        # A unary or pointer sign, an assignment of a declaration: not an operator to change.
        binary = re.match(r"[\w\])]", before[-1:]) is not None
        if token in OPERATORS and (binary or token not in ("-", "+")):
            for other in OPERATORS[token]:
                yield at, other
        elif token == "!":
            yield at, ""
        elif token.isdigit():
            yield at, str(int(token) + 1)
        elif token in ("true", "false"):
            yield at, "false" if token == "true" else "true"
        elif NAMES.fullmatch(token) and family(token):
            others = members[family(token)]
            index = others.index(token)
            for step in (1, 2):
                other = others[(index + step) % len(others)]
                if other != token:
                    yield at, other
        before = token


def statement_mutants(code, start, end):
    body = code[start:end]
    # Conditions are negated, set to true, and to false.
    for m in re.finditer(r"\b(?:if|while) \(", body):
        depth, at = 1, m.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(body[at], 0)
            at += 1
        inside = (start + m.end(), start + at - 1)
        yield inside, "!(%s)" % code[inside[0]:inside[1]]
        yield inside, "0"
        yield inside, "1"
    # Values that are returned are negated, or swapped for the smallest ones.
    for m in re.finditer(r"\breturn ([^;]+);", body):
        span = (start + m.start(1), start + m.end(1))
        # Of a constant the tokens make enough mutants.
        if m.group(1).startswith("refuse(") or re.fullmatch(r"[A-Z_]+|true|false", m.group(1)):
            continue
        yield span, "!(%s)" % m.group(1)
        yield span, "0"
        yield span, "1"
    # The two ways of a ?: change places.
    for m in re.finditer(r"\? ([^:;]+?) : ([^;]+?)(?=[;,]|\)[;,])", body):
        yield (start + m.start(), start + m.end()), "? %s : %s" % (m.group(2), m.group(1))
    # Statements are dropped.
    for m in re.finditer(r"(?<=[;{})]\n)\t+((?:[\w>*-]|\[\w+\]|\.)+(?: [+|&]?= |\+\+|\()[^;{}]*|continue);", body):
        if not m.group(1).startswith(("return", "if", "for", "struct", "const", "int64_t")):
            yield (start + m.start(1), start + m.end(1)), ""
    for m in re.finditer(r"(?<=\n)\t+return refuse\([^;]*;", body):
        yield (start + m.start(), start + m.end()), ";"


def table_mutants(code, members):
    """Entries of the const tables outside functions."""
    for m in re.finditer(r"\[\w+\] = (\w+),", code):
        others = members[family(m.group(1))]
        index = others.index(m.group(1))
        yield (m.start(1), m.end(1)), others[(index + 1) % len(others)]
    for m in re.finditer(r"^enum \{ \w+ = (\d+) \};", code, re.M):
        yield (m.start(1), m.end(1)), str(int(m.group(1)) + 1)
        yield (m.start(1), m.end(1)), str(int(m.group(1)) - 1)


def mutants_of(path, text):
    code = without_comments(text)
    members = families(code)
    seen = set()
    found = list(table_mutants(code, members))
    for start, end in body_spans(code):
        found += token_mutants(code, start, end, members)
        found += statement_mutants(code, start, end)
    for (start, end), other in sorted(found):
        mutated = text[:start] + other + text[end:]
        if mutated == text or mutated in seen:
            continue
        seen.add(mutated)
        line_start = text.rfind("\n", 0, start) + 1
        line_end = text.find("\n", end)
        line = text[line_start:start] + "{" + text[start:end] + " -> " + other + "}" + \
            text[end:line_end]
        yield os.path.basename(path) + ": " + " ".join(line.split()), mutated


class Bench:
    """Everything but the mutant is compiled once."""

    def __init__(self, source, rows, work):
        self.rows, self.work = rows, work
        self.flags = ["-std=gnu17", "-D_GNU_SOURCE", "-O0", "-w", "-I" + source + "/libiotpki",
                      "-I" + source + "/libiotpki/include"]
        self.objects = {}
        for path in FILES + ["tests/model/decide_rows.c"]:
            self.objects[path] = os.path.join(work, os.path.basename(path) + ".o")
            subprocess.run(["gcc", *self.flags, "-c", os.path.join(source, path), "-o",
                            self.objects[path]], check=True)
        self.program = self.link(os.path.join(work, "original"), self.objects.values())
        if self.program is None or not self.unnoticed(self.program):
            sys.exit("mutate: the rows do not even pass without a mutation")

    def link(self, program, objects):
        done = subprocess.run(["gcc", *objects, "-o", program], stderr=subprocess.DEVNULL)
        return program if done.returncode == 0 else None

    def unnoticed(self, program):
        with open(self.rows, "rb") as rows:
            try:
                return subprocess.run([program], stdin=rows, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, timeout=TIMEOUT_S).returncode == 0
            except subprocess.TimeoutExpired:
                return False

    def try_out(self, number, path, text):
        """"killed", "survived", or "no program" when it is not C any more."""
        stem = os.path.join(self.work, "mutant%d" % number)
        try:
            with open(stem + ".c", "w") as out:
                out.write(text)
            if subprocess.run(["gcc", *self.flags, "-c", stem + ".c", "-o", stem + ".o"],
                              stderr=subprocess.DEVNULL).returncode != 0:
                return "no program"
            objects = [stem + ".o" if p == path else o for p, o in self.objects.items()]
            if self.link(stem, objects) is None:
                return "no program"
            return "survived" if self.unnoticed(stem) else "killed"
        finally:
            for end in (".c", ".o", ""):
                if os.path.exists(stem + end):
                    os.remove(stem + end)


def justified(source):
    """Lines of survivors.txt: the mutant, then indented lines that say why."""
    wanted, last = {}, None
    with open(os.path.join(source, "tests/model/survivors.txt")) as lines:
        for line in lines:
            if line.startswith("#") or not line.strip():
                continue
            if line[0].isspace():
                wanted[last] = (wanted[last] + " " + line.strip()).strip()
            else:
                last = line.strip()
                wanted[last] = ""
    return wanted


def main():
    source, rows = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    jobs = []
    for path in FILES:
        with open(os.path.join(source, path)) as text:
            jobs += [(path, *mutant) for mutant in mutants_of(path, text.read())]
    if "--list" in sys.argv:
        print("\n".join(name for _, name, _ in jobs))
        return 0
    with tempfile.TemporaryDirectory(prefix="iotpki-mutants-") as work:
        bench = Bench(source, rows, work)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            ends = list(pool.map(lambda job: bench.try_out(job[0], job[1][0], job[1][2]),
                                 enumerate(jobs)))
    survivors = [name for (_, name, _), end in zip(jobs, ends) if end == "survived"]
    made = len(jobs) - ends.count("no program")
    killed = ends.count("killed")
    percent = 100.0 * killed / max(made, 1)
    print("mutants: %d of %d killed (%.1f %%)" % (killed, made, percent))
    known = justified(source)
    bad = 0
    for name in survivors:
        reason = known.get(name, "")
        print("survivor: %s\n    %s" % (name, reason or "NOT JUSTIFIED in survivors.txt"))
        bad += not reason
    for name in known:
        if name not in survivors:
            print("survivors.txt: stands for no survivor: " + name)
            bad += 1
    return 0 if percent >= GOAL and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
