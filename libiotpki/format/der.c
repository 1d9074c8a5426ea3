/* The DER reader. */
#include "format/der.h"

#include <string.h>

/* Bytes of tag and length, 0 if they are not DER; *len_out is the content's length. */
static size_t header(const struct der *in, size_t *len_out)
{
	if (in->left < 2 || (in->at[0] & 0x1f) == 0x1f)
		return 0;
	const uint8_t first = in->at[1];
	size_t len = first;
	size_t size = 2;
	if (first >= 0x80) {
		const size_t count = first & 0x7f;
		if (count < 1 || count > 2 || in->left < 2 + count)
			return 0;
		len = count == 1 ? in->at[2] : (size_t)in->at[2] << 8 | in->at[3];
		/* X.690 10.1: the shortest form. */
		if (len < (count == 1 ? 0x80U : 0x100U))
			return 0;
		size = 2 + count;
	}
	if (len > in->left - size)
		return 0;
	*len_out = len;
	return size;
}

bool der_take_any(struct der *in, uint8_t *tag_out, struct der *content_out,
		  struct der *element_out)
{
	size_t len = 0;
	const size_t size = header(in, &len);
	if (size == 0)
		return false;
	*tag_out = in->at[0];
	*content_out = (struct der){ in->at + size, len };
	*element_out = (struct der){ in->at, size + len };
	in->at += size + len;
	in->left -= size + len;
	return true;
}

bool der_next_is(const struct der *in, uint8_t tag)
{
	return in->left > 0 && in->at[0] == tag;
}

bool der_take(struct der *in, uint8_t tag, struct der *content_out)
{
	uint8_t got;
	struct der element;
	return der_next_is(in, tag) && der_take_any(in, &got, content_out, &element);
}

bool der_equal(const struct der *content, const void *data, size_t len)
{
	return content->left == len && memcmp(content->at, data, len) == 0;
}

bool der_take_bits(struct der *in, struct der *bytes_out)
{
	struct der bits;
	if (!der_take(in, DER_BIT_STRING, &bits) || bits.left < 1 || bits.at[0] != 0)
		return false;
	*bytes_out = (struct der){ bits.at + 1, bits.left - 1 };
	return true;
}

bool der_take_integer(struct der *in, struct der *content_out)
{
	struct der got;
	if (!der_take(in, DER_INTEGER, &got) || got.left == 0)
		return false;
	/* X.690 8.3.2: the first nine bits are not all equal. */
	if (got.left > 1 &&
	    ((got.at[0] == 0x00 && got.at[1] < 0x80) || (got.at[0] == 0xff && got.at[1] >= 0x80)))
		return false;
	*content_out = got;
	return true;
}
