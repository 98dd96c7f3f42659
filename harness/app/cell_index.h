/* cell_index.h - find a cell among many by its contents. */
#ifndef APP_CELL_INDEX_H
#define APP_CELL_INDEX_H

#include "harness/app/cells.h"

/* A hash table of positions in a list; zeroed: empty. */
struct cell_index {
    int32_t *slot; /* position + 1; 0: free */
    int32_t n, size;
};

/* Position of an equal cell; -1: none. */
int32_t cell_index_find(const struct cell_index *x, const struct planned_cell *cells,
                        const struct cell *c);
/* Add cells[i], which must not be there yet. */
enum err cell_index_add(struct cell_index *x, const struct planned_cell *cells,
                        int32_t i) MUST_CHECK;
void cell_index_free(struct cell_index *x);

#endif
