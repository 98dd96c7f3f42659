/* json.h - write JSON as it comes, into a file or a string buffer.
 *
 * The caller opens, fills and closes; commas are put by the writer.  What cannot be
 * valid JSON (a value without its key, an end without its begin) is a bug and
 * aborts.  Write errors of a file are found by json_finish. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "harness/base/strbuf.h"

enum { JSON_MAX_DEPTH = 32, JSON_DOUBLE_SIZE = 32 };

struct json {
    FILE *file;                 /* one of file and buf; both borrowed      */
    struct strbuf *buf;
    int32_t depth;              /* open objects and arrays                 */
    char open[JSON_MAX_DEPTH];  /* '{' or '[' of each                      */
    bool filled[JSON_MAX_DEPTH]; /* it has an element already              */
    bool keyed;                 /* a key waits for its value               */
};

void json_to_file(struct json *j, FILE *file);
void json_to_strbuf(struct json *j, struct strbuf *buf);

void json_object_begin(struct json *j);
void json_object_end(struct json *j);
void json_array_begin(struct json *j);
void json_array_end(struct json *j);
void json_key(struct json *j, const char *key);

void json_string(struct json *j, const char *text); /* UTF-8; NULL prints null          */
void json_int(struct json *j, int64_t v);
void json_double(struct json *j, double v); /* NaN and infinities print null    */
void json_bool(struct json *j, bool v);
void json_null(struct json *j);
void json_raw(struct json *j, const char *text); /* one whole value, already valid JSON */

/* After the last end: a newline; ERR_IO or ERR_NOMEM when something was lost.  The
 * writer may then begin another value (one a line). */
enum err json_finish(struct json *j) MUST_CHECK;

/* The shortest of 15, 16 or 17 significant digits that reads back as v, always with a
 * point or an exponent, so that a real stays a real: "0.1", "3.0", "1e+300".  v finite. */
void json_format_double(double v, char out[JSON_DOUBLE_SIZE]);

#endif
