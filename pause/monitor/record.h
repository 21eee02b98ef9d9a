/* The records of one run of a container: started.json and exit.json, whole or not at all. */
#ifndef RECORD_H
#define RECORD_H

#include <stdint.h>
#include <time.h>

struct run {
    int directory;                   /* open descriptor of the records' directory */
    struct timespec started;         /* tv_sec 0: the application was never executed */
    struct timespec finished;        /* when the end was noticed */
    int code, signal;                /* code is 128 + signal when a signal ended it */
    uint64_t dropped;                /* log entries lost */
    const char *error;               /* JSON object of the failed start, or NULL */
};

/* Not durable: it means nothing after a crash of the machine. 0, or -1 with errno. */
int record_started(const struct run *run);
/*
 * Durable: on disk, under its name, when this returns. Tries again each second for as long as it
 * takes, for the container is over and nothing is lost by waiting; gives up only when the
 * directory itself has been removed, for then nobody can read it.
 */
void record_exit(const struct run *run);

#endif
