#!/usr/bin/env python3
"""Standard input must be one JSON object of the iotpki command. usage: one_object.py EXIT-CODE"""
import json
import sys

whole = json.loads(sys.stdin.read())
code = int(sys.argv[1])
assert list(whole) == ["iotpki", "ok", "code", "reason", "result"], list(whole)
assert whole["iotpki"] == 1 and whole["code"] == code and whole["ok"] == (code == 0), whole
assert isinstance(whole["reason"], str), whole
assert code == 0 or whole["reason"] or whole["result"], "a failure that says nothing"
