#!/bin/sh
# Every C file is as clang-format leaves it (.clang-format). usage: format.sh SOURCE-ROOT
set -u
cd "$1" || exit 2
files=$(find libiotpki sshd_plugin pam_iotpki agent bnode cli tests -name '*.[ch]')
# shellcheck disable=SC2086 # names without white space
clang-format --dry-run --Werror $files && echo "$(printf '%s\n' "$files" | wc -l) files"
