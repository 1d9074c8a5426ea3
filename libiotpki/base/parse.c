/* The small strict grammars. */
#include "base/parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

/* A digit's value and one, as below. */
static const uint8_t hex_values[256] = {
	['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

static int hex_value(char c)
{
	return (int)hex_values[(uint8_t)c] - 1;
}

bool hex_decode(const char *text, size_t len, uint8_t *out, size_t out_len)
{
	if (len != out_len * 2)
		return false;
	for (size_t i = 0; i < out_len; i++) {
		const int high = hex_value(text[2 * i]);
		const int low = hex_value(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high * 16 + low);
	}
	return true;
}

void hex_encode(const uint8_t *data, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = hex_digits[data[i] >> 4];
		out[2 * i + 1] = hex_digits[data[i] & 15];
	}
	out[2 * len] = '\0';
}

/* A digit's value and one: lists of certificates are mostly base64. */
static const uint8_t base64_values[256] = {
	['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,
	['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
	['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
	['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
	['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
	['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
	['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
	['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
	['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
	['/'] = 64,
};

static int base64_value(char c)
{
	return (int)base64_values[(uint8_t)c] - 1;
}

/* The digits without their padding, or SIZE_MAX if the padding is not as it must be. */
static size_t base64_digits(const char *text, size_t len, bool padded)
{
	if (!padded)
		return len % 4 == 1 ? SIZE_MAX : len;
	if (len % 4 != 0)
		return SIZE_MAX;
	if (len > 0 && text[len - 1] == '=')
		len--;
	if (len > 0 && len % 4 == 3 && text[len - 1] == '=')
		len--;
	return len;
}

bool base64_decode(const char *text, size_t len, bool padded, uint8_t *out, size_t *out_len)
{
	const size_t digits = base64_digits(text, len, padded);
	if (digits == SIZE_MAX || digits / 4 * 3 + digits % 4 * 3 / 4 > *out_len)
		return false;

	uint32_t bits = 0;
	unsigned int count = 0;
	size_t written = 0;
	size_t whole = 0;
	for (; whole + 4 <= digits; whole += 4) {
		const int a = base64_value(text[whole]), b = base64_value(text[whole + 1]);
		const int c = base64_value(text[whole + 2]), d = base64_value(text[whole + 3]);
		if ((a | b | c | d) < 0)
			return false;
		const uint32_t group =
			(uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
		out[written++] = (uint8_t)(group >> 16);
		out[written++] = (uint8_t)(group >> 8);
		out[written++] = (uint8_t)group;
	}
	for (size_t i = whole; i < digits; i++) {
		const int value = base64_value(text[i]);
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		count += 6;
		if (count >= 8) {
			count -= 8;
			out[written++] = (uint8_t)(bits >> count);
		}
	}
	if ((bits & ((1U << count) - 1)) != 0)
		return false;
	*out_len = written;
	return true;
}

size_t base64_encode(const uint8_t *data, size_t len, bool padded, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t written = 0;
	for (size_t i = 0; i < len; i += 3) {
		const size_t left = len - i;
		uint32_t bits = (uint32_t)data[i] << 16;
		if (left > 1)
			bits |= (uint32_t)data[i + 1] << 8;
		if (left > 2)
			bits |= data[i + 2];
		out[written++] = digits[bits >> 18];
		out[written++] = digits[bits >> 12 & 63];
		if (left > 1)
			out[written++] = digits[bits >> 6 & 63];
		if (left > 2)
			out[written++] = digits[bits & 63];
	}
	while (padded && written % 4 != 0)
		out[written++] = '=';
	out[written] = '\0';
	return written;
}

bool uint_parse(const char *text, size_t len, uint64_t max, uint64_t *out)
{
	if (len == 0 || len > 20 || (text[0] == '0' && len > 1))
		return false;
	uint64_t value = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		const uint64_t digit = (uint64_t)(text[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (value > max)
		return false;
	*out = value;
	return true;
}

static bool leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t month_days(int64_t year, int64_t month)
{
	static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return days[month - 1] + (month == 2 && leap(year) ? 1 : 0);
}

/* Days from 1970-01-01 to the first of January of a year. */
static int64_t year_days(int64_t year)
{
	const int64_t y = year - 1;
	return 365 * (year - 1970) + (y / 4 - 492) - (y / 100 - 19) + (y / 400 - 4);
}

static bool digits_at(const char *text, size_t at, size_t count, int64_t *out)
{
	int64_t value = 0;
	for (size_t i = at; i < at + count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (text[i] - '0');
	}
	*out = value;
	return true;
}

bool time_parse(const char *text, size_t len, int64_t *unix_s_out)
{
	int64_t year, month, day, hour, minute, second;
	if (len != 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
	    text[16] != ':' || text[19] != 'Z')
		return false;
	if (!digits_at(text, 0, 4, &year) || !digits_at(text, 5, 2, &month) ||
	    !digits_at(text, 8, 2, &day) || !digits_at(text, 11, 2, &hour) ||
	    !digits_at(text, 14, 2, &minute) || !digits_at(text, 17, 2, &second))
		return false;
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > month_days(year, month) ||
	    hour > 23 || minute > 59 || second > 59)
		return false;

	int64_t days = year_days(year) + day - 1;
	for (int64_t m = 1; m < month; m++)
		days += month_days(year, m);
	*unix_s_out = ((days * 24 + hour) * 60 + minute) * 60 + second;
	return true;
}

void time_format(int64_t unix_s, char out[static TIME_TEXT_SIZE])
{
	static const int64_t last = INT64_C(253402300799); /* 9999-12-31T23:59:59Z */
	const int64_t at = unix_s < 0 ? 0 : unix_s > last ? last : unix_s;
	int64_t days = at / 86400;
	const int64_t seconds = at % 86400;

	int64_t year = 1970 + days / 366;
	while (year_days(year + 1) <= days)
		year++;
	days -= year_days(year);
	int64_t month = 1;
	while (days >= month_days(year, month))
		days -= month_days(year, month++);
	char text[128];
	(void)snprintf(text, sizeof(text),
		       "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02" PRId64 ":%02" PRId64
		       ":%02" PRId64 "Z",
		       year, month, days + 1, seconds / 3600, seconds / 60 % 60, seconds % 60);
	memcpy(out, text, TIME_TEXT_SIZE - 1);
	out[TIME_TEXT_SIZE - 1] = '\0';
}

bool duration_parse(const char *text, size_t len, uint64_t max_ms, uint64_t *ms_out)
{
	static const struct {
		const char *suffix;
		uint64_t ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }
	};

	size_t digits = 0;
	while (digits < len && text[digits] >= '0' && text[digits] <= '9')
		digits++;
	uint64_t count;
	if (!uint_parse(text, digits, max_ms, &count))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strlen(units[i].suffix) != len - digits ||
		    memcmp(units[i].suffix, text + digits, len - digits) != 0)
			continue;
		if (count > max_ms / units[i].ms)
			return false;
		*ms_out = count * units[i].ms;
		return true;
	}
	return false;
}

size_t text_escape(const char *text, size_t len, char *out, size_t size)
{
	size_t written = 0;
	for (size_t i = 0; i < len; i++) {
		const uint8_t c = (uint8_t)text[i];
		const bool plain = c >= 0x20 && c <= 0x7e && c != '\\';
		const size_t need = plain ? 1 : 4;
		if (written + need >= size)
			break;
		if (plain) {
			out[written++] = (char)c;
			continue;
		}
		out[written++] = '\\';
		out[written++] = 'x';
		out[written++] = hex_digits[c >> 4];
		out[written++] = hex_digits[c & 15];
	}
	if (size > 0)
		out[written] = '\0';
	return written;
}

bool text_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((uint8_t)text[i] < 0x20 || (uint8_t)text[i] > 0x7e)
			return false;
	return true;
}
