/* Preloaded into a process (LD_PRELOAD): counts the calls that change files below one folder, makes the n-th fail, and
   records them; and puts the clock wrong. `fault_layer.py` builds it, and shares `struct control` with it in the file
   that MATINEE_FAULT_CONTROL names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { SHORT = -1 };
enum kind { OPEN = 1, CREATE, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, MKDIR, RMDIR, LINK };

struct control {
    uint64_t calls;     /* counted so far */
    uint64_t fail_at;   /* the call that fails, counted from 1; 0: none */
    int64_t error;      /* errno of the failure, or SHORT: half of a write */
    uint64_t sticky;    /* all later calls of the kind fail too */
    uint64_t hits;      /* calls that have failed */
    uint64_t recording; /* whether calls are recorded */
    int64_t clock;      /* seconds by which the time of day is wrong */
    char under[1024];   /* the folder, without a slash at its end; "": nothing is counted */
    char log[1024];     /* file of the records */
    char hit[1024];     /* the first call that failed */
};

struct record {
    uint64_t kind, call, inode, offset, length, name, target; /* sizes of what follows: name, target, data */
};

static struct control *control;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static void child(void) { pthread_mutex_t fresh = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP; lock = fresh; }

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("MATINEE_FAULT_CONTROL");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    if (fd < 0) return;
    void *shared = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (shared != MAP_FAILED) control = shared;
    pthread_atfork(NULL, NULL, child);
}

/* --- paths ------------------------------------------------------------------------------------------------------ */
static int below(const char *path)
{
    size_t length = control ? strlen(control->under) : 0;
    return length && !strncmp(path, control->under, length) && (path[length] == '/' || !path[length]);
}

static int path_of_fd(int fd, char *path)
{
    char link[64];
    if (!control || !control->under[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return below(path);
}

static int path_at(int folder, const char *name, char *path)
{
    char base[PATH_MAX];
    if (!control || !control->under[0] || !name) return 0;
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return below(path);
    }
    if (folder == AT_FDCWD) {
        if (syscall(SYS_getcwd, base, sizeof base) < 0) return 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        long length = syscall(SYS_readlinkat, AT_FDCWD, link, base, PATH_MAX - 1);
        if (length <= 0) return 0;
        base[length] = 0;
    }
    size_t length = strlen(base);
    if (length + strlen(name) + 2 > PATH_MAX) return 0;
    memcpy(path, base, length);
    path[length] = '/';
    strcpy(path + length + 1, name);
    return below(path);
}

static uint64_t inode_of_fd(int fd)
{
    struct stat status;
    return fstat(fd, &status) ? 0 : (uint64_t)status.st_ino;
}

static uint64_t inode_at(const char *path)
{
    struct stat status;
    return lstat(path, &status) ? 0 : (uint64_t)status.st_ino;
}

/* --- faults and records ------------------------------------------------------------------------------------------ */
/* Counts a call. Returns 0 to go on, SHORT, or the errno to fail with. */
static int fault(const char *call, const char *path, int takes_room, int writes)
{
    uint64_t number = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
    uint64_t at = control->fail_at;
    int error = (int)control->error;
    if (!at || number < at) return 0;
    if (error == SHORT ? !writes : error == ENOSPC && !takes_room) return 0;
    if (number > at && !control->sticky) return 0;
    if (number > at && error == SHORT) error = ENOSPC;
    if (!__atomic_fetch_add(&control->hits, 1, __ATOMIC_SEQ_CST))
        snprintf(control->hit, sizeof control->hit, "%s %s", call, path + strlen(control->under));
    return error;
}

static void all(int fd, const void *data, size_t length)
{
    const char *next = data;
    while (length) {
        long done = syscall(SYS_write, fd, next, length);
        if (done <= 0) return;
        next += done;
        length -= (size_t)done;
    }
}

static void record(enum kind kind, uint64_t inode, uint64_t offset, const char *name, const char *target,
                   const void *data, size_t length)
{
    if (!control->recording) return;
    int before = errno;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, control->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    struct record head = {kind, control->calls, inode, offset, data ? length : 0,
                          name ? strlen(name) : 0, target ? strlen(target) : 0};
    if (fd >= 0) {
        size_t size = sizeof head + head.name + head.target + head.length;
        char *whole = malloc(size), *next = whole;
        memcpy(next, &head, sizeof head), next += sizeof head;
        memcpy(next, name, head.name), next += head.name;
        memcpy(next, target, head.target), next += head.target;
        memcpy(next, data, head.length);
        all(fd, whole, size);
        free(whole);
        syscall(SYS_close, fd);
    }
    errno = before;
}

static void begin(void) { pthread_mutex_lock(&lock); }
static void end(void) { pthread_mutex_unlock(&lock); }

#define FAIL(value) do { errno = failure; return (value); } while (0)
static __thread int failure;

/* --- the clock ---------------------------------------------------------------------------------------------------- */
int clock_gettime(clockid_t which, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, which, now);
    if (!result && control && which == CLOCK_REALTIME) now->tv_sec += control->clock;
    return result;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */
static int opening(int folder, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    int changes = (flags & (O_CREAT | O_TRUNC)) || (flags & O_ACCMODE) != O_RDONLY;
    if (!changes || (flags & O_TMPFILE) == O_TMPFILE || !path_at(folder, name, path))
        return (int)syscall(SYS_openat, folder, name, flags, mode);
    begin();
    uint64_t before = inode_at(path);
    int fd = -1;
    failure = fault("open", path, (flags & O_CREAT) && !before, 0);
    if (!failure) {
        fd = (int)syscall(SYS_openat, folder, name, flags, mode);
        failure = errno;
        if (fd >= 0) {
            uint64_t inode = inode_of_fd(fd);
            record(before ? OPEN : CREATE, inode, 0, path, NULL, NULL, 0);
            if (before && (flags & O_TRUNC)) record(TRUNCATE, inode, 0, path, NULL, NULL, 0);
        }
    }
    end();
    if (fd < 0) FAIL(-1);
    return fd;
}

#define MODE(flags) mode_t mode = 0; if ((flags) & (O_CREAT | O_TMPFILE)) { \
    va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *name, int flags, ...) { MODE(flags) return opening(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return opening(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags) return opening(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE(flags) return opening(folder, name, flags, mode); }
int creat(const char *name, mode_t mode) { return opening(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return opening(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

static FILE *file_opening(const char *name, const char *mode)
{
    int plus = strchr(mode, '+') != NULL;
    int flags = mode[0] == 'r' ? (plus ? O_RDWR : O_RDONLY) : (plus ? O_RDWR : O_WRONLY) | O_CREAT;
    if (mode[0] == 'w') flags |= O_TRUNC;
    if (mode[0] == 'a') flags |= O_APPEND;
    if (strchr(mode, 'e')) flags |= O_CLOEXEC;
    if (strchr(mode, 'x')) flags |= O_EXCL;
    int fd = opening(AT_FDCWD, name, flags, 0666);
    return fd < 0 ? NULL : fdopen(fd, mode);
}

FILE *fopen(const char *name, const char *mode) { return file_opening(name, mode); }
FILE *fopen64(const char *name, const char *mode) { return file_opening(name, mode); }

/* --- writing ------------------------------------------------------------------------------------------------------ */
/* offset -1: at the file's own position. */
static ssize_t writing(int fd, const void *data, size_t length, off_t offset, const char *call)
{
    char path[PATH_MAX];
    if (!path_of_fd(fd, path))
        return offset < 0 ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, offset);
    begin();
    ssize_t done = -1;
    failure = fault(call, path, 1, length > 1);
    if (failure == SHORT) length /= 2, failure = 0;
    if (!failure) {
        off_t at = offset;
        if (offset < 0) {
            struct stat status;
            at = fcntl(fd, F_GETFL) & O_APPEND && !fstat(fd, &status) ? status.st_size : lseek(fd, 0, SEEK_CUR);
        }
        done = offset < 0 ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, offset);
        failure = errno;
        if (done > 0) record(WRITE, inode_of_fd(fd), (uint64_t)at, path, NULL, data, (size_t)done);
    }
    end();
    if (done < 0) FAIL(-1);
    return done;
}

ssize_t write(int fd, const void *data, size_t length) { return writing(fd, data, length, -1, "write"); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return writing(fd, data, length, at, "pwrite"); }
ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) { return writing(fd, data, length, at, "pwrite"); }

static ssize_t gathering(int fd, const struct iovec *parts, int count, off_t offset)
{
    char path[PATH_MAX];
    if (!path_of_fd(fd, path))
        return offset < 0 ? syscall(SYS_writev, fd, parts, count)
                          : syscall(SYS_pwritev, fd, parts, count, offset, (off_t)0);
    size_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    char *whole = malloc(length + 1), *next = whole;
    for (int i = 0; i < count; i++) memcpy(next, parts[i].iov_base, parts[i].iov_len), next += parts[i].iov_len;
    ssize_t done = writing(fd, whole, length, offset, "writev");
    int error = errno;
    free(whole);
    errno = error;
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) { return gathering(fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return gathering(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) { return gathering(fd, parts, count, at); }

size_t fwrite(const void *data, size_t size, size_t count, FILE *file)
{
    static size_t (*next)(const void *, size_t, size_t, FILE *);
    char path[PATH_MAX];
    if (!next) next = dlsym(RTLD_NEXT, "fwrite");
    int fd = fileno(file);
    if (fd < 0 || !path_of_fd(fd, path)) return next(data, size, count, file);
    begin();
    size_t wanted = size * count, done = 0;
    failure = fault("fwrite", path, 1, wanted > 1);
    if (failure == SHORT) wanted /= 2, failure = 0;
    if (!failure) {
        off_t at = ftello(file);
        done = next(data, 1, wanted, file);
        if (fflush(file)) done = 0;
        failure = errno;
        if (done) record(WRITE, inode_of_fd(fd), (uint64_t)at, path, NULL, data, done);
    }
    end();
    if (done < size * count) errno = failure ? failure : ENOSPC;
    return size ? done / size : 0;
}

/* Copies inside the kernel are refused, as on file systems that cannot; callers write instead. */
ssize_t sendfile(int to, int from, off_t *offset, size_t count)
{
    char path[PATH_MAX];
    if (path_of_fd(to, path)) { errno = EINVAL; return -1; }
    return syscall(SYS_sendfile, to, from, offset, count);
}
ssize_t sendfile64(int to, int from, off_t *offset, size_t count) { return sendfile(to, from, offset, count); }

ssize_t copy_file_range(int from, off_t *start, int to, off_t *offset, size_t count, unsigned flags)
{
    char path[PATH_MAX];
    if (path_of_fd(to, path)) { errno = EXDEV; return -1; }
    return syscall(SYS_copy_file_range, from, start, to, offset, count, flags);
}

static int truncating(int fd, off_t length)
{
    char path[PATH_MAX];
    if (!path_of_fd(fd, path)) return (int)syscall(SYS_ftruncate, fd, length);
    begin();
    struct stat status;
    int result = -1;
    failure = fault("ftruncate", path, !fstat(fd, &status) && length > status.st_size, 0);
    if (!failure) {
        result = (int)syscall(SYS_ftruncate, fd, length);
        failure = errno;
        if (!result) record(TRUNCATE, inode_of_fd(fd), (uint64_t)length, path, NULL, NULL, 0);
    }
    end();
    if (result) FAIL(-1);
    return 0;
}
int ftruncate(int fd, off_t length) { return truncating(fd, length); }
int ftruncate64(int fd, off_t length) { return truncating(fd, length); }

static int reserving(int fd, int mode, off_t offset, off_t length)
{
    char path[PATH_MAX];
    if (!path_of_fd(fd, path)) return (int)syscall(SYS_fallocate, fd, mode, offset, length);
    errno = EOPNOTSUPP; /* callers write instead */
    return -1;
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return reserving(fd, mode, offset, length); }
int fallocate64(int fd, int mode, off_t offset, off_t length) { return reserving(fd, mode, offset, length); }

/* --- syncing ------------------------------------------------------------------------------------------------------ */
static int syncing(int fd, long number, const char *call)
{
    char path[PATH_MAX];
    if (!path_of_fd(fd, path)) return (int)syscall(number, fd);
    begin();
    int result = -1;
    failure = fault(call, path, 1, 0); /* room may be taken only now: ENOSPC is an answer of fsync too */
    if (!failure) {
        result = (int)syscall(number, fd);
        failure = errno;
        if (!result) record(SYNC, inode_of_fd(fd), 0, path, NULL, NULL, 0);
    }
    end();
    if (result) FAIL(-1);
    return 0;
}
int fsync(int fd) { return syncing(fd, SYS_fsync, "fsync"); }
int fdatasync(int fd) { return syncing(fd, SYS_fdatasync, "fdatasync"); }

/* --- names -------------------------------------------------------------------------------------------------------- */
static int renaming(int from, const char *old, int to, const char *new, unsigned flags)
{
    char path[PATH_MAX], target[PATH_MAX];
    int counted = path_at(from, old, path) & path_at(to, new, target);
    if (!counted) return (int)syscall(SYS_renameat2, from, old, to, new, flags);
    begin();
    int result = -1;
    failure = fault("rename", target, 1, 0);
    if (!failure) {
        uint64_t inode = inode_at(path);
        result = (int)syscall(SYS_renameat2, from, old, to, new, flags);
        failure = errno;
        if (!result) record(RENAME, inode, 0, path, target, NULL, 0);
    }
    end();
    if (result) FAIL(-1);
    return 0;
}
int rename(const char *old, const char *new) { return renaming(AT_FDCWD, old, AT_FDCWD, new, 0); }
int renameat(int from, const char *old, int to, const char *new) { return renaming(from, old, to, new, 0); }
int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
    return renaming(from, old, to, new, flags);
}

static int removing(int folder, const char *name, int flags)
{
    char path[PATH_MAX];
    if (!path_at(folder, name, path)) return (int)syscall(SYS_unlinkat, folder, name, flags);
    begin();
    int result = -1;
    failure = fault(flags & AT_REMOVEDIR ? "rmdir" : "unlink", path, 0, 0);
    if (!failure) {
        uint64_t inode = inode_at(path);
        result = (int)syscall(SYS_unlinkat, folder, name, flags);
        failure = errno;
        if (!result) record(flags & AT_REMOVEDIR ? RMDIR : UNLINK, inode, 0, path, NULL, NULL, 0);
    }
    end();
    if (result) FAIL(-1);
    return 0;
}
int unlink(const char *name) { return removing(AT_FDCWD, name, 0); }
int unlinkat(int folder, const char *name, int flags) { return removing(folder, name, flags); }
int rmdir(const char *name) { return removing(AT_FDCWD, name, AT_REMOVEDIR); }
int remove(const char *name)
{
    int result = removing(AT_FDCWD, name, 0);
    return result && errno == EISDIR ? removing(AT_FDCWD, name, AT_REMOVEDIR) : result;
}

static int making(int folder, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    if (!path_at(folder, name, path) || inode_at(path)) return (int)syscall(SYS_mkdirat, folder, name, mode);
    begin();
    int result = -1;
    failure = fault("mkdir", path, 1, 0);
    if (!failure) {
        result = (int)syscall(SYS_mkdirat, folder, name, mode);
        failure = errno;
        if (!result) record(MKDIR, inode_at(path), 0, path, NULL, NULL, 0);
    }
    end();
    if (result) FAIL(-1);
    return 0;
}
int mkdir(const char *name, mode_t mode) { return making(AT_FDCWD, name, mode); }
int mkdirat(int folder, const char *name, mode_t mode) { return making(folder, name, mode); }

static int linking(int from, const char *old, int to, const char *new, int flags)
{
    char path[PATH_MAX], target[PATH_MAX];
    int counted = path_at(from, old, path) & path_at(to, new, target);
    if (!counted) return (int)syscall(SYS_linkat, from, old, to, new, flags);
    begin();
    int result = -1;
    failure = fault("link", target, 1, 0);
    if (!failure) {
        result = (int)syscall(SYS_linkat, from, old, to, new, flags);
        failure = errno;
        if (!result) record(LINK, inode_at(path), 0, path, target, NULL, 0);
    }
    end();
    if (result) FAIL(-1);
    return 0;
}
int link(const char *old, const char *new) { return linking(AT_FDCWD, old, AT_FDCWD, new, 0); }
int linkat(int from, const char *old, int to, const char *new, int flags) { return linking(from, old, to, new, flags); }
