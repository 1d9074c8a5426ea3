#!/bin/sh
# Every shell script parses. usage: scripts.sh SOURCE-ROOT
set -u
cd "$1" || exit 2
bad=0
for f in run .ci/run tests/harness/private-root $(find tests packaging -name '*.sh'); do
	case "$(head -n4 "$f")" in
	*bash*) bash -n "$f" || bad=1 ;;
	*) sh -n "$f" || bad=1 ;;
	esac
done
exit $bad
