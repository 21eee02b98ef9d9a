#define _GNU_SOURCE /* accept4 */
#include "control.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

static int ping(struct log *log)
{
    (void)log;
    return 0;
}

static const struct command {
    const char *name;
    int (*run)(struct log *log); /* 0, or -1 with errno */
} commands[] = {
    {"ping", ping},
    {"rotate", log_rotate},
    {"reopen", log_reopen},
};

void control_init(struct control *control, int fd)
{
    control->fd = fd;
    for (int i = 0; i < CONTROL_CLIENTS; i++)
        control->clients[i].fd = -1;
}

void control_poll(const struct control *control, struct pollfd *polls)
{
    polls[0] = (struct pollfd){.fd = control->fd, .events = POLLIN};
    for (int i = 0; i < CONTROL_CLIENTS; i++)
        polls[1 + i] = (struct pollfd){.fd = control->clients[i].fd, .events = POLLIN};
}

static void drop(struct client *client)
{
    close(client->fd);
    client->fd = -1;
}

static void answer(struct client *client, const char *error)
{
    char buffer[128];
    struct text text = {.data = buffer, .size = sizeof(buffer) - 1};

    text_string(&text, error ? "error " : "ok");
    if (error)
        text_string(&text, error);
    buffer[text.used++] = '\n';
    /* An empty socket buffer takes this much; a client that is gone does not want it. */
    send(client->fd, buffer, text.used, MSG_DONTWAIT | MSG_NOSIGNAL);
    drop(client);
}

/* Moves the client to the sessions; answers it when that cannot be. */
static void begin_attach(struct client *client, struct attach *attach, bool alone)
{
    const char *words = client->line + strlen("attach");
    const char *error = alone ? attach_begin(attach, client->fd, words) : "more than a line";

    if (error)
        answer(client, error);
    else
        client->fd = -1;
}

static void obey(struct client *client, struct log *log)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (!strcmp(client->line, commands[i].name))
            return answer(client, commands[i].run(log) < 0 ? strerror(errno) : NULL);
    answer(client, "unknown command");
}

static bool wants_attach(const char *line)
{
    size_t length = strlen("attach");
    return !strncmp(line, "attach", length) && (line[length] == ' ' || !line[length]);
}

static void hear(struct control *control, struct client *client, struct log *log,
                 struct attach *attach)
{
    ssize_t got = read(client->fd, client->line + client->used,
                       sizeof(client->line) - client->used);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        return drop(client);
    client->turn = ++control->turn;
    client->used += got;
    char *newline = memchr(client->line, '\n', client->used);
    if (newline) {
        *newline = '\0';
        if (wants_attach(client->line))
            begin_attach(client, attach, newline + 1 == client->line + client->used);
        else
            obey(client, log);
    } else if (client->used == sizeof(client->line)) {
        answer(client, "line too long");
    }
}

static void welcome(struct control *control)
{
    struct client *slot = control->clients;
    int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        /* Out of descriptors, poll(2) would call us again at once: rather slow than spinning. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        return;
    }
    for (struct client *c = slot; c < control->clients + CONTROL_CLIENTS; c++)
        if (c->fd < 0 || (slot->fd >= 0 && c->turn < slot->turn))
            slot = c;
    if (slot->fd >= 0)
        drop(slot);
    *slot = (struct client){.fd = fd, .turn = ++control->turn};
}

void control_serve(struct control *control, const struct pollfd *polls, struct log *log,
                   struct attach *attach)
{
    for (int i = 0; i < CONTROL_CLIENTS; i++)
        if (polls[1 + i].revents && control->clients[i].fd == polls[1 + i].fd)
            hear(control, &control->clients[i], log, attach);
    if (polls[0].revents)
        welcome(control);
}
