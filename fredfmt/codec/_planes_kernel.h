/* The loops of one instruction set, compiled once per set with other sizes. The includer (_planes.c) defines

   KERNEL    its name, which ends the name of every function here
   TARGET    the attribute that lets the compiler use the instruction set
   LANES     floats of a vector
   VECTORS   vectors of a block of columns
   TOGETHER  rows of the image made at a time: TOGETHER * VECTORS sums stay in registers

   and this file takes the definitions away again. */

#define COLUMNS (VECTORS * LANES)
#define JOINED(name, kernel) name##_##kernel
#define EXPANDED(name, kernel) JOINED(name, kernel)
#define OF(name) EXPANDED(name, KERNEL)
#define QUOTED(kernel) #kernel
#define TEXT(kernel) QUOTED(kernel)
#define lanes OF(lanes)
#define INLINE TARGET static inline __attribute__((always_inline))

typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4)));

INLINE lanes OF(load)(const float *from) { return *(const lanes *)from; }
INLINE void OF(store)(float *to, lanes value) { *(lanes *)to = value; }

/* sums[r] = one block of columns of row r before the product with the row factors */
INLINE void OF(sum_columns)(const Tables *t, int64_t mask, const float *sorted, const float *basis, float *sums)
{
    const int32_t *column = t->column + mask * t->frequencies;
    const int32_t *end = t->end + mask * t->rows;
    int64_t rows = t->used[2 * mask], f = 0;
    for (int64_t r = 0; r < rows; r++, sums += COLUMNS) {
        lanes first[VECTORS], second[VECTORS];
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            first[v] = second[v] = (lanes){0};
        for (; f + 1 < end[r]; f += 2) {
            const float *left = basis + column[f] * COLUMNS, *right = basis + column[f + 1] * COLUMNS;
            float x = sorted[f], y = sorted[f + 1];
            UNROLL
            for (int v = 0; v < VECTORS; v++) {
                first[v] += x * OF(load)(left + v * LANES);
                second[v] += y * OF(load)(right + v * LANES);
            }
        }
        if (f < end[r]) {
            const float *last = basis + column[f] * COLUMNS;
            float x = sorted[f++];
            UNROLL
            for (int v = 0; v < VECTORS; v++)
                first[v] += x * OF(load)(last + v * LANES);
        }
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            OF(store)(sums + v * LANES, first[v] + second[v]);
    }
}

/* total = the sum over rows from .. to of factor * sums, for TOGETHER rows of the image */
INLINE void OF(sum_rows)(const float *factors, int64_t stride, const float *sums, int64_t from, int64_t to,
                         lanes total[TOGETHER][VECTORS])
{
    lanes sum[TOGETHER][VECTORS];
    UNROLL
    for (int s = 0; s < TOGETHER; s++)
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            sum[s][v] = (lanes){0};
    for (int64_t r = from; r < to; r++) {
        UNROLL
        for (int s = 0; s < TOGETHER; s++)
            UNROLL
            for (int v = 0; v < VECTORS; v++)
                sum[s][v] += factors[r * stride + s] * OF(load)(sums + r * COLUMNS + v * LANES);
    }
    UNROLL
    for (int s = 0; s < TOGETHER; s++)
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            total[s][v] = sum[s][v];
}

/* One row's block of columns from j on. At the right edge vectors overlap, so that only whole vectors are written. */
INLINE void OF(write)(int64_t width, float *row, int64_t j, const lanes value[VECTORS])
{
    if (width < LANES) {
        float whole[LANES];
        OF(store)(whole, value[0]);
        memcpy(row, whole, width * sizeof(float));
        return;
    }
    UNROLL
    for (int v = 0; v < VECTORS; v++) {
        int64_t from = j + v * LANES;
        OF(store)(row + (from + LANES <= width ? from : width - LANES), value[v]);
    }
}

INLINE void OF(make_block)(const Tables *t, const float *factors, int64_t even, int64_t rows, const float *sums, int64_t j,
                           float *out)
{
    int64_t height = t->mirrored ? (t->height + 1) / 2 : t->height;
    for (int64_t i = 0; i < height; i += TOGETHER) {
        lanes evens[TOGETHER][VECTORS], odds[TOGETHER][VECTORS];
        OF(sum_rows)(factors + i, t->padded_height, sums, 0, even, evens);
        __asm__ volatile("" : : "r"(evens) : "memory"); /* they wait in memory: clang would give them half the registers */
        OF(sum_rows)(factors + i, t->padded_height, sums, even, rows, odds);
        UNROLL
        for (int s = 0; s < TOGETHER; s++) {
            if (i + s >= height)
                break;
            lanes sum[VECTORS], difference[VECTORS];
            UNROLL
            for (int v = 0; v < VECTORS; v++) {
                sum[v] = evens[s][v] + odds[s][v];
                difference[v] = evens[s][v] - odds[s][v];
            }
            OF(write)(t->width, out + (i + s) * t->width, j, sum);
            if (t->mirrored)
                OF(write)(t->width, out + (t->height - 1 - i - s) * t->width, j, difference);
        }
    }
}

/* mixed = the coefficients of one channel of an image, sums over the stored channels */
INLINE void OF(mix)(const float *weights, int64_t channels, const float *values, int64_t stride, int64_t count, float *mixed)
{
    int64_t f = 0;
    for (; f + LANES <= count; f += LANES) {
        lanes sum = weights[0] * OF(load)(values + f);
        for (int64_t c = 1; c < channels; c++)
            sum += weights[c] * OF(load)(values + c * stride + f);
        OF(store)(mixed + f, sum);
    }
    for (; f < count; f++) {
        float sum = weights[0] * values[f];
        for (int64_t c = 1; c < channels; c++)
            sum += weights[c] * values[c * stride + f];
        mixed[f] = sum;
    }
}

/* Planes first .. last of the job, with scratch memory for one plane's sums, and twice its coefficients */
TARGET static void OF(make_planes)(const Job *job, int64_t first, int64_t last, float *scratch)
{
    const Tables *t = job->tables;
    float *sums = scratch, *sorted = scratch + t->rows * COLUMNS, *mixed = sorted + t->frequencies;
    for (int64_t plane = first; plane < last; plane++) {
        int64_t mask = job->masks ? job->masks[plane / job->channels] : job->one_mask;
        const int32_t *order = t->order + mask * t->frequencies;
        const float *values = job->coefficients + plane * job->stride;
        if (job->mixing) {
            int64_t channel = plane % job->channels;
            OF(mix)(job->mixing + channel * job->channels, job->channels, values - channel * job->stride, job->stride,
                    t->frequencies, mixed);
            values = mixed;
        }
        for (int64_t f = 0; f < t->frequencies; f++)
            sorted[f] = values[order[f]];
        for (int64_t j = 0; j < t->width; j += COLUMNS) {
            OF(sum_columns)(t, mask, sorted, t->basis + j * t->columns, sums);
            OF(make_block)(t, t->factors + mask * t->rows * t->padded_height, t->used[2 * mask + 1], t->used[2 * mask],
                           sums, j, job->out + plane * t->height * t->width);
        }
    }
}

static const Kernel OF(kernel) = {TEXT(KERNEL), LANES, VECTORS, TOGETHER, OF(make_planes)};

#undef COLUMNS
#undef JOINED
#undef EXPANDED
#undef OF
#undef QUOTED
#undef TEXT
#undef lanes
#undef INLINE
#undef KERNEL
#undef TARGET
#undef LANES
#undef VECTORS
#undef TOGETHER
