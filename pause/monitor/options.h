/* The command line. Descriptors are inherited and open. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>

struct options {
    const char *id;               /* --id: of the container; for people who read ps(1) */
    int64_t pid;                  /* --pid: the container's main process, our child */
    const char *records;          /* --records: directory of started.json and exit.json */
    const char *log;              /* --log: path of the log */
    int64_t log_max;              /* --log-max: bytes in one file; 0: any number */
    int64_t log_files;            /* --log-files: files in all, the current one included */
    int64_t stdout_fd, stderr_fd; /* --stdout, --stderr: read ends of the container's pipes; with
                                     a terminal its master and -1 */
    int64_t stdin_fd;             /* --stdin: where input of attached clients goes; -1: nowhere */
    int64_t stdin_once;           /* --stdin-once: 1: closed after the first client with input */
    int64_t terminal_fd;          /* --terminal: the container's end of its terminal, opened apart:
                                     nobody in there has it open all the time; -1: no terminal */
    int64_t status_fd;            /* --status: read end of the main process' status pipe */
    int64_t report_fd;            /* --report: write end towards whoever waits for the start */
    int64_t private_pid;          /* --private-pid: 1: PID 1 of a PID namespace of its own */
    const char *agent_socket;     /* --agent-socket: where an agent would listen */
    int64_t socket_fd;            /* --socket: listening Unix stream socket; -1: no control */
    const char *cgroup_kill;      /* --cgroup-kill: path of cgroup.kill (v2), or NULL */
    const char *cgroup_procs;     /* --cgroup-procs: path of cgroup.procs, or NULL */
    char **agent_command;         /* after "--": argv of the agent, an absolute path first */
};

/* Exits with EXIT_USAGE and a message when something is missing, unknown or malformed. */
struct options options_parse(int argc, char **argv);

#endif
