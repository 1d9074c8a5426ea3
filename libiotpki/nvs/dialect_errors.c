/*
 * The errors of nodes: code and text decide, never the HTTP status. One table; an
 * error in no row is MALFORMED, an unknown text of a known code too: soft-fail must
 * not feed on it (design 6).
 */
#include "nvs/dialect_parts.h"

#include <string.h>

/* ---- errors to outcomes ---- */

#define IOTPKI (1u << CONFIG_NODE_IOTPKI)
#define EMERCOIN (1u << CONFIG_NODE_EMERCOIN)
#define NAMECOIN (1u << CONFIG_NODE_NAMECOIN)
#define CHAINS (EMERCOIN | NAMECOIN)

static const char show[] = "name_show";
static const char history[] = "name_history";

const char dialect_hint_sync[] = "the node is still downloading blocks: wait until it is in sync";
/* What to do about it, for `bnode test` and the log. */
#define HINT_WARM "the node is starting: wait until it answers"
#define HINT_BUSY "the B-node is stopping, or asked too much: try again in a moment"
#define HINT_BEHIND                                                                                \
	"the chain node behind this gateway is not ready or cannot be reached: see the gateway's " \
	"log"
#define HINT_ODD                                                                            \
	"the B-node failed, or is a gateway whose chain node refuses its login or answers " \
	"oddly: see its log"
#define HINT_TXINDEX "run the node with -txindex=1 (Emercoin reads names from it)"
#define HINT_INDEX "the node's index of names is damaged: run it once with -reindex"
#define HINT_WALLET "load a wallet in the node, an empty one is enough: name_history needs one"
#define HINT_ONE_WALLET \
	"several wallets are loaded: unload all but one, or end the url with /wallet/NAME"
#define HINT_HISTORY "run the node with -namehistory=1 (and -reindex once)"

/** How a row's text is compared. A text of another length is another text. */
enum match {
	ANY,   /* the code is enough */
	WHOLE, /* the whole message */
	NAMED, /* the text and then the very name that was asked, in single quotes */
};

static const struct error_row {
	unsigned int dialects;
	const char *method; /* NULL: of any */
	int code;
	enum match match;
	const char *text;
	enum iotpki_outcome outcome;
	const char *hint;
} error_rows[] = {
	{ IOTPKI, NULL, -4, WHOLE, "failed to read from name DB", IOTPKI_OUTCOME_UNREGISTERED,
	  NULL },
	/* Emercoin says the same of an unknown name and of trouble in its name DB: both deny. */
	{ EMERCOIN, show, -4, WHOLE, "failed to read from name DB", IOTPKI_OUTCOME_UNREGISTERED,
	  NULL },
	/* Emercoin's own slip, "from from"; a gateway passes these on. */
	{ IOTPKI, NULL, -4, WHOLE, "failed to read from from disk", IOTPKI_OUTCOME_NOT_READY,
	  NULL },
	{ IOTPKI, NULL, -4, WHOLE, "no result returned", IOTPKI_OUTCOME_NOT_READY, NULL },
	{ IOTPKI, NULL, -4, WHOLE, "failed to decode name", IOTPKI_OUTCOME_NOT_READY, NULL },
	{ EMERCOIN, show, -4, WHOLE, "failed to read from from disk", IOTPKI_OUTCOME_NOT_READY,
	  HINT_TXINDEX },
	{ EMERCOIN, show, -4, WHOLE, "no result returned", IOTPKI_OUTCOME_NOT_READY, HINT_INDEX },
	{ EMERCOIN, show, -4, WHOLE, "failed to decode name", IOTPKI_OUTCOME_NOT_READY,
	  HINT_INDEX },
	{ NAMECOIN, show, -4, NAMED, "name never existed: ", IOTPKI_OUTCOME_UNREGISTERED, NULL },
	{ NAMECOIN, show, -4, NAMED, "name expired: ", IOTPKI_OUTCOME_EXPIRED, NULL },
	{ IOTPKI, NULL, -10, ANY, NULL, IOTPKI_OUTCOME_NOT_READY, HINT_BEHIND },
	{ IOTPKI, NULL, -28, ANY, NULL, IOTPKI_OUTCOME_NOT_READY, HINT_BUSY },
	{ IOTPKI, NULL, -32603, ANY, NULL, IOTPKI_OUTCOME_MALFORMED, HINT_ODD },
	{ CHAINS, NULL, -10, ANY, NULL, IOTPKI_OUTCOME_NOT_READY, dialect_hint_sync },
	{ CHAINS, NULL, -28, ANY, NULL, IOTPKI_OUTCOME_NOT_READY, HINT_WARM },
	{ EMERCOIN, history, -1, ANY, NULL, IOTPKI_OUTCOME_NOT_READY, HINT_WALLET },
	{ NAMECOIN, history, -1, ANY, NULL, IOTPKI_OUTCOME_NOT_READY, HINT_HISTORY },
	{ EMERCOIN, history, -18, ANY, NULL, IOTPKI_OUTCOME_NOT_READY, HINT_WALLET },
	{ NAMECOIN, history, -18, ANY, NULL, IOTPKI_OUTCOME_NOT_READY, HINT_WALLET },
	{ CHAINS, history, -19, ANY, NULL, IOTPKI_OUTCOME_NOT_READY, HINT_ONE_WALLET },
	{ EMERCOIN, history, -32601, ANY, NULL, IOTPKI_OUTCOME_NOT_READY, HINT_WALLET },
	{ NAMECOIN, history, -32601, ANY, NULL, IOTPKI_OUTCOME_NOT_READY, HINT_HISTORY },
	/* Emercoin's name_history where the node has no index of transactions. */
	{ EMERCOIN, history, -20, WHOLE, "could not read transaction from disk",
	  IOTPKI_OUTCOME_NOT_READY, HINT_TXINDEX },
};

/** Text, quote, name, quote, and nothing else. */
static bool names(const char *message, const char *text, const char *name)
{
	const size_t len = strlen(text);
	if (name == NULL || strncmp(message, text, len) != 0 || message[len] != '\'')
		return false;
	const char *at = message + len + 1;
	const size_t name_len = strlen(name);
	return strncmp(at, name, name_len) == 0 && strcmp(at + name_len, "'") == 0;
}

static bool fits(const struct error_row *row, const char *method, const char *name,
		 const struct dialect_envelope *envelope)
{
	if (row->code != envelope->code)
		return false;
	if (row->method != NULL && strcmp(row->method, method) != 0)
		return false;
	if (row->match == NAMED)
		return names(envelope->message, row->text, name);
	return row->match == ANY || strcmp(row->text, envelope->message) == 0;
}

struct dialect_error dialect_judge_error(enum config_node_type type, const char *method,
					 const char *name, const struct dialect_envelope *envelope,
					 struct iotpki_detail *detail)
{
	for (size_t i = 0; i < ARRAY_LEN(error_rows); i++) {
		const struct error_row *row = &error_rows[i];
		if ((row->dialects & (1u << type)) == 0 || !fits(row, method, name, envelope))
			continue;
		if (row->hint != NULL)
			(void)detail_set(detail, IOTPKI_ERR_UNAVAILABLE, 0, 0, "%s", row->hint);
		return (struct dialect_error){ row->outcome, row->hint };
	}
	(void)detail_set(detail, IOTPKI_ERR_SYNTAX, 0, 0, "unexpected error %lld",
			 (long long)envelope->code);
	return (struct dialect_error){ IOTPKI_OUTCOME_MALFORMED, NULL };
}

/* ---- errors of wallets ---- */

static const struct refusal_row {
	unsigned int dialects;
	int code;
	const char *begins; /* the message begins so; NULL: any */
	enum nvs_refusal refusal;
} refusal_rows[] = {
	/* Bitcoin's wallet, which both are made from. */
	{ CHAINS, -13, NULL, NVS_REFUSAL_LOCKED },
	{ CHAINS, -10, NULL, NVS_REFUSAL_NOT_IN_SYNC },
	{ CHAINS, -28, NULL, NVS_REFUSAL_NOT_IN_SYNC },
	{ CHAINS, -18, NULL, NVS_REFUSAL_NO_WALLET },
	{ CHAINS, -19, NULL, NVS_REFUSAL_NO_WALLET },
	{ CHAINS, -32601, NULL, NVS_REFUSAL_NO_WALLET },
	/* Before the text is looked at: name_update of a name that is another's. */
	{ NAMECOIN, -6, "Not found pre-selected input", NVS_REFUSAL_NOT_OWNER },
	{ NAMECOIN, -4, "Input tx not found in wallet", NVS_REFUSAL_NOT_OWNER },
	{ CHAINS, -6, NULL, NVS_REFUSAL_FUNDS },
	{ CHAINS, -4, "Insufficient funds", NVS_REFUSAL_FUNDS },
	{ CHAINS, -4, "Error: This transaction requires a transaction fee of at least",
	  NVS_REFUSAL_FUNDS },
	{ EMERCOIN, -32603, "Insufficient funds", NVS_REFUSAL_FUNDS },
	{ EMERCOIN, -32603, "Error: This transaction requires a transaction fee of at least",
	  NVS_REFUSAL_FUNDS },
	{ EMERCOIN, -32603, "there are ", NVS_REFUSAL_PENDING },
	{ EMERCOIN, -32603, "name_new on an unexpired name", NVS_REFUSAL_TAKEN },
	{ EMERCOIN, -32603, "name_update on an ",
	  NVS_REFUSAL_EXPIRED }, /* inactive, expired name */
	{ EMERCOIN, -32603, "name_delete on an ", NVS_REFUSAL_EXPIRED },
	{ EMERCOIN, -32603, "could not find prev txIn with this name", NVS_REFUSAL_EXPIRED },
	{ EMERCOIN, -32603, "prev name tx is not yours or is not spendable",
	  NVS_REFUSAL_NOT_OWNER },
	{ EMERCOIN, -32603, "value is too long", NVS_REFUSAL_TOO_LONG },
	{ EMERCOIN, -32603, "name is too long", NVS_REFUSAL_TOO_LONG },
	{ EMERCOIN, -5, "emercoin address is invalid", NVS_REFUSAL_BAD_ADDRESS },
	{ NAMECOIN, -5, "invalid address", NVS_REFUSAL_BAD_ADDRESS },
	{ NAMECOIN, -8, "the value is too long", NVS_REFUSAL_TOO_LONG },
	{ NAMECOIN, -8, "the name is too long", NVS_REFUSAL_TOO_LONG },
	{ NAMECOIN, -25, "this name exists already", NVS_REFUSAL_TAKEN },
	{ NAMECOIN, -25, "this name is already active", NVS_REFUSAL_TAKEN },
	{ NAMECOIN, -25, "this name can not be updated", NVS_REFUSAL_EXPIRED },
	{ NAMECOIN, -25, "there is already a pending ", NVS_REFUSAL_PENDING },
	{ NAMECOIN, -25, "there are already too many pending operations on this name",
	  NVS_REFUSAL_PENDING },
	/* The preorder is not in a block yet, or not deep enough. */
	{ NAMECOIN, -25, "previous txid not found", NVS_REFUSAL_NOT_YET },
};

enum nvs_refusal dialect_refusal(enum config_node_type type,
				 const struct dialect_envelope *envelope)
{
	if (type == CONFIG_NODE_IOTPKI)
		return NVS_REFUSAL_NONE;
	for (size_t i = 0; i < ARRAY_LEN(refusal_rows); i++) {
		const struct refusal_row *row = &refusal_rows[i];
		if ((row->dialects & (1u << type)) == 0 || row->code != envelope->code)
			continue;
		if (row->begins == NULL ||
		    strncmp(envelope->message, row->begins, strlen(row->begins)) == 0)
			return row->refusal;
	}
	return NVS_REFUSAL_OTHER;
}
