/* See the header. */
#include "pam_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDERS_MAX = 2048, TEXT_MAX = 4096 };

const char *const host_stage_names[HOST_STAGE_COUNT] = { "auth", "account", "session" };

static char top[64];
static char *module;
static struct {
	char path[96];
	char file[128], other[128];
	char *text;
} folders[FOLDERS_MAX];
static size_t folder_count;

static void require(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	abort();
}

void host_init(const char *module_path)
{
	module = realpath(module_path, NULL); /* libpam looks for relative ones in its own folder */
	require(module != NULL, module_path);
	(void)snprintf(top, sizeof(top), "/tmp/iotpki-pam.XXXXXX");
	require(mkdtemp(top) != NULL, "mkdtemp");
}

void host_done(void)
{
	for (size_t i = 0; i < folder_count; i++) {
		(void)unlink(folders[i].file);
		(void)unlink(folders[i].other);
		(void)rmdir(folders[i].path);
		free(folders[i].text);
	}
	(void)rmdir(top);
	free(module);
	folder_count = 0;
}

static void write_service(FILE *file, const char *text)
{
	for (; *text != '\0'; text++) {
		if (text[0] == '%' && text[1] == 'm') {
			(void)fputs(module, file);
			text++;
			continue;
		}
		(void)fputc(*text, file);
	}
}

const char *host_folder(const char *service, const char *text)
{
	char key[TEXT_MAX];
	(void)snprintf(key, sizeof(key), "%s\n%s", service, text);
	for (size_t i = 0; i < folder_count; i++)
		if (strcmp(folders[i].text, key) == 0)
			return folders[i].path;
	require(folder_count < FOLDERS_MAX, "room for another service file");
	const size_t at = folder_count++;
	char path[96];
	(void)snprintf(path, sizeof(path), "%s/%zu", top, at);
	(void)snprintf(folders[at].file, sizeof(folders[at].file), "%.60s/%.60s", path, service);
	memcpy(folders[at].path, path, sizeof(path));
	folders[at].text = strdup(key);
	require(mkdir(path, 0700) == 0, "mkdir");
	FILE *file = fopen(folders[at].file, "w");
	require(file != NULL, folders[at].file);
	write_service(file, text);
	require(fclose(file) == 0, "fclose");
	/* libpam complains to the system log where this one is missing. */
	(void)snprintf(folders[at].other, sizeof(folders[at].other), "%.60s/other", path);
	file = fopen(folders[at].other, "w");
	require(file != NULL && fclose(file) == 0, "other");
	return folders[at].path;
}

/* A module that prompts has lost: nobody answers. */
static int refuse_to_talk(int count, const struct pam_message **messages,
			  struct pam_response **answers, void *context)
{
	(void)count;
	(void)messages;
	(void)answers;
	(void)context;
	return PAM_CONV_ERR;
}

pam_handle_t *host_start(const char *folder, const char *service, const char *user,
			 const char *authinfo)
{
	static const struct pam_conv conversation = { refuse_to_talk, NULL };
	pam_handle_t *pamh = NULL;
	require(pam_start_confdir(service, user, &conversation, folder, &pamh) == PAM_SUCCESS,
		"pam_start_confdir");
	if (authinfo == NULL)
		return pamh;
	const size_t size = strlen(authinfo) + sizeof("SSH_AUTH_INFO_0=");
	char *variable = malloc(size);
	require(variable != NULL, "malloc");
	(void)snprintf(variable, size, "SSH_AUTH_INFO_0=%s", authinfo);
	require(pam_putenv(pamh, variable) == PAM_SUCCESS, "pam_putenv");
	free(variable);
	return pamh;
}

int host_stage(pam_handle_t *pamh, enum host_stage stage)
{
	static int (*const calls[HOST_STAGE_COUNT])(pam_handle_t * pamh, int flags) = {
		[HOST_AUTH] = pam_authenticate,
		[HOST_ACCOUNT] = pam_acct_mgmt,
		[HOST_SESSION] = pam_open_session,
	};
	return calls[stage](pamh, PAM_SILENT);
}

int host_call_name(const char *folder, const char *service, const char *user, enum host_stage stage,
		   const char *authinfo, char name_out[static 160])
{
	pam_handle_t *pamh = host_start(folder, service, user, authinfo);
	const int code = host_stage(pamh, stage);
	const char *name = pam_getenv(pamh, "IOTPKI_NAME");
	(void)snprintf(name_out, 160, "%s", name != NULL ? name : "");
	(void)pam_end(pamh, code);
	return code;
}

int host_call(const char *folder, const char *service, const char *user, enum host_stage stage,
	      const char *authinfo)
{
	char name[160];
	return host_call_name(folder, service, user, stage, authinfo, name);
}

int host_code(const char *service, const char *arguments, const char *user, enum host_stage stage,
	      const char *authinfo)
{
	char text[TEXT_MAX - 128];
	(void)snprintf(text, sizeof(text),
		       "%s [success=done ignore=ignore default=die] %%m %s\n"
		       "%s required pam_debug.so auth=cred_expired acct=cred_expired "
		       "open_session=cred_expired\n",
		       host_stage_names[stage], arguments, host_stage_names[stage]);
	return host_call(host_folder(service, text), service, user, stage, authinfo);
}
