"""The default seccomp profile ("RuntimeDefault"): what an ordinary application needs of the kernel.

The lists are containerd's and docker's common ground. What they refuse fails with EPERM; a call
that is newer than these lists fails with ENOSYS, so that a C library takes the older way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podrun.linux.seccomp import Argument, Compare, Rule

EPERM, EINVAL, ENOSYS = 1, 22, 38
ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"

#: beside the native one: programs of 32 bits run, too
ARCHITECTURES = {"x86_64": ("x86", "x32"), "aarch64": ("arm",)}

_FILES = """
_llseek access cachestat chdir chmod chown chown32 close close_range copy_file_range creat dup dup2
dup3 faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown
fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat
fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64
getxattr getxattrat ioctl lchown lchown32 lgetxattr link linkat listxattr listxattrat llistxattr
lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat
open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readdir readlink
readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir sendfile sendfile64
setxattr setxattrat splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range
sync_file_range2 syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat
utimensat_time64 utimes vmsplice write writev
"""

_EVENTS = """
_newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1
inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup
io_submit pipe pipe2 poll ppoll ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4
"""

_MEMORY = """
brk madvise map_shadow_stack memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2
mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
process_mrelease remap_file_pages
"""

_PROCESSES = """
capget capset execve execveat exit exit_group fork get_robust_list get_thread_area getcpu getegid
getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid
getpriority getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid gettid getuid
getuid32 ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset
landlock_restrict_self membarrier pidfd_open pidfd_send_signal prctl prlimit64 process_vm_readv
process_vm_writev ptrace restart_syscall rseq sched_get_priority_max sched_get_priority_min
sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
sched_yield seccomp set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid
setfsuid32 setgid setgid32 setgroups setgroups32 setpgid setpriority setregid setregid32 setresgid
setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setuid setuid32 tgkill tkill
ugetrlimit uname vfork wait4 waitid waitpid
"""

_SIGNALS = """
pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaction sigaltstack signal sigpending
sigprocmask sigreturn sigsuspend
"""

_TIME = """
adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer
sysinfo time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64
times
"""

_SYNCHRONISATION = """
futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake getrandom ipc mq_getsetattr
mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink
msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt
shmget
"""

_NETWORK = """
accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair
"""

_OF_ARCHITECTURE = """
arch_prctl arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush modify_ldt set_tls
"""

ALLOWED = tuple(
    " ".join(
        (_FILES, _EVENTS, _MEMORY, _PROCESSES, _SIGNALS, _TIME, _SYNCHRONISATION, _NETWORK,
         _OF_ARCHITECTURE)
    ).split()
)  # fmt: skip

#: allowed with the capability that the kernel asks for anyway
WITH_CAPABILITY = {
    "BPF": "bpf",
    "DAC_READ_SEARCH": "open_by_handle_at",
    "PERFMON": "perf_event_open",
    "SYS_ADMIN": """
        bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick listmount lookup_dcookie mount
        mount_setattr move_mount open_tree perf_event_open pivot_root quotactl quotactl_fd
        setdomainname sethostname setns statmount syslog umount umount2 unshare""",
    "SYS_BOOT": "reboot",
    "SYS_CHROOT": "chroot",
    "SYS_MODULE": "delete_module finit_module init_module",
    "SYS_NICE": """
        get_mempolicy mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node""",
    "SYS_PACCT": "acct",
    "SYS_PTRACE": "kcmp pidfd_getfd process_madvise",
    "SYS_RAWIO": "ioperm iopl",
    "SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
    "SYS_TTY_CONFIG": "vhangup",
    "SYSLOG": "syslog",
}

#: known, and refused to everybody: kernel keys and io_uring have been ways out of containers
REFUSED = tuple(
    """
    _sysctl add_key afs_syscall bdflush create_module get_kernel_syms io_uring_enter
    io_uring_register io_uring_setup kexec_file_load kexec_load keyctl nfsservctl query_module
    request_key swapoff swapon sysfs uselib userfaultfd ustat vm86 vm86old
    """.split()  # noqa: SIM905
)

#: PER_LINUX, PER_LINUX32, both with UNAME26; asking for the present one
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
_NEW_NAMESPACES = (
    0x7E020000  # CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
)
_AF_VSOCK = 40  # reaches the hypervisor, past the network namespace


def rules(capabilities: Iterable[str]) -> Iterator[Rule]:
    """For a container with these ``capabilities`` (no CAP_); all else: EPERM."""
    held = set(capabilities)
    yield Rule(ALLOWED, ALLOW)
    for value in _PERSONALITIES:
        yield Rule(("personality",), ALLOW, arguments=(Argument(0, Compare.EQ, value),))
    yield Rule(("socket",), ALLOW, arguments=(Argument(0, Compare.NE, _AF_VSOCK),))
    granted = {name for c, names in WITH_CAPABILITY.items() if c in held for name in names.split()}
    yield Rule(tuple(sorted(granted)), ALLOW)
    known = {name for names in WITH_CAPABILITY.values() for name in names.split()}
    if "SYS_ADMIN" not in held:
        without = Argument(0, Compare.MASKED_EQ, _NEW_NAMESPACES, 0)
        yield Rule(("clone",), ALLOW, arguments=(without,))
        # its flags are behind a pointer, out of a filter's sight: callers fall back to clone
        yield Rule(("clone3",), ERRNO, ENOSYS)
        known -= {"clone", "clone3"}
    yield Rule((*sorted(known - granted), *REFUSED), ERRNO, EPERM)
