/* dm register, renew, revoke, sync: what is signed, stored and sent (paper III-C steps 6 and 7, III-G). */
#include "cli/dm.h"

#include <inttypes.h>
#include <string.h>

#include "base/parse.h"

/* The certificate that --cert names, checked in full, and the record of it. */
static enum cli_exit read_record(struct cli *cli, const struct cli_arguments *arguments,
				 struct iotpki_cert *cert, struct iotpki_record *record)
{
	const char *path = cli_value(arguments, "cert");
	const char *ssh = cli_value(arguments, "ssh");
	if (path == NULL)
		return cli_error(cli, CLI_USAGE, "--cert FILE is needed");
	char pem[IOTPKI_CERT_PEM_MAX];
	const enum cli_exit exit = cli_read_cert(cli, path, cert, pem);
	if (exit != CLI_OK)
		return exit;

	*record = (struct iotpki_record){ .has_ssh = ssh != NULL };
	memcpy(record->sha256, cert->sha256, sizeof(record->sha256));
	if (ssh != NULL && !iotpki_fingerprint_parse(ssh, strlen(ssh), record->ssh))
		return cli_error(
			cli, CLI_USAGE,
			"--ssh takes a fingerprint as ssh-keygen -l prints it, SHA256:...");
	return CLI_OK;
}

/* One write to a name, wherever the list says. */
struct job {
	struct cli *cli;
	const struct cli_arguments *arguments;
	struct dm dm;
	struct manager manager;
	struct manager_report report;
	const char *name;
	const struct iotpki_record *record; /* NULL: the value stays */
	struct onchain_wish wish;
	bool reported; /* how far each network is */
	const char *signs, *done;
	const char *verb, *warning; /* of the question: "VERB NAME WARNING" */
};

static void job_done(struct job *job)
{
	dm_close(&job->dm);
}

/* --dry-run: what would be signed; the store and the names are not touched. */
static enum cli_exit dry_run(struct job *job)
{
	struct cli *cli = job->cli;
	const struct dm *dm = &job->dm;
	char value[IOTPKI_VALUE_MAX + 1] = "";
	char end[TIME_TEXT_SIZE] = "";
	if (job->record != NULL &&
	    iotpki_record_format(job->record, value, sizeof(value)) != IOTPKI_OK)
		return cli_error(cli, CLI_INTERNAL, "the record cannot be written");
	if (job->wish.expires_s != 0)
		time_format(job->wish.expires_s, end);
	if (manager_has_ledgers(&job->manager))
		cli_print(cli, "would sign %s of %s%s%s%s%s", job->signs, job->name,
			  value[0] ? " value " : "", value, end[0] ? " until " : "", end);
	for (size_t i = 0; i < dm->config.node_count; i++)
		if (dm->config.nodes[i].type == CONFIG_NODE_IOTPKI)
			cli_print(cli, "would send it to %s %s", dm->config.nodes[i].name,
				  dm->config.nodes[i].url);
	json_t *networks = json_array();
	dm_show_plan(cli, dm, job->name, &job->report, networks);
	enum cli_exit exit = CLI_OK;
	for (size_t i = 0; i < job->report.chain_count; i++)
		if (job->report.chain[i].problem != ONCHAIN_OK)
			exit = dm_chain_fail(cli, dm, job->name, &job->report.chain[i]);
	json_t *result = json_pack("{s:b, s:s, s:s, s:s, s:s}", "dry-run", 1, "op", job->signs,
				   "name", job->name, "value", value, "expires", end);
	if (job->report.chain_count > 0)
		(void)json_object_set_new(result, "networks", networks);
	else
		json_decref(networks);
	cli_result(cli, result);
	return exit;
}

/* Something was sent already: what is missing is gone on with, whatever else is in the way. */
static bool is_begun(const struct job *job)
{
	struct store_name stored;
	for (size_t i = 0; i < job->report.chain_count; i++)
		if (job->report.chain[i].resumed)
			return true;
	if (job->wish.op != ONCHAIN_REGISTER ||
	    store_load(job->dm.dir, job->name, &stored, NULL) != IOTPKI_OK)
		return false;
	struct store_state state;
	store_state(&stored, &state);
	store_name_done(&stored);
	return state.exists && job->cli->clock->now_s(job->cli->clock) < state.expires_s;
}

/* Nothing is sent anywhere if one network refuses; but a revocation waits for none of them. */
static enum cli_exit check_plan(struct job *job)
{
	enum cli_exit exit = CLI_OK;
	if (job->wish.op == ONCHAIN_REVOKE || is_begun(job))
		return CLI_OK;
	for (size_t i = 0; i < job->report.chain_count; i++)
		if (job->report.chain[i].problem != ONCHAIN_OK)
			exit = dm_chain_fail(job->cli, &job->dm, job->name, &job->report.chain[i]);
	return exit;
}

static bool anything_new(const struct job *job)
{
	for (size_t i = 0; i < job->report.chain_count; i++)
		if (job->report.chain[i].wanted && job->report.chain[i].changed)
			return true;
	return false;
}

static bool may_begin(struct job *job)
{
	const bool revoke = job->wish.op == ONCHAIN_REVOKE;
	if (!revoke && !anything_new(job))
		return true;
	if (cli_flag(job->arguments, "yes"))
		return true;
	return cli_confirm(job->cli, job->arguments, "%s %.64s %s", job->verb, job->name,
			   job->warning);
}

static void show_plan(struct job *job, const struct manager_report *plan)
{
	json_t *networks = json_array();
	dm_show_plan(job->cli, &job->dm, job->name, plan, networks);
	if (plan->chain_count > 0)
		cli_result(job->cli, json_pack("{s:s, s:b, s:O}", "name", job->name, "done", 0,
					       "networks", networks));
	json_decref(networks);
}

static enum iotpki_err send_to_ledgers(struct job *job, struct iotpki_detail *detail)
{
	const struct manager *manager = &job->manager;
	if (!manager_has_ledgers(manager))
		return IOTPKI_OK;
	if (job->wish.op == ONCHAIN_REGISTER)
		return manager_register(manager, job->name, job->record, job->wish.expires_s,
					&job->report, detail);
	if (job->wish.op == ONCHAIN_REVOKE)
		return manager_revoke(manager, job->name, &job->report, detail);
	return manager_renew(manager, job->name, job->record, job->wish.expires_s, &job->report,
			     detail);
}

/* The ledgers have it, and this run is for a chain. */
static bool only_for_chains(enum iotpki_err err, const struct manager_report *plan,
			    enum onchain_op op)
{
	if (err != IOTPKI_ERR_EXISTS || op != ONCHAIN_REGISTER)
		return false;
	for (size_t i = 0; i < plan->chain_count; i++)
		if (!manager_chain_done(&plan->chain[i]))
			return true;
	return false;
}

/* From the durable plan on: what can be done now, the waiting, and the report. */
static enum cli_exit send_to_chains(struct job *job, const struct manager_report *plan)
{
	const bool revoke = job->wish.op == ONCHAIN_REVOKE;
	struct manager_report *report = &job->report;
	/* Which did not answer, so that the others come first. */
	memcpy(report->chain, plan->chain, sizeof(report->chain));
	report->chain_count = plan->chain_count;
	const enum cli_exit ran = dm_run_chains(job->cli, &job->dm, &job->manager, job->name,
						!cli_flag(job->arguments, "no-wait"), report);
	/* A network that was never begun with this is not done with it, whatever it is done with. */
	for (size_t i = 0; i < report->chain_count && i < plan->chain_count; i++)
		if (plan->chain[i].problem != ONCHAIN_OK && !(revoke && plan->chain[i].wanted)) {
			report->chain[i] = plan->chain[i];
			report->chain[i].waiting = false;
		}
	if (ran != CLI_OK && ran != CLI_INTERRUPTED)
		return ran;
	for (size_t i = 0; i < report->chain_count && i < plan->chain_count; i++)
		if (plan->chain[i].wanted && report->chain[i].progress.op != job->wish.op)
			return cli_error(job->cli, CLI_VERIFICATION,
					 "%s: another dm command has asked for something else "
					 "meanwhile (%s); see iotpki dm show",
					 job->name, onchain_op_name(report->chain[i].progress.op));
	const enum cli_exit said = dm_report(job->cli, &job->dm, job->name, job->done, report);
	return ran != CLI_OK ? ran : said;
}

/*
 * The ledgers first: what they refuse, they refuse before anything is paid. Only a revocation is
 * stored for the chains before that, so that no kill can make it forgotten on one of them; and without
 * a question (planned: there was one) no wallet is looked at before the ledgers have it.
 */
static enum cli_exit send_all(struct job *job, bool planned)
{
	struct iotpki_detail detail = { 0 };
	struct manager_report plan = job->report;
	const bool revoke = job->wish.op == ONCHAIN_REVOKE;
	enum iotpki_err err = IOTPKI_OK;
	if (!planned)
		err = manager_note_revocation(&job->manager, job->name, &plan, &detail);
	else if (revoke)
		err = manager_begin(&job->manager, job->name, &plan, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(job->cli, err, &detail);
	err = send_to_ledgers(job, &detail);
	if (only_for_chains(err, &plan, job->wish.op))
		err = manager_sync(&job->manager, job->name, &job->report, &detail);
	const enum cli_exit ledgers = err != IOTPKI_OK ? cli_fail(job->cli, err, &detail) : CLI_OK;
	if (ledgers != CLI_OK && (!revoke || plan.chain_count == 0))
		return ledgers;
	if (!planned) {
		manager_plan_noted(&job->manager, job->name, &plan);
		show_plan(job, &plan);
	}
	err = revoke && planned ? IOTPKI_OK
				: manager_begin(&job->manager, job->name, &plan, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(job->cli, err, &detail);
	const enum cli_exit exit = send_to_chains(job, &plan);
	job->reported = ledgers == CLI_OK;
	return ledgers != CLI_OK ? ledgers : exit;
}

/* From an opened folder on. */
static enum cli_exit run_job(struct job *job)
{
	struct iotpki_detail detail = { 0 };
	struct cli *cli = job->cli;
	job->manager = dm_manager(cli, &job->dm);
	char value[IOTPKI_VALUE_MAX + 1];
	if (job->record != NULL) {
		if (iotpki_record_format(job->record, value, sizeof(value)) != IOTPKI_OK)
			return cli_error(cli, CLI_INTERNAL, "the record cannot be written");
		job->wish.value = value;
	}
	const int64_t now_s = cli->clock->now_s(cli->clock);
	if (manager_has_chains(&job->manager) && job->wish.expires_s != 0 &&
	    job->wish.expires_s <= now_s)
		return cli_error(cli, CLI_USAGE,
				 "the end of the registration must lie in the future");
	const bool dry = cli_flag(job->arguments, "dry-run");
	if (job->wish.op == ONCHAIN_REVOKE && !dry && cli_flag(job->arguments, "yes") &&
	    manager_has_chains(&job->manager) && manager_has_ledgers(&job->manager))
		return send_all(job, false);
	enum iotpki_err err = IOTPKI_OK;
	if (manager_has_chains(&job->manager))
		err = manager_plan(&job->manager, job->name, &job->wish, &job->report, &detail);
	if (err != IOTPKI_OK)
		return cli_fail(cli, err, &detail);
	if (dry)
		return dry_run(job);
	show_plan(job, &job->report);
	const enum cli_exit exit = check_plan(job);
	if (exit != CLI_OK)
		return exit;
	return may_begin(job) ? send_all(job, true) : CLI_USAGE;
}

enum cli_exit dm_register(struct cli *cli, const struct cli_arguments *arguments)
{
	struct iotpki_cert cert;
	struct iotpki_record record;
	CLEANUP(job_done)
	struct job job = { .cli = cli,
			   .arguments = arguments,
			   .dm = { .lock = -1 },
			   .record = &record,
			   .wish = { .op = ONCHAIN_REGISTER },
			   .signs = "PREORDER and REGISTER",
			   .done = "registered",
			   .verb = "Register",
			   .warning = "at this price?" };
	const char *expires = cli_value(arguments, "expires");
	if (!cli_time(cli, expires != NULL ? expires : "365d", &job.wish.expires_s))
		return CLI_USAGE;
	enum cli_exit exit = read_record(cli, arguments, &cert, &record);
	if (exit == CLI_OK)
		exit = dm_open(cli, arguments, true, &job.dm);
	if (exit != CLI_OK)
		return exit;
	job.name = cert.name;
	return run_job(&job);
}

enum cli_exit dm_renew(struct cli *cli, const struct cli_arguments *arguments)
{
	struct iotpki_cert cert;
	struct iotpki_record record;
	const bool with_cert = cli_value(arguments, "cert") != NULL;
	CLEANUP(job_done)
	struct job job = { .cli = cli,
			   .arguments = arguments,
			   .dm = { .lock = -1 },
			   .name = arguments->positional[0],
			   .record = with_cert ? &record : NULL,
			   .wish = { .op = ONCHAIN_UPDATE },
			   .signs = "UPDATE",
			   .done = "renewed",
			   .verb = "Renew",
			   .warning = "at this price?" };
	const char *expires = cli_value(arguments, "expires");
	if (expires == NULL && !with_cert)
		return cli_error(cli, CLI_USAGE,
				 "what shall change? --expires TIME, --cert FILE, or both");
	if (expires != NULL && !cli_time(cli, expires, &job.wish.expires_s))
		return CLI_USAGE;
	enum cli_exit exit = CLI_OK;
	if (with_cert) {
		exit = read_record(cli, arguments, &cert, &record);
		/* In the NVS a name holds its own certificate's hash, and no reader takes another's. */
		if (exit == CLI_OK && strcmp(cert.name, job.name) != 0)
			return cli_error(cli, CLI_CONFIGURATION,
					 "the certificate is of %s, not of %.64s", cert.name,
					 job.name);
	}
	if (exit == CLI_OK)
		exit = dm_open(cli, arguments, true, &job.dm);
	return exit == CLI_OK ? run_job(&job) : exit;
}

static bool one_has_it(const struct manager_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->node[i].state == MANAGER_LEVEL)
			return true;
	for (size_t i = 0; i < report->chain_count; i++)
		if (manager_chain_done(&report->chain[i]))
			return true;
	return false;
}

enum cli_exit dm_revoke(struct cli *cli, const struct cli_arguments *arguments)
{
	CLEANUP(job_done)
	struct job job = { .cli = cli,
			   .arguments = arguments,
			   .dm = { .lock = -1 },
			   .name = arguments->positional[0],
			   .wish = { .op = ONCHAIN_REVOKE },
			   .signs = "REVOKE",
			   .done = "revoked",
			   .verb = "Revoke",
			   .warning = "for good? It cannot be taken back." };
	enum cli_exit exit = dm_open(cli, arguments, true, &job.dm);
	if (exit != CLI_OK)
		return exit;
	exit = run_job(&job);
	if (exit != CLI_OK && job.reported && one_has_it(&job.report))
		fprintf(cli->err,
			"iotpki: it counts already wherever a B-node that has it is asked\n");
	return exit;
}

/* ---- sync ---- */

struct sync {
	struct cli *cli;
	bool one;  /* name was asked for */
	bool wait; /* for blocks: only for that */
	struct dm *dm;
	const struct manager *manager;
	enum cli_exit worst;
	json_t *all;
};

/* The ledgers' part; a name that is only on chains has none. */
static enum iotpki_err sync_ledgers(const struct sync *sync, const char *name,
				    struct manager_report *report, struct iotpki_detail *detail)
{
	*report = (struct manager_report){ 0 };
	if (!manager_has_ledgers(sync->manager))
		return IOTPKI_OK;
	const enum iotpki_err err = manager_sync(sync->manager, name, report, detail);
	if (err != IOTPKI_ERR_NOT_FOUND || !manager_has_chains(sync->manager))
		return err;
	*report = (struct manager_report){ .count = sync->dm->config.node_count };
	return IOTPKI_OK;
}

/* Nothing is known of the name on any chain, so nothing was wanted of it anywhere. */
static bool is_unknown(const struct sync *sync, const struct manager_report *report)
{
	for (size_t i = 0; i < report->chain_count; i++)
		if (report->chain[i].progress.value[0] != '\0')
			return false;
	return !manager_has_ledgers(sync->manager);
}

static enum iotpki_err sync_one(void *context, const char *name)
{
	struct sync *sync = context;
	struct manager_report report;
	struct iotpki_detail detail = { 0 };
	enum iotpki_err err = sync_ledgers(sync, name, &report, &detail);
	enum cli_exit exit = CLI_OK;
	/* Whoever asks for one name does not believe what was confirmed once. */
	if (err == IOTPKI_OK && sync->one)
		err = manager_recheck(sync->manager, name, &detail);
	if (err == IOTPKI_OK)
		exit = dm_run_chains(sync->cli, sync->dm, sync->manager, name, sync->wait, &report);
	if (err != IOTPKI_OK) {
		exit = cli_fail(sync->cli, err, &detail);
	} else if (exit == CLI_OK && is_unknown(sync, &report)) {
		exit = cli_error(sync->cli, cli_exit_of(IOTPKI_ERR_NOT_FOUND),
				 "nothing was ever wanted of %.64s here: is it another owner's?",
				 name);
	} else if (exit == CLI_OK) {
		exit = dm_report(sync->cli, sync->dm, name, "all B-nodes have it", &report);
		(void)json_array_append(sync->all, sync->cli->result);
	}
	/* One name that cannot be helped does not keep the others from it. */
	if (exit == CLI_VERIFICATION || sync->worst == CLI_OK)
		sync->worst = exit;
	return exit == CLI_INTERRUPTED ? IOTPKI_ERR_TIMEOUT : IOTPKI_OK;
}

enum cli_exit dm_sync(struct cli *cli, const struct cli_arguments *arguments)
{
	CLEANUP(dm_close) struct dm dm;
	const enum cli_exit exit = dm_open(cli, arguments, true, &dm);
	if (exit != CLI_OK)
		return exit;
	const struct manager manager = dm_manager(cli, &dm);
	const bool one = arguments->positional_count == 1;
	const bool wait = one && !cli_flag(arguments, "no-wait");
	struct sync sync = { cli, one, wait, &dm, &manager, CLI_OK, json_array() };
	struct iotpki_detail detail = { 0 };
	enum iotpki_err err = IOTPKI_OK;
	if (arguments->positional_count == 1)
		err = sync_one(&sync, arguments->positional[0]);
	else
		err = store_names(dm.dir, sync_one, &sync, &detail);
	cli_result(cli, sync.all);
	if (sync.worst == CLI_INTERRUPTED)
		return sync.worst;
	return err == IOTPKI_OK ? sync.worst : cli_fail(cli, err, &detail);
}
