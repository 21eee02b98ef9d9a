/*
 * pause for aarch64: the same steps as pause-x86_64.S, which explains them.
 */
/* numbers of asm/unistd.h, so that no kernel headers are needed to build */
#define __NR_rt_sigprocmask   135
#define __NR_rt_sigtimedwait  137
#define __NR_wait4            260
#define __NR_chdir            49
#define __NR_exit_group       94

#define SIGINT  2
#define SIGTERM 15
#define WNOHANG 1
#define SET_BYTES 8                     /* sizeof(sigset_t) as the kernel sees it */

        .text
        .globl  _start
_start:
        mov     x0, xzr                 /* SIG_BLOCK is 0 */
        adr     x1, every_signal
        mov     x2, xzr
        mov     x3, #SET_BYTES
        mov     x8, #__NR_rt_sigprocmask
        svc     #0

        adr     x0, root
        mov     x8, #__NR_chdir
        svc     #0

reap:
        mov     x0, #-1
        mov     x1, xzr
        mov     x2, #WNOHANG
        mov     x3, xzr
        mov     x8, #__NR_wait4
        svc     #0
        cmp     x0, #0
        b.gt    reap

        adr     x0, every_signal
        mov     x1, xzr
        mov     x2, xzr
        mov     x3, #SET_BYTES
        mov     x8, #__NR_rt_sigtimedwait
        svc     #0
        cmp     x0, #SIGTERM
        b.eq    leave
        cmp     x0, #SIGINT
        b.ne    reap

leave:
        mov     x0, xzr
        mov     x8, #__NR_exit_group
        svc     #0

root:
        .asciz  "/"
        .balign 8
every_signal:
        .quad   -1

        .section .note.GNU-stack, "", @progbits
