/* cusim_gpu.c - the same tests on a GPU: absent where the backend cannot be opened. */
#include <stdlib.h>
#include <string.h>

#include "harness/kernels/kernels.h"
#include "tests/cusim/cusim.h"

const char *cusim_absent(void)
{
    const char *name, *why = "no such backend";
    for (int32_t i = 0; (name = kernels_backend(i, &why)); i++)
        if (strcmp(name, "cuda") == 0) break;
    return why;
}
