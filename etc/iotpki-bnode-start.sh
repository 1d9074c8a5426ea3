#!/bin/sh
# A B-node without systemd: for an init script, a container, runit or s6. Copy and adapt it.
#
# Once, as the user that the node runs as (OWNER is what `iotpki dm init` printed):
#   iotpki-bnode init --dir /var/lib/iotpki-bnode --owner OWNER
# The printed pin goes, with the address below, to `iotpki dm init` and into every iotpki.yaml.

DIR=/var/lib/iotpki-bnode
USER=_iotpki-bnode

# One --listen for each address. 7443 is the default port; http:// is taken on loopback only.
# exec: the supervisor's SIGTERM must reach the node, which then finishes what it is answering; SIGHUP
# makes it read its TLS key again. /health answers on each of them, /metrics to this machine:
#   curl http://127.0.0.1:7480/metrics
exec setpriv --reuid "$USER" --regid "$USER" --clear-groups --no-new-privs \
	iotpki-bnode serve --dir "$DIR" \
	--listen https://0.0.0.0:7443/ \
	--listen "https://[::]:7443/" \
	--listen http://127.0.0.1:7480/
