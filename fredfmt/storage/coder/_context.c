/* The context coder: integers to bytes and back by an adaptive binary range coder. The specification says step by step
   what it does, and plain.py beside this file is the same in Python, name by name.

   One loop serves all ways: `code_bit` and what calls it take the bit to write, or return the bit that was read; where
   integers are chosen for real numbers, each is chosen by its price and then written, with no room for the bytes. No
   Python headers: fredfmt/storage/coder/compiled.py calls the functions at the end through ctypes. */

#include <stdint.h>
#include <stdlib.h>

enum { MODELS = 3, NODES = 48, UNARY = 24 };
enum { SCALES = 64, PLACES = 64 * 4, RELATIONS = 2 * 16 * 16, CONTEXTS = SCALES + PLACES + RELATIONS };
enum { LONGEST = 127, SLOWEST_MEAN = 36, SLOWEST_SIZE = 16, FLOOR = 64 };
enum { DONE = 0, OUT_OF_MEMORY = -1, WRONG_ENDING = -2, OUT_OF_RANGE = -3 };

/* 65536 / (1 + exp(-x / 2)) for x = -16 to 16, rounded */
static const int32_t LOGISTIC[33] = {
    22,    36,    60,    98,    162,   267,   439,   720,   1179,  1921,  3108,
    4971,  7812,  11955, 17625, 24743, 32768, 40793, 47911, 53581, 57724, 60565,
    62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514,
};

typedef struct {
    uint16_t one;  /* probability of a 1, in 1/65536 */
    uint16_t seen; /* bits learnt from, up to LONGEST */
} Estimate;

typedef struct {
    int64_t mean; /* of the values, in 1/256 */
    int64_t size; /* of the differences from the guess, in 1/256 */
} Cell; /* of one channel and frequency */

typedef struct {
    int64_t together, alone;  /* sums of products: with the channel before, of that with itself */
    int64_t found, expected;  /* sizes of the differences at the frequencies before */
} Channel;

typedef struct {
    uint32_t low, high, code;
    uint8_t *bytes;
    int64_t room;  /* the number of available bytes, or space for them */
    int64_t moved; /* bytes that low and high agreed on so far */
    int decoding;
    void *values;          /* all that are coded */
    int64_t kind;          /* of them: the bytes of each, negative for signed integers */
    const int64_t *wanted; /* while choosing: the real numbers, in 1/256 */
    const int32_t *prices; /* of a bit by its probability in 1/4096, in 1/256 bit */
    int64_t worth;         /* of that in squares of 1/4096 */
    int32_t squash[4096], stretch[4096], rate[LONGEST + 1];
    int32_t weights[NODES][MODELS];
    Estimate models[CONTEXTS][NODES], signs[16];
} Coder;

static int64_t within(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static int64_t most_of(int64_t kind) /* the largest value; the smallest is 0, or -1 less it where they are signed */
{
    return kind < 0 ? (1ll << (-8 * kind - 1)) - 1 : (1ll << 8 * kind) - 1;
}

static int64_t load(const Coder *c, int64_t at)
{
    switch (c->kind) {
    case -1: return ((const int8_t *)c->values)[at];
    case -2: return ((const int16_t *)c->values)[at];
    case -4: return ((const int32_t *)c->values)[at];
    case 1: return ((const uint8_t *)c->values)[at];
    case 2: return ((const uint16_t *)c->values)[at];
    default: return ((const uint32_t *)c->values)[at];
    }
}

static void store(Coder *c, int64_t at, int64_t value)
{
    switch (c->kind < 0 ? -c->kind : c->kind) {
    case 1: ((uint8_t *)c->values)[at] = (uint8_t)value; break;
    case 2: ((uint16_t *)c->values)[at] = (uint16_t)value; break;
    default: ((uint32_t *)c->values)[at] = (uint32_t)value;
    }
}

static int64_t divide(int64_t a, int64_t b) /* rounded down; b > 0 */
{
    return a / b - (a % b < 0);
}

static int width(uint64_t value) /* of its binary digits */
{
#if defined(__GNUC__)
    return value ? 64 - __builtin_clzll(value) : 0;
#else
    int digits = 0;
    for (; value; value >>= 1)
        digits++;
    return digits;
#endif
}

static int64_t logarithm(uint64_t value) /* about 8 log2 of it */
{
    int digits = width(value);
    return digits < 4 ? (int64_t)value : 8 * (digits - 4) + (int64_t)(value >> (digits - 4));
}

static void start(Coder *c)
{
    c->low = 0, c->high = UINT32_MAX, c->code = 0, c->moved = 0;
    for (int x = 0; x < 4096; x++)
        c->squash[x] = LOGISTIC[x >> 7] + ((LOGISTIC[(x >> 7) + 1] - LOGISTIC[x >> 7]) * (x & 127) >> 7);
    for (int p = 0, x = -2047; p < 4096; p++) {
        while (x < 2047 && c->squash[x + 2048] < 16 * p + 8)
            x++;
        c->stretch[p] = x;
    }
    for (int seen = 0; seen <= LONGEST; seen++)
        c->rate[seen] = 65536 / (2 * seen + 3);
    for (int node = 0; node < NODES; node++)
        for (int model = 0; model < MODELS; model++)
            c->weights[node][model] = 20480;
    Estimate unknown = {32768, 0};
    for (int sign = 0; sign < 16; sign++)
        c->signs[sign] = unknown;
    for (int context = 0; context < CONTEXTS; context++)
        for (int node = 0; node < NODES; node++)
            c->models[context][node] = unknown;
    for (int64_t at = 0; c->decoding && at < 4; at++)
        c->code = c->code << 8 | (at < c->room ? c->bytes[at] : 0);
}

static int code_bit(Coder *c, int32_t one, int bit)
{
    uint32_t middle = c->low + (uint32_t)((uint64_t)(c->high - c->low) * (uint32_t)one >> 16);
    if (c->decoding)
        bit = c->code <= middle;
    if (bit)
        c->high = middle;
    else
        c->low = middle + 1;
    for (; !((c->low ^ c->high) >> 24); c->moved++, c->low <<= 8, c->high = c->high << 8 | 255) {
        if (c->decoding)
            c->code = c->code << 8 | (c->moved + 4 < c->room ? c->bytes[c->moved + 4] : 0);
        else if (c->moved < c->room)
            c->bytes[c->moved] = (uint8_t)(c->high >> 24);
    }
    return bit;
}

static void learn(const Coder *c, Estimate *e, int bit)
{
    e->one = (uint16_t)(e->one + ((((bit ? 65535 : 0) - e->one) * c->rate[e->seen]) >> 15));
    e->seen += e->seen < LONGEST;
}

static int32_t hint(const Coder *c, Estimate e)
{
    return c->stretch[e.one >> 4];
}

static int32_t mixture(const Coder *c, Estimate *const contexts[MODELS], int node) /* the probability of a 1 */
{
    int64_t sum = 0;
    for (int model = 0; model < MODELS; model++)
        sum += (int64_t)c->weights[node][model] * hint(c, contexts[model][node]);
    return c->squash[within(sum >> 16, -2047, 2047) + 2048];
}

static int code_mixed(Coder *c, Estimate *const contexts[MODELS], int node, int bit)
{
    int32_t *weights = c->weights[node], one = mixture(c, contexts, node);
    bit = code_bit(c, one, bit);
    int32_t error = (bit << 16) - one;
    for (int model = 0; model < MODELS; model++) {
        int64_t weight = weights[model] + (((int64_t)hint(c, contexts[model][node]) * error + 16384) >> 15);
        weights[model] = (int32_t)within(weight, -(1 << 20), 1 << 20);
        learn(c, &contexts[model][node], bit);
    }
    return bit;
}

static int sign_of(int64_t fraction, int length) /* the number of the estimate for the sign of a difference of some digits */
{
    return (int)within((fraction < 0 ? -fraction : fraction) >> 4, 0, 7) * 2 + (length > 1);
}

static int32_t sign_chance(const Estimate *sign)
{
    return (int32_t)within(sign->one, 32, 65504);
}

static int64_t code_difference(Coder *c, Estimate *const contexts[MODELS], int64_t fraction, int digits, int64_t value)
{
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
    int count = 0, length = width(size);
    while (count < digits && code_mixed(c, contexts, count < UNARY ? count : UNARY - 1, count < length))
        count++;
    if (!count)
        return 0;
    uint64_t coded = 1;
    for (int place = count - 2; place >= 0; place--) {
        int bit = size >> place & 1;
        if (place == count - 2)
            bit = code_mixed(c, contexts, UNARY + (count < UNARY ? count : UNARY - 1), bit);
        else
            bit = code_bit(c, 32768, bit);
        coded = coded << 1 | (uint64_t)bit;
    }
    int below = fraction < 0;
    Estimate *sign = &c->signs[sign_of(fraction, count)];
    int other = code_bit(c, sign_chance(sign), (value < 0) != below);
    learn(c, sign, other);
    return other != below ? -(int64_t)coded : (int64_t)coded;
}

static int64_t price_bit(const Coder *c, int32_t one, int bit)
{
    return c->prices[(bit ? one : 65536 - one) >> 4];
}

static int64_t price_mixed(const Coder *c, Estimate *const contexts[MODELS], int node, int bit)
{
    return price_bit(c, mixture(c, contexts, node), bit);
}

static int64_t price_difference(const Coder *c, Estimate *const contexts[MODELS], int64_t fraction, int digits, int64_t value)
{
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
    int length = width(size);
    int64_t price = 0;
    for (int count = 0; count < digits && count <= length; count++)
        price += price_mixed(c, contexts, count < UNARY ? count : UNARY - 1, count < length);
    if (!length)
        return price;
    if (length > 1) {
        int second = size >> (length - 2) & 1;
        price += 256 * (length - 2) + price_mixed(c, contexts, UNARY + (length < UNARY ? length : UNARY - 1), second);
    }
    return price + price_bit(c, sign_chance(&c->signs[sign_of(fraction, length)]), (value < 0) != (fraction < 0));
}

/* The integer next to a real number with the lower sum of error and price; if both are equal, the lower integer. */
static int64_t choose(const Coder *c, Estimate *const contexts[MODELS], int64_t guess, int64_t centre, int digits, int64_t wanted)
{
    int64_t lower = wanted >> 8, over = wanted & 255, fraction = guess - 256 * centre;
    if (!over)
        return lower;
    int64_t keep = 256 * over * over + c->worth * price_difference(c, contexts, fraction, digits, lower - centre);
    int64_t raise = 256 * (256 - over) * (256 - over) + c->worth * price_difference(c, contexts, fraction, digits, lower + 1 - centre);
    return lower + (raise < keep);
}

/* The end of the bytes: the fewest that, followed by zeros, are a number from low to high. Returns their number. */
static int ending(const Coder *c, uint8_t last[4])
{
    for (int count = 0;; count++) {
        uint64_t unit = 1ull << (32 - 8 * count), number = (c->low + unit - 1) / unit * unit;
        if (number <= c->high) {
            for (int at = 0; at < count; at++)
                last[at] = (uint8_t)(number >> (24 - 8 * at));
            return count;
        }
    }
}

static int64_t code(Coder *c, int64_t instances, int64_t channels, int64_t frequencies)
{
    int64_t most = most_of(c->kind), least = c->kind < 0 ? -1 - most : 0;
    int digits = width((uint64_t)(most - least));
    int64_t mean_by_value = 8192, mean_by_mean = 16384;
    Cell *cells = calloc((size_t)(channels * frequencies) + 1, sizeof *cells);
    Channel *per_channel = calloc((size_t)channels + 1, sizeof *per_channel);
    int64_t failed = cells && per_channel ? DONE : OUT_OF_MEMORY;
    start(c);
    for (int64_t instance = 0; instance < instances && !failed; instance++) {
        int64_t row = instance * channels * frequencies;
        int64_t rate = 256 / (instance + 2);
        for (int64_t channel = 0; channel < channels; channel++)
            per_channel[channel].found = per_channel[channel].expected = 0;
        for (int64_t frequency = 0; frequency < frequencies && !failed; frequency++) {
            int64_t before = 0, found = 0, expected = 0;
            for (int64_t channel = 0; channel < channels && !failed; channel++) {
                int64_t at = channel * frequencies + frequency;
                Cell *cell = cells + at;
                Channel *own = per_channel + channel;

                int64_t level = within(divide(256 * mean_by_value, mean_by_mean), 0, 256) * cell->mean >> 8;
                int64_t slope = own->alone ? within(divide(256 * own->together, own->alone), -512, 512) : 256;
                int64_t guess = within(level + (channel ? slope * before >> 8 : 0), 256 * least, 256 * most);
                int64_t centre = (guess + 128) >> 8;
                if (!instance)
                    cell->size = frequency ? cell[-1].size : channel ? cell[-frequencies].size : 1024;

                int64_t scale = logarithm((uint64_t)cell->size);
                int64_t along = logarithm((uint64_t)(own->found + FLOOR)) - logarithm((uint64_t)(own->expected + FLOOR));
                int64_t across = channel ? logarithm((uint64_t)(found + FLOOR)) - logarithm((uint64_t)(expected + FLOOR)) : 0;
                int64_t place = (frequency < 63 ? frequency : 63) * 4 + (channel < 3 ? channel : 3);
                int64_t relation = within(((channel ? across : along) >> 2) + 8, 0, 15) * 16 + within(scale >> 3, 0, 15);
                Estimate *const contexts[MODELS] = {
                    c->models[within((8 * scale + 3 * along + 4 * across) >> 5, 0, SCALES - 1)],
                    c->models[SCALES + place],
                    c->models[SCALES + PLACES + (channel ? 256 : 0) + relation],
                };
                int64_t value = c->decoding ? centre
                    : c->wanted ? choose(c, contexts, guess, centre, digits, c->wanted[row + at])
                    : load(c, row + at);
                int64_t difference = code_difference(c, contexts, guess - 256 * centre, digits, value - centre);
                value = centre + difference;
                if (value < least || value > most || (c->decoding && c->moved > c->room)) {
                    failed = value < least || value > most ? OUT_OF_RANGE : WRONG_ENDING;
                    break;
                }
                if (c->decoding || c->wanted)
                    store(c, row + at, value);

                int64_t size = 256 * (difference < 0 ? -difference : difference);
                own->found += size - (own->found >> 3);
                own->expected += cell->size - (own->expected >> 3);
                found += size;
                expected += cell->size;
                cell->size += ((size - cell->size) * (rate > SLOWEST_SIZE ? rate : SLOWEST_SIZE)) >> 8;
                int64_t near = within(16 * value, -32768, 32767), mean = within(cell->mean >> 4, -32768, 32767);
                mean_by_value += near * mean - (mean_by_value >> 7);
                mean_by_mean += mean * mean - (mean_by_mean >> 7);
                int64_t beyond = 256 * value - level;
                if (channel) {
                    int64_t x = within(before >> 4, -32768, 32767), y = within(beyond >> 4, -32768, 32767);
                    own->together += x * y - (own->together >> 12);
                    own->alone += x * x - (own->alone >> 12);
                }
                before = beyond;
                cell->mean += ((256 * value - cell->mean) * (rate > SLOWEST_MEAN ? rate : SLOWEST_MEAN)) >> 8;
            }
        }
    }
    free(cells);
    free(per_channel);
    return failed;
}

/* Encodes values (instance, channel, frequency) of a kind. Returns the number of bytes, of which at most `room` are
   written, or a failure. */
int64_t fredfmt_context_encode(void *values, int64_t kind, int64_t instances, int64_t channels, int64_t frequencies, uint8_t *bytes, int64_t room)
{
    Coder *c = malloc(sizeof *c);
    if (!c)
        return OUT_OF_MEMORY;
    c->values = values, c->kind = kind, c->bytes = bytes, c->room = room, c->decoding = 0, c->wanted = NULL;
    int64_t result = code(c, instances, channels, frequencies);
    if (!result) {
        uint8_t last[4];
        int count = ending(c, last);
        for (int at = 0; at < count; at++)
            if (c->moved + at < room)
                bytes[c->moved + at] = last[at];
        result = c->moved + count;
    }
    free(c);
    return result;
}

/* The reverse: fills values from exactly `room` bytes. Returns 0 or a failure. */
int64_t fredfmt_context_decode(void *values, int64_t kind, int64_t instances, int64_t channels, int64_t frequencies, uint8_t *bytes, int64_t room)
{
    Coder *c = malloc(sizeof *c);
    if (!c)
        return OUT_OF_MEMORY;
    c->values = values, c->kind = kind, c->bytes = bytes, c->room = room, c->decoding = 1, c->wanted = NULL;
    int64_t result = code(c, instances, channels, frequencies);
    if (!result) {
        uint8_t last[4];
        int count = ending(c, last);
        result = c->moved + count == room ? DONE : WRONG_ENDING;
        for (int at = 0; at < count && !result; at++)
            if (bytes[c->moved + at] != last[at])
                result = WRONG_ENDING;
    }
    free(c);
    return result;
}

/* Fills values with integers for the real numbers `wanted`, in 1/256: of the two
   next to each, the one with the lower sum of squared error and `worth` times its price, from `prices` of 4096
   probabilities. Returns 0 or a failure. */
int64_t fredfmt_context_choose(void *values, int64_t kind, int64_t instances, int64_t channels, int64_t frequencies, const int64_t *wanted, const int32_t *prices, int64_t worth)
{
    Coder *c = malloc(sizeof *c);
    if (!c)
        return OUT_OF_MEMORY;
    c->values = values, c->kind = kind, c->bytes = NULL, c->room = 0, c->decoding = 0;
    c->wanted = wanted, c->prices = prices, c->worth = worth;
    int64_t result = code(c, instances, channels, frequencies);
    free(c);
    return result;
}
