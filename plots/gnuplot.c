/* gnuplot.c - see gnuplot.h. */
#include "plots/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/clock.h"

bool gnuplot_find(char *path, size_t size)
{
    const char *dirs = getenv("PATH");
    while (dirs && *dirs) {
        const char *end = strchrnul(dirs, ':');
        int n = snprintf(path, size, "%.*s/gnuplot", (int)(end - dirs), dirs);
        if (n < (int)size && *path == '/' && access(path, X_OK) == 0) return true;
        dirs = *end ? end + 1 : end;
    }
    return false;
}

/* After fork: only calls that are safe there. */
static void child(const char *program, const char *dir, const char *script, int report)
{
    char *const argv[] = {(char *)"gnuplot", (char *)"-d", (char *)script, NULL};
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(report, 2) < 0) _exit(127);
    if (chdir(dir) != 0) _exit(127);
    execv(program, argv);
    _exit(127);
}

/* Collect what the child writes to stderr until it closes it or time is up.  False: time is
 * up. */
static bool listen_to(int fd, int64_t deadline_ns, char *text, size_t size)
{
    size_t used = 0;
    char rest[512];
    for (;;) {
        int64_t left_ms = (deadline_ns - clock_ns()) / 1000000;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) break;
        bool full = used + 1 >= size;
        ssize_t n = full ? read(fd, rest, sizeof rest) : read(fd, text + used, size - 1 - used);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            text[used] = '\0';
            return true;
        }
        if (!full) used += (size_t)n;
    }
    text[used] = '\0';
    return false;
}

/* gnuplot quotes the offending command before it says what is wrong with it: the last line
 * of the report that names the script is the sentence. */
static const char *complaint(char *report, const char *script)
{
    const char *found = NULL;
    char *rest;
    for (char *line = strtok_r(report, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (!found && strspn(line, " \t") < strlen(line)) found = line;
        if (strstr(line, script)) found = line;
    }
    return found ? found + strspn(found, " \t") : "it says nothing";
}

static enum err wait_for(pid_t pid, int fd, const char *script, int timeout_ms)
{
    char report[4096];
    int status;
    bool in_time = listen_to(fd, clock_ns() + timeout_ms * INT64_C(1000000), report, sizeof report);
    if (!in_time) kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return err_set(ERR_INTERNAL, "gnuplot: %s", strerror(errno));
    if (!in_time)
        return err_set(ERR_UNSUPPORTED, "gnuplot took longer than %d s for %s and was stopped",
                       timeout_ms / 1000, script);
    if (WIFSIGNALED(status))
        return err_set(ERR_UNSUPPORTED, "gnuplot was killed by signal %d while drawing %s",
                       WTERMSIG(status), script);
    if (WEXITSTATUS(status) != 0)
        return err_set(ERR_UNSUPPORTED, "gnuplot could not draw %s: %s", script,
                       complaint(report, script));
    return ERR_NONE;
}

enum err gnuplot_run(const char *dir, const char *script, int timeout_ms)
{
    char program[4096];
    int ends[2];
    if (!gnuplot_find(program, sizeof program))
        return err_set(ERR_UNSUPPORTED,
                       "gnuplot not found: data, script and caption are in %s; install gnuplot-nox "
                       "to draw them",
                       dir);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_set(ERR_IO, "gnuplot: no pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) child(program, dir, script, ends[1]);
    close(ends[1]);
    enum err e = pid < 0 ? err_set(ERR_IO, "gnuplot: no new process: %s", strerror(errno))
                         : wait_for(pid, ends[0], script, timeout_ms);
    close(ends[0]);
    return e;
}
