/* The kernel's clocks and the one that tests set. */
#include "base/clock.h"

#include <time.h>

static int64_t read_ms(clockid_t id)
{
	struct timespec ts;
	if (clock_gettime(id, &ts) != 0)
		return 0;
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_now_s(const struct clock *clock)
{
	(void)clock;
	return read_ms(CLOCK_REALTIME) / 1000;
}

static int64_t system_mono_ms(const struct clock *clock)
{
	(void)clock;
	return read_ms(CLOCK_MONOTONIC);
}

static int64_t system_boottime_ms(const struct clock *clock)
{
	(void)clock;
	return read_ms(CLOCK_BOOTTIME);
}

const struct clock *clock_system(void)
{
	static const struct clock clock = { system_now_s, system_mono_ms, system_boottime_ms };
	return &clock;
}

static int64_t fake_now_s(const struct clock *clock)
{
	return ((const struct clock_fake *)clock)->now_s;
}

static int64_t fake_mono_ms(const struct clock *clock)
{
	return ((const struct clock_fake *)clock)->mono_ms;
}

static int64_t fake_boottime_ms(const struct clock *clock)
{
	const struct clock_fake *fake = (const struct clock_fake *)clock;
	return fake->mono_ms + fake->suspended_ms;
}

void clock_fake_init(struct clock_fake *fake, int64_t now_s)
{
	*fake = (struct clock_fake){ .clock = { fake_now_s, fake_mono_ms, fake_boottime_ms },
				     .now_s = now_s,
				     .mono_ms = 1000 };
}

void clock_fake_advance(struct clock_fake *fake, int64_t ms)
{
	fake->mono_ms += ms;
	fake->now_s += ms / 1000;
}
