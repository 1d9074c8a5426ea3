#!/usr/bin/env python3
"""gateway.py emercoin|namecoin: the real gateway before the fake chain node, with `iotpki verify` as the device,
and before an upstream that lies in every way it can."""
import concurrent.futures, http.client, http.server, json, os, re, select, signal, socket, socketserver
import subprocess, sys, tempfile, threading, time

KIND = sys.argv[1]
EMERCOIN = KIND == "emercoin"
BUILD = os.environ["BUILD"]
BNODE = os.path.join(BUILD, "bnode", "iotpki-bnode")
CLI = os.path.join(BUILD, "cli", "iotpki")
FAKE = os.path.join(BUILD, "tests", "fake", "fake-chain")
PREFIX = "iot:" if EMERCOIN else "iot/"
PASSWORD = "hunter2"
BLOCK_S = 493 if EMERCOIN else 600
checks = 0
gateways = []


def check(name, good, *shown):
    global checks
    checks += 1
    assert good, (name, *shown)


def ready_line(command, folder, log):
    ready, told = os.pipe()
    process = subprocess.Popen([*command, "--ready-fd", str(told)], pass_fds=[told], stderr=log, cwd=folder)
    os.close(told)
    with os.fdopen(ready) as lines:
        line = lines.readline() if select.select([ready], [], [], 30)[0] else ""
    assert line.startswith("url="), (command, line)
    return process, dict(word.split("=", 1) for word in line.split())


def post(url, body, login=None, timeout=20):
    host, port = re.match(r"http://([^:/]+):(\d+)/", url).groups()
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    headers = {"Content-Type": "application/json"}
    if login:
        import base64
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    connection.request("POST", "/", body if isinstance(body, (bytes, str)) else json.dumps(body), headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


class Chain:
    """The fake node, with the owner's wallet."""

    def __init__(self, folder):
        secret = os.path.join(folder, "secret")
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write("user:" + PASSWORD)
        self.secret = secret
        self.process, told = ready_line([FAKE, "--type", KIND, "--credentials", secret], folder, subprocess.DEVNULL)
        self.url = told["url"]

    def call(self, method, *params):
        status, data = post(self.url, {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}, "user:" + PASSWORD)
        answer = json.loads(data)
        assert answer.get("error") is None, (method, answer)
        return answer["result"]

    def set(self, **switches):
        self.call("fake_set", switches)

    def mine(self, n=1):
        return self.call("fake_mine", n)

    def put(self, name, value, days=30):
        if EMERCOIN:
            txid = self.call("name_new", PREFIX + name, value, days)
        else:
            tx, salt = self.call("name_new", PREFIX + name)
            self.mine(12)
            txid = self.call("name_firstupdate", PREFIX + name, salt, tx, value)
        self.mine()
        return txid

    def update(self, name, value):
        txid = self.call("name_update", PREFIX + name, value, *([30] if EMERCOIN else []))
        self.mine()
        return txid

    def asked(self, method):
        return self.call("fake_get")["methods"].get(method, 0)


class Gateway:
    def __init__(self, folder, upstream, *options, kind=KIND, listen="http://127.0.0.1:0/"):
        self.dir = tempfile.mkdtemp(dir=folder)
        out = subprocess.run([BNODE, "init", "--dir", self.dir, "--gateway"], check=True, capture_output=True, text=True).stdout
        check("init prints the pin", out.startswith("pin: sha256//"), out)
        self.log_path = os.path.join(self.dir, "log")
        with open(self.log_path, "wb") as log:
            self.process, told = ready_line([BNODE, "serve", "--dir", self.dir, "--listen", listen,
                                             "--upstream", kind, upstream, *options], folder, log)
        self.url, self.pin = told["url"], told.get("pin")
        gateways.append(self)

    def call(self, method, *params, id="x"):
        status, data = post(self.url, {"jsonrpc": "2.0", "id": id, "method": method, "params": list(params)})
        return json.loads(data)

    def show(self, name):
        return self.call("name_show", "iot:" + name)

    def page(self, name):
        host, port = re.match(r"http://([^:/]+):(\d+)/", self.url).groups()
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        connection.request("GET", "/" + name)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def metric(self, name):
        return int(re.search(rf"^iotpki_bnode_{name} (\d+)$", self.page("metrics")[1], re.M)[1])

    def log(self):
        return open(self.log_path).read()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def until(name, test, seconds=20):
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end, name
        time.sleep(0.05)
    check(name, True)


# ---- the device ----

class Device:
    def __init__(self, folder, gateway, chain_names):
        self.folder = tempfile.mkdtemp(dir=folder)
        self.pem = os.path.join(self.folder, "alice.pem")
        key = os.path.join(self.folder, "alice.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                        "-out", self.pem, "-subj", "/CN=alice", "-days", "36500", "-addext", "basicConstraints=critical,CA:FALSE",
                        "-addext", "keyUsage=critical,digitalSignature"], check=True, capture_output=True)
        pub = subprocess.run(["openssl", "pkey", "-in", key, "-pubout"], check=True, capture_output=True).stdout
        pub_path = os.path.join(self.folder, "alice.pub.pem")
        open(pub_path, "wb").write(pub)
        self.key = " ".join(subprocess.run(["ssh-keygen", "-i", "-m", "PKCS8", "-f", pub_path], check=True, capture_output=True, text=True).stdout.split()[:2])
        der = subprocess.run(["openssl", "x509", "-in", self.pem, "-outform", "DER"], check=True, capture_output=True).stdout
        import hashlib
        self.hash = hashlib.sha256(der).hexdigest()

    def configure(self, gateway, registration):
        pin = f', pin: "{gateway.pin}"' if gateway.pin else ""
        with open(os.path.join(self.folder, "iotpki.yaml"), "w") as f:
            f.write(f'version: 1\nbnodes:\n  - {{name: gate, type: iotpki, url: "{gateway.url}"{pin}}}\n')
        with open(os.path.join(self.folder, "members.yaml"), "w") as f:
            f.write("version: 1\nroles: {operator: {users: [pi], services: [sshd], ssh_options: [restrict, pty]}}\nmembers:\n"
                    "  - name: alice\n    label: Alice\n    role: operator\n    expires: 2036-01-01T00:00:00Z\n"
                    f"    sha256: {self.hash}\n    key: {self.key}\n    registrations: {{iotpki: {registration}}}\n    certificate: |\n")
            for line in open(self.pem):
                f.write("      " + line)
        for name in "iotpki.yaml", "members.yaml":
            os.chmod(os.path.join(self.folder, name), 0o640)

    def run(self, *words):
        env = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {"HOME": self.folder}
        done = subprocess.run([CLI, "--config", os.path.join(self.folder, "iotpki.yaml"), *words], capture_output=True, text=True, env=env)
        return done.returncode, done.stdout + done.stderr

    def expect(self, name, code, pattern):
        got, text = self.run("verify", "alice", "--explain")
        check(name, got == code and re.search(pattern, text, re.M), got, text)


FIELDS = "name value txid address vout expires_in expires_at time status registration sequence unit tip".split()


def worlds(folder, chain):
    """Each state of a name, as the device sees it. No cache: what is written is seen at once."""
    gateway = Gateway(folder, chain.url, "--credentials", chain.secret, "--cache-ms", "0", listen="https://127.0.0.1:0/")
    plain = Gateway(folder, chain.url, "--credentials", chain.secret, "--cache-ms", "0")
    device = Device(folder, gateway, chain)
    good = f"sha256={device.hash}"
    first = chain.put("alice", good)
    device.configure(gateway, first)
    device.expect("admitted", 0, "^ADMIT: alice")
    shown = plain.show("alice")["result"]
    check("fields", list(shown) == FIELDS, shown)
    check("words", (shown["name"], shown["value"], shown["unit"], shown["status"], shown["sequence"], shown["address"]) ==
          ("iot:alice", good, "s", "registered", 1, ""), shown)
    check("ids", shown["txid"] == shown["registration"] == first, shown)
    at_chain = chain.call("name_show", PREFIX + "alice")
    info = chain.call("getblockchaininfo")
    now = time.time()
    check("seconds", 0 <= at_chain["expires_in"] * BLOCK_S - shown["expires_in"] <= 2 and
          abs(shown["expires_at"] - shown["expires_in"] - now) <= 3, shown, at_chain)
    check("tip", shown["tip"]["height"] == info["blocks"] and shown["tip"]["hash"] == info["bestblockhash"] and
          abs(shown["tip"]["time"] - now) <= 3, shown, info)
    check("getblockchaininfo", {**plain.call("getblockchaininfo")["result"], "time": 0} ==
          {"chain": "iotpki", "blocks": info["blocks"], "bestblockhash": info["bestblockhash"], "time": 0, "initialblockdownload": False})
    code, text = device.run("history", "alice")
    check("history", code == 0 and re.search(rf"registered +{first}", text), text)
    check("unknown", plain.show("bob") == {"jsonrpc": "2.0", "error": {"code": -4, "message": "failed to read from name DB"}, "id": "x"})
    check("unknown, history", plain.call("name_history", "iot:bob")["error"]["code"] == -4)
    code, text = device.run("lookup", "bob")
    check("unregistered", code == 7 and "unregistered" in text, text)

    # A revocation, then an update without it: sticky.
    chain.update("alice", good + "|status=revoked")
    device.expect("revoked", 7, "revoked")
    shown = plain.show("alice")["result"]
    check("revoked, shown", shown["status"] == "revoked" and shown["registration"] == first and shown["sequence"] == 2 and "proof" not in shown, shown)
    last = chain.update("alice", good)
    device.expect("sticky", 7, "revoked")
    shown = plain.show("alice")["result"]
    check("sticky, shown", (shown["status"], shown["value"], shown["txid"], shown["registration"], shown["sequence"]) ==
          ("revoked", good, last, first, 3), shown)
    # While it is revoked, a node that cannot tell its history still says so where the value does.
    chain.update("alice", good + "|status=revoked")
    chain.set(**{"no_wallet" if EMERCOIN else "no_namehistory": True})
    device.expect("revoked, no history", 7, "revoked")
    chain.set(**{"no_wallet" if EMERCOIN else "no_namehistory": False})

    # The end of the name, and another life of it.
    chain.set(expiry_blocks=1)
    chain.mine(200 if EMERCOIN else 40)
    shown = plain.show("alice")["result"]
    check("expired and revoked: revoked wins", shown["status"] == "revoked" and shown["expired"] is True, shown)
    chain.set(expiry_blocks=175 if EMERCOIN else 30)
    # One that was never revoked.
    bob = chain.put("bob", good, 1)
    check("bob", plain.show("bob")["result"]["status"] == "registered")
    chain.set(expiry_blocks=1)
    chain.mine(3)
    shown = plain.show("bob")["result"]
    check("expired, shown", (shown["status"], shown["registration"], shown["txid"], shown["value"], shown["expired"]) ==
          ("expired", bob, bob, good, True) and shown["expires_in"] < 0, shown)
    code, text = device.run("lookup", "bob")
    check("expired", "expired" in text, code, text)
    chain.set(expiry_blocks=175 if EMERCOIN else 30)
    if not EMERCOIN:
        chain.mine(31)
    else:
        chain.mine(180)
    again = chain.put("bob", good)
    shown = plain.show("bob")["result"]
    check("another life", (shown["status"], shown["registration"], shown["sequence"]) == ("registered", again, 1) and again != bob, shown)
    history = plain.call("name_history", "iot:bob")["result"]
    check("history of the present life", [e["txid"] for e in history] == [again], history)
    history = plain.call("name_history", "iot:bob", True)["result"]
    check("history of all lives", [(e["operation"], e["txid"]) for e in history] == [("name_new", bob), ("name_new", again)], history)
    carol = chain.put("alice2", good)
    device.configure(gateway, first)
    if EMERCOIN:
        chain.call("name_delete", PREFIX + "alice2")
        chain.mine()
        shown = plain.show("alice2")["result"]
        check("deleted", shown["status"] == "revoked" and shown["deleted"] is True and shown["value"] == "" and shown["registration"] == carol, shown)

    # Not ready, one by one, and well again.
    def not_ready(name, code, on, off, words="not-ready"):
        chain.set(**on)
        answer = plain.show("bob")
        check(name, answer["error"]["code"] == code and PASSWORD not in json.dumps(answer) and "gateway" in answer["error"]["message"], answer)
        got, text = device.run("lookup", "bob")
        check(name + ", device", got == 5 and words in text, got, text)
        chain.set(**off)
        check(name + ", well again", plain.show("bob").get("result"), name)

    not_ready("initial download", -10, {"ibd": True}, {"ibd": False})
    not_ready("warming up", -10, {"warmup": True}, {"warmup": False})
    not_ready("stale", -10, {"tip_age_s": 4 * 3600 + 100}, {"tip_age_s": -1})
    not_ready("503", -10, {"http_status": 503}, {"http_status": 0})
    not_ready("502", -10, {"http_status": 502}, {"http_status": 0})
    not_ready("black hole", -10, {"blackhole": "accept"}, {"blackhole": None})
    not_ready("reset", -10, {"blackhole": "reset"}, {"blackhole": None})
    not_ready("401", -32603, {"unauthorized": True}, {"unauthorized": False}, "malformed")
    not_ready("a page", -32603, {"reply_html": True}, {"reply_html": False}, "malformed")
    not_ready("unknown error", -32603, {"jsonrpc_error": {"code": -4, "message": "<b>odd</b>", "method": "name_show"}}, {"jsonrpc_error": None}, "malformed")
    if EMERCOIN: # a revocation counts however old what tells it is
        chain.set(tip_age_s=5 * 3600)
        device.expect("revoked, stale", 7, "revoked")
        chain.set(tip_age_s=-1)
    # No history: the life of a name whose transaction is new cannot be told.
    chain.update("bob", good)
    chain.set(**{"no_wallet" if EMERCOIN else "no_namehistory": True})
    answer = plain.show("bob")
    check("no history", answer["error"]["code"] == -10, answer)
    until("the log says what to switch on", lambda: ("wallet" if EMERCOIN else "-namehistory") in plain.log() or plain.show("bob") is None, 15)
    chain.set(**{"no_wallet" if EMERCOIN else "no_namehistory": False})
    check("history again", plain.show("bob")["result"]["status"] == "registered")

    # /health follows the tip, which is watched.
    chain.set(ibd=True)
    until("health fails", lambda: plain.page("health")[0] == 503)
    chain.set(ibd=False)
    until("health is well", lambda: plain.page("health") == (200, '{"status":"ok"}\n'))
    check("password in no log", PASSWORD not in plain.log() and "<b>" not in plain.log())
    check("violations", chain.call("fake_get")["violations"] == [])
    check("ended", gateway.stop() == 0 and plain.stop() == 0)


# ---- what reaches the upstream ----

class Recorder:
    """Between gateway and chain: keeps every body, can hold them up, can answer itself."""

    def __init__(self, target):
        self.bodies, self.logins, self.gate, self.reply = [], set(), threading.Event(), None
        self.gate.set()
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                recorder.bodies.append(body)
                recorder.logins.add(self.headers.get("Authorization"))
                recorder.gate.wait(30)
                if recorder.reply is not None:
                    status, data = recorder.reply(body)
                else:
                    status, data = post(target, body, "user:" + PASSWORD)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


NAME = r"[a-z0-9][a-z0-9._-]{0,63}"


def element(method, params, index):
    return rb'\{"jsonrpc":"2\.0","id":"[0-9a-f]{32}' + index + rb'","method":"' + method + rb'","params":' + params + rb"\}"


def templates():
    name = b'"' + re.escape(PREFIX).encode() + NAME.encode() + b'"'
    tip = element(b"getblockchaininfo", rb"\[\]", rb"-\d+")
    more = b",true" if EMERCOIN else b""
    show = element(b"name_show", rb"\[" + name + rb"\]", rb"-\d+")
    past = element(b"name_history", rb"\[" + name + more + rb"\]", rb"-\d+")
    return [re.compile(rb"\[(" + show + rb",)+" + tip + rb"\]"), re.compile(rb"\[(" + past + rb",)+" + tip + rb"\]"),
            re.compile(element(b"name_history", rb"\[" + name + more + rb"\]", b"")), re.compile(element(b"getblockchaininfo", rb"\[\]", b""))]


def template(folder, chain):
    recorder = Recorder(chain.url)
    gateway = Gateway(folder, recorder.url, "--rate", "0")
    hostile = [
        {"method": "name_show", "params": ["iot:t1", "", "/etc/cron.d/evil"]},
        {"method": "name_show", "params": ["iot:t2", "hex", "filepath"]},
        {"method": "name_show", "params": [["iot:t3"]]},
        {"method": "name_show", "params": [{"name": "iot:t4"}]},
        {"method": "name_show", "params": {"name": "iot:t5", "filepath": "/tmp/x"}},
        {"method": "name_show", "params": ["iot:t6"], "filepath": "/tmp/x", "extra": {"a": [1]}},
        {"method": "name_show", "params": ["iot:t7\"],\"method\":\"stop\",\"x\":[\""]},
        {"method": "name_show", "params": ["iot:t8\\u0022"]},
        {"method": "name_show", "params": ["iot:t9\u0000x"]},
        {"method": "name_show", "params": ["iot:\u0442"]},
        {"method": "name_show", "params": ["iot:UPPER"]},
        {"method": "name_show", "params": ["iot:" + "a" * 65]},
        {"method": "name_show", "params": ["iot:.dot"]},
        {"method": "name_show", "params": ["ssl:t10"]},
        {"method": "name_show", "params": ["iot/t11"]},
        {"method": "name_show", "params": ["iot:"]},
        {"method": "name_show", "params": []},
        {"method": "name_show", "params": [None]},
        {"method": "name_show", "params": [7]},
        {"method": "name_show", "params": ["iot:t12", {"allowExpired": True}]},
        {"method": "name_history", "params": ["iot:t13", True, "", "x"]},
        {"method": "name_history", "params": ["iot:t14", "true"]},
        {"method": "getblockchaininfo", "params": ["x"]},
        *({"method": m, "params": ["iot:t15"]} for m in ("name_filter", "name_submit", "name_new", "name_update", "stop", "dumpprivkey", "fake_set", "NAME_SHOW", "name_show ")),
        {"method": "name_filter", "params": []},
    ]
    for request in hostile:
        for ident in 1, "x", "a" * 64, "\u0442", None:
            status, data = post(gateway.url, {"jsonrpc": "2.0", "id": ident, **request})
            answer = json.loads(data)
            check("refused", "error" in answer and answer["error"]["code"] in (-1, -4, -8, -32601, -32600, -32700), request, answer)
    sent = b"".join(recorder.bodies)
    # t6 is a good question with members that nobody asked for; t2 has a third parameter.
    check("what goes on", set(re.findall(rb't\d+', sent)) <= {b"t6"}, re.findall(rb't\d+', sent))
    # Good questions in odd clothes; ids are ours.
    post(gateway.url, b'[{"id":"evil-1","method":"name_show","params":["iot:u1"]},{"id":{"a":1},"method":"name_show","params":["iot:u2"]},'
                      b'{"id":2,"method":"name_show","params":["\\u0069ot:u3"]},{"id":"x","method":"stop"},5,[],{"method":"name_show","params":["iot:u4","","f"],"id":1}]')
    post(gateway.url, b'{"id":"evil-2","method":"name_show","params":["iot:u5","base64"]}')
    post(gateway.url, b'{"id":"evil-3","method":"name_history","params":["iot:u6",false,"hex"]}')
    post(gateway.url, [{"id": i, "method": "name_show", "params": [f"iot:many{i}"]} for i in range(100)])
    post(gateway.url, {"id": "evil-4", "method": "getblockchaininfo"})
    chain.put("withlife", "sha256=" + "5" * 64)
    gateway.show("withlife")
    gateway.call("name_history", "iot:withlife", True)
    sent = b"".join(recorder.bodies)
    check("asked", all(word in sent for word in (b":u1\"", b":u3\"", b":u5\"", b":many99\"") if EMERCOIN) if EMERCOIN else b"many99" in sent)
    check("not asked", not any(word in sent for word in (b"evil", b"u4", b"filepath", b"\\", b"hex", b"base64", b"allowExpired", b"stop")), sent[-2000:])
    shapes = templates()
    for body in recorder.bodies:
        check("template", any(shape.fullmatch(body) for shape in shapes), body)
    for shape in shapes[1:]:
        check("each template was seen", any(shape.fullmatch(body) for body in recorder.bodies), shape.pattern)
    check("no login of ours without --credentials", recorder.logins == {None}, recorder.logins)
    print(f"figure: {len(recorder.bodies)} bodies to the upstream, each as its template")
    check("ended", gateway.stop() == 0)

    # Single flight: 200 clients, one question.
    gateway = Gateway(folder, recorder.url, "--rate", "0")
    until("ready", lambda: gateway.page("health")[0] == 200)
    recorder.bodies.clear()
    recorder.gate.clear()
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        asked = [pool.submit(gateway.show, "flight") for _ in range(200)]
        until("200 wait", lambda: gateway.metric("upstream_waiting") == 200)
        recorder.gate.set()
        answers = [a.result() for a in asked]
    check("200 answers", all(a["error"]["code"] == -4 for a in answers), answers[:3])
    count = sum(b"flight" in body for body in recorder.bodies)
    check("one question", count == 1, count)
    print(f"figure: 200 clients at once, {count} question to the upstream")

    # SIGTERM while requests wait: they get an answer, and the exit is clean.
    recorder.gate.clear()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(gateway.show, f"end{i}") for i in range(20)]
        until("20 wait", lambda: gateway.metric("upstream_waiting") == 20)
        gateway.process.send_signal(signal.SIGTERM)
        answers = [a.result() for a in asked]
        check("answered at the end", all(a["error"]["code"] == -10 for a in answers), answers[:3])
        check("clean exit", gateway.process.wait(30) == 0)
    recorder.gate.set()

    # The upstream hangs: an answer before a device's own timeout, and the late ones are counted.
    gateway = Gateway(folder, recorder.url, "--rate", "0")
    until("ready", lambda: gateway.page("health")[0] == 200)
    recorder.gate.clear()
    check("hangs", gateway.show("hang")["error"]["code"] == -10)
    recorder.gate.set()
    until("recovers", lambda: gateway.show("hang2")["error"]["code"] == -4)
    hostile_answers(gateway, recorder)
    check("ended", gateway.stop() == 0)


def hostile_answers(gateway, recorder):
    """Whatever the upstream answers, clients get our words or a well-formed result."""
    marker = "EVILTEXT"
    number = 0

    def batch(body, result):
        return json.dumps([{"jsonrpc": "2.0", "id": e["id"], "result": result(e)} for e in json.loads(body)]).encode()

    def shown(e, **lie):
        name = e["params"][0] if e["params"] else ""
        if e["method"] == "getblockchaininfo":
            return {"chain": marker, "blocks": 100, "bestblockhash": "0" * 64, "time": int(time.time()), "mediantime": int(time.time()) - 1, "initialblockdownload": False, "warnings": marker, **lie.get("tip", {})}
        if e["method"] == "name_history":
            return lie.get("history", [{"name": name, "txid": "1" * 64, "time": 1, "height": 90, "operation": "name_new", "value": marker, "address": marker, "expires_in": 35990, "expired": False}])
        return {"name": name, "value": "sha256=" + "2" * 64 + "|x=" + "", "txid": "1" * 64, "address": marker, "vout": 0, "height": 90, "expires_in": 10, "expires_at": 110, "time": 1, "expired": False, **lie.get("show", {})}

    def one(body, result):
        data = json.loads(body)
        if isinstance(data, list):
            return batch(body, result)
        return json.dumps({"jsonrpc": "2.0", "id": data["id"], "result": result(data)}).encode()

    lies = [
        lambda body: (200, b"x" * 5_000_000),
        lambda body: (200, b"[" * 100_000),
        lambda body: (200, b"[]"),
        lambda body: (200, b"{}"),
        lambda body: (200, json.dumps({"error": {"code": -4, "message": marker}}).encode()),
        lambda body: (200, batch(body, lambda e: {"code": marker}) if body[:1] == b"[" else b"{}"),
        lambda body: (500, marker.encode()),
        lambda body: (302, marker.encode()),
        lambda body: (200, one(body, lambda e: shown(e, show={"name": "iot:" + marker}))),
        lambda body: (200, one(body, lambda e: shown(e, show={"value": marker}))),
        lambda body: (200, one(body, lambda e: shown(e, show={"value": marker * 1000}))),
        lambda body: (200, one(body, lambda e: shown(e, show={"value": [marker]}))),
        lambda body: (200, one(body, lambda e: shown(e, show={"value": marker + "|status=revoked"}))),
        lambda body: (200, one(body, lambda e: shown(e, show={"txid": marker}))),
        lambda body: (200, one(body, lambda e: shown(e, show={"expires_in": 1e300}))),
        lambda body: (200, one(body, lambda e: shown(e, show={"expires_in": 2**31 - 1, "expires_at": 2**31 - 1}))),
        lambda body: (200, one(body, lambda e: shown(e, show={"expires_in": -2**31, "expires_at": 0}))),
        lambda body: (200, one(body, lambda e: shown(e, show={"vout": marker, "address": [marker]}))),
        lambda body: (200, one(body, lambda e: shown(e, tip={"bestblockhash": marker}))),
        lambda body: (200, one(body, lambda e: shown(e, tip={"blocks": marker}))),
        lambda body: (200, one(body, lambda e: shown(e, tip={"time": 1, "mediantime": 1}))),
        lambda body: (200, one(body, lambda e: shown(e, tip={"initialblockdownload": marker}))),
        lambda body: (200, one(body, lambda e: shown(e, history=[marker]))),
        lambda body: (200, one(body, lambda e: shown(e, history=[]))),
        lambda body: (200, one(body, lambda e: shown(e, history={marker: 1}))),
        lambda body: (200, one(body, lambda e: shown(e))),
    ]
    allowed = {-4, -10, -32603}
    for lie in lies:
        recorder.reply = lie
        for method in "name_show", "name_history", "getblockchaininfo":
            number += 1
            params = [] if method == "getblockchaininfo" else [f"iot:lie{number}"]
            status, data = post(gateway.url, {"jsonrpc": "2.0", "id": "x", "method": method, "params": params})
            answer = json.loads(data)
            check("no text of the upstream", marker.encode() not in data, number, data[:500])
            check("small", len(data) < 4096 and status == 200, number, status, len(data))
            if "error" in answer:
                check("our error", answer["error"]["code"] in allowed and answer["error"]["code"] != -4, number, answer)
            elif method == "name_show":
                check("well formed", set(FIELDS) <= set(answer["result"]) and answer["result"]["name"] == f"iot:lie{number}", answer)
                check("a text that is no record", re.fullmatch(r"(sha256=[0-9a-f]{64}.*)?", answer["result"]["value"]), answer)
    recorder.reply = None
    until("honest again", lambda: gateway.show("honest").get("error", {}).get("code") == -4)
    check("alive", gateway.process.poll() is None and marker not in gateway.log())


def limits(folder, chain):
    """The rate of one client, the cache, and an upstream that goes and comes back."""
    gateway = Gateway(folder, chain.url, "--credentials", chain.secret, "--rate", "10")
    until("ready", lambda: gateway.page("health")[0] == 200)
    statuses = []
    for i in range(80):
        status, data = post(gateway.url, {"jsonrpc": "2.0", "id": "x", "method": "name_show", "params": ["iot:limit"]})
        statuses.append(status)
        if status == 503:
            check("limited", json.loads(data)["error"]["code"] == -28, data)
    check("limited after a burst of 50", statuses[:50] == [200] * 50 and statuses.count(503) >= 10, statuses)
    check("counted", gateway.metric("upstream_limited_total") == statuses.count(503))
    device = Device(folder, gateway, chain)
    device.configure(gateway, "0" * 64)
    post(gateway.url, [{"id": i, "method": "name_show", "params": ["iot:x"]} for i in range(20)])
    code, text = device.run("lookup", "alice")
    check("the device reads not-ready", "not-ready" in text or "registered" in text or "revoked" in text or "expired" in text, text)
    check("ended", gateway.stop() == 0)

    gateway = Gateway(folder, chain.url, "--credentials", chain.secret, "--cache-ms", "60000")
    until("ready", lambda: gateway.page("health")[0] == 200)
    before = chain.asked("name_show")
    for _ in range(50):
        gateway.show("kept")
    check("kept", chain.asked("name_show") == before + 1)
    check("ended", gateway.stop() == 0)

    gateway = Gateway(folder, chain.url, "--credentials", chain.secret)
    until("ready", lambda: gateway.page("health")[0] == 200)
    check("well", gateway.show("gone1")["error"]["code"] == -4)
    chain.set(refuse_ms=4000)
    until("dead", lambda: gateway.show("gone2")["error"]["code"] == -10)
    until("health fails", lambda: gateway.page("health")[0] == 503)
    until("recovered", lambda: gateway.show("gone3")["error"]["code"] == -4)
    until("health is well", lambda: gateway.page("health")[0] == 200)
    check("logged once each", gateway.log().count("upstream not ready") == 1 and gateway.log().count("upstream ready") == 2, gateway.log())
    check("ended", gateway.stop() == 0)


def words(folder, chain):
    """Options that do not fit."""
    def refused(name, *options, verb="serve", code=2):
        done = subprocess.run([BNODE, verb, "--dir", folder, *options], capture_output=True, text=True)
        check(name, done.returncode == code and done.stderr.startswith(f"iotpki-bnode {verb}: "), done.returncode, done.stderr)
    listen = ["--listen", "http://127.0.0.1:0/"]
    def says(name, word, *arguments):
        done = subprocess.run([BNODE, *arguments], capture_output=True, text=True)
        check(name, done.returncode != 0 and word in done.stderr, done.returncode, done.stderr)
    refused("no url", *listen, "--upstream", KIND)
    says("an option for a url", "--upstream takes", "serve", "--dir", folder, *listen, "--upstream", KIND, "--credentials", "/x")
    says("which file is missing", folder + "/none/tls.key:", "serve", "--dir", folder + "/none", "--listen", "https://127.0.0.1:0/", "--upstream", KIND, chain.url)
    torn = os.path.join(folder, "torn")
    subprocess.run([BNODE, "init", "--dir", torn, "--gateway"], check=True, capture_output=True)
    with open(torn + "/tls.crt", "w") as crt:
        crt.write("-")
    says("which file is torn", torn + "/tls.crt:", "pin", "--dir", torn)
    refused("another chain", *listen, "--upstream", "bitcoin", chain.url)
    refused("http elsewhere", *listen, "--upstream", KIND, "http://192.0.2.7:6662/")
    refused("https without a pin", *listen, "--upstream", KIND, "https://192.0.2.7:6662/")
    refused("password in the url", *listen, "--upstream", KIND, "http://u:p@127.0.0.1:6662/")
    refused("quotes", *listen, "--upstream", KIND, 'http://127.0.0.1:6662/"}')
    refused("twice", *listen, "--upstream", KIND, chain.url, "--upstream", KIND, chain.url)
    refused("a ledger's option", *listen, "--upstream", KIND, chain.url, "--ledger-mib", "10")
    refused("a gateway's option", *listen, "--rate", "10")
    refused("rate", *listen, "--upstream", KIND, chain.url, "--rate", "x")
    refused("cache", *listen, "--upstream", KIND, chain.url, "--cache-ms", "60001")
    refused("init with an owner", "--gateway", "--open", verb="init")


with tempfile.TemporaryDirectory() as folder:
    chain = Chain(folder)
    try:
        for test in words, worlds, template, limits:
            test(folder, chain)
    finally:
        for process in [chain.process, *(g.process for g in gateways)]:
            process.kill()
            process.wait()
print(f"figure: {checks} checks of a gateway before {KIND}")
