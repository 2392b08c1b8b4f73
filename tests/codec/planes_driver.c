/* Every kernel that the processor can run, against plain loops: `planes_driver` prints their names, or what differs.
   tests/codec/test_kernels.py compiles and runs it, with other compilers, for other processors, with sanitizers. */

#include "../../fredfmt/codec/_planes.c"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MASKS = 3, CHANNELS = 2, INSTANCES = 7, ROWS = 6, COLUMNS = 9 };

static float uniform(void) { return (float)rand() / (float)RAND_MAX - 0.5f; }

static int64_t multiple(int64_t number, int64_t of) { return (number + of - 1) / of * of; }

static void *room(int64_t floats)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, sizeof(float) * (size_t)floats))
        exit(2);
    memset(memory, 0, sizeof(float) * (size_t)floats);
    return memory;
}

/* The greatest difference from plain loops, for images of height x width from about half of ROWS x COLUMNS frequencies,
   whose channels are mixed or not */
static float difference(const Kernel *kernel, int64_t height, int64_t width, int64_t mirrored, int mixed, int threads)
{
    int64_t block = kernel->lanes * kernel->vectors, blocks = multiple(width, block) / block;
    int64_t padded = multiple(height, kernel->together), frequencies = ROWS * COLUMNS / 2, stride = frequencies + 3;
    float rows[ROWS][256], columns[COLUMNS][256];
    for (int r = 0; r < ROWS; r++)
        for (int64_t i = 0; i < height; i++) { /* even rows first, odd ones after */
            int64_t other = height - 1 - i;
            rows[r][i] = !mirrored || i < other ? uniform() : r < ROWS / 2 ? rows[r][other] : -rows[r][other];
            if (mirrored && i == other)
                rows[r][i] = r < ROWS / 2 ? uniform() : 0;
        }
    for (int c = 0; c < COLUMNS; c++)
        for (int64_t j = 0; j < width; j++)
            columns[c][j] = uniform();

    int32_t order[MASKS][ROWS * COLUMNS], column[MASKS][ROWS * COLUMNS], end[MASKS][ROWS], used[MASKS][2];
    int32_t row_of[MASKS][ROWS * COLUMNS];
    float *factors = room(MASKS * ROWS * padded), *basis = room(blocks * COLUMNS * block);
    int32_t *orders = room(MASKS * frequencies), *all_columns = room(MASKS * frequencies);
    for (int m = 0; m < MASKS; m++) {
        int32_t f = 0;
        for (int r = 0; r < ROWS; r++) { /* every row has some */
            int32_t here = r + 1 < ROWS ? 1 + rand() % 7 : (int32_t)frequencies;
            for (int c = 0; c < COLUMNS && here > 0 && f + (ROWS - 1 - r) < frequencies; c++, here--, f++) {
                order[m][f] = f;
                column[m][f] = (c + m) % COLUMNS;
                row_of[m][f] = r;
            }
            end[m][r] = f;
        }
        for (; f < frequencies; f++) { /* what is left goes to the last row */
            order[m][f] = f;
            column[m][f] = f % COLUMNS;
            row_of[m][f] = ROWS - 1;
        }
        end[m][ROWS - 1] = (int32_t)frequencies;
        for (int32_t g = (int32_t)frequencies - 1; g > 0; g--) {
            int32_t other = rand() % (g + 1), kept = order[m][g];
            order[m][g] = order[m][other];
            order[m][other] = kept;
        }
        memcpy(orders + m * frequencies, order[m], sizeof(int32_t) * (size_t)frequencies);
        memcpy(all_columns + m * frequencies, column[m], sizeof(int32_t) * (size_t)frequencies);
        used[m][0] = ROWS;
        used[m][1] = mirrored ? ROWS / 2 : ROWS;
        for (int r = 0; r < ROWS; r++)
            memcpy(factors + (m * ROWS + r) * padded, rows[r], sizeof(float) * (size_t)height);
    }
    for (int64_t b = 0; b < blocks; b++)
        for (int c = 0; c < COLUMNS; c++)
            for (int64_t v = 0; v < kernel->vectors; v++) {
                int64_t from = b * block + v * kernel->lanes;
                if (width >= kernel->lanes && from > width - kernel->lanes)
                    from = width - kernel->lanes;
                for (int64_t l = 0; l < kernel->lanes && from + l < width; l++)
                    basis[(b * COLUMNS + c) * block + v * kernel->lanes + l] = columns[c][from + l];
            }

    int64_t masks[INSTANCES], pixels = height * width, scratch = multiple(ROWS * block + 2 * frequencies, 16);
    float *coefficients = room(INSTANCES * CHANNELS * stride), *out = room(INSTANCES * CHANNELS * pixels);
    for (int n = 0; n < INSTANCES; n++)
        masks[n] = rand() % MASKS;
    for (int64_t f = 0; f < INSTANCES * CHANNELS * stride; f++)
        coefficients[f] = uniform();
    Tables tables = {MASKS, frequencies, ROWS, height, width, padded, COLUMNS, mirrored, orders, all_columns,
                     &end[0][0], &used[0][0], factors, basis};
    float mixing[CHANNELS][CHANNELS];
    for (int c = 0; c < CHANNELS; c++)
        for (int d = 0; d < CHANNELS; d++)
            mixing[c][d] = mixed ? uniform() : c == d;
    Job job = {&tables, coefficients, masks, mixed ? &mixing[0][0] : NULL, 0, INSTANCES, CHANNELS, stride, room(threads * scratch), scratch, out};
    if (fredfmt_planes(kernel, &job, threads))
        exit(3);

    float worst = 0;
    for (int64_t p = 0; p < INSTANCES * CHANNELS; p++) {
        int64_t m = masks[p / CHANNELS], first = p - p % CHANNELS;
        for (int64_t i = 0; i < height; i++)
            for (int64_t j = 0; j < width; j++) {
                double wanted = 0;
                for (int64_t f = 0; f < frequencies; f++)
                    for (int c = 0; c < CHANNELS; c++)
                        wanted += (double)mixing[p % CHANNELS][c] * coefficients[(first + c) * stride + order[m][f]] *
                                  rows[row_of[m][f]][i] * columns[column[m][f]][j];
                worst = fmaxf(worst, fabsf((float)(wanted - out[p * pixels + i * width + j])));
            }
    }
    masks[INSTANCES - 1] = MASKS;
    if (!fredfmt_planes(kernel, &job, threads))
        exit(4); /* a mask out of range was not noticed */
    free(factors), free(basis), free(orders), free(all_columns), free(coefficients), free(out), free(job.scratch);
    return worst;
}

/* Whether each thread has work enough, and as many as do are used */
static int shares_work(void)
{
    const int64_t each = PIXELS_PER_THREAD;
    return useful(32, each) == 1 && useful(32, 24 * each) == 16 && useful(32, 32 * each) == 32 &&
           useful(6, 7 * each) == 6 && useful(6, 5 * each) == 4 && useful(9999, 9999 * each) == MOST_THREADS;
}

int main(void)
{
    if (!shares_work()) {
        printf("threads\n");
        return 1;
    }
    static const int64_t sizes[][2] = {{1, 1}, {1, 97}, {3, 2}, {5, 7}, {8, 8}, {13, 17}, {28, 28}, {33, 31}, {32, 64}, {250, 240}};
    for (int index = 0; fredfmt_planes_kernel(index); index++) {
        const Kernel *kernel = fredfmt_planes_kernel(index);
        if (!fredfmt_planes_usable(index))
            continue;
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (int way = 0; way < 4; way++) {
                float worst = difference(kernel, sizes[s][0], sizes[s][1], way % 2, way / 2, 2);
                if (!(worst < 1e-5f)) {
                    printf("%s %d x %d mirrored %d mixed %d: off by %g\n", kernel->name, (int)sizes[s][0],
                           (int)sizes[s][1], way % 2, way / 2, worst);
                    return 1;
                }
            }
        printf("%s\n", kernel->name);
    }
    return 0;
}
