/* The start of the container, from its status pipe to the report and started.json. */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "protocol.h"
#include "record.h"

struct launch {
    int status_fd, report_fd; /* -1 once the outcome is known */
    pid_t pid;
    bool unrecorded; /* started.json could not be written yet */
    size_t used;
    char error[ERROR_MAX + 1]; /* the JSON object, NUL at its end; one byte tells "too long" */
};

/* Takes what the status pipe has. At EOF the outcome goes to `run`, to disk and to the report. */
void launch_read(struct launch *launch, struct run *run);
/* The main process has ended: what came so far is all there will be. */
void launch_finish(struct launch *launch, struct run *run);
/* Tries again to write started.json. */
void launch_retry(struct launch *launch, struct run *run);

#endif
