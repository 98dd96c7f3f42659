/* normal_table.h - quantiles of the standard normal distribution as integers. */
#ifndef MODEL_NORMAL_TABLE_H
#define MODEL_NORMAL_TABLE_H

#include <stdint.h>

enum { NORMAL_TABLE_SIZE = 1024, NORMAL_TABLE_ONE = 8192 };

extern const int16_t normal_table[NORMAL_TABLE_SIZE];

#endif
