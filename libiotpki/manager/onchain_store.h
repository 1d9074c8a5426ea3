/*
 * Where the progress of a name on each chain network is kept, beside the signed steps:
 *
 *   DIR/names/NAME/chain-NETWORK   onchain.h, "what the progress file holds"
 *
 * Replaced whole and durably, before anything is sent that it speaks of.
 */
#pragma once

#include "manager/onchain.h"

/** progress_out is all zero, and IOTPKI_OK returned, if nothing was ever wanted there. */
enum iotpki_err onchain_store_load(const char *dir, const char *name, const char *network,
				   struct onchain_progress *progress_out,
				   struct iotpki_detail *detail) MUST_CHECK;
enum iotpki_err onchain_store_save(const char *dir, const char *name, const char *network,
				   const struct onchain_progress *progress,
				   struct iotpki_detail *detail) MUST_CHECK;
