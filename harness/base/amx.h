/* amx.h - whether this process may use the tile registers of AMX. */
#ifndef BASE_AMX_H
#define BASE_AMX_H

#include <stdbool.h>

/* amx_tile and amx_bf16, and a kernel that grants the registers to processes that ask, which this
 * one does here: threads started later have them, too. */
bool amx_granted(void);

#endif
