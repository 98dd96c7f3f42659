/* err.h - how every function in this program reports failure.
 *
 * A fallible function returns enum err and leaves one sentence about what went
 * wrong in a per-thread buffer, read with err_msg().  The sentence is written
 * once, at the place that knows the cause; callers pass the code up with TRY.
 * err_where() lists the file:line of every TRY it passed, for --verbose.
 *
 * Three kinds of failure, three tools:
 *     the user asked for something wrong    ERR_USAGE, exit code 2
 *     the machine could not do it           any other code; the cell is
 *                                           recorded as failed, the sweep goes on
 *     this program is wrong                 CHECK, which aborts in every build
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

enum err {
    ERR_NONE = 0,
    ERR_INTERNAL,     /* a case this program should have handled               */
    ERR_USAGE,        /* bad option, sweep line or file named by the user      */
    ERR_NOMEM,        /* host or device memory ran out                         */
    ERR_IO,           /* a file could not be read or written                   */
    ERR_DEVICE,       /* a device call failed                                  */
    ERR_DB,           /* the results database cannot be used                   */
    ERR_UNSUPPORTED,  /* valid request this build or machine cannot serve      */
    ERR_VERIFY,       /* a verification found a difference                     */
    ERR_SOME_FAILED,  /* the sweep finished, some of its cells failed          */
    ERR_REGRESSION,   /* a comparison found a slowdown                         */
    ERR_INCONCLUSIVE, /* a comparison could not decide                         */
    ERR_BUDGET,       /* the time budget ended before the work did             */
    ERR_COUNT
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* Store the sentence and return code, so the caller can write
 *     return err_set(ERR_NOMEM, "kv cache: %zu bytes on %s", n, name); */
enum err err_set(enum err code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The sentence of the latest failure on this thread; "" before the first. */
const char *err_msg(void);

/* " < forward.c:88 < measure.c:141": where the latest failure passed. */
const char *err_where(void);

/* "nomem", "device", ...: the word stored in status columns. */
const char *err_name(enum err code);

/* The documented exit code of the program for this failure (see regime --help). */
int err_exit_code(enum err code);

enum err err_trace(enum err code, const char *file, int line);

/* Pass a failure to the caller. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum err e_ = (call);                                                                      \
        if (e_ != ERR_NONE) return err_trace(e_, __FILE__, __LINE__);                              \
    } while (0)

/* Pass a failure to the cleanup label; needs a local "enum err e". */
#define TRY_OUT(call)                                                                              \
    do {                                                                                           \
        e = (call);                                                                                \
        if (e != ERR_NONE) {                                                                       \
            err_trace(e, __FILE__, __LINE__);                                                      \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)

/* State what must hold; false means a bug here, not bad input. */
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) err_abort(#cond, __FILE__, __LINE__);                                         \
    } while (0)

void err_abort(const char *cond, const char *file, int line) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
#endif
