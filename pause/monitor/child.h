/* The container's main process: our child, reaped only once its end is on record. */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct ending {
    int code, signal; /* code is 128 + signal when a signal ended it */
};

/* Has it ended? It stays a zombie. Code 137 when it is not our child: nobody can know any more. */
bool child_ended(pid_t pid, struct ending *ending);
/* Has it executed a program since it was forked? Also known of a zombie. */
bool child_executed(pid_t pid);
void child_reap(pid_t pid);
/* Reaps whatever else we inherited, and leaves the container's process alone. */
void child_reap_others(pid_t pid);
/* Ends all processes of a cgroup, by cgroup.kill, else one by one. Either path may be NULL. */
void child_kill_cgroup(pid_t pid, const char *kill_path, const char *procs_path);

#endif
