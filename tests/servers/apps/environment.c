/* SPDX-License-Identifier: BSD-2-Clause */
/* A CGI program in C: returns its environment, a variable in each line. */
#include <stdio.h>

extern char **environ;

int main(void)
{
	printf("Content-Type: text/plain\r\n\r\n");
	for (char **at = environ; *at; at++)
		puts(*at);
	return 0;
}
