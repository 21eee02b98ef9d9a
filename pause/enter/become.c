#define _GNU_SOURCE
#include "become.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/capability.h and linux/close_range.h, which a bare musl does not bring along. */
#define CAPABILITY_VERSION_3 0x20080522
#define CAPABILITY_SYS_ADMIN 21
#define CLOEXEC_ALL 4
#define SECCOMP_MODE_FILTER 2
/* From linux/openat2.h */
#define SYSCALL_OPENAT2 437                 /* on every architecture */
#define RESOLVE_INSIDE (0x10 | 0x02)        /* RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS */

struct capability_header {
    uint32_t version;
    int pid;
};

struct capability_data {
    uint32_t effective, permitted, inheritable;
};

/* struct sock_filter and sock_fprog of linux/filter.h */
struct instruction {
    uint16_t code;
    uint8_t if_true, if_false;
    uint32_t value;
};

static struct instruction filter_code[FILTER_MAX / sizeof(struct instruction)];
static struct {
    unsigned short count;
    struct instruction *code;
} filter = {.code = filter_code};

static int host_proc = -1;

int prepare_confinement(const struct options *options)
{
    if (options->apparmor || options->selinux) {
        host_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (host_proc < 0)
            return -1;
    }
    if (!options->seccomp)
        return 0;
    int fd = open(options->seccomp, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t length = read(fd, filter_code, sizeof(filter_code));
    close(fd);
    if (length <= 0 || length % sizeof(struct instruction)) {
        errno = length < 0 ? errno : EINVAL; /* an empty one is never taken for no filter */
        return -1;
    }
    filter.count = length / sizeof(struct instruction);
    return 0;
}

_Noreturn static void fail(int status, const char *what, const char *object, int error)
{
    dprintf(status, "%s \"%s\": %s", what, object, strerror(error));
    _exit(126);
}

/* The kernel itself says where its list of capabilities ends. */
static int drop_bounding(uint64_t keep)
{
    for (int number = 0; number < 64; number++)
        if (!(keep >> number & 1) && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0)
            return errno == EINVAL ? 0 : -1;
    return 0;
}

static int set_capabilities(uint64_t bits)
{
    struct capability_header header = {.version = CAPABILITY_VERSION_3};
    struct capability_data data[2] = {
        {.effective = bits, .permitted = bits},
        {.effective = bits >> 32, .permitted = bits >> 32},
    };

    return syscall(SYS_capset, &header, data);
}

/* Never in the container's own /proc: what it has mounted there would confine nothing. */
static void set_label(const char *name, const char *label, int status)
{
    int fd = openat(host_proc, name, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, label, strlen(label)) < 0)
        fail(status, "become", label, errno);
    close(fd);
}

static void set_labels(const struct options *options, int status)
{
    char change[4096 + sizeof("exec ")];

    if (options->apparmor) {
        snprintf(change, sizeof(change), "exec %s", options->apparmor);
        set_label("self/attr/apparmor/exec", change, status);
    }
    if (options->selinux)
        set_label("self/attr/exec", options->selinux, status);
}

static void install_filter(int status)
{
    if (filter.count && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) < 0)
        fail(status, "install", "the seccomp filter", errno);
}

static uint64_t permitted(void)
{
    struct capability_header header = {.version = CAPABILITY_VERSION_3};
    struct capability_data data[2];

    if (syscall(SYS_capget, &header, data) < 0)
        return 0;
    return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

/* As podrun.container.confinement does it for the container itself, which says why in this order. */
static void confine(const struct options *options, int status)
{
    set_labels(options, status);

    uint64_t installer = permitted() & 1ULL << CAPABILITY_SYS_ADMIN;

    if (drop_bounding(options->capabilities) < 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        fail(status, "drop", "capabilities", errno);
    /* The bare calls: this process has one thread, and libc's wrappers only add signals to others. */
    if (syscall(SYS_setgroups, options->group_count, options->groups) < 0 ||
        prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_setresgid, options->gid, options->gid, options->gid) < 0 ||
        syscall(SYS_setresuid, options->uid, options->uid, options->uid) < 0)
        fail(status, "become", "the user", errno);
    if (set_capabilities(options->capabilities | installer) < 0 ||
        prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
        fail(status, "set", "capabilities", errno);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* after the change of user, which takes it back */
    if (options->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail(status, "set", "no_new_privs", errno);
    if (!options->no_new_privileges)
        install_filter(status);
    if (set_capabilities(options->capabilities) < 0)
        fail(status, "set", "capabilities", errno);
    if (options->no_new_privileges)
        install_filter(status);
}

/* execve with the search of $PATH in the command's own environment. Returns with errno. */
static void execute(char **command)
{
    extern char **environ;
    const char *name = command[0], *path = getenv("PATH");
    char file[4096];
    int failure = ENOENT;

    if (strchr(name, '/')) {
        execve(name, command, environ);
        return;
    }
    while (path) {
        const char *end = strchrnul(path, ':');
        int length = end - path;
        int used = snprintf(file, sizeof(file), "%.*s/%s", length ? length : 1,
                            length ? path : ".", name);
        if (used < (int)sizeof(file))
            execve(file, command, environ);
        if (errno == EACCES)
            failure = EACCES; /* go on: another directory may have one that runs */
        else if (errno != ENOENT && errno != ENOTDIR)
            return;
        path = *end ? end + 1 : NULL;
    }
    errno = failure;
}

/* The container may have put a link in its place: none that leads to a descriptor of ours is
 * followed (CVE-2024-21626). Joining the container has made its root our working directory. */
static int change_directory(const char *path)
{
    uint64_t how[] = {O_PATH | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_INSIDE};
    int fd = syscall(SYSCALL_OPENAT2, AT_FDCWD, path, how, sizeof(how));

    if (fd < 0 || fchdir(fd) < 0)
        return -1;
    close(fd);
    return 0;
}

void become(const struct options *options, int status)
{
    sigset_t none;

    umask(022);
    if (change_directory(options->directory) < 0)
        fail(status, "change to the working directory", options->directory, errno);
    syscall(SYS_close_range, 3, ~0U, CLOEXEC_ALL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    confine(options, status);
    execute(options->command);
    if (errno == ENOENT && !strchr(options->command[0], '/'))
        dprintf(status, "exec \"%s\": executable file not found in $PATH", options->command[0]);
    else
        fail(status, "exec", options->command[0], errno);
    _exit(127);
}
