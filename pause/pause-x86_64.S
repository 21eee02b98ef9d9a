/*
 * pause: the process that holds a pod's namespaces, the pod's /dev/shm and its bound sockets.
 *
 *      block every signal
 *      chdir("/")                        it pins no directory
 *  ┌─► wait4(-1, WNOHANG) while it reaps orphans of a shared PID namespace come to its PID 1
 *  │   rt_sigtimedwait(every signal)
 *  └── anything but SIGTERM, SIGINT
 *      exit_group(0)
 *
 * Why assembly: it is there once for each pod for as long as the pod lives, and this way it is a
 * file of a few hundred bytes and a process of three pages. No step can make it exit on an error.
 *
 * A signal that is blocked is queued even for PID 1 with the default disposition (the kernel's
 * sig_ignored()), so TERM works from inside the PID namespace and from outside alike.
 */
/* numbers of asm/unistd.h, so that no kernel headers are needed to build */
#define __NR_rt_sigprocmask   14
#define __NR_rt_sigtimedwait  128
#define __NR_wait4            61
#define __NR_chdir            80
#define __NR_exit_group       231

#define SIGINT  2
#define SIGTERM 15
#define WNOHANG 1
#define SET_BYTES 8                     /* sizeof(sigset_t) as the kernel sees it */

        .text
        .globl  _start
_start:
        xor     %edi, %edi              /* SIG_BLOCK is 0 */
        mov     $every_signal, %esi
        xor     %edx, %edx
        mov     $SET_BYTES, %r10d
        mov     $__NR_rt_sigprocmask, %eax
        syscall

        mov     $root, %edi
        mov     $__NR_chdir, %eax
        syscall

reap:
        mov     $-1, %rdi
        xor     %esi, %esi
        mov     $WNOHANG, %edx
        xor     %r10d, %r10d
        mov     $__NR_wait4, %eax
        syscall
        test    %rax, %rax
        jg      reap                    /* one SIGCHLD may stand for many children */

        mov     $every_signal, %edi
        xor     %esi, %esi              /* no siginfo: the number is enough */
        xor     %edx, %edx              /* no timeout */
        mov     $SET_BYTES, %r10d
        mov     $__NR_rt_sigtimedwait, %eax
        syscall
        cmp     $SIGTERM, %eax
        je      leave
        cmp     $SIGINT, %eax
        jne     reap                    /* SIGCHLD, an error, or nothing to us */

leave:
        xor     %edi, %edi
        mov     $__NR_exit_group, %eax
        syscall

root:
        .asciz  "/"
        .balign 8
every_signal:
        .quad   -1

        .section .note.GNU-stack, "", @progbits
