/* answer.h - what a database found, in plain words. */
#ifndef APP_ANSWER_H
#define APP_ANSWER_H

#include <stdio.h>

#include "results/store.h"

/* For each device with matched runs: its ridge, where each decoder's forwards lie and how
 * close to the roof, and what a diffusion forward must commit to be as fast as AR.
 * Measured devices first; predictions say that they are. */
enum err answer_print(struct store *s, FILE *out) MUST_CHECK;

#endif
