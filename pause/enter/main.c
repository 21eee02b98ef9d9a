/*
 * enter: runs one command in a running container, for probes and hooks.
 *
 *   agent                     enter                                      command
 *     │ posix_spawn ──────────► │ namespaces                               │
 *     │                         │ fork (into the PID namespace) ─────────► │ cgroups, a session of its own
 *     │                         │ ◄── status: why there was no execve ──── │ user, rights, execve
 *     │                         │ ◄── output: a pipe, read to its end ──── │
 *     │                         │ ◄── SIGCHLD ──────────────────────────── │ ends
 *     │ ◄── result: one line, the output's first OUTPUT_MAX bytes          
 *     │ ◄── exit 0
 *
 *   At its timeout, or when the agent dies (SIGTERM), the command's process group is killed.
 *
 *   enter itself stays out of the container's cgroups: killed with it, it could not reap the
 *   command, and the PID 1 of a PID namespace ends only when all others are reaped. Not every
 *   machine's own PID 1 does that (a CI container's may be "sleep").
 *
 *   result line        meaning
 *   -----------------  --------------------------------------------------
 *   exit N             the command ran and exited with N
 *   signal N           the command ran and was ended by signal N
 *   timeout            the command ran too long and was killed
 *   failed TEXT        the command was not executed
 *   gone               the container had ended before
 *
 * It is small, static and of one thread because a probe may run every second in each of a hundred
 * containers: forking the agent itself would cost its page tables, and an interpreter far more.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "become.h"
#include "options.h"

#define OUTPUT_MAX 10240  /* bytes kept; the rest is read and forgotten */
#define DRAIN_MAX 1048576 /* bytes read after the end: somebody else may go on writing */

static struct options options;
static char output[OUTPUT_MAX];
static size_t output_used;
static int cgroups[CGROUPS_MAX];

_Noreturn static void report(const char *line)
{
    struct iovec parts[] = {{(char *)line, strlen(line)}, {"\n", 1}, {output, output_used}};
    /* Shorter than a pipe holds: it is written whole or, when nobody listens, not at all. */
    _exit(writev(options.result, parts, 3) < 0);
}

_Noreturn static void failed(const char *step, const char *object)
{
    char line[512];

    snprintf(line, sizeof(line), "failed %s %s: %s", step, object, strerror(errno));
    report(line);
}

static int watch_signals(void)
{
    sigset_t watched;

    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != options.parent)
        _exit(1);
    return signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* First, because the files of the host's cgroups are out of sight in the container. */
static void open_cgroups(void)
{
    for (size_t i = 0; i < options.cgroup_count; i++) {
        cgroups[i] = open(options.cgroups[i], O_WRONLY | O_CLOEXEC);
        if (cgroups[i] < 0 && errno == ENOENT)
            report("gone");
        if (cgroups[i] < 0)
            failed("open", options.cgroups[i]);
    }
}

/* In the command's process: all that it does counts, from here on. */
static void join_cgroups(int status)
{
    for (size_t i = 0; i < options.cgroup_count; i++)
        if (write(cgroups[i], "0", 1) < 0) {
            dprintf(status, "join \"%s\": %s", options.cgroups[i], strerror(errno));
            _exit(1);
        }
}

static void set_oom_score(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        dprintf(fd, "%d", options.oom_score); /* lowering it needs CAP_SYS_RESOURCE: else stay */
        close(fd);
    }
}

static void join_namespaces(void)
{
    int all = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
              CLONE_NEWCGROUP | (options.first_id ? CLONE_NEWUSER : 0);

    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* whoever is in there may not trace us */
    if (setns(options.pidfd, all) < 0) {
        if (errno == ESRCH)
            report("gone");
        failed("join", "the container's namespaces");
    }
}

static pid_t start(int pipe_write, int null, int status)
{
    pid_t pid = fork();

    if (pid < 0)
        failed("fork", "in the container");
    if (pid == 0) {
        join_cgroups(status);
        setsid();
        dup2(null, STDIN_FILENO);
        dup2(pipe_write, STDOUT_FILENO);
        dup2(pipe_write, STDERR_FILENO);
        become(&options, status);
    }
    return pid;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Reads what is there. false at the end of the pipe. */
static bool take_output(int fd, size_t most)
{
    static char buffer[16384];
    ssize_t count = 0;

    for (size_t total = 0; total < most; total += count) {
        count = read(fd, buffer, sizeof(buffer));
        if (count <= 0)
            break;
        size_t room = OUTPUT_MAX - output_used;
        size_t kept = (size_t)count < room ? (size_t)count : room;
        memcpy(output + output_used, buffer, kept);
        output_used += kept;
    }
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

/* The wait status once the command has ended, or -1 when it had to be killed. */
static int watch(pid_t pid, int signals, int out)
{
    int64_t deadline = options.timeout_ms ? now_ms() + options.timeout_ms : 0;
    struct pollfd polls[] = {{.fd = signals, .events = POLLIN}, {.fd = out, .events = POLLIN}};
    bool killed = false;
    int status;

    for (;;) {
        int64_t left = deadline && !killed ? deadline - now_ms() : -1;
        struct signalfd_siginfo info;
        bool asked = false;

        if (!(deadline && !killed && left <= 0) &&
            poll(polls, 2, left > 0x7fffffff ? 0x7fffffff : (int)left) > 0) {
            if (polls[1].revents && !take_output(out, DRAIN_MAX))
                polls[1].fd = -1;
            while (read(signals, &info, sizeof(info)) == sizeof(info))
                asked |= info.ssi_signo == SIGTERM;
        }
        if (waitpid(pid, &status, WNOHANG) == pid)
            break;
        if (!killed && (asked || (deadline && now_ms() >= deadline))) {
            if (kill(-pid, SIGKILL) < 0) /* it has not called setsid yet */
                kill(pid, SIGKILL);
            killed = true;
        }
    }
    if (killed)
        return -1;
    if (polls[1].fd >= 0)
        take_output(out, DRAIN_MAX);
    return status;
}

int main(int argc, char **argv)
{
    int out[2], why[2];
    char line[1024] = "failed ";

    options_parse(argc, argv, &options);
    fcntl(options.result, F_SETFD, FD_CLOEXEC);
    int signals = watch_signals();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (signals < 0 || null < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(why, O_CLOEXEC) < 0)
        failed("open", "descriptors");
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    set_oom_score();
    if (prepare_confinement(&options) < 0)
        failed("read", options.seccomp ? options.seccomp : "/proc");
    /* The user, who else could not open /dev/stdout. */
    if (fchown(out[1], options.first_id + options.uid, options.first_id + options.gid) < 0)
        failed("give the user", "its output");
    open_cgroups();
    join_namespaces();
    pid_t pid = start(out[1], null, why[1]);
    close(out[1]);
    close(why[1]);
    int status = watch(pid, signals, out[0]);
    if (status < 0)
        report("timeout");
    ssize_t length = read(why[0], line + strlen("failed "), sizeof(line) - strlen("failed ") - 1);
    if (length > 0)
        report(line);
    if (WIFSIGNALED(status))
        snprintf(line, sizeof(line), "signal %d", WTERMSIG(status));
    else
        snprintf(line, sizeof(line), "exit %d", WEXITSTATUS(status));
    report(line);
}
