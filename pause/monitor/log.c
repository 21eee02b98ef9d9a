#define _GNU_SOURCE /* memrchr, mempcpy */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pages.h"
#include "protocol.h"
#include "rotate.h"

#define HEAD_ROOM 64 /* more than time, stream and tag take */
#define ENTRY_MAX (HEAD_ROOM + LINE_MAX_BYTES + 1)

/* Gathered entries. Written when the next one might not fit, and at the end of each read. */
static char pending[32768] PAGE_ALIGNED;
static size_t gathered;
_Static_assert(sizeof(pending) >= ENTRY_MAX, "the longest entry must fit");

static int open_file(struct log *log, off_t *size)
{
    struct stat status;
    int fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0)
        return -1;
    /* Neither matters enough to go without a log: the file is then narrower than it could be. */
    if (fchown(fd, -1, log->gid) < 0 || fchmod(fd, 0640) < 0)
        errno = 0;
    *size = fstat(fd, &status) < 0 ? 0 : status.st_size;
    return fd;
}

static void adopt_file(struct log *log, int fd, off_t size)
{
    if (log->fd >= 0)
        close(log->fd);
    log->fd = fd;
    log->size = size;
    log->rotate_at = log->max;
}

int log_open(struct log *log)
{
    off_t size;
    int fd = open_file(log, &size);
    if (fd < 0)
        return -1;
    adopt_file(log, fd, size);
    return 0;
}

int log_reopen(struct log *log)
{
    log_flush(log);
    return log_open(log);
}

int log_rotate(struct log *log)
{
    char rotated[PATH_MAX];

    log_flush(log);
    if (rotate_away(log->path, rotated, sizeof(rotated)) < 0 && errno != ENOENT)
        return -1;
    if (log_open(log) < 0) {
        int error = errno;
        rename(rotated, log->path); /* go on with the file we have, under its old name */
        errno = error;
        return -1;
    }
    rotate_prune(log->path, log->files - 1);
    return 0;
}

static uint64_t count_entries(const char *from, const char *end)
{
    uint64_t count = 0;
    while ((from = memchr(from, '\n', end - from)))
        from++, count++;
    return count;
}

static void reopen_lost_file(struct log *log)
{
    static time_t tried;
    time_t now = time(NULL);
    if (now == tried)
        return;
    tried = now;
    log_open(log);
}

/* Bytes of `pending` that reached the file. */
static size_t write_pending(struct log *log)
{
    size_t done = 0;
    while (done < gathered) {
        ssize_t got = write(log->fd, pending + done, gathered - done);
        if (got > 0)
            done += got;
        else if (got == 0 || errno != EINTR)
            break;
    }
    return done;
}

void log_flush(struct log *log)
{
    size_t done = 0;

    if (gathered == 0)
        return;
    if (log->fd < 0)
        reopen_lost_file(log);
    if (log->fd >= 0)
        done = write_pending(log);
    if (done < gathered) {
        /* Entries hold no newline but their last byte: cut the file after the last whole one. */
        const char *newline = memrchr(pending, '\n', done);
        size_t whole = newline ? (size_t)(newline + 1 - pending) : 0;
        if (done > whole && ftruncate(log->fd, log->size + whole) == 0)
            done = whole;
        log->dropped += count_entries(pending + whole, pending + gathered);
    }
    log->size += done;
    gathered = 0;
}

/* Rotates when one more entry of `entry` bytes would make the file too long. */
static void keep_in_bounds(struct log *log, size_t entry)
{
    off_t size = log->size + (off_t)gathered;
    if (log->max == 0 || size == 0 || size + (off_t)entry <= log->rotate_at)
        return;
    if (log_rotate(log) < 0)
        log->rotate_at = log->size + log->max; /* not again with each entry */
}

void log_entry(struct log *log, const struct iovec part[3])
{
    size_t entry = part[0].iov_len + part[1].iov_len + part[2].iov_len + 1;

    keep_in_bounds(log, entry);
    if (entry > sizeof(pending) - gathered)
        log_flush(log);
    char *at = pending + gathered;
    for (int i = 0; i < 3; i++)
        at = mempcpy(at, part[i].iov_base, part[i].iov_len);
    *at = '\n';
    gathered += entry;
}

void log_release(struct log *log)
{
    log_flush(log);
    pages_release(pending, sizeof(pending));
}
