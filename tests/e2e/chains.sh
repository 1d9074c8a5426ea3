#!/usr/bin/env bash
# chains.sh emercoin|namecoin: logins on names that live on a blockchain, through real sshd and the real agent;
# the node is the fake one, which answers as the recorded ones do. In a private root.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
[ "$(id -u)" = 0 ] || exit 77
exec tests/harness/private-root "$PWD/tests/e2e/chains-inside.sh" "$1"
