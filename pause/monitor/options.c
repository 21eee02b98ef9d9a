#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol.h"
#include "text.h"

#define FIELD(name) offsetof(struct options, name)

static const struct rule {
    const char *name;
    enum { TEXT, PATH, NUMBER, DESCRIPTOR } kind;
    size_t field;
    bool required;
    int64_t least, most;
} rules[] = {
    {"--id", TEXT, FIELD(id), true, 0, 0},
    {"--pid", NUMBER, FIELD(pid), true, 2, INT_MAX},
    {"--records", PATH, FIELD(records), true, 0, 0},
    {"--log", PATH, FIELD(log), true, 0, 0},
    {"--log-max", NUMBER, FIELD(log_max), true, 0, 1LL << 50},
    {"--log-files", NUMBER, FIELD(log_files), true, 1, 1 << 20},
    {"--stdout", DESCRIPTOR, FIELD(stdout_fd), true, 0, 0},
    {"--stderr", DESCRIPTOR, FIELD(stderr_fd), false, 0, 0},
    {"--status", DESCRIPTOR, FIELD(status_fd), true, 0, 0},
    {"--report", DESCRIPTOR, FIELD(report_fd), true, 0, 0},
    {"--private-pid", NUMBER, FIELD(private_pid), true, 0, 1},
    {"--agent-socket", PATH, FIELD(agent_socket), true, 0, 0},
    {"--stdin", DESCRIPTOR, FIELD(stdin_fd), false, 0, 0},
    {"--stdin-once", NUMBER, FIELD(stdin_once), false, 0, 1},
    {"--terminal", DESCRIPTOR, FIELD(terminal_fd), false, 0, 0},
    {"--socket", DESCRIPTOR, FIELD(socket_fd), false, 0, 0},
    {"--cgroup-kill", PATH, FIELD(cgroup_kill), false, 0, 0},
    {"--cgroup-procs", PATH, FIELD(cgroup_procs), false, 0, 0},
};

#define RULES (sizeof(rules) / sizeof(*rules))

static int64_t number(const struct rule *rule, const char *value, int64_t least, int64_t most)
{
    char *end;

    errno = 0;
    int64_t result = strtoll(value, &end, 10);
    if (errno || end == value || *end || result < least || result > most)
        die(EXIT_USAGE, "not a number in its range:", rule->name, 0);
    return result;
}

/* 0, 1 and 2 are not to be given: they become /dev/null. */
static int64_t descriptor(const struct rule *rule, const char *value)
{
    if (!rule->required && !strcmp(value, "-1"))
        return -1;
    return number(rule, value, 3, INT_MAX);
}

static void take(struct options *options, const struct rule *rule, const char *value)
{
    void *field = (char *)options + rule->field;

    if (rule->kind == PATH && value[0] != '/')
        die(EXIT_USAGE, "not an absolute path:", rule->name, 0);
    if (rule->kind == NUMBER)
        *(int64_t *)field = number(rule, value, rule->least, rule->most);
    else if (rule->kind == DESCRIPTOR)
        *(int64_t *)field = descriptor(rule, value);
    else
        *(const char **)field = value;
}

static size_t find(const char *name)
{
    for (size_t i = 0; i < RULES; i++)
        if (!strcmp(name, rules[i].name))
            return i;
    die(EXIT_USAGE, "unknown argument", name, 0);
}

_Noreturn static void print_version(void)
{
    char buffer[64];
    struct text text = {.data = buffer, .size = sizeof(buffer)};

    text_string(&text, "podrun monitor " MONITOR_VERSION ", records ");
    text_number(&text, RECORD_VERSION, 1);
    text_string(&text, "\n");
    _exit(write(STDOUT_FILENO, buffer, text.used) < 0 ? EXIT_NO_BEGIN : 0);
}

struct options options_parse(int argc, char **argv)
{
    struct options options = {
        .stderr_fd = -1, .stdin_fd = -1, .terminal_fd = -1, .socket_fd = -1};
    bool seen[RULES] = {false};
    int at = 1;

    if (argc == 2 && !strcmp(argv[1], "--version"))
        print_version();
    for (; at < argc && strcmp(argv[at], "--"); at += 2) {
        size_t i = find(argv[at]);
        if (at + 1 >= argc)
            die(EXIT_USAGE, "no value for", argv[at], 0);
        take(&options, &rules[i], argv[at + 1]);
        seen[i] = true;
    }
    for (size_t i = 0; i < RULES; i++)
        if (rules[i].required && !seen[i])
            die(EXIT_USAGE, "missing argument", rules[i].name, 0);
    if (at + 1 >= argc || argv[at + 1][0] != '/')
        die(EXIT_USAGE, "after -- must come the agent's command, an absolute path first", NULL, 0);
    if (strlen(options.agent_socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        die(EXIT_USAGE, "longer than a socket's path may be:", options.agent_socket, 0);
    options.agent_command = argv + at + 1;
    return options;
}
