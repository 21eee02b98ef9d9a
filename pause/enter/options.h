/* The command line of enter. Descriptors are inherited and open. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUPS_MAX 32
#define GROUPS_MAX 1024
#define FILTER_MAX (4096 * 8) /* BPF_MAXINSNS of struct sock_filter */

struct options {
    int pidfd;                        /* --pidfd: of the container's main process */
    int result;                       /* --result: write end of a pipe, for the result */
    pid_t parent;                     /* --parent: who started us; we do not outlive it */
    const char *cgroups[CGROUPS_MAX]; /* --cgroup, repeated: cgroup.procs files to join */
    size_t cgroup_count;
    uid_t uid;                    /* --uid */
    gid_t gid;                    /* --gid */
    gid_t groups[GROUPS_MAX];     /* --group, repeated */
    size_t group_count;
    uint64_t capabilities;        /* --capabilities: bit set, hexadecimal; all it may ever have */
    bool no_new_privileges;       /* --no-new-privileges: 0 or 1 */
    uid_t first_id;               /* --first-id: outside, of its user namespace; 0: the host's */
    const char *seccomp;          /* --seccomp: file with a compiled filter; NULL: none */
    const char *apparmor;         /* --apparmor: profile to change to; NULL: none */
    const char *selinux;          /* --selinux: label to change to; NULL: none */
    int oom_score;                /* --oom-score: as in /proc/PID/oom_score_adj */
    const char *directory;        /* --directory: working directory, in the container */
    int64_t timeout_ms;           /* --timeout: milliseconds; 0: none */
    char **command;               /* after "--" */
};

/* Exits with EXIT_USAGE and a message when something is missing, unknown or malformed. */
void options_parse(int argc, char **argv, struct options *options);

#endif
