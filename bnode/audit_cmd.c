/* iotpki-bnode audit. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "bnode/audit.h"
#include "bnode/verbs.h"

static int print(const struct audit_report *report)
{
	char hex[2 * SHA256_LEN + 1];
	hex_encode(report->hash, SHA256_LEN, hex);
	switch (report->verdict) {
	case AUDIT_CLEAN:
		printf("clean: %" PRIu64 " entries, head %s\n", report->entries, hex);
		return VERB_OK;
	case AUDIT_BAD:
		if (report->height > 0)
			printf("bad: entry %" PRIu64 ": %s\n", report->height, report->message);
		else
			printf("bad: %s\n", report->message);
		return VERB_VERIFICATION;
	case AUDIT_UNDONE:
		break;
	}
	fprintf(stderr, "iotpki-bnode audit: %s\n", report->message);
	return VERB_CONFIGURATION;
}

int bnode_audit(int argc, char **argv)
{
	char dir[VERB_PATH_SIZE];
	struct audit_report report;
	struct iotpki_detail detail = { 0 };
	if (argc != 3 || strcmp(argv[1], "--dir") != 0)
		return verb_usage("audit", "it takes --dir DIR and nothing else");
	enum iotpki_err err = verb_path(argv[2], "ledger", dir, &detail);
	const char *scratch = secure_getenv("TMPDIR");
	if (err == IOTPKI_OK)
		err = audit_run(dir, scratch != NULL ? scratch : "/tmp", &report, &detail);
	return err == IOTPKI_OK ? print(&report) : verb_failed("audit", err, &detail);
}
