#!/usr/bin/env bash
# The README's tour, run as it stands (its two fixed ports aside), in a private root.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
[ "$(id -u)" = 0 ] || exit 77
[ "${1:-}" = inside ] || exec tests/harness/private-root "$PWD/tests/e2e/readme_tour.sh" inside

meson install -C "${BUILD:-build}" --no-rebuild --quiet > /tmp/install.log 2>&1 || { cat /tmp/install.log; exit 1; }
ldconfig
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
awk '/^```sh tour$/{on=1; next} /^```$/{on=0} on' README.md |
	sed -e "s/127\.0\.0\.1:7443/127.0.0.1:$(free_port)/g" -e "s/22022/$(free_port)/g" > /tmp/tour.sh
lines=$(grep -c . /tmp/tour.sh)
[ "$lines" -gt 30 ] || { echo "the README has no tour any more"; exit 1; }

# A reader types slowly; a script must wait for what was put in the background.
sed -i -e 's/^\(iotpki-bnode serve .*\|iotpki-agent .*\) &$/\1 \&\nsleep 1/' /tmp/tour.sh
bash -eu -o pipefail /tmp/tour.sh > /tmp/tour.log 2>&1 || { cat /tmp/tour.log; echo "the README's tour fails"; exit 1; }
grep -q 'uid=[0-9]*(pi)' /tmp/tour.log || { cat /tmp/tour.log; echo "alice's login printed no id"; exit 1; }
tail -n 1 /tmp/tour.log | grep -q 'verdict=DENY reason=revoked code=IPK-203 name=alice' || { cat /tmp/tour.log; echo "the revocation was not logged"; exit 1; }
echo "figure: the README's tour works, $lines lines"
