/* What the files of the wallet share (private to manager/wallet*.c). */
#pragma once

#include "manager/wallet.h"

/** Call, and say what came of it; reply_out is to be released in any case. */
enum onchain_problem wallet_call(const struct wallet *wallet, const char *method,
				 const struct buf *params, struct nvs_reply *reply_out);
enum onchain_problem wallet_problem(const struct nvs_reply *reply);
