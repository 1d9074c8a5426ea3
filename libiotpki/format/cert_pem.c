/* The text form of one certificate (RFC 7468 3, the strict grammar). */
#include <iotpki/cert.h>

#include <string.h>

#include "base/base.h"
#include "base/parse.h"

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

enum { LINE_DIGITS = 64 };

struct reader {
	const char *at;
	size_t left;
	unsigned int line; /* of at, from 1 */
	struct iotpki_detail *detail;
};

static enum iotpki_err bad(const struct reader *in, const char *what)
{
	return detail_set(in->detail, IOTPKI_ERR_SYNTAX, in->line, 0, "%s", what);
}

static void skip_white(struct reader *in)
{
	while (in->left > 0 && memchr(" \t\r\n", in->at[0], 4) != NULL) {
		in->line += in->at[0] == '\n';
		in->at++;
		in->left--;
	}
}

/* A line without its end (LF or CRLF); the last one may have none. */
static bool take_line(struct reader *in, const char **line_out, size_t *len_out)
{
	if (in->left == 0)
		return false;
	const char *newline = memchr(in->at, '\n', in->left);
	size_t len = newline != NULL ? (size_t)(newline - in->at) : in->left;
	*line_out = in->at;
	in->at += len + (newline != NULL);
	in->left -= len + (newline != NULL);
	if (newline != NULL && len > 0 && (*line_out)[len - 1] == '\r')
		len--;
	*len_out = len;
	return true;
}

static bool is(const char *line, size_t len, const char *want)
{
	return len == strlen(want) && memcmp(line, want, len) == 0;
}

/* The base64 lines up to END, put together. */
static enum iotpki_err take_digits(struct reader *in, char *digits, size_t *len_out)
{
	size_t written = 0;
	bool last = false;
	for (;; in->line++) {
		const char *line;
		size_t len;
		if (!take_line(in, &line, &len))
			return bad(in, "the text ends before " END);
		if (is(line, len, END))
			break;
		if (last || len == 0 || len > LINE_DIGITS)
			return bad(in, "not a line of 64 base64 characters (the last: 1 to 64)");
		last = len < LINE_DIGITS;
		memcpy(digits + written, line, len);
		written += len;
	}
	*len_out = written;
	return IOTPKI_OK;
}

enum iotpki_err iotpki_cert_from_pem(const char *pem, size_t len, uint8_t *der_out,
				     size_t *der_len_io, struct iotpki_detail *detail)
{
	const size_t size = *der_len_io;
	*der_len_io = 0;
	if (len > IOTPKI_CERT_PEM_MAX)
		return detail_set(detail, IOTPKI_ERR_LIMIT, 0, 0,
				  "the text of the certificate is longer than %d bytes",
				  IOTPKI_CERT_PEM_MAX);
	struct reader in = { pem, len, 1, detail };
	const char *line;
	size_t line_len;
	skip_white(&in);
	if (!take_line(&in, &line, &line_len) || !is(line, line_len, BEGIN))
		return bad(&in, "the text does not begin with " BEGIN);
	const unsigned int first = ++in.line;

	char digits[IOTPKI_CERT_PEM_MAX];
	size_t digits_len = 0;
	const enum iotpki_err err = take_digits(&in, digits, &digits_len);
	if (err != IOTPKI_OK)
		return err;
	if (digits_len == 0)
		return bad(&in, "there is no certificate between the lines");
	in.line++;
	skip_white(&in);
	if (in.left > 0)
		return bad(&in, "text after " END);

	size_t der_len = size;
	if (digits_len / 4 * 3 > size + 2)
		return detail_set(detail, IOTPKI_ERR_LIMIT, first, 0,
				  "the certificate is larger than %zu bytes", size);
	if (!base64_decode(digits, digits_len, true, der_out, &der_len))
		return detail_set(detail, IOTPKI_ERR_SYNTAX, first, 0,
				  "the certificate is not base64 from here on");
	*der_len_io = der_len;
	return IOTPKI_OK;
}

enum iotpki_err iotpki_cert_to_pem(const uint8_t *der, size_t len, char *out, size_t size)
{
	if (len > IOTPKI_CERT_DER_MAX)
		return IOTPKI_ERR_LIMIT;
	char digits[BASE64_ENCODED_SIZE(IOTPKI_CERT_DER_MAX)];
	const size_t count = base64_encode(der, len, true, digits);
	const size_t lines = (count + LINE_DIGITS - 1) / LINE_DIGITS;
	const size_t need = strlen(BEGIN "\n" END "\n") + count + lines + 1;
	if (size < need)
		return IOTPKI_ERR_LIMIT;

	char *at = out;
	memcpy(at, BEGIN "\n", strlen(BEGIN "\n"));
	at += strlen(BEGIN "\n");
	for (size_t i = 0; i < count; i += LINE_DIGITS) {
		const size_t part = count - i < LINE_DIGITS ? count - i : LINE_DIGITS;
		memcpy(at, digits + i, part);
		at += part;
		*at++ = '\n';
	}
	memcpy(at, END "\n", sizeof(END "\n"));
	return IOTPKI_OK;
}
