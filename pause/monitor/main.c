/*
 * podrun's monitor: the parent of one container's main process. It owns the container's output,
 * writes it to the log, and puts the start and the end on record, whether an agent is there or
 * not. protocol.h draws what it says to whom.
 *
 *   begin ─► watch ─────────────────► kill, drain ─────► record ─► tell ─► reap ─► wake the
 *            start, output, control,  the rest of the    exit.json  clients          agent
 *            clients, until the       container, pipes
 *            child ends
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "attach.h"
#include "child.h"
#include "control.h"
#include "isolate.h"
#include "launch.h"
#include "log.h"
#include "options.h"
#include "protocol.h"
#include "record.h"
#include "stream.h"
#include "text.h"

enum { SIGNALS, STATUS, STDOUT, STDERR, CONTROL, ATTACH = CONTROL + CONTROL_POLLS,
       POLLS = ATTACH + ATTACH_POLLS };

#define QUIET_MS 1000 /* after so long without output the buffers go back to the kernel */

static struct monitor {
    int signals;   /* signalfd of SIGCHLD */
    bool children; /* one of ours may have ended */
    bool busy;     /* buffers may hold memory */
    struct launch launch;
    struct run run;
    struct log log;
    struct control control;
    struct attach attach;
    struct stream out, err;
} monitor;

static gid_t group_of(int directory)
{
    struct stat status;
    return fstat(directory, &status) < 0 ? (gid_t)-1 : status.st_gid;
}

static void begin_stream(struct stream *stream, const char *name, enum frame type, int fd)
{
    stream->name = name;
    stream->type = type;
    stream->fd = fd;
    stream->attach = &monitor.attach;
}

/* Everything that may fail comes first; once stdio is silent nothing makes us leave any more. */
static void begin(const struct options *options)
{
    monitor.signals = isolate(options);
    monitor.run.directory = open(options->records, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (monitor.run.directory < 0)
        die(EXIT_NO_BEGIN, "cannot open", options->records, errno);
    isolate_silence();
    monitor.launch.status_fd = options->status_fd;
    monitor.launch.report_fd = options->report_fd;
    monitor.launch.pid = options->pid;
    begin_stream(&monitor.out, "stdout", FRAME_STDOUT, options->stdout_fd);
    begin_stream(&monitor.err, "stderr", FRAME_STDERR, options->stderr_fd);
    monitor.log.path = options->log;
    monitor.log.max = options->log_max;
    monitor.log.files = options->log_files;
    monitor.log.gid = group_of(monitor.run.directory);
    monitor.log.fd = -1;
    control_init(&monitor.control, options->socket_fd);
    attach_init(&monitor.attach, options->stdin_fd, options->stdin_once, options->terminal_fd);
    log_open(&monitor.log); /* a failure costs lines, which are counted, and is tried again */
}

static void release_memory(void)
{
    log_release(&monitor.log);
    stream_release(&monitor.out);
    stream_release(&monitor.err);
    attach_release();
    monitor.busy = false;
}

/* Waits for something to happen, `most` milliseconds at the most (-1: any time), and handles it. */
static bool serve(int most)
{
    struct pollfd polls[POLLS] = {
        [SIGNALS] = {.fd = monitor.signals, .events = POLLIN},
        [STATUS] = {.fd = monitor.launch.status_fd, .events = POLLIN},
        [STDOUT] = {.fd = monitor.out.fd, .events = POLLIN},
        [STDERR] = {.fd = monitor.err.fd, .events = POLLIN},
    };
    struct signalfd_siginfo signal;

    control_poll(&monitor.control, polls + CONTROL);
    attach_poll(&monitor.attach, polls + ATTACH);
    int ready = poll(polls, POLLS, most);
    if (ready <= 0)
        return false;
    if (polls[SIGNALS].revents && read(monitor.signals, &signal, sizeof(signal)) > 0)
        monitor.children = true;
    if (polls[STATUS].revents)
        launch_read(&monitor.launch, &monitor.run);
    if (polls[STDOUT].revents)
        stream_read(&monitor.out, &monitor.log);
    if (polls[STDERR].revents)
        stream_read(&monitor.err, &monitor.log);
    attach_serve(&monitor.attach, polls + ATTACH);
    control_serve(&monitor.control, polls + CONTROL, &monitor.log, &monitor.attach);
    monitor.busy = true;
    return true;
}

/* Has the main process ended? Asks only when there is news; its end may be older than we are. */
static bool ended(pid_t pid, struct ending *ending)
{
    if (!monitor.children)
        return false;
    monitor.children = false;
    child_reap_others(pid);
    return child_ended(pid, ending);
}

/* Until the main process has ended. */
static struct ending watch(pid_t pid)
{
    struct ending ending;

    monitor.children = true;
    while (!ended(pid, &ending)) {
        if (!serve(monitor.busy || monitor.launch.unrecorded ? QUIET_MS : -1))
            release_memory();
        launch_retry(&monitor.launch, &monitor.run);
    }
    /* First the start, which may be news too: it must not come out later than the end. */
    launch_read(&monitor.launch, &monitor.run);
    launch_finish(&monitor.launch, &monitor.run);
    clock_gettime(CLOCK_REALTIME, &monitor.run.finished);
    return ending;
}

static int milliseconds_until(const struct timespec *deadline)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (deadline->tv_sec - now.tv_sec) * 1000 + (deadline->tv_nsec - now.tv_nsec) / 1000000;
}

/*
 * All writers should be dead by now, and EOF be near. A descriptor that was passed on to some other
 * container can hold a pipe open for ever: then what is in it now is what we take.
 */
static void drain(void)
{
    struct timespec deadline;
    int left;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += DRAIN_SECONDS;
    while ((monitor.out.fd >= 0 || monitor.err.fd >= 0) &&
           (left = milliseconds_until(&deadline)) > 0)
        serve(left);
    stream_read_rest(&monitor.out, &monitor.log);
    stream_read_rest(&monitor.err, &monitor.log);
    stream_finish(&monitor.out, &monitor.log);
    stream_finish(&monitor.err, &monitor.log);
}

int main(int argc, char **argv)
{
    struct options options = options_parse(argc, argv);

    begin(&options);
    struct ending ending = watch(options.pid);
    if (!options.private_pid)
        child_kill_cgroup(options.pid, options.cgroup_kill, options.cgroup_procs);
    attach_hang_up(&monitor.attach);
    drain();
    monitor.run.code = ending.code;
    monitor.run.signal = ending.signal;
    monitor.run.dropped = monitor.log.dropped;
    record_exit(&monitor.run);
    attach_end(&monitor.attach, ending.code);
    child_reap(options.pid);
    agent_wake(options.agent_socket, options.agent_command);
    return 0;
}
