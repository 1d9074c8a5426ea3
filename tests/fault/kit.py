"""What the tests of this folder share: a B-node, strace with one fault, the points where faults can be put."""
import base64, json, os, re, select, shutil, signal, subprocess, tempfile, urllib.request
from concurrent.futures import ThreadPoolExecutor

BUILD = os.environ["BUILD"]
IOTPKI = os.path.join(BUILD, "cli", "iotpki")
BNODE = os.path.join(BUILD, "bnode", "iotpki-bnode")
AGENT = os.path.join(BUILD, "agent", "iotpki-agent")
FAKE_CHAIN = os.path.join(BUILD, "tests", "fake", "fake-chain")
HELPER = os.path.join(BUILD, "sshd_plugin", "iotpki-authorized-keys")

# Between two calls that change something the disk is the same, so a kill before each of these shows
# every state that a kill anywhere leaves.
CHANGING = ("write", "pwrite64", "writev", "fsync", "fdatasync", "msync", "rename", "renameat", "renameat2", "link",
            "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "ftruncate", "fchmod", "chmod", "fchown",
            "flock", "close", "sendto", "exit_group")
ERRORS = {"write": ("ENOSPC", "EIO"), "pwrite64": ("ENOSPC", "EIO"), "fsync": ("EIO",), "fdatasync": ("EIO",),
          "msync": ("EIO",), "rename": ("ENOSPC", "EACCES"), "renameat2": ("ENOSPC", "EACCES"), "link": ("EROFS", "ENOSPC"),
          "unlink": ("EIO",), "mkdir": ("ENOSPC", "EROFS"), "ftruncate": ("ENOSPC",), "fchmod": ("EACCES",),
          "fchown": ("EACCES",), "flock": ("EIO",), "close": ("EIO",), "openat": ("EACCES", "EROFS", "EMFILE", "EIO"),
          "read": ("EIO",)}
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}


class Done:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __str__(self):
        return f"exit {self.code}, out {self.out!r}, err {self.err!r}"


def run(*args, **more):
    p = subprocess.run([str(a) for a in args], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=ENVIRONMENT,
                       timeout=60, **more)
    return Done(p.returncode, p.stdout, p.stderr)


def must(*args, **more):
    done = run(*args, **more)
    assert done.code == 0, f"{args}: {done}"
    return done


def calls(folder, args):
    """(system call, how many of its name began before and with it, its line) of a run without faults."""
    with tempfile.NamedTemporaryFile("r") as trace:
        must("strace", "-f", "-y", "-qq", "-s", "0", "-e", "signal=none", "-o", trace.name, *args)
        counts = {}
        for line in trace:
            if not (m := re.match(r"\d+ +(\w+)\(", line)):
                continue
            counts[m[1]] = counts.get(m[1], 0) + 1
            yield m[1], counts[m[1]], line, folder in line


def kill_points(folder, args):
    return [(name, n) for name, n, line, ours in calls(folder, args)
            if (name in CHANGING and (ours or name in ("sendto", "exit_group")))
            or (name == "openat" and ours and re.search("O_CREAT|O_TRUNC|O_TMPFILE", line))]


def error_points(folder, args):
    points = [(name, n, error) for name, n, line, ours in calls(folder, args) if ours for error in ERRORS.get(name, ())]
    # Every call with one of its errors, not each with all: the handling does not look at the number.
    return [p for i, p in enumerate(points) if ERRORS[p[0]][(p[1] + i) % len(ERRORS[p[0]])] == p[2] or len(ERRORS[p[0]]) == 1]


def fault(what, name, n, args, **more):
    """Run with one fault: signal=KILL or error=E at the n-th call of that name."""
    return run("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + name, "-e", f"inject={name}:{what}:when={n}", *args, **more)


class Node:
    """An open iotpki-bnode with TLS."""

    def __init__(self, folder, made=False):
        self.dir = folder
        if not made:
            must(BNODE, "init", "--dir", folder, "--open")
        ready, told = os.pipe()
        self.process = subprocess.Popen([BNODE, "serve", "--dir", folder, "--listen", "https://127.0.0.1:0/", "--ready-fd", str(told)],
                                        pass_fds=[told], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        os.close(told)
        with os.fdopen(ready) as lines:
            line = lines.readline() if select.select([ready], [], [], 30)[0] else ""
        if not line.startswith("url="):
            self.process.kill()
            raise AssertionError(f"the node did not start: {self.process.communicate()[1]}")
        self.url, self.pin = (word.split("=", 1)[1] for word in line.split())

    def stop(self):
        self.process.terminate()
        self.process.communicate()


class Chain:
    """A fake Namecoin Core or Emercoin Core, with its wallet."""

    def __init__(self, kind, folder):
        self.kind, self.cookie = kind, os.path.join(folder, "cookie")
        ready, told = os.pipe()
        self.process = subprocess.Popen([FAKE_CHAIN, "--type", kind, "--cookie", self.cookie, "--ready-fd", str(told)],
                                        pass_fds=[told], stdin=subprocess.DEVNULL)
        os.close(told)
        with os.fdopen(ready) as lines:
            line = lines.readline() if select.select([ready], [], [], 30)[0] else ""
        assert line.startswith("url="), "the fake node did not start"
        self.url = line.split()[0][4:]
        with open(self.cookie) as f:
            self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            self.login = "Basic " + base64.b64encode(f.read().strip().encode()).decode()

    def call(self, method, *params):
        request = urllib.request.Request(self.url, json.dumps({"id": 1, "method": method, "params": params}).encode(),
                                         {"Authorization": self.login, "Content-Type": "application/json"})
        with self.opener.open(request, timeout=30) as answer:
            return json.load(answer)["result"]

    def sent(self):
        methods = self.call("fake_get")["methods"]
        return {m: methods.get(m, 0) for m in ("name_new", "name_firstupdate", "name_update", "name_delete")}

    def stop(self):
        self.process.terminate()
        self.process.communicate()


def listing(folder):
    """Every file's path and content."""
    found = {}
    for root, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(root, name)
            with open(path, "rb") as f:
                found[os.path.relpath(path, folder)] = f.read()
    return found


def parallel(jobs):
    """All of them, two at a time; the first failure is raised."""
    with ThreadPoolExecutor(max_workers=int(os.environ.get("FAULT_JOBS", "3"))) as pool:
        for future in [pool.submit(job) for job in jobs]:
            future.result()
