/* Randomness as a parameter: the kernel's, or a test's fixed sequence. */
#pragma once

#include "base/base.h"

struct random_source {
	/* Fill out; IOTPKI_ERR_IO if there is no good randomness: then nothing may be made from it. */
	enum iotpki_err (*fill)(const struct random_source *source, void *out, size_t len);
};

/** getrandom(2), which blocks until the kernel's pool is seeded; static, never freed. */
const struct random_source *random_system(void);
/** A random (version 4) UUID in its text form, RFC 4122. */
enum iotpki_err random_uuid(const struct random_source *source, char out[static 37]) MUST_CHECK;
