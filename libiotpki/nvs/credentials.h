/*
 * The "user:password" of one chain node (design 6, 7): one line in a file that nobody else
 * may read, bitcoind's cookie file too. Read anew when the file changed, and when the node
 * refused what was read. It is never in a URL, an argument, the environment, a log or an
 * error; what is kept in memory is wiped.
 */
#pragma once

#include <sys/stat.h>

#include "config/config.h"

#define CREDENTIALS_MAX 1024 /* bytes of the file */

/** All zero but for the node: nothing was read yet. */
struct credentials {
	const struct config_node *node; /* borrowed; without a file there is nothing to do */
	bool looked; /* seen, and so pair or problem, are of a look at the file */
	bool good;
	unsigned int generation; /* counts the changes of pair */
	unsigned int refused;    /* the generation whose refusal by the node was logged */
	struct stat seen;
	size_t len;
	uint8_t pair[CREDENTIALS_MAX];
	struct iotpki_detail problem; /* of a file that is not good: names it and what is wrong */
};

/**
 * Look at the file and read it if it changed. A new problem, or the end of one, is logged once.
 * @param again  read it in any case: the node refused what was read
 * @return whether the node may be asked
 */
bool credentials_refresh(struct credentials *credentials, bool again) MUST_CHECK;
/** The node answered 401 to the pair of this generation: logged once for each. */
void credentials_refused(struct credentials *credentials, unsigned int generation);
#define CREDENTIALS_HEADER_SIZE (32 + ((CREDENTIALS_MAX + 2) / 3) * 4)
/** The header line "Authorization: Basic ..." of the pair read last, "" if there is none; the
 *  caller wipes it. */
void credentials_header(const struct credentials *credentials,
			char out[static CREDENTIALS_HEADER_SIZE]);
/** Wipe. */
void credentials_done(struct credentials *credentials);
