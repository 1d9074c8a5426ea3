#!/usr/bin/env bash
# ./run bench: one line a benchmark, each a ratio against a peer that is measured in the same run.
# usage: run-bench.sh BUILD-FOLDER
set -euo pipefail
cd "$TOP"
export BUILD=$TOP/$1
bench=$BUILD/tests/bench
status=0

# A benchmark that could not measure is a failure; one whose goal is missed says "short" and is not.
run() { "$@" || { echo "bench: ${1##*/} could not be measured"; status=1; }; }

run "$bench/bench_helper" "$BUILD/sshd_plugin/iotpki-authorized-keys"
run "$bench/bench_members"
run "$bench/bench_agent"
run "$BUILD/tests/e2e/agent/agent_refresh" "$BUILD/agent/iotpki-agent" "$BUILD/cli/iotpki" \
	"$BUILD/bnode/iotpki-bnode" 10000 bench
run "$bench/bench_nodes"
run "$bench/bench_ledger"
run tests/bench/bench_bnode.sh
run python3 tests/e2e/bnode/crowd.py bench
exit $status
