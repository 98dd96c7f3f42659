/* embed.h - the schema, figure templates and sweep files, carried inside the program
 * so that it works wherever it is installed. */
#ifndef BASE_EMBED_H
#define BASE_EMBED_H

struct embedded_file {
    const char *path; /* from the root of the sources: "results/schema.sql" */
    const char *text; /* the whole file, NUL-terminated                     */
};

/* In path order within each folder; a NULL path ends the table. */
extern const struct embedded_file embedded_files[];

/* The text of one file; NULL when no such path was embedded. */
const char *embed_find(const char *path);

#endif
