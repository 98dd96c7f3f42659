/* log.h - talk for people, on stderr; data goes to stdout and never through here. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum log_level {
    LOG_ERROR, /* "regime: error: ..."   */
    LOG_WARN,  /* "regime: warning: ..." */
    LOG_INFO,  /* the text alone         */
    LOG_DEBUG  /* "regime: debug: ..."   */
};

/* One per program, made in main and handed down. */
struct log {
    FILE *file;           /* borrowed                                          */
    enum log_level level; /* what is above it is not printed                   */
    bool tty;             /* progress rewrites one line instead of adding some */
    int32_t shown;        /* columns of the progress line now on the screen    */
    int64_t shown_ns;     /* clock when progress was last printed; 0: never    */
};

void log_open(struct log *l, FILE *file, enum log_level level);

/* One line; the newline is added. */
void log_line(struct log *l, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Where things stand: on a terminal one line that is rewritten, else a line of its own at
 * most every 10 s.  Printed at LOG_INFO. */
void log_progress(struct log *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Remove the progress line, before anything else is printed to the same terminal. */
void log_progress_end(struct log *l);

#endif
