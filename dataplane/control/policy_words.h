/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words of a policy: what port.attach, policy.set and the kept configuration say of a port, as nfvctl's user wrote it.
 * Each word is a string; NFV_POLICY_WORDS of include/nfv/params.h has them with their defaults.
 *
 * Context: control.
 */
#ifndef NFVD_POLICY_WORDS_H
#define NFVD_POLICY_WORDS_H

#include <jansson.h>
#include "err.h"
#include "policy/policy.h"

/* Return a new array of all words: [{word, default, arguments, help}]. */
json_t *nfvd_words_all(void);
/* Move the words among params into a new object. */
json_t *nfvd_words_take(json_t *params);
/* Delete the words among the members of obj. */
void nfvd_words_delete(json_t *obj);
/* Return a new object: base with changes. A word with its default value is left out. */
json_t *nfvd_words_merge(const json_t *base, const json_t *changes);
/*
 * Return a new object: words, and the defaults of the words that are not in it, where the profile of nfvd has a
 * default of its own.
 */
json_t *nfvd_words_shown(const json_t *words);
/* Set *policy to a new policy made of words, or to NULL if it is a plain one. Return 0, or -1 with *err. */
int nfvd_words_parse(const json_t *words, struct nfvd_policy **policy, struct nfvd_err *err);

/* Return the name of a zone. */
const char *nfvd_zone_name(unsigned int zone);

#endif
