/* Images of one and two axes from kept coefficients: the decoder's inner loops. fredfmt/codec/planes.py builds the tables.

   A plane is one channel of one instance:  out[i][j] = sum over kept (row, column) of value * rows[row][i] * basis[column][j].
   A block of columns is made at a time: first every used row's sum over its own columns, which stays in the first level of
   cache, then the product with the row factors. Cosines are even or odd about the middle of the image, so with `mirrored`
   each pair of opposite rows shares its multiplications: even rows come first, odd ones after.

   The loops (_planes_kernel.h) are compiled for every instruction set that this compiler knows; Python chooses at run time.
   For gcc and clang; other compilers lack their vector types, and there torch decodes. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifndef _OPENMP
#include <pthread.h>
#endif

typedef struct {
    int64_t masks, frequencies; /* of each mask */
    int64_t rows;               /* the most rows that a mask uses */
    int64_t height, width;
    int64_t padded_height;      /* a multiple of the number of rows that the kernel computes together */
    int64_t columns;            /* columns of frequencies */
    int64_t mirrored;
    const int32_t *order;   /* (mask, frequency): positions among the coefficients, row by row */
    const int32_t *column;  /* (mask, frequency): their columns */
    const int32_t *end;     /* (mask, row): where each row's frequencies end */
    const int32_t *used;    /* (mask, 2): number of rows, and how many of them are even */
    const float *factors;   /* (mask, row, padded_height) */
    const float *basis;     /* (block of columns, column of frequencies, columns of the block) */
} Tables;

typedef struct {
    const Tables *tables;
    const float *coefficients; /* (instance, channel, stride) */
    const int64_t *masks;      /* (instance,), NULL if all use one_mask */
    const float *mixing;       /* (image channel, channel): coefficients are multiplied by it; NULL if they are not */
    int64_t one_mask, instances, channels, stride;
    float *scratch;            /* (thread, scratch_stride), aligned to 64 bytes */
    int64_t scratch_stride;
    float *out;                /* (instance, channel, height, width) */
} Job;

typedef struct {
    const char *name;
    int64_t lanes, vectors, together;
    void (*make_planes)(const Job *, int64_t first, int64_t last, float *scratch);
} Kernel;

#define UNROLL _Pragma("GCC unroll 8")
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wpsabi" /* every function that passes vectors is inlined */
#endif

static int always(void) { return 1; }

#if defined(__x86_64__)

#define KERNEL avx512
#define TARGET __attribute__((target("avx512f")))
#define LANES 16
#define VECTORS 2
#define TOGETHER 4
#include "_planes_kernel.h"

#define KERNEL avx2
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define VECTORS 2
#define TOGETHER 4
#include "_planes_kernel.h"

#define KERNEL sse2
#define TARGET
#define LANES 4
#define VECTORS 4
#define TOGETHER 2
#include "_planes_kernel.h"

static int has_avx512(void) { return __builtin_cpu_supports("avx512f") != 0; }
static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static const struct {
    const Kernel *kernel;
    int (*usable)(void);
} KERNELS[] = {{&kernel_avx512, has_avx512}, {&kernel_avx2, has_avx2}, {&kernel_sse2, always}};

#else /* vectors of sixteen bytes: most processors have them, and for others the compiler makes do */

#if defined(__aarch64__)
#define KERNEL neon
#define BASELINE kernel_neon
#else
#define KERNEL generic
#define BASELINE kernel_generic
#endif
#define TARGET
#define LANES 4
#define VECTORS 4
#define TOGETHER 4
#include "_planes_kernel.h"

static const struct {
    const Kernel *kernel;
    int (*usable)(void);
} KERNELS[] = {{&BASELINE, always}};

#endif

/* The kernels that were compiled, the widest first; NULL past the last */
const Kernel *fredfmt_planes_kernel(int index)
{
    return index < (int)(sizeof KERNELS / sizeof *KERNELS) ? KERNELS[index].kernel : NULL;
}

/* Whether this processor can run it */
int fredfmt_planes_usable(int index) { return KERNELS[index].usable(); }

typedef struct {
    const Kernel *kernel;
    const Job *job;
    int thread, threads;
} Share;

static void *make_share(void *argument)
{
    const Share *share = argument;
    const Job *job = share->job;
    int64_t planes = job->instances * job->channels;
    share->kernel->make_planes(job, planes * share->thread / share->threads, planes * (share->thread + 1) / share->threads,
                               job->scratch + share->thread * job->scratch_stride);
    return NULL;
}

#define MOST_THREADS 256
#ifdef _OPENMP

#define PIXELS_PER_THREAD 8192 /* fewer are not worth waking a thread */

static void over_threads(Share *shares, int threads)
{
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int thread = 0; thread < threads; thread++)
        make_share(shares + thread);
}

#else

#define PIXELS_PER_THREAD 262144 /* fewer are not worth starting a thread */

static void over_threads(Share *shares, int threads)
{
    pthread_t others[MOST_THREADS];
    int started[MOST_THREADS];
    for (int thread = 1; thread < threads; thread++)
        started[thread] = pthread_create(others + thread, NULL, make_share, shares + thread) == 0;
    make_share(shares);
    for (int thread = 1; thread < threads; thread++)
        if (started[thread])
            pthread_join(others[thread], NULL);
        else
            make_share(shares + thread);
}

#endif

/* As many of `threads` threads as have work enough. OpenMP ends threads that one region needs less than the last, and
   starts them anew for the next: batches of similar sizes get the same power of two. */
static int useful(int threads, int64_t pixels)
{
    int64_t most = pixels / PIXELS_PER_THREAD;
    if (threads > MOST_THREADS)
        threads = MOST_THREADS;
    if (most >= threads)
        return threads;
    int fewer = 1;
    while (2 * fewer <= most)
        fewer *= 2;
    return fewer;
}

/* Returns 0, or 1 if a mask is not in the tables; nothing was written then. */
int fredfmt_planes(const Kernel *kernel, const Job *job, int threads)
{
    const Tables *t = job->tables;
    for (int64_t n = 0; job->masks && n < job->instances; n++)
        if (job->masks[n] < 0 || job->masks[n] >= t->masks)
            return 1;
    threads = useful(threads, job->instances * job->channels * t->height * t->width);
    Share shares[MOST_THREADS];
    for (int thread = 0; thread < threads; thread++)
        shares[thread] = (Share){kernel, job, thread, threads};
    if (threads == 1) /* without a parallel region of one thread, which would end the other threads of the pool */
        make_share(shares);
    else
        over_threads(shares, threads);
    return 0;
}
