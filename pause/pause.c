/*
 * pause in plain C, for machines that have no assembly version: the same steps as
 * pause-x86_64.S, which explains them. Bare system calls, because the C libraries leave signals of
 * their own out of every set they fill.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_rt_sigtimedwait /* 32-bit machines younger than 2038's problem */
#define SYS_rt_sigtimedwait SYS_rt_sigtimedwait_time64
#endif

int main(void)
{
    uint64_t every_signal[(_NSIG + 62) / 64];
    long number;

    memset(every_signal, 0xff, sizeof(every_signal));
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, every_signal, NULL, sizeof(every_signal));
    if (chdir("/") < 0) {
        /* it pins a directory then, which is no reason to end a pod */
    }
    do {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        number = syscall(SYS_rt_sigtimedwait, every_signal, NULL, NULL, sizeof(every_signal));
    } while (number != SIGTERM && number != SIGINT);
    return 0;
}
