/* log.c - lines and progress on stderr. */
#include "harness/base/log.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/err.h"

enum { LINE_SIZE = 2048, PROGRESS_COLUMNS = 99 };
static const int64_t plain_progress_every_ns = 10 * (int64_t)1000000000;

void log_open(struct log *l, FILE *file, enum log_level level)
{
    *l = (struct log){.file = file, .level = level, .tty = isatty(fileno(file)) == 1};
}

void log_progress_end(struct log *l)
{
    if (l->shown == 0) return;
    fprintf(l->file, "\r%*s\r", (int)l->shown, "");
    fflush(l->file);
    l->shown = 0;
}

void log_line(struct log *l, enum log_level level, const char *fmt, ...)
{
    static const char *const prefix[] = {
        [LOG_ERROR] = "regime: error: ",
        [LOG_WARN] = "regime: warning: ",
        [LOG_INFO] = "",
        [LOG_DEBUG] = "regime: debug: ",
    };
    if (level > l->level) return;
    log_progress_end(l);

    /* One write per line, so that lines of several processes do not mix. */
    char line[LINE_SIZE];
    size_t n = (size_t)snprintf(line, sizeof line, "%s", prefix[level]);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line + n, sizeof line - n - 1, fmt, ap);
    va_end(ap);
    strcat(line, "\n");
    fputs(line, l->file);
    fflush(l->file);
}

void log_progress(struct log *l, const char *fmt, ...)
{
    if (l->level < LOG_INFO) return;
    int64_t now = clock_ns();
    if (!l->tty && l->shown_ns != 0 && now - l->shown_ns < plain_progress_every_ns) return;
    l->shown_ns = now;

    char text[PROGRESS_COLUMNS + 1];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!l->tty) {
        fprintf(l->file, "%s\n", text);
    } else {
        int32_t n = (int32_t)strlen(text);
        int32_t blanks = l->shown > n ? l->shown - n : 0;
        fprintf(l->file, "\r%s%*s", text, (int)blanks, "");
        l->shown = n;
    }
    fflush(l->file);
}
