/* Days, ends and amounts of the two chains, and the table of what can go wrong. */
#include "manager/onchain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

/* What a step costs beside the name: a transaction of at most 1 kB at the nodes' relay fee. */
#define TRANSACTION_FEE (ONCHAIN_COIN / 1000)
#define NAMECOIN_LOCKED (ONCHAIN_COIN / 100) /* stays in the name for good */
#define EMERCOIN_CENT (ONCHAIN_COIN / 100)

enum {
	DAY_S = ONCHAIN_EMERCOIN_DAY * ONCHAIN_EMERCOIN_BLOCK_S,
	DAYS_MAX = 36500,
	/* The highest reward of a block ever, in coins; the fee of a name goes by the present one. */
	EMERCOIN_REWARD = 5020,
};

const struct onchain_problem_row *onchain_problem_row(enum onchain_problem problem)
{
	static const struct onchain_problem_row rows[] = {
		[ONCHAIN_OK] = { "ok", 0, "all is well", "" },
		[ONCHAIN_FUNDS] = { "insufficient-funds", 20,
				    "the wallet has not enough coins for this",
				    "send coins to an address of it (%s getnewaddress)" },
		[ONCHAIN_LOCKED] = { "wallet-locked", 21, "the wallet is locked",
				     "unlock it, e.g. %s walletpassphrase PASSPHRASE 600" },
		[ONCHAIN_PENDING] = { "pending-operation", 22,
				      "another operation on this name is not confirmed yet",
				      "wait for a block or two, then run this again (%s "
				      "getblockcount)" },
		[ONCHAIN_TAKEN] = { "name-taken", 23, "the name is registered by somebody else",
				    "take another name, or ask who holds it (%s name_show); iotpki "
				    "dm revoke gives up what was begun here" },
		[ONCHAIN_NOT_OWNER] = { "not-the-owner", 24, "the name's key is not in this wallet",
					"use the wallet that registered it (%s listwallets)" },
		[ONCHAIN_EXPIRED] = { "expired", 25, "the name is not registered here (any more)",
				      "iotpki dm register registers it (%s name_show)" },
		[ONCHAIN_TOO_LONG] = { "value-too-long", 26,
				       "the value is too long: 505 bytes to register or update, "
				       "520 "
				       "with the revocation",
				       "shorten what stands in it (%s name_show)" },
		[ONCHAIN_NOT_IN_SYNC] = { "not-in-sync", 27,
					  "the node is not in sync with the chain",
					  "wait until it is (%s getblockchaininfo)" },
		[ONCHAIN_REVOKED] = { "revoked", 7, "the name is revoked",
				      "it cannot be used before it expires (%s name_history)" },
		[ONCHAIN_EXISTS] = { "registered-already", 3,
				     "the name is registered already, by this wallet",
				     "iotpki dm renew changes it (%s name_show)" },
		[ONCHAIN_NO_WALLET] = { "no-wallet", 3,
					"the node has no wallet loaded, or keeps no history of "
					"names",
					"load one (%s loadwallet) and start the node with "
					"-namehistory "
					"(Namecoin) or -txindex (Emercoin)" },
		[ONCHAIN_UNAUTHORIZED] = { "unauthorized", 4,
					   "the node refuses the credentials, or they could not be "
					   "read",
					   "the file of dm init --credentials needs mode 0600 and "
					   "what the node's configuration says, user:password (%s "
					   "-rpcuser, .cookie)" },
		[ONCHAIN_BAD_ADDRESS] = { "bad-address", 2, "this is no address of the chain",
					  "ask the new owner for one (%s getnewaddress)" },
		[ONCHAIN_UNREACHABLE] = { "unreachable", 5, "the node cannot be reached",
					  "is it running (%s getblockcount), and is this its "
					  "URL?" },
		[ONCHAIN_BROKEN] = { "broken", 7, "the node answers as no node of its type does",
				     "see its log, and iotpki bnode test (%s help)" },
	};
	_Static_assert(ARRAY_LEN(rows) == ONCHAIN_PROBLEM_COUNT, "a row for each");
	return &rows[(size_t)problem < ARRAY_LEN(rows) ? problem : ONCHAIN_BROKEN];
}

const char *onchain_program(enum config_node_type type)
{
	return type == CONFIG_NODE_EMERCOIN ? "emercoin-cli" : "namecoin-cli";
}

const char *onchain_coin(enum config_node_type type)
{
	return type == CONFIG_NODE_EMERCOIN ? "EMC" : "NMC";
}

/* ---- days and ends ---- */

uint32_t onchain_days(int64_t from_s, int64_t until_s)
{
	if (until_s <= from_s)
		return 0;
	/* A day of rent is 175 blocks, a little less than a day; rounded up to outlast the ex=. */
	const int64_t days = (until_s - from_s + DAY_S - 1) / DAY_S;
	return days < DAYS_MAX ? (uint32_t)days : DAYS_MAX;
}

uint32_t onchain_blocks(const struct onchain_progress *progress)
{
	if (progress->type == CONFIG_NODE_EMERCOIN)
		return progress->days * ONCHAIN_EMERCOIN_DAY;
	return ONCHAIN_NAMECOIN_LIFE;
}

int64_t onchain_end_s(enum config_node_type type, const struct onchain_seen *seen, int64_t now_s)
{
	static const int64_t block_s[] = {
		[CONFIG_NODE_EMERCOIN] = ONCHAIN_EMERCOIN_BLOCK_S,
		[CONFIG_NODE_NAMECOIN] = ONCHAIN_NAMECOIN_BLOCK_S,
	};
	int64_t end;
	if (seen->expires_in <= 0 ||
	    __builtin_mul_overflow(seen->expires_in, block_s[type], &end) ||
	    __builtin_add_overflow(end, now_s, &end))
		return seen->expires_in <= 0 ? now_s : INT64_MAX;
	return end;
}

/* ---- amounts ---- */

static int64_t square_root_up(int64_t square)
{
	int64_t root = 0;
	while (root * root < square)
		root++;
	return root;
}

/*
 * As Emercoin Core reckons a name's fee since 0.7: the root of 1 % of the block's reward for a year and
 * for the registration itself, and a cent for each 128 bytes, all a hundredth of it.
 */
static int64_t emercoin_cost(const struct onchain_progress *progress, size_t nvs_name_len)
{
	const int64_t years_up = (int64_t)(progress->days + 364) / 365;
	const int64_t shares = years_up + (progress->op == ONCHAIN_REGISTER);
	const int64_t cents = square_root_up(shares * EMERCOIN_REWARD) +
			      (int64_t)(nvs_name_len + strlen(progress->value)) / 128 + 1;
	return cents * EMERCOIN_CENT / 100 + TRANSACTION_FEE;
}

int64_t onchain_cost(const struct onchain_progress *progress, size_t nvs_name_len)
{
	if (progress->stage >= ONCHAIN_SENT || progress->value[0] == '\0')
		return 0;
	if (progress->type == CONFIG_NODE_EMERCOIN)
		return emercoin_cost(progress, nvs_name_len);
	if (progress->op == ONCHAIN_REGISTER && !progress->has_preorder)
		return NAMECOIN_LOCKED + 2 * TRANSACTION_FEE;
	return TRANSACTION_FEE;
}

/* "1e-05": what is behind the "e", -20 to 20. */
static bool exponent_parse(const char *text, int *out)
{
	const bool minus = text[0] == '-';
	const char *digits = text + (minus || text[0] == '+');
	while (digits[0] == '0' && digits[1] != '\0')
		digits++;
	uint64_t number;
	if (!uint_parse(digits, strlen(digits), 20, &number))
		return false;
	*out = minus ? -(int)number : (int)number;
	return true;
}

bool onchain_amount_parse(const char *text, int64_t *amount_out)
{
	enum { PLACES = 8, KEPT_MAX = 18 };
	int64_t digits = 0;
	int places = 0, kept = 0, exponent = 0;
	bool point = false, any = false;
	for (; *text != '\0' && *text != 'e' && *text != 'E'; text++) {
		if (*text == '.' && !point && any) {
			point = true;
			continue;
		}
		if (*text < '0' || *text > '9')
			return false;
		any = true;
		if (kept < KEPT_MAX) {
			digits = digits * 10 + (*text - '0');
			kept += digits > 0;
			places += point;
		} else if (!point) {
			return false;
		}
	}
	if (!any || (*text != '\0' && !exponent_parse(text + 1, &exponent)))
		return false;
	for (int shift = PLACES + exponent - places; shift != 0; shift += shift < 0 ? 1 : -1) {
		if (shift < 0)
			digits /= 10;
		else if (__builtin_mul_overflow(digits, 10, &digits))
			return false;
	}
	*amount_out = digits;
	return true;
}

void onchain_amount_format(int64_t amount, char out[static ONCHAIN_AMOUNT_SIZE])
{
	int len = snprintf(out, ONCHAIN_AMOUNT_SIZE, "%" PRId64 ".%08" PRId64,
			   amount / ONCHAIN_COIN, amount % ONCHAIN_COIN);
	while (len > 0 && out[len - 1] == '0')
		out[--len] = '\0';
	if (len > 0 && out[len - 1] == '.')
		out[len - 1] = '\0';
}
