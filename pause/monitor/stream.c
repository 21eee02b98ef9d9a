#include "stream.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define READ_SIZE 16384 /* larger reads cost memory and gain nothing measurable */
#define READS_PER_TURN 16

static char input[READ_SIZE] PAGE_ALIGNED;

/* "2016-10-06T00:17:09.669794202Z stdout F ", made once for each read. */
struct head {
    char data[64];
    size_t size; /* the tag is its last byte but one */
};

static void head_make(struct head *head, const char *stream)
{
    struct text text = {.data = head->data, .size = sizeof(head->data)};
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    text_number(&text, utc.tm_year + 1900, 4);
    text_string(&text, "-");
    text_number(&text, utc.tm_mon + 1, 2);
    text_string(&text, "-");
    text_number(&text, utc.tm_mday, 2);
    text_string(&text, "T");
    text_number(&text, utc.tm_hour, 2);
    text_string(&text, ":");
    text_number(&text, utc.tm_min, 2);
    text_string(&text, ":");
    text_number(&text, utc.tm_sec, 2);
    text_string(&text, ".");
    text_number(&text, now.tv_nsec, 9);
    text_string(&text, "Z ");
    text_string(&text, stream);
    text_string(&text, " F ");
    head->size = text.used;
}

/* Logs `size` bytes of the line that begins in `carry` and goes on at `*piece`; consumes them. */
static void emit(struct stream *stream, struct log *log, struct head *head, char tag,
                 const char **piece, size_t size)
{
    size_t start = size < stream->carried ? size : stream->carried;

    head->data[head->size - 2] = tag;
    log_entry(log, (struct iovec[3]){
                       {head->data, head->size},
                       {stream->carry, start},
                       {(char *)*piece, size - start},
                   });
    *piece += size - start;
    stream->carried -= start;
    memmove(stream->carry, stream->carry + start, stream->carried);
}

/* The line's last `size` bytes are at `piece`, without their newline. */
static void end_line(struct stream *stream, struct log *log, struct head *head, const char *piece,
                     size_t size)
{
    const char *end = piece + size;

    if (size > 0 && end[-1] == '\r')
        end--;
    else if (size == 0 && stream->carried > 0 && stream->carry[stream->carried - 1] == '\r')
        stream->carried--;
    while (stream->carried + (end - piece) > LINE_MAX_BYTES)
        emit(stream, log, head, 'P', &piece, LINE_MAX_BYTES);
    emit(stream, log, head, 'F', &piece, stream->carried + (end - piece));
}

/* More of a line whose end is not in sight. */
static void carry_on(struct stream *stream, struct log *log, struct head *head, const char *piece,
                     const char *end)
{
    while (stream->carried + (end - piece) > sizeof(stream->carry))
        emit(stream, log, head, 'P', &piece, LINE_MAX_BYTES);
    memcpy(stream->carry + stream->carried, piece, end - piece);
    stream->carried += end - piece;
}

static void take(struct stream *stream, struct log *log, size_t size)
{
    const char *at = input, *end = input + size, *newline;
    struct head head;

    attach_output(stream->attach, stream->type, input, size);
    head_make(&head, stream->name);
    while ((newline = memchr(at, '\n', end - at))) {
        end_line(stream, log, &head, at, newline - at);
        at = newline + 1;
    }
    carry_on(stream, log, &head, at, end);
    log_flush(log);
}

/* One read(2). Bytes read; 0 when there is nothing at present, or no more at all (fd is -1). */
static size_t read_once(struct stream *stream, struct log *log)
{
    ssize_t got = read(stream->fd, input, sizeof(input));

    if (got > 0) {
        take(stream, log, got);
        return got;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    close(stream->fd); /* EOF; of a terminal, EIO */
    stream->fd = -1;
    stream_finish(stream, log);
    return 0;
}

void stream_read(struct stream *stream, struct log *log)
{
    for (int turn = 0; turn < READS_PER_TURN; turn++)
        if (read_once(stream, log) < sizeof(input))
            return; /* the pipe is empty by now: poll(2) tells it as cheaply as read(2) */
}

void stream_read_rest(struct stream *stream, struct log *log)
{
    int left = 0;

    if (stream->fd < 0 || ioctl(stream->fd, FIONREAD, &left) < 0)
        return;
    while (left > 0) {
        size_t got = read_once(stream, log);
        if (got == 0)
            return;
        left -= got;
    }
}

void stream_finish(struct stream *stream, struct log *log)
{
    struct head head;
    const char *nothing = input;

    if (stream->carried == 0)
        return;
    head_make(&head, stream->name);
    while (stream->carried > LINE_MAX_BYTES)
        emit(stream, log, &head, 'P', &nothing, LINE_MAX_BYTES);
    emit(stream, log, &head, 'P', &nothing, stream->carried);
    log_flush(log);
}

void stream_release(struct stream *stream)
{
    pages_release(input, sizeof(input));
    if (stream->carried == 0)
        pages_release(stream->carry, sizeof(stream->carry));
}
