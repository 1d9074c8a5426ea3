#!/bin/sh
# Every header compiles alone. usage: headers.sh SOURCE-ROOT
set -u
cd "$1" || exit 2
bad=0
count=0
for h in $(find libiotpki sshd_plugin pam_iotpki agent bnode cli -name '*.h'); do
	count=$((count + 1))
	printf '#include "%s"\n' "$PWD/$h" |
		${CC:-cc} -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -Ilibiotpki -Ilibiotpki/include -I. -x c - || bad=1
done
echo "$count headers compiled alone"
[ $count -gt 0 ] || bad=1
exit $bad
