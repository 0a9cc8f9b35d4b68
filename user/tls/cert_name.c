/* SPDX-License-Identifier: BSD-2-Clause */
/* Host names in certificates. See cert_name.h. */
#include "tls/cert_name.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

int cert_name_normalise(char out[CERT_NAME_MAX + 1], const char *name, size_t len)
{
	if (len && name[len - 1] == '.')
		len--;
	if (!len || len > CERT_NAME_MAX || memchr(name, '\0', len))
		return -EINVAL;
	assert(len <= CERT_NAME_MAX);
	for (size_t i = 0; i < len; i++)
		out[i] = (char)tolower((unsigned char)name[i]);
	out[len] = '\0';
	return 0;
}

bool cert_name_at(const GENERAL_NAMES *sans, int n, char out[CERT_NAME_MAX + 1])
{
	const GENERAL_NAME *name;

	if (!sans || n >= sk_GENERAL_NAME_num(sans))
		return false;
	name = sk_GENERAL_NAME_value(sans, n);
	out[0] = '\0';
	if (name->type == GEN_DNS &&
	    cert_name_normalise(out, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
				(size_t)ASN1_STRING_length(name->d.dNSName)))
		out[0] = '\0';
	return true;
}

bool cert_name_is_listed(const GENERAL_NAMES *sans, const char *name)
{
	char san[CERT_NAME_MAX + 1];

	for (int n = 0; cert_name_at(sans, n, san); n++)
		if (!strcmp(san, name))
			return true;
	return false;
}

bool cert_name_wildcard(char out[CERT_NAME_MAX + 2], const char *name)
{
	const char *dot = strchr(name, '.');

	if (!dot || dot == name || name[0] == '*')
		return false;
	assert(strlen(dot) <= CERT_NAME_MAX);
	out[0] = '*';
	strcpy(out + 1, dot);
	return true;
}
