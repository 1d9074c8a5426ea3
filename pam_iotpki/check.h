/* One check, as auth, account and session make it. */
#pragma once

#include <security/pam_modules.h>

#include "codes.h"

/** The PAM code of this stage for this line; see pam_iotpki(8). */
int check(pam_handle_t *pamh, enum stage stage, int argc, const char **argv);
