/* memory.c: the functions that a compiler may call without being asked. */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
int memcmp(const void *a, const void *b, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    for (size_t i = 0; i < n; ++i) {
        t[i] = f[i];
    }
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    if (t < f) {
        return memcpy(to, from, n);
    }
    while (n > 0) {
        --n;
        t[n] = f[n];
    }
    return to;
}

void *memset(void *to, int value, size_t n)
{
    unsigned char *t = to;
    for (size_t i = 0; i < n; ++i) {
        t[i] = (unsigned char)value;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a, *q = b;
    for (size_t i = 0; i < n; ++i) {
        if (p[i] != q[i]) {
            return p[i] < q[i] ? -1 : 1;
        }
    }
    return 0;
}

#ifdef __ARM_EABI__
/* The same under the names of the Arm run-time interface, which clang and rustc call. */
#define COPY(name, plain) \
    void name(void *to, const void *from, size_t n); \
    void name(void *to, const void *from, size_t n) \
    { \
        plain(to, from, n); \
    }
COPY(__aeabi_memcpy, memcpy)
COPY(__aeabi_memcpy4, memcpy)
COPY(__aeabi_memcpy8, memcpy)
COPY(__aeabi_memmove, memmove)
COPY(__aeabi_memmove4, memmove)
COPY(__aeabi_memmove8, memmove)

#define FILL(set, clear) \
    void set(void *to, size_t n, int value); \
    void set(void *to, size_t n, int value) \
    { \
        memset(to, value, n); \
    } \
    void clear(void *to, size_t n); \
    void clear(void *to, size_t n) \
    { \
        memset(to, 0, n); \
    }
FILL(__aeabi_memset, __aeabi_memclr)
FILL(__aeabi_memset4, __aeabi_memclr4)
FILL(__aeabi_memset8, __aeabi_memclr8)
#endif
