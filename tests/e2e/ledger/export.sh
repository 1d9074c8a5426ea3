#!/usr/bin/env bash
# Every exported entry verifies with the very command that iotpki-ledger(7) shows, and a changed one does not.
# usage: export.sh LEDGER_WRITER
set -euo pipefail
writer=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$writer" init "$work"
"$writer" write "$work" 6 > "$work/acknowledged"
"$writer" log export --dir "$work" --out "$work/out"
[ "$("$writer" log list --dir "$work" | wc -l)" = 6 ]
command=$(sed -n 's/^\t*\(openssl cms -verify .*\)$/\1/p' "$TOP/docs/man/iotpki-ledger.7.scd" | head -n 1)
[ -n "$command" ]
case $command in *ENTRY.der*) ;; *) echo "the command names no ENTRY.der"; exit 1 ;; esac

cd "$work"
verify() { cp "$1" ENTRY.der; bash -c "$command -certsout owner.pem" 2> error; }
number=0
for entry in out/*.der; do
	number=$((number + 1))
	verify "$entry" > content || { cat error; exit 1; }
	grep -qE '^\{.*"op":"(PREORDER|REGISTER)".*\}$' content
	openssl x509 -in owner.pem -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1 > owner
	grep -q "\"owner\":\"$(cat owner)\"" content
	[ "$(sha256sum "$entry" | cut -d' ' -f1)" = "$(sed -n "${number}p" acknowledged)" ]
done
[ "$number" = 6 ]
# One bit of the content: "time":1... becomes another digit.
sed 's/"op":"PREORDER"/"op":"PREORDES"/' out/000000000001.der > changed.der
if verify changed.der > content; then echo "a changed entry verifies"; exit 1; fi
echo "figure: ledger exported=6 verified_by_openssl=6"
