#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define PF_FORKNOEXEC 0x40 /* include/linux/sched.h: forked but did not exec */
#define KILL_ROUNDS 200
#define KILL_PAUSE_NS 10000000

bool child_ended(pid_t pid, struct ending *ending)
{
    siginfo_t info = {.si_pid = 0};

    if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
        *ending = (struct ending){.code = 128 + SIGKILL};
        return errno == ECHILD;
    }
    if (info.si_pid == 0)
        return false;
    if (info.si_code == CLD_EXITED)
        *ending = (struct ending){.code = info.si_status};
    else
        *ending = (struct ending){.code = 128 + info.si_status, .signal = info.si_status};
    return true;
}

bool child_executed(pid_t pid)
{
    char path[32], stat[512];
    struct text text = {.data = path, .size = sizeof(path)};

    text_string(&text, "/proc/");
    text_number(&text, pid, 1);
    text_string(&text, "/stat");
    int fd = open(text_end(&text), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true; /* the status pipe is closed, and that is all we can know */
    ssize_t got = read(fd, stat, sizeof(stat) - 1);
    close(fd);
    stat[got > 0 ? got : 0] = '\0';
    /* proc(5): pid (comm) state ppid pgrp session tty_nr tpgid flags; comm may hold anything */
    char *at = strrchr(stat, ')');
    for (int field = 0; at && field < 7; field++)
        at = strchr(at + 1, ' ');
    return !at || !(strtoul(at, NULL, 10) & PF_FORKNOEXEC);
}

void child_reap(pid_t pid)
{
    waitid(P_PID, pid, NULL, WEXITED);
}

void child_reap_others(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};

    /* WNOWAIT shows one child of several: if it is the container's, the others wait their turn. */
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0 &&
           info.si_pid != pid) {
        child_reap(info.si_pid);
        info.si_pid = 0;
    }
}

/* Signals each process of the list but ourselves and the zombie. How many there were. */
static int kill_each(int fd, pid_t zombie)
{
    char buffer[4096];
    ssize_t got;
    long pid = 0;
    int killed = 0;

    while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (buffer[i] != '\n') {
                pid = pid * 10 + (buffer[i] - '0');
                continue;
            }
            /* 0 is a process of a PID namespace we cannot see; kill(0) would be ourselves */
            if (pid > 1 && pid != getpid() && pid != zombie && kill(pid, SIGKILL) == 0)
                killed++;
            pid = 0;
        }
    }
    return killed;
}

static void kill_one_by_one(pid_t zombie, const char *procs_path)
{
    for (int round = 0; round < KILL_ROUNDS; round++) {
        int fd = open(procs_path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return;
        int killed = kill_each(fd, zombie);
        close(fd);
        if (killed == 0)
            return;
        nanosleep(&(struct timespec){.tv_nsec = KILL_PAUSE_NS}, NULL);
    }
}

void child_kill_cgroup(pid_t pid, const char *kill_path, const char *procs_path)
{
    int fd = kill_path ? open(kill_path, O_WRONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        bool done = write(fd, "1", 1) == 1;
        close(fd);
        if (done)
            return;
    }
    if (procs_path)
        kill_one_by_one(pid, procs_path);
}
