/*
 * What the monitor says to whom. Monitors outlive upgrades of podrun, so everything here is read
 * by other versions too: a change of meaning raises RECORD_VERSION.
 *
 *   worker W           monitor (W after its exec)        container's main process C    agent
 *     │ fork ───────────────────┼──────────────────────────────► │                       │
 *     │ exec ─────────────────► │                                │ waits for its byte    │
 *                               │                                │ ◄──── one byte ────── │
 *                               │ ◄─ status: closed by execve ── │ execve                │
 *                               │    started.json                                        │
 *                               │ ── report: {"started":T} ────────────────────────────► │
 *                               │ ◄─ or status: {error} ──────── │ exits                 │
 *                               │ ── report: {"failed":{error}} ───────────────────────► │
 *                               │ ◄─ stdout, stderr ──────────── │                       │
 *                               │ ◄─ SIGCHLD ─────────────────── │ ends (still a zombie) │
 *                               │    kill its cgroup, unless a PID namespace did         │
 *                               │    drain the pipes                                     │
 *                               │    exit.json, durable; only then reap                  │
 *                               │ ── connect: is an agent there? if not, start one ────► │
 *                               exit 0
 *
 *   T is SECONDS.NANOSECONDS since the epoch.
 *
 *   what          shape
 *   ------------  ----------------------------------------------------------------------------
 *   status        nothing but EOF: execve succeeded. Else one JSON object of ERROR_MAX bytes at
 *                 the most, then EOF.
 *   report        one line, {"started":T} or {"failed":{error}}, then EOF
 *   started.json  {"version":1,"startedAt":T}
 *   exit.json     {"version":1,"code":N,"signal":N,"startedAt":T|null,"finishedAt":T,
 *                  "droppedLines":N,"error":{error}|null}
 *                 code is the exit status, or 128 + signal
 *   log           the CRI log format, one entry a line: TIME STREAM TAG CONTENT
 *                 2016-10-06T00:17:09.669794202Z stdout F text
 *                 TAG is F for a whole line and P for a part: a line of more than LINE_MAX_BYTES
 *                 goes on in the next entry of its stream; so does one that never got its newline
 *   rotated log   LOG.YYYYMMDD-HHMMSS, LOG.YYYYMMDD-HHMMSS-NNNN (UTC): name order is time order
 *   control       the client sends one line: "ping", "rotate" or "reopen"; the monitor answers
 *                 "ok" or "error TEXT", a line, and closes. After "attach" and an "ok" it does not
 *                 close: from then on there are frames on the connection, both ways
 *   exit status   0 recorded; 64 bad arguments; 71 could not begin. Both failures come before
 *                 anything was reported, with a message on standard error.
 *
 *   client                                    monitor
 *     │ "attach stdin stdout stderr\n" ───────► │  those words that it wants
 *     │ ◄─────────────────────────────── "ok\n" │  or "error TEXT\n", and closed
 *     │ INPUT …, RESIZE … ────────────────────► │  not before the answer
 *     │ ◄─────────────────── STDOUT …, STDERR … │  what the container writes from now on
 *     │ ◄───────────────────────────────── EXIT │  the end; recorded by then
 *
 *   A connection that ends without EXIT was dropped: the client did not read, or sent what is no
 *   frame. A client that ends its side has detached. A frame is TYPE (1 byte), LENGTH (4 bytes,
 *   the highest first) and LENGTH bytes:
 *
 *   type    payload
 *   ------  ------------------------------------------------------------------------------------
 *   INPUT   bytes for the container; none: there will be no more from this client, which counts
 *           where the container's standard input is for one client only
 *   STDOUT  bytes as the container wrote them; all output, where it has a terminal
 *   STDERR  likewise
 *   EXIT    the exit code, or 128 + signal: 4 bytes, the highest first
 *   RESIZE  rows, columns: 2 bytes each, the high one first; without a terminal it does nothing
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#define MONITOR_VERSION "0.1.0"
#define RECORD_VERSION 1

#define ERROR_MAX 4096
#define LINE_MAX_BYTES 16384 /* as the kubelet's runtimes split */
#define CONTROL_LINE_MAX 256
#define CONTROL_CLIENTS 4
#define ATTACH_CLIENTS 8
#define CLIENT_BUFFER (4 << 20) /* output a client may be behind; takes memory only when it is */
#define DRAIN_SECONDS 2

enum frame { FRAME_INPUT, FRAME_STDOUT, FRAME_STDERR, FRAME_EXIT, FRAME_RESIZE };

#define FRAME_HEAD 5
#define EXIT_SIZE 4
#define RESIZE_SIZE 4

#define EXIT_USAGE 64    /* EX_USAGE of sysexits(3) */
#define EXIT_NO_BEGIN 71 /* EX_OSERR */

#endif
