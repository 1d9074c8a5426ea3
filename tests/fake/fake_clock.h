/* What fake_clock.so reads: a file of these bytes, mapped by the test that writes it. */
#pragma once

#include <stdint.h>

struct fake_clock {
	int64_t wall_s;
	int64_t boot_ahead_s;
};
