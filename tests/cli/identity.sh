#!/bin/sh
# iotpki identity against ssh-keygen and openssl. usage: identity.sh IOTPKI
set -u
iotpki=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0
fail() { echo "FAILED: $*"; bad=1; }
# expect CODE NAME COMMAND...: its exit code.
expect() {
	want=$1 name=$2
	shift 2
	"$@" > out 2> err
	got=$?
	[ $got = "$want" ] || { fail "$name: exit $got, not $want"; cat out err; }
}

for algorithm in p256 p384 rsa3072 ed25519; do
	expect 0 "new $algorithm" "$iotpki" identity new --name "me-$algorithm" --algorithm $algorithm --dir $algorithm
	"$iotpki" identity ssh-key --dir $algorithm > $algorithm.pub || fail "ssh-key $algorithm"
	"$iotpki" identity ssh-key --private --dir $algorithm > $algorithm.key || fail "ssh-key --private $algorithm"
	chmod 600 $algorithm.key
	ssh-keygen -y -f $algorithm.key | cmp -s - $algorithm.pub || fail "$algorithm: ssh-keygen -y says another key"
	grep -q "$(ssh-keygen -l -f $algorithm.pub | cut -d' ' -f2)" out || fail "$algorithm: ssh-keygen -l says another fingerprint"
	hash=$(openssl x509 -in $algorithm/cert.pem -outform DER | sha256sum | cut -d' ' -f1)
	grep -qx "sha256: $hash" out || fail "$algorithm: openssl says another hash"
	spki=$(openssl x509 -in $algorithm/cert.pem -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1)
	grep -qx "spki: $spki" out || fail "$algorithm: openssl says another key"
	openssl verify -check_ss_sig -x509_strict -CAfile $algorithm/cert.pem -partial_chain $algorithm/cert.pem > /dev/null 2>&1 ||
		fail "$algorithm: openssl verify refuses the certificate"
	[ "$(stat -c %a $algorithm/key.pem)" = 600 ] || fail "$algorithm: mode of key.pem"
done

expect 0 "show" "$iotpki" --json identity show --dir p256
python3 -c 'import json,sys; d=json.load(sys.stdin); sys.exit(not (d["ok"] and d["code"]==0 and d["result"]["name"]=="me-p256"))' < out ||
	fail "show --json is not the one object"
cp p256/key.pem before
expect 3 "never overwrites" "$iotpki" identity new --dir p256
cmp -s before p256/key.pem || fail "the key was overwritten"
expect 3 "dry run sees what is in the way" "$iotpki" identity new --dir p256 --dry-run
expect 0 "dry run" "$iotpki" identity new --dir none --dry-run
[ ! -e none ] || fail "the dry run wrote something"
chmod 644 p256/key.pem
expect 4 "a key that others can read" "$iotpki" identity show --dir p256
chmod 600 p256/key.pem
expect 3 "no identity" "$iotpki" identity show --dir none
expect 3 "import: another key" "$iotpki" identity import --key p384/key.pem --cert p256/cert.pem --dir i
expect 2 "import: no key" "$iotpki" identity import --cert p256/cert.pem --dir i
expect 2 "a bad name" "$iotpki" identity new --name Alice --dir i
expect 2 "a bad algorithm" "$iotpki" identity new --algorithm dsa --dir i
expect 2 "two names" "$iotpki" identity new --name a --name b --dir i
expect 2 "no folder is known" env -i "$iotpki" identity show
[ ! -e i ] || fail "a refused verb wrote something"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out c.pem -subj /CN=alice -days 3650 \
	-addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature 2> /dev/null
expect 0 "import of what the manual says" "$iotpki" identity import --key k.pem --cert c.pem --dir i
grep -q 'this certificate ends at' err || fail "the end of an imported certificate is not told"
cmp -s c.pem i/cert.pem || fail "the certificate was changed"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=alice 2> /dev/null
expect 3 "import of a certification authority" "$iotpki" identity import --key ca.key --cert ca.pem --dir j
openssl pkcs8 -topk8 -in k.pem -passout pass:secret -out locked.pem
expect 7 "import of a key with a passphrase asks nothing" "$iotpki" identity import --key locked.pem --cert c.pem --dir j
[ $bad = 0 ] && echo "identity: all as expected"
exit $bad
