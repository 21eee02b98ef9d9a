#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 64 /* EX_USAGE of sysexits(3) */

_Noreturn static void usage(const char *what, const char *object)
{
    dprintf(STDERR_FILENO, "enter: %s %s\n", what, object);
    _exit(EXIT_USAGE);
}

static int64_t number(const char *name, const char *value, int64_t least, int64_t most)
{
    char *end;

    errno = 0;
    int64_t result = strtoll(value, &end, 10);
    if (errno || end == value || *end || result < least || result > most)
        usage("not a number in its range:", name);
    return result;
}

static uint64_t bits(const char *name, const char *value)
{
    char *end;

    errno = 0;
    uint64_t result = strtoull(value, &end, 16);
    if (errno || end == value || *end)
        usage("not a hexadecimal number:", name);
    return result;
}

static void take(struct options *options, const char *name, const char *value)
{
    if (!strcmp(name, "--pidfd"))
        options->pidfd = number(name, value, 3, INT_MAX);
    else if (!strcmp(name, "--result"))
        options->result = number(name, value, 3, INT_MAX);
    else if (!strcmp(name, "--parent"))
        options->parent = number(name, value, 1, INT_MAX);
    else if (!strcmp(name, "--cgroup") && options->cgroup_count < CGROUPS_MAX)
        options->cgroups[options->cgroup_count++] = value;
    else if (!strcmp(name, "--uid"))
        options->uid = number(name, value, 0, UINT_MAX - 1);
    else if (!strcmp(name, "--gid"))
        options->gid = number(name, value, 0, UINT_MAX - 1);
    else if (!strcmp(name, "--group") && options->group_count < GROUPS_MAX)
        options->groups[options->group_count++] = number(name, value, 0, UINT_MAX - 1);
    else if (!strcmp(name, "--capabilities"))
        options->capabilities = bits(name, value);
    else if (!strcmp(name, "--no-new-privileges"))
        options->no_new_privileges = number(name, value, 0, 1);
    else if (!strcmp(name, "--first-id"))
        options->first_id = number(name, value, 0, UINT_MAX - 65536);
    else if (!strcmp(name, "--seccomp"))
        options->seccomp = value;
    else if (!strcmp(name, "--apparmor"))
        options->apparmor = value;
    else if (!strcmp(name, "--selinux"))
        options->selinux = value;
    else if (!strcmp(name, "--oom-score"))
        options->oom_score = number(name, value, -1000, 1000);
    else if (!strcmp(name, "--directory") && value[0] == '/')
        options->directory = value;
    else if (!strcmp(name, "--timeout"))
        options->timeout_ms = number(name, value, 0, INT_MAX);
    else
        usage("unknown, malformed or too often:", name);
}

void options_parse(int argc, char **argv, struct options *options)
{
    int at = 1;

    *options = (struct options){.pidfd = -1, .result = -1, .uid = -1, .gid = -1};
    for (; at < argc && strcmp(argv[at], "--"); at += 2) {
        if (at + 1 >= argc)
            usage("no value for", argv[at]);
        take(options, argv[at], argv[at + 1]);
    }
    /* Whom to become is never guessed: left out, it must not turn out to be root. */
    if (options->pidfd < 0 || options->result < 0 || !options->parent || !options->directory ||
        options->uid == (uid_t)-1 || options->gid == (gid_t)-1)
        usage("missing:", "--pidfd, --result, --parent, --directory, --uid or --gid");
    if (at + 1 >= argc)
        usage("after -- must come", "the command");
    options->command = argv + at + 1;
}
