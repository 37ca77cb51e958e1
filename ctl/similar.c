// SPDX-License-Identifier: BSD-3-Clause
/* Find the word that somebody may have meant. */
#include <stdio.h>
#include <string.h>
#include "ctl.h"

#define WORD_MAX	32
#define MISTAKES_MAX	2	/* letters that are missing, too many, other ones, or two that are exchanged */

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Mistakes in a, if b was meant (optimal string alignment). */
static unsigned int mistakes(const char *a, const char *b)
{
	unsigned int d[WORD_MAX + 1][WORD_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			if (!i || !j) {
				d[i][j] = (unsigned int)(i + j);
				continue;
			}
			d[i][j] = least(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]), least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[n][m];
}

void similar_to(struct ctl_similar *s, const char *candidate)
{
	unsigned int n = mistakes(s->word, candidate);

	/* Of a short word nothing would be left. */
	if (n > MISTAKES_MAX || 2 * n >= strlen(candidate) || (s->best && n >= s->mistakes))
		return;
	s->best = candidate;
	s->mistakes = n;
}

const char *similar_text(struct ctl_similar *s)
{
	s->text[0] = '\0';
	if (s->best)
		snprintf(s->text, sizeof(s->text), "; did you mean '%s'?", s->best);
	return s->text;
}
