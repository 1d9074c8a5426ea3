#!/bin/sh
# Calls that this project does not make (style guide), and notes that may not stay in the tree.
# usage: banned.sh SOURCE-ROOT
set -u
cd "$1" || exit 2
bad=0
report() { [ -z "$2" ] || { printf '%s:\n%s\n' "$1" "$2"; bad=1; }; }

sources='libiotpki sshd_plugin pam_iotpki agent bnode cli'
calls='sprintf|vsprintf|strcpy|strcat|strncpy|strncat|strtok|atoi|atol|atoll|atof|sscanf|gets|system|popen|getenv|tmpnam|mktemp|alloca|strtol|strtoul|gmtime|localtime|rand|srand|random|bcopy'
# Word before "(": a declaration or call; comments are stripped first (single-line and block).
for f in $(find $sources -name '*.[ch]'); do
	hits=$(sed -e 's@/\*[^*]*\*/@@g' "$f" | awk '/\/\*/{skip=1} !skip{print NR": "$0} skip{print NR": "} /\*\//{skip=0}' |
		grep -E "(^|[^A-Za-z0-9_.>])($calls)[[:space:]]*\(" || true)
	report "$f: banned call" "$hits"
done
# Not in what PAM and sshd load: design 2, I7.
guests='getpw[a-z_]*|getgr[a-z_]*|getaddrinfo|gethostbyname|fork|vfork|pthread_create|sigaction|signal|dlopen|setenv|putenv|unsetenv|umask|chdir|setlocale|pam_syslog|openlog|syslog|closelog|atexit|exit|secure_getenv'
for f in $(find libiotpki/client pam_iotpki -name '*.[ch]'); do
	hits=$(sed -e 's@/\*[^*]*\*/@@g' "$f" | awk '/\/\*/{skip=1} !skip{print NR": "$0} skip{print NR": "} /\*\//{skip=0}' |
		grep -E "(^|[^A-Za-z0-9_.>])($guests)[[:space:]]*\(" || true)
	report "$f: not in a guest of PAM or sshd" "$hits"
done
report "assert on input" "$(grep -rnE '^[[:space:]]*assert\(' $sources --include='*.c' || true)"
report "notes that must become issues" "$(grep -rnE 'TO''DO|FIX''ME|XX''X' $sources tests docs etc packaging run README.md HACKING.md 2>/dev/null | grep -vE 'XXXXXX|tests/fuzz/corpus/' || true)"
# One line of the tree writes ADMIT into a decision (I1).
admits=$(grep -rnE '([^=!]=|\?|:)[[:space:]]*IOTPKI_ADMIT\b' libiotpki --include='*.c' || true)
[ "$(printf '%s\n' "$admits" | grep -c .)" = 1 ] || report "exactly one line may set IOTPKI_ADMIT" "${admits:-none does}"
[ $bad = 0 ] && echo "no banned call"
exit $bad
