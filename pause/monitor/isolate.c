#define _GNU_SOURCE
#include "isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "protocol.h"
#include "text.h"

static void close_all_but(const int *keep, size_t count)
{
    unsigned from = 3;

    for (;;) {
        unsigned next = ~0U;
        for (size_t i = 0; i < count; i++)
            if (keep[i] >= (int)from && (unsigned)keep[i] < next)
                next = keep[i];
        if (next > from)
            syscall(SYS_close_range, from, next - 1, 0);
        if (next == ~0U)
            return;
        from = next + 1;
    }
}

static void prepare(int fd, const char *name)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        die(EXIT_USAGE, name, "is not an open descriptor", errno);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Blocked is enough: nothing but SIGCHLD is ever taken out, and a write to nobody gives EPIPE. */
static int block_signals(void)
{
    sigset_t all, children;

    signal(SIGCHLD, SIG_DFL); /* ignored, it would reap the child and lose its status */
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    return signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
}

int isolate(const struct options *options)
{
    const struct {
        int fd;
        const char *name;
    } given[] = {
        {options->stdout_fd, "--stdout"},     {options->stderr_fd, "--stderr"},
        {options->stdin_fd, "--stdin"},       {options->status_fd, "--status"},
        {options->report_fd, "--report"},     {options->socket_fd, "--socket"},
        {options->terminal_fd, "--terminal"},
    };
    enum { GIVEN = sizeof(given) / sizeof(*given) };
    int keep[GIVEN];

    prctl(PR_SET_PDEATHSIG, 0); /* workers die with their agent, and exec hands that down */
    for (int i = 0; i < GIVEN; i++)
        keep[i] = given[i].fd;
    close_all_but(keep, GIVEN);
    for (int i = 0; i < GIVEN; i++)
        if (given[i].fd >= 0)
            prepare(given[i].fd, given[i].name);
    int signals = block_signals();
    if (signals < 0)
        die(EXIT_NO_BEGIN, "cannot watch", "SIGCHLD", errno);
    return signals;
}

void isolate_silence(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0)
        die(EXIT_NO_BEGIN, "cannot open", "/dev/null", errno);
    for (int fd = 0; fd <= 2; fd++)
        if (fd != null)
            dup2(null, fd);
    if (null > 2)
        close(null);
    if (chdir("/") < 0) {
        /* it pins a directory then, which is no reason to leave a container alone */
    }
}
