#!/bin/sh
# Makes sshkeys.txt: public keys that ssh-keygen made, one a line:
#   NAME SPKI-IN-BASE64 TYPE BASE64 FINGERPRINT
# TYPE, BASE64 and FINGERPRINT are what `ssh-keygen -y` and `ssh-keygen -l` print, SPKI is what
# openssl says of the same key. The private keys are thrown away.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ssh_line() { # NAME KIND BITS
	ssh-keygen -q -N '' -C '' -m PKCS8 -t "$2" ${3:+-b "$3"} -f "$work/$1"
	line=$(ssh-keygen -y -f "$work/$1")
	if [ "$2" = ed25519 ]; then
		# openssl cannot read openssh-key-v1; RFC 8410's prefix and the last 32 bytes of the blob.
		spki=$( (printf '\060\052\060\005\006\003\053\145\160\003\041\000'
			printf '%s' "${line#* }" | cut -d' ' -f1 | base64 -d | tail -c 32) | base64 -w0)
	else
		spki=$(openssl pkey -in "$work/$1" -pubout -outform DER | base64 -w0)
	fi
	fingerprint=$(ssh-keygen -l -f "$work/$1.pub" | cut -d' ' -f2)
	echo "$1 $spki $(echo "$line" | cut -d' ' -f1,2) $fingerprint"
}
ssh_line p256-a ecdsa 256
ssh_line p256-b ecdsa 256
ssh_line p384 ecdsa 384
ssh_line p521 ecdsa 521
ssh_line ed25519-a ed25519 ''
ssh_line ed25519-b ed25519 ''
ssh_line rsa2048 rsa 2048
ssh_line rsa3072 rsa 3072
ssh_line rsa8192 rsa 8192
