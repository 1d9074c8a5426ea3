/*
 * What every fuzz target shares. plant_bug() does nothing, unless the build asks
 * for it (-Dplant_bug=true): then it reads one byte past a heap copy of the input,
 * so that a run can prove that the fuzzer reaches the place where it stands.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** A property that any input must keep; a violation is a finding. */
#define FUZZ_CHECK(condition)                                                                     \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "%s:%d: violated: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

static inline void plant_bug(const uint8_t *data, size_t size)
{
#ifdef IOTPKI_PLANT_BUG
	volatile uint8_t *copy = malloc(size > 0 ? size : 1);
	if (copy == NULL)
		return;
	for (size_t i = 0; i < size; i++)
		copy[i] = data[i];
	const uint8_t beyond = copy[size > 0 ? size : 1];
	(void)beyond;
	free((void *)(uintptr_t)copy);
#else
	(void)data;
	(void)size;
#endif
}
