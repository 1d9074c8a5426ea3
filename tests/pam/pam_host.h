/* A program that calls PAM: real libpam, real module, a service file made for the test. */
#pragma once

#include <security/pam_appl.h>
#include <stdbool.h>

enum host_stage {
	HOST_AUTH,
	HOST_ACCOUNT,
	HOST_SESSION,
	HOST_STAGE_COUNT,
};

extern const char *const host_stage_names[HOST_STAGE_COUNT]; /* as in a service file */

/* What IGNORE of our module looks like from outside: the next line's code, which nothing of ours gives. */
#define HOST_IGNORED PAM_CRED_EXPIRED

/** The folder of the service files; removed by host_done(). */
void host_init(const char *module_path);
void host_done(void);

/**
 * Write a service file once and return its folder. In the text, %m stands for the module's path.
 * The same text is the same folder.
 */
const char *host_folder(const char *service, const char *text);

/** One stage of a stack. user and authinfo may be NULL. Returns libpam's code. */
int host_call(const char *folder, const char *service, const char *user, enum host_stage stage,
	      const char *authinfo);
/** The same, and what IOTPKI_NAME is afterwards ("" if unset). */
int host_call_name(const char *folder, const char *service, const char *user, enum host_stage stage,
		   const char *authinfo, char name_out[static 160]);
/** An open handle, for tests that do more; end with pam_end(). */
pam_handle_t *host_start(const char *folder, const char *service, const char *user,
			 const char *authinfo);
int host_stage(pam_handle_t *pamh, enum host_stage stage);

/** The code of the module alone with these arguments, HOST_IGNORED for PAM_IGNORE. */
int host_code(const char *service, const char *arguments, const char *user, enum host_stage stage,
	      const char *authinfo);
