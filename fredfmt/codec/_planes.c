/* Images of one and two axes from kept coefficients: the decoder's inner loops. fredfmt/codec/planes.py builds the tables.

   A plane is one channel of one instance:  out[i][j] = sum over kept (row, column) of value * rows[row][i] * basis[column][j].
   A block of COLUMNS columns is made at a time, in two vectors: first every used row's sum over its own columns, which stays
   in the first level of cache, then the product with the row factors. At the right edge vectors overlap, so that every one
   is written whole. Cosines are even or odd about the middle of the image, so with
   `mirrored` each pair of opposite rows shares its multiplications: even rows come first, odd ones after. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#define COLUMNS 32
#define TOGETHER 4

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define EVERY_PROCESSOR __attribute__((target_clones("avx512f", "fma", "default")))
#pragma GCC diagnostic ignored "-Wpsabi" /* every function that passes `lanes` is inlined */
#else
#define EVERY_PROCESSOR
#endif
#define INLINE static inline __attribute__((always_inline))

typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4)));

typedef struct {
    int64_t masks, frequencies; /* of each mask */
    int64_t rows;               /* the most rows that a mask uses */
    int64_t height, width;
    int64_t padded_height;      /* a multiple of TOGETHER */
    int64_t columns;            /* columns of frequencies */
    int64_t mirrored;
    const int32_t *order;   /* (mask, frequency): places among the coefficients, row after row */
    const int32_t *column;  /* (mask, frequency): their columns */
    const int32_t *end;     /* (mask, row): where each row's frequencies end */
    const int32_t *used;    /* (mask, 2): number of rows, and how many of them are even */
    const float *factors;   /* (mask, row, padded_height) */
    const float *basis;     /* (block of COLUMNS, column of frequencies, COLUMNS), each vector where place() puts it */
} Tables;

INLINE lanes load(const float *from) { return *(const lanes *)from; }
INLINE void store(float *to, lanes value) { *(lanes *)to = value; }

/* sums[r] = the columns j .. j + COLUMNS of row r before the product with the row factors */
INLINE void sum_columns(const Tables *t, int64_t mask, const float *sorted, int64_t j, float *sums)
{
    const int32_t *column = t->column + mask * t->frequencies;
    const int32_t *end = t->end + mask * t->rows;
    const float *basis = t->basis + j * t->columns;
    int64_t rows = t->used[2 * mask], f = 0;
    for (int64_t r = 0; r < rows; r++, sums += COLUMNS) {
        lanes a = {0}, b = {0}, c = {0}, d = {0};
        for (; f + 1 < end[r]; f += 2) {
            const float *first = basis + column[f] * COLUMNS, *second = basis + column[f + 1] * COLUMNS;
            float x = sorted[f], y = sorted[f + 1];
            a += x * load(first);
            b += x * load(first + LANES);
            c += y * load(second);
            d += y * load(second + LANES);
        }
        if (f < end[r]) {
            const float *last = basis + column[f] * COLUMNS;
            float x = sorted[f++];
            a += x * load(last);
            b += x * load(last + LANES);
        }
        store(sums, a + c);
        store(sums + LANES, b + d);
    }
}

/* total = the sum over rows from .. to of factor * sums, for TOGETHER rows of the image */
INLINE void sum_rows(const float *factors, int64_t stride, const float *sums, int64_t from, int64_t to, lanes total[])
{
    for (int s = 0; s < 2 * TOGETHER; s++)
        total[s] = (lanes){0};
    for (int64_t r = from; r < to; r++) {
        lanes left = load(sums + r * COLUMNS), right = load(sums + r * COLUMNS + LANES);
        for (int s = 0; s < TOGETHER; s++) {
            total[2 * s] += factors[r * stride + s] * left;
            total[2 * s + 1] += factors[r * stride + s] * right;
        }
    }
}

/* Where the vector of columns j .. j + LANES is written: the last ones of a row end with it */
INLINE int64_t place(const Tables *t, int64_t j) { return j + LANES <= t->width || t->width < LANES ? j : t->width - LANES; }

INLINE void write(const Tables *t, float *row, int64_t j, lanes left, lanes right)
{
    if (t->width >= LANES) {
        store(row + place(t, j), left);
        store(row + place(t, j + LANES), right);
    } else {
        float whole[LANES];
        store(whole, left);
        memcpy(row, whole, t->width * sizeof(float));
    }
}

INLINE void make_plane(const Tables *t, int64_t mask, const float *values, float *sorted, float *sums, float *out)
{
    const int32_t *order = t->order + mask * t->frequencies;
    const float *factors = t->factors + mask * t->rows * t->padded_height;
    int64_t rows = t->used[2 * mask], even = t->used[2 * mask + 1];
    int64_t height = t->mirrored ? (t->height + 1) / 2 : t->height;
    for (int64_t f = 0; f < t->frequencies; f++)
        sorted[f] = values[order[f]];
    for (int64_t j = 0; j < t->width; j += COLUMNS) {
        sum_columns(t, mask, sorted, j, sums);
        for (int64_t i = 0; i < height; i += TOGETHER) {
            lanes evens[2 * TOGETHER], odds[2 * TOGETHER];
            int64_t count = height - i < TOGETHER ? height - i : TOGETHER;
            sum_rows(factors + i, t->padded_height, sums, 0, even, evens);
            if (!t->mirrored) {
                for (int64_t s = 0; s < count; s++)
                    write(t, out + (i + s) * t->width, j, evens[2 * s], evens[2 * s + 1]);
                continue;
            }
            sum_rows(factors + i, t->padded_height, sums, even, rows, odds);
            for (int64_t s = 0; s < count; s++) {
                float *top = out + (i + s) * t->width, *bottom = out + (t->height - 1 - i - s) * t->width;
                write(t, top, j, evens[2 * s] + odds[2 * s], evens[2 * s + 1] + odds[2 * s + 1]);
                write(t, bottom, j, evens[2 * s] - odds[2 * s], evens[2 * s + 1] - odds[2 * s + 1]);
            }
        }
    }
}

/* One thread's share: planes first .. last of coefficients (instance, channel, stride) into out (instance, channel, height, width). */
EVERY_PROCESSOR
static void make_planes(const Tables *t, const float *coefficients, const int64_t *masks, int64_t one_mask, int64_t channels,
                        int64_t stride, int64_t first, int64_t last, float *out)
{
    float sorted[t->frequencies], sums[t->rows * COLUMNS];
    for (int64_t plane = first; plane < last; plane++)
        make_plane(t, masks ? masks[plane / channels] : one_mask, coefficients + plane * stride, sorted, sums,
                   out + plane * t->height * t->width);
}

/* Returns 0, or 1 when a mask is not in the tables and nothing was written. `masks` is NULL where all use `one_mask`. */
int fredfmt_planes(const Tables *t, const float *coefficients, const int64_t *masks, int64_t one_mask, int64_t instances,
                   int64_t channels, int64_t stride, int threads, float *out)
{
    for (int64_t n = 0; masks && n < instances; n++)
        if (masks[n] < 0 || masks[n] >= t->masks)
            return 1;
    int64_t planes = instances * channels;
    if (threads == 1) { /* not even a parallel region of one thread: it would end the other threads of the pool */
        make_planes(t, coefficients, masks, one_mask, channels, stride, 0, planes, out);
        return 0;
    }
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int thread = 0; thread < threads; thread++)
        make_planes(t, coefficients, masks, one_mask, channels, stride, planes * thread / threads,
                    planes * (thread + 1) / threads, out);
    return 0;
}
