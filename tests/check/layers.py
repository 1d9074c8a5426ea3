#!/usr/bin/env python3
"""Includes point downwards only (docs/design.md, "Layers"), and third-party headers stay in few files.

Each folder has a rank; a file may include headers of its own folder and of lower ranks. A cross-include
between two folders of one rank must be listed. Prints every violation; exit 1 if there is one.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
RANKS = {
    "base": 0, "format": 1, "config": 2, "identity": 2, "nvs": 2, "verify": 3,
    "manager": 3, "state": 3, "client": 0, "sshd_plugin": 4, "pam_iotpki": 4, "agent": 4, "bnode": 4, "cli": 4,
}
# Folders that stand alone: they may include nothing of the tree but themselves, <iotpki/client.h> and base,
# which is libc alone (what they really link is judged by linkage.sh).
ALONE = {"client", "sshd_plugin", "pam_iotpki"}
# Same rank, and allowed: who may include whom.
SIDEWAYS = {("nvs", "config"), ("cli", "agent"), ("cli", "client"), ("agent", "client")}
# Where a third-party header may be included, by folder or file.
THIRD_PARTY = {
    "openssl/": {"base/digest.c", "format/", "identity/", "nvs/", "bnode/"},
    "curl/": {"nvs/"},
    "yaml.h": {"format/"},
    "jansson.h": {"format/", "nvs/", "identity/", "bnode/", "cli/"},
    "lmdb.h": {"bnode/", "state/"},
    "microhttpd.h": {"bnode/"},
    "gnutls/": {"bnode/"},
    "security/": {"pam_iotpki/"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def module_of(path: pathlib.Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "libiotpki" and len(parts) > 2 else parts[0]


def short(path: pathlib.Path) -> str:
    text = str(path.relative_to(ROOT))
    return text[len("libiotpki/"):] if text.startswith("libiotpki/") else text


def resolve(name: str, path: pathlib.Path):
    """The folder that a quoted include means."""
    for base in (path.parent, ROOT / "libiotpki", ROOT):
        target = base / name
        if target.exists():
            return module_of(target)
    return None


def violations(path: pathlib.Path):
    me = module_of(path)
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        kind, name = match.groups()
        where = f"{short(path)}:{number}"
        if kind == "<":
            if me in ALONE and name.startswith("iotpki/") and name != "iotpki/client.h":
                yield f"{where}: {me} may include only <iotpki/client.h> of the tree, not <{name}>"
            for prefix, places in THIRD_PARTY.items():
                if name.startswith(prefix) and not any(short(path).startswith(p) for p in places):
                    yield f"{where}: <{name}> belongs in {', '.join(sorted(places))}"
            continue
        target = resolve(name, path)
        if target is None:
            yield f"{where}: \"{name}\" is not found"
        elif target == me:
            continue
        elif me in ALONE and target != "base":
            yield f"{where}: {me} stands alone and may not include \"{name}\""
        elif RANKS[target] > RANKS[me] or (RANKS[target] == RANKS[me] and (me, target) not in SIDEWAYS
                                           and RANKS[me] > 0):
            yield f"{where}: {me} (rank {RANKS[me]}) may not include \"{name}\" (rank {RANKS[target]})"


def main() -> int:
    files = []
    for folder in ("libiotpki", "sshd_plugin", "pam_iotpki", "agent", "bnode", "cli"):
        files += [p for p in sorted((ROOT / folder).rglob("*.[ch]")) if "include" not in p.parts]
    found = [v for path in files for v in violations(path)]
    print("\n".join(found))
    print(f"{len(files)} files, {len(found)} includes against the layers")
    return 1 if found or not files else 0


sys.exit(main())
