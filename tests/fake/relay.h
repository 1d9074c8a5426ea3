/*
 * Somebody on the path between a device and its B-node (TM-01): passes TCP on, and
 * alters or cuts what the node sends at one byte.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum relay_mode { RELAY_PASS, RELAY_FLIP, RELAY_CUT };

struct relay;

/** Passes connections on to a port of 127.0.0.1, one at a time. NULL: it could not start. */
struct relay *relay_start(unsigned int port);
void relay_stop(struct relay *relay);
unsigned int relay_port(const struct relay *relay);
/** What happens to the next connections, at the byte number `at` of what the node sends. */
void relay_set(struct relay *relay, enum relay_mode mode, size_t at);
/** Bytes of the node in the last connection, and whether the byte was reached. Waits for its end. */
size_t relay_passed(struct relay *relay, bool *reached_out);
