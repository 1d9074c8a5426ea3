#!/usr/bin/env bash
# ./run demo: the main job, shown and checked. Runs in a private root, so that users, files and processes of
# this machine are the same afterwards, however it ends.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
if [ "$(id -u)" != 0 ]; then
	echo "demo: needs root, since it makes users and starts sshd (in a private namespace)" >&2
	exit 4
fi
exec tests/harness/private-root tests/e2e/demo-inside.sh
