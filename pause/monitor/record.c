#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol.h"
#include "text.h"

static int write_all(int fd, const struct text *text)
{
    size_t done = 0;
    while (done < text->used) {
        ssize_t got = write(fd, text->data + done, text->used - done);
        if (got <= 0)
            return -1;
        done += got;
    }
    return 0;
}

static int fill(int directory, const char *name, const struct text *text, bool durable)
{
    struct stat parent;
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return -1;
    bool ok = fstat(directory, &parent) == 0 && fchown(fd, -1, parent.st_gid) == 0 &&
              fchmod(fd, 0640) == 0 && write_all(fd, text) == 0 && (!durable || fsync(fd) == 0);
    close(fd);
    return ok ? 0 : -1;
}

static int replace(int directory, const char *name, const struct text *text, bool durable)
{
    char buffer[64];
    struct text temporary = {.data = buffer, .size = sizeof(buffer)};

    text_string(&temporary, ".");
    text_string(&temporary, name);
    text_string(&temporary, ".tmp");
    text_end(&temporary);
    if (fill(directory, buffer, text, durable) < 0 ||
        renameat(directory, buffer, directory, name) < 0) {
        unlinkat(directory, buffer, 0); /* on a full disk it holds room the record needs */
        return -1;
    }
    /* EINVAL: a file system that cannot do this for directories, and never will */
    return durable && fsync(directory) < 0 && errno != EINVAL ? -1 : 0;
}

static void begin(struct text *text)
{
    text_string(text, "{\"version\":");
    text_number(text, RECORD_VERSION, 1);
}

static void field(struct text *text, const char *name)
{
    text_string(text, ",\"");
    text_string(text, name);
    text_string(text, "\":");
}

static void field_number(struct text *text, const char *name, uint64_t number)
{
    field(text, name);
    text_number(text, number, 1);
}

static void field_time(struct text *text, const char *name, const struct timespec *time)
{
    field(text, name);
    if (time->tv_sec)
        text_time(text, time);
    else
        text_string(text, "null");
}

int record_started(const struct run *run)
{
    char buffer[128];
    struct text text = {.data = buffer, .size = sizeof(buffer)};

    begin(&text);
    field_time(&text, "startedAt", &run->started);
    text_string(&text, "}\n");
    return replace(run->directory, "started.json", &text, false);
}

static bool removed(int directory)
{
    struct stat status;
    return fstat(directory, &status) == 0 && status.st_nlink == 0;
}

void record_exit(const struct run *run)
{
    char buffer[ERROR_MAX + 512];
    struct text text = {.data = buffer, .size = sizeof(buffer)};

    begin(&text);
    field_number(&text, "code", run->code);
    field_number(&text, "signal", run->signal);
    field_time(&text, "startedAt", &run->started);
    field_time(&text, "finishedAt", &run->finished);
    field_number(&text, "droppedLines", run->dropped);
    field(&text, "error");
    text_string(&text, run->error ? run->error : "null");
    text_string(&text, "}\n");
    while (replace(run->directory, "exit.json", &text, true) < 0 && !removed(run->directory))
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
}
