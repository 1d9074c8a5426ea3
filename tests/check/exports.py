#!/usr/bin/env python3
"""What the libraries export: map = public headers = man pages = what the binary really defines, and tests use it.

usage: exports.py SOURCE-ROOT LIBRARY.so MAP HEADER...
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1])
LIBRARY, MAP = sys.argv[2], pathlib.Path(sys.argv[3])
HEADERS = [pathlib.Path(h) for h in sys.argv[4:]]

DECLARED = re.compile(r"IOTPKI_(?:CLIENT_)?PUBLIC\b[^;{]*?\b(iotpki_\w+)\s*\(", re.S)


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def complain(what: str, names) -> bool:
    for name in sorted(names):
        print(f"{name}: {what}")
    return bool(names)


def main() -> int:
    in_map = set(re.findall(r"^\s*(iotpki_\w+);", MAP.read_text(), re.M))
    in_headers = set()
    for header in HEADERS:
        in_headers |= set(DECLARED.findall(without_comments(header.read_text())))
    nm = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], check=True, capture_output=True, text=True).stdout
    in_binary = {line.split()[2].split("@")[0] for line in nm.splitlines()
                 if len(line.split()) == 3 and line.split()[1] != "A"}
    manual = "\n".join(p.read_text() for p in (ROOT / "docs/man").glob("*.3.scd"))
    in_manual = {name for name in in_headers if re.search(rf"\b{name}\b", manual.replace("\\_", "_"))}
    tests = "\n".join(p.read_text() for p in (ROOT / "tests").rglob("*.c"))
    in_tests = {name for name in in_headers if re.search(rf"\b{name}\b", tests)}

    bad = complain("in a public header but not in the map", in_headers - in_map)
    bad |= complain("in the map but in no public header", in_map - in_headers)
    bad |= complain("in the map but not defined by the library", in_map - in_binary)
    bad |= complain("defined by the library but not in the map", in_binary - in_map)
    bad |= complain("has no manual page of section 3", in_headers - in_manual)
    bad |= complain("is in no test", in_headers - in_tests)
    print(f"{pathlib.Path(LIBRARY).name}: {len(in_map)} symbols")
    return 1 if bad or not in_map else 0


sys.exit(main())
