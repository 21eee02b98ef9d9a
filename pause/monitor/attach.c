#define _GNU_SOURCE /* SO_SNDBUFFORCE */
#include "attach.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pages.h"

#define PASS_SIZE 4096
#define TURNS 16 /* frames or pieces of one session before the others have their turn */

static char passing[PASS_SIZE] PAGE_ALIGNED;

static void put32(unsigned char *at, uint32_t number)
{
    for (int i = 3; i >= 0; i--, number >>= 8)
        at[i] = number;
}

static uint32_t get32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

void attach_init(struct attach *attach, int input, bool once, int terminal)
{
    attach->input = input;
    attach->given = input >= 0;
    attach->once = once;
    attach->terminal = terminal;
    for (int i = 0; i < ATTACH_CLIENTS; i++)
        attach->sessions[i].fd = -1;
}

static void close_input(struct attach *attach)
{
    if (attach->input >= 0)
        close(attach->input);
    attach->input = -1;
    for (int i = 0; i < ATTACH_CLIENTS; i++)
        attach->sessions[i].blocked = false; /* what comes now goes nowhere, but it goes */
}

static void drop(struct attach *attach, struct session *session)
{
    close(session->fd);
    session->fd = -1;
    if (attach->once && session->streams[FRAME_INPUT])
        close_input(attach);
}

/* ── the begin ───────────────────────────────────────────────────────────────────────────────── */

static const char *const words_of[] = {
    [FRAME_INPUT] = "stdin", [FRAME_STDOUT] = "stdout", [FRAME_STDERR] = "stderr"};

static bool is_word(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && !memcmp(text, word, length);
}

static bool understand(struct session *session, const char *words)
{
    while (*words) {
        size_t length = strcspn(++words, " ");
        int type = 0;
        while (type < 3 && !is_word(words, length, words_of[type]))
            type++;
        if (type == 3)
            return false;
        session->streams[type] = true;
        words += length;
    }
    return true;
}

static struct session *find_room(struct attach *attach)
{
    for (struct session *s = attach->sessions; s < attach->sessions + ATTACH_CLIENTS; s++)
        if (s->fd < 0)
            return s;
    return NULL;
}

const char *attach_begin(struct attach *attach, int fd, const char *words)
{
    struct session session = {.fd = fd};
    struct session *room = find_room(attach);
    int size = CLIENT_BUFFER;

    if (!understand(&session, words))
        return "unknown stream";
    if (session.streams[FRAME_INPUT] && attach->input < 0)
        return attach->given ? "standard input is closed" : "no standard input";
    if (!room)
        return "too many clients";
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); /* as much as we may have */
    if (send(fd, "ok\n", 3, MSG_DONTWAIT | MSG_NOSIGNAL) != 3)
        return "gone";
    *room = session;
    return NULL;
}

/* ── from the client to the container ────────────────────────────────────────────────────────── */

/* What recv(2) gave: is there something? A client at its end is dropped. */
static bool received(struct attach *attach, struct session *session, ssize_t got)
{
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        drop(attach, session);
    return got > 0;
}

/* How many of the bytes are dealt with; 0: the container takes none at present. */
static size_t give(struct attach *attach, const char *data, size_t size)
{
    if (attach->input < 0)
        return size;
    ssize_t done = write(attach->input, data, size);
    if (done >= 0 || errno == EAGAIN || errno == EINTR)
        return done > 0 ? done : 0;
    close_input(attach); /* the container has closed its end */
    return size;
}

/* A piece of the input frame under way. Is there perhaps more to do? */
static bool pass_on(struct attach *attach, struct session *session)
{
    size_t most = session->left < sizeof(passing) ? session->left : sizeof(passing);
    ssize_t got = recv(session->fd, passing, most, MSG_PEEK | MSG_DONTWAIT);

    if (!received(attach, session, got))
        return false;
    size_t given = give(attach, passing, got);
    if (given == 0) {
        session->blocked = true;
        return false;
    }
    recv(session->fd, passing, given, MSG_DONTWAIT);
    session->left -= given;
    return true;
}

static void resize(const struct attach *attach, const unsigned char *payload)
{
    struct winsize size = {
        .ws_row = payload[0] << 8 | payload[1],
        .ws_col = payload[2] << 8 | payload[3],
    };
    if (attach->terminal >= 0)
        ioctl(attach->terminal, TIOCSWINSZ, &size);
}

/* A whole head, or a whole frame that is all head. False when it makes no sense. */
static bool begin_frame(struct attach *attach, struct session *session)
{
    uint32_t length = get32(session->head + 1);

    if (session->head[0] == FRAME_INPUT && session->streams[FRAME_INPUT]) {
        session->used = 0;
        session->left = length;
        if (length == 0 && attach->once)
            close_input(attach);
        return true;
    }
    if (session->head[0] != FRAME_RESIZE || length != RESIZE_SIZE)
        return false;
    if (session->used == sizeof(session->head)) {
        session->used = 0;
        resize(attach, session->head + FRAME_HEAD);
    }
    return true;
}

/* More of a frame's head. Is there perhaps more to do? */
static bool read_head(struct attach *attach, struct session *session)
{
    size_t wanted = session->used < FRAME_HEAD ? FRAME_HEAD : sizeof(session->head);
    ssize_t got = recv(session->fd, session->head + session->used, wanted - session->used,
                       MSG_DONTWAIT);

    if (!received(attach, session, got))
        return false;
    session->used += got;
    if (session->used == wanted && !begin_frame(attach, session)) {
        drop(attach, session);
        return false;
    }
    return true;
}

static void hear(struct attach *attach, struct session *session)
{
    for (int turn = 0; turn < TURNS; turn++)
        if (!(session->left ? pass_on(attach, session) : read_head(attach, session)))
            return;
}

void attach_poll(const struct attach *attach, struct pollfd *polls)
{
    /* The input only while somebody waits for it: without a reader it would call us for ever. */
    polls[0] = (struct pollfd){.fd = -1, .events = POLLOUT};
    for (int i = 0; i < ATTACH_CLIENTS; i++) {
        const struct session *session = &attach->sessions[i];
        short events = session->blocked ? 0 : POLLIN;
        polls[1 + i] = (struct pollfd){.fd = session->fd, .events = events};
        if (session->fd >= 0 && session->blocked)
            polls[0].fd = attach->input;
    }
}

void attach_serve(struct attach *attach, const struct pollfd *polls)
{
    for (int i = 0; i < ATTACH_CLIENTS; i++) {
        struct session *session = &attach->sessions[i];
        if (session->fd < 0 || session->fd != polls[1 + i].fd)
            continue;
        if (polls[0].revents)
            session->blocked = false;
        if (session->blocked && polls[1 + i].revents)
            drop(attach, session); /* it went away, and what was not taken with it */
        else if (polls[1 + i].revents || polls[0].revents)
            hear(attach, session);
    }
}

/* ── from the container to the client ────────────────────────────────────────────────────────── */

static void tell(struct attach *attach, struct session *session, enum frame type, const void *data,
                 size_t size)
{
    unsigned char head[FRAME_HEAD] = {type};
    struct iovec parts[2] = {{head, sizeof(head)}, {(void *)data, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    put32(head + 1, size);
    ssize_t sent = sendmsg(session->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent != (ssize_t)(sizeof(head) + size))
        drop(attach, session); /* half a frame at the end is how it learns of it */
}

void attach_output(struct attach *attach, enum frame type, const void *data, size_t size)
{
    for (struct session *s = attach->sessions; s < attach->sessions + ATTACH_CLIENTS; s++)
        if (s->fd >= 0 && s->streams[type])
            tell(attach, s, type, data, size);
}

void attach_hang_up(struct attach *attach)
{
    if (attach->terminal >= 0)
        close(attach->terminal);
    attach->terminal = -1;
}

void attach_end(struct attach *attach, int code)
{
    unsigned char payload[EXIT_SIZE];

    put32(payload, code);
    for (struct session *s = attach->sessions; s < attach->sessions + ATTACH_CLIENTS; s++) {
        if (s->fd >= 0)
            tell(attach, s, FRAME_EXIT, payload, sizeof(payload));
        if (s->fd >= 0)
            drop(attach, s);
    }
}

void attach_release(void)
{
    pages_release(passing, sizeof(passing));
}
