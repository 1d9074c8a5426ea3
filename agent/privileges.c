/* setgroups, setgid, setuid, in this order, each checked. */
#include "agent/privileges.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FILES_WANTED = 4096 };

void privileges_harden(void)
{
	const struct rlimit none = { 0, 0 };
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES_WANTED)
		return;
	files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

enum iotpki_err privileges_drop(const char *name, uid_t uid, gid_t gid,
				struct iotpki_detail *detail)
{
	if (geteuid() == uid && getuid() == uid && uid != 0)
		return IOTPKI_OK;
	if (geteuid() != 0)
		return detail_set(detail, IOTPKI_ERR_PERMISSION, 0, 0,
				  "only root can become user %s; start it as root or as that user",
				  name);
	if (initgroups(name, gid) != 0 || setresgid(gid, gid, gid) != 0 ||
	    setresuid(uid, uid, uid) != 0)
		return detail_set(detail, IOTPKI_ERR_PERMISSION, 0, 0, "cannot become user %s: %s",
				  name, strerror(errno));
	if (uid != 0 && setuid(0) == 0)
		return detail_set(detail, IOTPKI_ERR_INTERNAL, 0, 0, "root could be regained");
	/* A change of ids sets it back to the system's default. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return IOTPKI_OK;
}
