/* Addresses of the fake chains: base58check (both) and bech32 (Emercoin's), checked as the nodes check them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAIN_ADDRESS_SIZE 91
#define CHAIN_HASH160_LEN 20

/** Regtest's version byte of a public key hash: addresses begin with m or n. */
#define CHAIN_ADDRESS_VERSION 111
#define CHAIN_EMERCOIN_HRP "emrt"
#define CHAIN_NAMECOIN_HRP "ncrt"

void chain_address_base58(const uint8_t hash[static CHAIN_HASH160_LEN],
			  char out[static CHAIN_ADDRESS_SIZE]);
void chain_address_bech32(const char *hrp, const uint8_t hash[static CHAIN_HASH160_LEN],
			  char out[static CHAIN_ADDRESS_SIZE]);
/** Whether a node whose bech32 addresses begin with hrp takes it; the checksum is checked. */
bool chain_address_valid(const char *hrp, const char *text);
