/* A ledger of plain arrays, for states that a real one reaches slowly or never. */
#pragma once

#include <pthread.h>

#include "bnode/ledger.h"

enum { FAKE_OPS_MAX = 8 };

struct fake_name {
	struct ledger_name name;
	size_t op_count;
	struct ledger_operation ops[FAKE_OPS_MAX];
	unsigned int repeat; /* history: how often it tells its operations */
};

struct ledger {
	struct ledger_tip tip;
	size_t count;
	struct fake_name *names; /* in order */
	bool broken;             /* reads fail */
	enum iotpki_err submit_err;
	pthread_mutex_t *gate;     /* it commits when this is free; NULL: at once */
	size_t submits, submitted; /* calls, transactions */
	size_t refuse_odd;         /* every second one is TX_NAME_TAKEN */
};
