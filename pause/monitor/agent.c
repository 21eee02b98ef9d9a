#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static bool nobody_listens(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return false;
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    int got = connect(fd, (struct sockaddr *)&address, sizeof(address));
    /* EAGAIN is a full queue of a live listener; it watches us by pidfd and needs no word. */
    bool nobody = got < 0 && (errno == ECONNREFUSED || errno == ENOENT);
    close(fd);
    return nobody;
}

static char *environment_entry(const char *name)
{
    for (char **entry = environ; entry && *entry; entry++)
        if (!strncmp(*entry, name, strlen(name)) && (*entry)[strlen(name)] == '=')
            return *entry;
    return NULL;
}

_Noreturn static void become(char **command)
{
    char *environment[3] = {NULL, NULL, NULL};
    int count = 0;
    sigset_t none;

    if ((environment[count] = environment_entry("PATH")))
        count++;
    environment[count] = environment_entry("PODRUN_CONFIG");
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* Python ignores SIGPIPE, and exec hands that down */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    syscall(SYS_close_range, 3, ~0U, 0);
    execve(command[0], command, environment);
    _exit(127);
}

void agent_wake(const char *socket, char **command)
{
    if (!nobody_listens(socket))
        return;
    pid_t middle = fork();
    if (middle == 0) {
        setsid();
        /* The second fork: the agent is nobody's child here and never gets a terminal. */
        if (fork() == 0)
            become(command);
        _exit(0);
    }
    if (middle > 0)
        waitpid(middle, NULL, 0);
}
