/*
 * Somebody on the path between a device and its B-node (TM-01): passes TCP on, and
 * alters or cuts what the node sends at one byte.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum relay_mode { RELAY_PASS, RELAY_FLIP, RELAY_CUT };

struct relay;

/** Passes connections on to a port of 127.0.0.1, one at a time. NULL: it could not start. */
struct relay *relay_start(unsigned int port);
void relay_stop(struct relay *relay);
unsigned int relay_port(const struct relay *relay);
/**
 * What happens at the byte number `at` of what the node sends from now on: in the connection that
 * is open, and in each new one from its beginning. pattern: the bits that RELAY_FLIP turns.
 */
void relay_set(struct relay *relay, enum relay_mode mode, size_t at);
void relay_flip(struct relay *relay, size_t at, uint8_t pattern);
/** Whether that byte was reached; waits for nothing. */
bool relay_reached(struct relay *relay);
/** Bytes of the node in the last connection, and whether the byte was reached. Waits for its end. */
size_t relay_passed(struct relay *relay, bool *reached_out);
