/* Instance norm, ReLU and average pooling by two of (instance, channel) planes in one go, with first and second derivatives.
   distill/networks/fused.py calls these.

   A plane is one channel of one image.  n = (x - mean) * inverse,  y = relu(weight * n + bias),  out = means of y over 2x2;
   if a side is odd, its last row or column is used only by the norm. `scratch` holds one plane for each thread. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__has_attribute)
#if __has_attribute(target_clones) /* compiled for each of these, and chosen when the library is loaded */
#define EVERY_PROCESSOR __attribute__((target_clones("avx512f", "fma", "default")))
#endif
#endif
#ifndef EVERY_PROCESSOR
#define EVERY_PROCESSOR
#endif
#define INLINE static inline __attribute__((always_inline))

typedef struct {
    int64_t planes, channels, height, width;
    const float *weight, *bias; /* (channel,) */
    float *mean, *inverse;      /* (plane,) */
    float *scratch;             /* (thread, height * width) */
} Block;

/* Four sums at a time: an addition takes four cycles, and each waits for the one before */
INLINE float sum_of(const float *x, int64_t size)
{
    const float *b = x + size / 4, *c = b + size / 4, *d = c + size / 4;
    float first = 0, second = 0, third = 0, fourth = 0;
#pragma omp simd reduction(+ : first, second, third, fourth)
    for (int64_t i = 0; i < size / 4; i++)
        first += x[i], second += b[i], third += c[i], fourth += d[i];
    for (int64_t i = size / 4 * 4; i < size; i++)
        first += x[i];
    return (first + second) + (third + fourth);
}

INLINE float squares_of(const float *x, int64_t size, float centre)
{
    const float *b = x + size / 4, *c = b + size / 4, *d = c + size / 4;
    float first = 0, second = 0, third = 0, fourth = 0;
#pragma omp simd reduction(+ : first, second, third, fourth)
    for (int64_t i = 0; i < size / 4; i++) {
        first += (x[i] - centre) * (x[i] - centre), second += (b[i] - centre) * (b[i] - centre);
        third += (c[i] - centre) * (c[i] - centre), fourth += (d[i] - centre) * (d[i] - centre);
    }
    for (int64_t i = size / 4 * 4; i < size; i++)
        first += (x[i] - centre) * (x[i] - centre);
    return (first + second) + (third + fourth);
}

INLINE float product_of(const float *g, const float *x, int64_t size, float centre)
{
    int64_t quarter = size / 4;
    float first = 0, second = 0, third = 0, fourth = 0;
#pragma omp simd reduction(+ : first, second, third, fourth)
    for (int64_t i = 0; i < quarter; i++) {
        first += g[i] * (x[i] - centre), second += g[i + quarter] * (x[i + quarter] - centre);
        third += g[i + 2 * quarter] * (x[i + 2 * quarter] - centre);
        fourth += g[i + 3 * quarter] * (x[i + 3 * quarter] - centre);
    }
    for (int64_t i = quarter * 4; i < size; i++)
        first += g[i] * (x[i] - centre);
    return (first + second) + (third + fourth);
}

INLINE void moments(const float *x, int64_t size, double eps, float *mean, float *inverse)
{
    *mean = sum_of(x, size) / size;
    *inverse = (float)(1 / sqrt((double)squares_of(x, size, *mean) / size + eps));
}

/* Means over 2x2 */
INLINE void pool(const float *y, int64_t height, int64_t width, float *out)
{
    int64_t columns = width / 2;
    for (int64_t i = 0; i < height / 2; i++) {
        const float *top = y + 2 * i * width, *below = top + width;
#pragma omp simd
        for (int64_t j = 0; j < columns; j++)
            out[i * columns + j] = 0.25f * (top[2 * j] + top[2 * j + 1] + (below[2 * j] + below[2 * j + 1]));
    }
}

/* The gradient before the ReLU, of that after the pooling */
INLINE void spread(const float *x, const float *outer, int64_t height, int64_t width, float slope, float offset, float *g)
{
    int64_t columns = width / 2, size = height * width;
    for (int64_t i = 0; i < height / 2; i++) {
        float *top = g + 2 * i * width, *below = top + width;
#pragma omp simd
        for (int64_t j = 0; j < columns; j++)
            top[2 * j] = top[2 * j + 1] = 0.25f * outer[i * columns + j];
        if (width % 2)
            top[width - 1] = 0;
#pragma omp simd
        for (int64_t j = 0; j < width; j++)
            below[j] = top[j];
    }
    for (int64_t j = height / 2 * 2 * width; j < size; j++)
        g[j] = 0;
#pragma omp simd
    for (int64_t i = 0; i < size; i++)
        g[i] = slope * x[i] + offset > 0 ? g[i] : 0;
}

EVERY_PROCESSOR
static void forward(const Block *b, const float *x, double eps, float *out, float *y, int64_t first, int64_t last)
{
    int64_t size = b->height * b->width, pooled = (b->height / 2) * (b->width / 2);
    for (int64_t p = first; p < last; p++) {
        const float *plane = x + p * size;
        moments(plane, size, eps, b->mean + p, b->inverse + p);
        float slope = b->weight[p % b->channels] * b->inverse[p];
        float offset = b->bias[p % b->channels] - b->mean[p] * slope;
#pragma omp simd
        for (int64_t i = 0; i < size; i++) {
            float value = slope * plane[i] + offset;
            y[i] = value > 0 ? value : 0;
        }
        pool(y, b->height, b->width, out + p * pooled);
    }
}

EVERY_PROCESSOR
static void backward(const Block *b, const float *x, const float *outer, float *of_x, float *of_weight, float *of_bias,
                     float *g, int64_t first, int64_t last)
{
    int64_t size = b->height * b->width, pooled = (b->height / 2) * (b->width / 2);
    for (int64_t p = first; p < last; p++) {
        const float *plane = x + p * size;
        float mean = b->mean[p], inverse = b->inverse[p], slope = b->weight[p % b->channels] * inverse;
        float offset = b->bias[p % b->channels] - mean * slope;
        spread(plane, outer + p * pooled, b->height, b->width, slope, offset, g);
        float sum = sum_of(g, size), product = product_of(g, plane, size, mean) * inverse;
        of_weight[p] = product;
        of_bias[p] = sum;
        float level = sum / size, tilt = product / size * inverse;
        float *to = of_x + p * size;
#pragma omp simd
        for (int64_t i = 0; i < size; i++)
            to[i] = slope * (g[i] - level - tilt * (plane[i] - mean));
    }
}

/* The gradient of  sum(u * of_x) + sum(u_weight * of_weight) + sum(u_bias * of_bias)  in x, outer and weight */
EVERY_PROCESSOR
static void twice(const Block *b, const float *x, const float *outer, const float *u, const float *u_weight,
                  const float *u_bias, float *of_x, float *of_outer, float *of_weight, float *g, int64_t first, int64_t last)
{
    int64_t size = b->height * b->width, pooled = (b->height / 2) * (b->width / 2);
    for (int64_t p = first; p < last; p++) {
        int64_t c = p % b->channels;
        const float *plane = x + p * size, *cotangent = u + p * size;
        float *to = of_x + p * size;
        float mean = b->mean[p], inverse = b->inverse[p], slope = b->weight[c] * inverse;
        float offset = b->bias[c] - mean * slope, uw = u_weight[c], ub = u_bias[c];
        spread(plane, outer + p * pooled, b->height, b->width, slope, offset, g);
        float g1 = 0, gn = 0, u1 = 0, un = 0, gu = 0;
#pragma omp simd reduction(+ : g1, gn, u1, un, gu)
        for (int64_t i = 0; i < size; i++) {
            float centred = plane[i] - mean;
            g1 += g[i];
            gn += g[i] * centred;
            u1 += cotangent[i];
            un += cotangent[i] * centred;
            gu += g[i] * cotangent[i];
        }
        gn *= inverse;
        un *= inverse;
        float share = 1.0f / size, whole = gu - (g1 * u1 + gn * un) * share;
        of_weight[p] = inverse * whole;
        float by_g = uw - slope * un * share, by_u = -slope * gn * share;
        float level = (by_g * g1 + by_u * u1) * share;
        float tilt = ((by_g * gn + by_u * un) * share + slope * whole * share) * inverse;
        float u_level = slope * u1 * share, u_tilt = (uw - slope * un * share) * inverse;
#pragma omp simd
        for (int64_t i = 0; i < size; i++) {
            float centred = plane[i] - mean;
            to[i] = inverse * (by_g * g[i] + by_u * cotangent[i] - level - tilt * centred);
            float tangent = slope * cotangent[i] - u_level + u_tilt * centred + ub;
            g[i] = slope * plane[i] + offset > 0 ? tangent : 0;
        }
        pool(g, b->height, b->width, of_outer + p * pooled);
    }
}

/* Without a parallel region of one thread, which would end the other threads of the pool. */
#define OVER_THREADS(call)                                                                                  \
    if (threads == 1) {                                                                                     \
        int thread = 0;                                                                                     \
        call;                                                                                               \
        return;                                                                                             \
    }                                                                                                       \
    _Pragma("omp parallel for num_threads(threads) schedule(static, 1)") for (int thread = 0; thread < threads; thread++) call

#define SHARE b->scratch + thread * b->height * b->width, b->planes * thread / threads, b->planes * (thread + 1) / threads

void fredfmt_block_forward(const Block *b, const float *x, double eps, float *out, int threads)
{
    OVER_THREADS(forward(b, x, eps, out, SHARE));
}

void fredfmt_block_backward(const Block *b, const float *x, const float *outer, float *of_x, float *of_weight,
                            float *of_bias, int threads)
{
    OVER_THREADS(backward(b, x, outer, of_x, of_weight, of_bias, SHARE));
}

void fredfmt_block_twice(const Block *b, const float *x, const float *outer, const float *u, const float *u_weight,
                         const float *u_bias, float *of_x, float *of_outer, float *of_weight, int threads)
{
    OVER_THREADS(twice(b, x, outer, u, u_weight, u_bias, of_x, of_outer, of_weight, SHARE));
}
