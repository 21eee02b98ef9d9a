#include "launch.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "text.h"

/* In the shape of podrun.errors.to_wire, for when the process could not say anything itself. */
#define FAILURE(message)                                                                           \
    "{\"kind\":\"MechanismFailed\",\"message\":\"" message                                         \
    "\",\"hint\":\"\",\"reason\":\"\",\"errno\":0}"

static const char killed[] =
    FAILURE("the container's process was ended before it executed its command");
static const char garbled[] =
    FAILURE("the container's process failed, and its message was cut short");

/* Verbatim JSON goes into a line and into a record: it must at least look like one object. */
static const char *error_object(struct launch *launch)
{
    char *text = launch->error;

    while (launch->used > 0 && strchr(" \n", text[launch->used - 1]))
        launch->used--;
    if (launch->used < 2 || launch->used > ERROR_MAX || text[0] != '{' ||
        text[launch->used - 1] != '}' || memchr(text, '\0', launch->used))
        return garbled;
    for (size_t i = 0; i < launch->used; i++)
        if (text[i] == '\n')
            text[i] = ' ';
    text[launch->used] = '\0';
    return text;
}

/* One write, non-blocking: whoever does not read, or is gone, must not hold up the container. */
static void report(struct launch *launch, const struct run *run)
{
    char buffer[ERROR_MAX + 64];
    struct text text = {.data = buffer, .size = sizeof(buffer)};

    if (run->error) {
        text_string(&text, "{\"failed\":");
        text_string(&text, run->error);
    } else {
        text_string(&text, "{\"started\":");
        text_time(&text, &run->started);
    }
    text_string(&text, "}\n");
    if (write(launch->report_fd, buffer, text.used) < 0) {
        /* the records say the same */
    }
    close(launch->report_fd);
    launch->report_fd = -1;
}

void launch_finish(struct launch *launch, struct run *run)
{
    if (launch->status_fd < 0)
        return;
    close(launch->status_fd);
    launch->status_fd = -1;
    if (launch->used > 0)
        run->error = error_object(launch);
    else if (!child_executed(launch->pid))
        run->error = killed;
    else
        clock_gettime(CLOCK_REALTIME, &run->started);
    launch->unrecorded = !run->error;
    launch_retry(launch, run);
    report(launch, run);
}

void launch_retry(struct launch *launch, struct run *run)
{
    if (launch->unrecorded)
        launch->unrecorded = record_started(run) < 0;
}

void launch_read(struct launch *launch, struct run *run)
{
    ssize_t got;
    char beyond[512];

    while (launch->status_fd >= 0) {
        size_t room = sizeof(launch->error) - launch->used;
        got = room ? read(launch->status_fd, launch->error + launch->used, room)
                   : read(launch->status_fd, beyond, sizeof(beyond));
        if (got > 0 && room)
            launch->used += got;
        else if (got == 0)
            launch_finish(launch, run);
        else if (got < 0)
            return;
    }
}
