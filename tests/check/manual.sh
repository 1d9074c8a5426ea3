#!/usr/bin/env bash
# The manual says what the programs do: every command, option, configuration key and log event stands in
# its page, and scdoc takes each page without a word. usage: manual.sh SOURCE-ROOT IOTPKI AGENT BNODE
set -u
iotpki=$(readlink -f "$2") agent=$(readlink -f "$3") bnode=$(readlink -f "$4")
cd "$1" || exit 2
man=docs/man
bad=0 checked=0
miss() {
	echo "$*"
	bad=1
}
# has PAGE WORD WHERE-FROM: the page has the word, as a word of its own.
has() {
	checked=$((checked + 1))
	sed -e 's/\\//g' -e 's/[*_]\([^*_ ][^*]*\)[*_]/\1/g' "$man/$1.scd" | grep -cE -- "(^|[^a-z0-9_-])$2([^a-z0-9_-]|$)" > /dev/null ||
		miss "$man/$1.scd: says nothing of $2 ($3)"
}
page_of() {
	case $1 in
	bnode) echo iotpki-bnodes.1 ;;
	history) echo iotpki-lookup.1 ;;
	refresh) echo iotpki-status.1 ;;
	*) echo "iotpki-$1.1" ;;
	esac
}
options_of() { grep -oE -- '^  --[a-z-]+' | sed 's/^ *//'; }

# iotpki: each command on its noun's page, each of its options there, the global ones in iotpki(1).
commands=$("$iotpki" --help | sed -n '/^  [a-z]/p' | cut -c3-22)
[ "$(printf '%s\n' "$commands" | wc -l)" -ge 25 ] || miss "iotpki --help lists no commands"
while read -r noun verb; do
	page=$(page_of "$noun")
	has iotpki.1 "$noun" "iotpki --help"
	has "$page" "${verb:-$noun}" "iotpki --help"
	# shellcheck disable=SC2086
	for option in $("$iotpki" $noun $verb --help | sed '/^global options/,$d' | options_of); do
		has "$page" "$option" "iotpki $noun $verb --help"
	done
done <<< "$commands"
for option in --config --socket --json -q -v -h --help --version; do has iotpki.1 "$option" "global option"; done
for code in 0 1 2 3 4 5 6 7 8 9 10; do
	grep -qE "^[|] +$code\$|^[|]\[ $code\$" "$man/iotpki.1.scd" || miss "$man/iotpki.1.scd: no exit status $code"
done
for code in 20 21 22 23 24 25 26 27 130; do
	grep -qF "*$code*" "$man/iotpki-dm.1.scd" || miss "$man/iotpki-dm.1.scd: no exit status $code"
done

# The two daemons.
for option in $("$agent" --help | options_of); do has iotpki-agent.8 "$option" "iotpki-agent --help"; done
for option in $("$bnode" --help | grep -oE -- '--[a-z-]+' | sort -u); do has iotpki-bnode.1 "$option" "iotpki-bnode --help"; done
for verb in init serve pin audit 'log list' 'log export'; do has iotpki-bnode.1 "$verb" "iotpki-bnode --help"; done

# Configuration keys: the parser's own tables.
keys_of() { sed -n '/^static const struct yaml_key/,/^};/p' "$@" | grep -oE '\.name = "[a-z0-9_]+"' | cut -d'"' -f2; }
for key in $(keys_of libiotpki/config/config.c libiotpki/config/config_node.c); do has iotpki.yaml.5 "$key" "configuration key"; done
for key in $(keys_of libiotpki/config/membership_*.c); do has iotpki-members.yaml.5 "$key" "list key"; done

# What is logged, and the reasons.
events=$(grep -ohE 'event=[a-z-]+|"event", .*"[a-z-]+"' agent/*.c | sed -e "s/event=//" -e "s/\"event\", //" | grep -oE "[a-z]+(-[a-z]+)*[a-z]" | grep -vxE "err|event" | sort -u)
for event in $events; do has iotpki-agent.8 "$event" "log event"; done
for key in verdict reason code name label user service fp rhost answers reused ms id; do has iotpki-agent.8 "$key=?" "log key"; done
for reason in $(grep -ohE '"(not-member|member-[a-z]+|not-permitted|unregistered|expired|revoked|hash-mismatch|re-registered|disagree|too-few-answers|not-ready|stale|no-proof)"' \
	libiotpki/verify/*.c libiotpki/nvs/*.c | tr -d '"' | sort -u); do
	has iotpki-verify.1 "$reason" reason
	has iotpki-agent.8 "$reason" reason
done

# Module arguments.
for argument in $(grep -oE '^	\{ "[a-z_]+=?", offsetof' pam_iotpki/args.c | cut -d'"' -f2); do has pam_iotpki.8 "$argument" "module argument"; done

# Every page renders, is built, and the pages that it points at exist.
for page in "$man"/*.scd; do
	name=$(basename "$page" .scd)
	said=$(scdoc < "$page" 2>&1 > /dev/null) && [ -z "$said" ] || miss "$page: scdoc: $said"
	grep -q "'$name'" "$man/meson.build" || miss "$page: is not in $man/meson.build"
	for link in $(sed 's/\\//g' "$page" | grep -oE '\*(pam_)?iotpki[a-z._-]*\*\([1-8]\)' | tr -d '*()' | sort -u); do
		[ -e "$man/${link%?}.${link: -1}.scd" ] || miss "$page: points at $link, which there is not"
	done
done
[ "$checked" -ge 150 ] || miss "only $checked words were checked"
[ "$bad" = 0 ] && echo "figure: $checked words of the manual are there"
exit "$bad"
