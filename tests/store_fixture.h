/* store_fixture.h - small databases with numbers that can be worked out by hand. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "harness/base/hash.h"
#include "results/store.h"

/* Fails the test with the sentence unless the call succeeds. */
void ok(enum err e);
/* Fails unless it fails with this code and a sentence that contains the text. */
void fails(enum err e, enum err code, const char *text);

struct store *memory_store(void);
/* An invocation on a device of this name; its kind is told by the name. */
void begin_on(struct store *s, const char *device, char invocation_id[37]);

/* tiny-test, prompt 4, 8 tokens, 2 sequences; batch can be changed to make another cell. */
struct cell small_cell(const char *decoder, const char *device);

/* One value of a one-row query; ?1 is arg (NULL: no parameter). */
int64_t ask_int(struct store *s, const char *sql, const char *arg);
double ask_real(struct store *s, const char *sql, const char *arg);
/* In a buffer that the next call overwrites; "(null)" for NULL. */
const char *ask_text(struct store *s, const char *sql, const char *arg, char out[256]);
void assert_near(double got, double want); /* to 1e-12, relative */

/* A folder of its own for a test: setup and teardown of cmocka, *state its path. */
int make_folder(void **state);
int remove_folder(void **state);
/* folder/name, until the fourth call from here. */
char *in_folder(const char *folder, const char *name);
void write_file(const char *path, const char *text);
void run_sql(const char *path, const char *sql); /* with SQLite itself, past our checks */
void digest(const char *path, char out[SHA256_HEX_SIZE]);

struct store *open_ok(const char *path, enum store_mode mode);
/* A run of n planned forwards of two operations: 10 FLOP of matmul, 5 of attention. */
enum err add_plan(struct store *s, const char *invocation, const char *device, int32_t batch,
                  int32_t n, char run_id[37]);
int64_t count(struct store *s, const char *table);
/* Its pages and references are whole. */
void is_sound(struct store *s);

#endif
