/*
 * Time as a parameter. Nothing but clock_system() asks the kernel, so a test
 * moves time by writing a number and needs no sleep.
 */
#pragma once

#include "base/base.h"

struct clock {
	int64_t (*now_s)(const struct clock *clock);       /* wall clock, unix seconds */
	int64_t (*mono_ms)(const struct clock *clock);     /* for timeouts; never steps */
	int64_t (*boottime_ms)(const struct clock *clock); /* like mono, counts suspend: for ages */
};

/** The kernel's clocks; static, never freed. */
const struct clock *clock_system(void);

/** A clock that stands where a test puts it, also while threads of what is tested read it. */
struct clock_fake {
	struct clock clock; /* must stay the first member */
	_Atomic int64_t now_s;
	_Atomic int64_t mono_ms;
	_Atomic int64_t suspended_ms; /* what the boot-time clock is ahead of mono */
};
void clock_fake_init(struct clock_fake *fake, int64_t now_s);
/** Wall clock and timers go on together. */
void clock_fake_advance(struct clock_fake *fake, int64_t ms);

/** The time that this source was released: no device's clock can be right and earlier. */
#define CLOCK_BUILD_TIME_S INT64_C(1795305600) /* 2026-11-22T00:00:00Z */
