/*
 * pause in plain C, for machines that have no assembly version: the same steps as
 * pause-x86_64.S, which explains them.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    sigset_t every_signal;
    int signal_number;

    sigfillset(&every_signal);
    sigprocmask(SIG_BLOCK, &every_signal, NULL);
    if (chdir("/") < 0) {
        /* it pins a directory then, which is no reason to end a pod */
    }
    do {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        signal_number = sigwaitinfo(&every_signal, NULL);
    } while (signal_number != SIGTERM && signal_number != SIGINT);
    return 0;
}
