/* Moves of single coordinates without gradients, between the trajectories of a chain: Metropolis, slices, flips, choices
 * among categories, and differences of the chain's own past.
 *
 * Whole numbers are coordinates too, as doubles. Each move leaves the density's conditional distribution of what it moves as
 * it is, so that any sequence of them, and of trajectories over the other coordinates, has the whole density as its
 * distribution. All memory is the caller's.
 */
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define STOP_SAMPLING INT_MIN

typedef int (*log_density)(const double *q, double *grad, double *logp, void *data);

/* NumPy's bitgen_t (numpy/random/bitgen.h). */
typedef struct {
    void *state;
    uint64_t (*next_uint64)(void *);
    uint32_t (*next_uint32)(void *);
    double (*next_double)(void *);
    uint64_t (*next_raw)(void *);
} bit_generator;

typedef enum { METROPOLIS, SLICE, FLIP, CATEGORIES, DIFFERENCES } kind;
typedef enum { NORMAL, UNIFORM, CAUCHY, LAPLACE } proposal;

/* One step method; moves.py has the same struct. `places` are the coordinates that it moves. */
typedef struct {
    int64_t kind, count;
    const int64_t *places;
    double *scales;            /* of each coordinate: proposals' scales, slices' widths; of differences one */
    const int64_t *categories; /* of each coordinate how many, from 0 on */
    int64_t proposal, whole;   /* shape of the proposals; whether numbers are whole */
    int64_t proportional;      /* categories: propose by their probabilities */
    int64_t tune_interval;     /* 0: the scales are not tuned */
    double probability;        /* of flips: that one is proposed */
    double noise;              /* differences: of the jitter */
    double *history;           /* differences: (room, count), the chain's past */
    int64_t remembered, room;
    int64_t sweeps, thin;      /* differences: since tuning ended; of which every so many-th is remembered */
    int64_t limit;             /* slices: evaluations for one move */
    int64_t *accepted;         /* of each coordinate, since it was last tuned */
    int64_t tries;             /* sweeps since then */
    int64_t all_accepted, all_tried; /* since tuning ended */
    double *weights;           /* categories: room for as many as there are */
} block;

typedef struct {
    int64_t dim, blocks;
    log_density density;
    void *data;
    bit_generator *random;
    block *block;
    double *trial, *grad;
    const volatile int32_t *stop; /* above 1: give up the sweep at hand */
    int64_t tuning, failed; /* the number of the block that failed, from 1 on */
} moves;

static double uniform(moves *m) { return m->random->next_double(m->random->state); }

static double normal(moves *m) {
    for (;;) { /* Marsaglia's polar method */
        const double a = 2.0 * uniform(m) - 1.0, b = 2.0 * uniform(m) - 1.0, r2 = a * a + b * b;
        if (r2 < 1.0 && r2 > 0.0) return a * sqrt(-2.0 * log(r2) / r2);
    }
}

static double proposed(moves *m, const block *b) {
    switch (b->proposal) {
    case UNIFORM: return 2.0 * uniform(m) - 1.0;
    case CAUCHY: return tan(M_PI * (uniform(m) - 0.5));
    case LAPLACE: {
        const double u = uniform(m) - 0.5;
        return u < 0 ? log1p(2.0 * u) : -log1p(-2.0 * u);
    }
    default: return normal(m);
    }
}

/* The log density at m->trial, minus infinity where there is none. Returns STOP_SAMPLING or 0. */
static int evaluate(moves *m, double *logp) {
    if (*m->stop > 1) return STOP_SAMPLING;
    const int code = m->density(m->trial, m->grad, logp, m->data);
    if (code == STOP_SAMPLING) return code;
    if (code != 0 || isnan(*logp)) *logp = -INFINITY;
    return 0;
}

static void take(moves *m, double *q, double *grad, double *logp, double found) {
    memcpy(q, m->trial, m->dim * sizeof(double));
    memcpy(grad, m->grad, m->dim * sizeof(double));
    *logp = found;
}

/* One coordinate to `value`, or not (Metropolis et al. 1953); log_ratio is that of the proposals back and forth. */
static int offer(moves *m, block *b, int64_t k, double value, double log_ratio, double *q, double *grad, double *logp) {
    const int64_t i = b->places[k];
    double found;
    m->trial[i] = value;
    const int code = evaluate(m, &found);
    if (code) return code;
    b->all_tried++;
    if (log(uniform(m)) < found - *logp + log_ratio) {
        take(m, q, grad, logp, found);
        b->accepted[k]++;
        b->all_accepted++;
    } else {
        m->trial[i] = q[i];
    }
    return 0;
}

static int metropolis(moves *m, block *b, double *q, double *grad, double *logp) {
    for (int64_t k = 0; k < b->count; k++) {
        double step = b->scales[k] * proposed(m, b);
        if (b->whole) {
            step = rint(step);
            if (step == 0) step = uniform(m) < 0.5 ? -1.0 : 1.0; /* as likely back as forth */
        }
        const int code = offer(m, b, k, q[b->places[k]] + step, 0.0, q, grad, logp);
        if (code) return code;
    }
    return 0;
}

static int flip(moves *m, block *b, double *q, double *grad, double *logp) {
    for (int64_t k = 0; k < b->count; k++) {
        if (uniform(m) >= b->probability) continue;
        const int code = offer(m, b, k, 1.0 - q[b->places[k]], 0.0, q, grad, logp);
        if (code) return code;
    }
    return 0;
}

/* Another category, all as likely; or by their probabilities, which is accepted by those of leaving: Liu, "Peskun's
 * theorem and a modified discrete-state Gibbs sampler" (Biometrika 1996). */
static int categories(moves *m, block *b, double *q, double *grad, double *logp) {
    for (int64_t k = 0; k < b->count; k++) {
        const int64_t i = b->places[k], n = b->categories[k], now = (int64_t)q[i];
        if (n < 2) continue;
        int code = 0;
        if (!b->proportional) {
            int64_t other = (int64_t)(uniform(m) * (double)(n - 1));
            if (other >= now) other++;
            code = offer(m, b, k, (double)other, 0.0, q, grad, logp);
            if (code) return code;
            continue;
        }
        double top = *logp, rest = 0.0, back = 0.0;
        for (int64_t c = 0; c < n; c++) {
            b->weights[c] = *logp;
            if (c == now) continue;
            m->trial[i] = (double)c;
            code = evaluate(m, &b->weights[c]);
            if (code) return code;
            top = fmax(top, b->weights[c]);
        }
        for (int64_t c = 0; c < n; c++) {
            b->weights[c] = exp(b->weights[c] - top);
            if (c != now) rest += b->weights[c];
        }
        m->trial[i] = q[i];
        if (!(rest > 0)) continue;
        double left = uniform(m) * rest;
        int64_t other = now == n - 1 ? n - 2 : n - 1;
        for (int64_t c = 0; c < n; c++) {
            if (c == now || b->weights[c] == 0) continue;
            other = c;
            left -= b->weights[c];
            if (left < 0) break;
        }
        for (int64_t c = 0; c < n; c++)
            if (c != other) back += b->weights[c];
        /* Accepted by (1 - p now) / (1 - p other): the density's own ratio is undone. */
        const double ratio = log(rest) - log(back) + (*logp - top) - log(b->weights[other]);
        code = offer(m, b, k, (double)other, ratio, q, grad, logp);
        if (code) return code;
    }
    return 0;
}

/* Stepping out and shrinking: Neal, "Slice sampling" (Annals of Statistics 2003), figures 3 and 5. */
static int slice(moves *m, block *b, double *q, double *grad, double *logp) {
    for (int64_t k = 0; k < b->count; k++) {
        const int64_t i = b->places[k];
        const double level = *logp + log(uniform(m)), width = b->scales[k], from = q[i];
        double left = from - uniform(m) * width, right = left + width, found;
        int64_t calls = 0;
        for (int side = 0; side < 2; side++) {
            double *end = side ? &right : &left;
            for (;; *end += side ? width : -width) {
                m->trial[i] = *end;
                const int code = evaluate(m, &found);
                if (code) return code;
                if (!(found > level)) break;
                if (++calls >= b->limit) return 1;
            }
        }
        const double found_width = right - left;
        for (;;) {
            m->trial[i] = left + uniform(m) * (right - left);
            const int code = evaluate(m, &found);
            if (code) return code;
            if (found > level) {
                take(m, q, grad, logp, found);
                break;
            }
            if (m->trial[i] < from) left = m->trial[i];
            else right = m->trial[i];
            if (++calls >= b->limit) return 1;
            if (!(right - left > 1e-300 + 1e-15 * fabs(from))) { /* nothing but the point itself is left */
                m->trial[i] = from;
                break;
            }
        }
        b->all_tried++;
        b->all_accepted++;
        if (m->tuning && b->tune_interval) { /* widths come to what they were found to be, on average */
            b->accepted[k]++;
            b->scales[k] += (found_width - b->scales[k]) / (double)(b->accepted[k] + 1);
        }
    }
    return 0;
}

/* ter Braak & Vrugt, "Differential evolution Markov chain with snooker updater and fewer chains" (2008): steps along the
 * difference of two points of the chain's own past, all coordinates at once. */
static int differences(moves *m, block *b, double *q, double *grad, double *logp) {
    const double *one = 0, *two = 0;
    if (b->remembered > 1) {
        const int64_t r1 = (int64_t)(uniform(m) * (double)b->remembered);
        int64_t r2 = (int64_t)(uniform(m) * (double)(b->remembered - 1));
        if (r2 >= r1) r2++;
        one = b->history + r1 * b->count;
        two = b->history + r2 * b->count;
    }
    for (int64_t k = 0; k < b->count; k++) {
        const double along = one ? b->scales[0] * (one[k] - two[k]) : 0.0;
        m->trial[b->places[k]] = q[b->places[k]] + along + b->noise * proposed(m, b);
    }
    double found;
    const int code = evaluate(m, &found);
    if (code) return code;
    b->all_tried++;
    if (log(uniform(m)) < found - *logp) {
        take(m, q, grad, logp, found);
        b->accepted[0]++;
        b->all_accepted++;
    } else {
        memcpy(m->trial, q, m->dim * sizeof(double));
    }
    if (b->remembered < b->room && (m->tuning || b->sweeps++ % b->thin == 0)) {
        double *row = b->history + b->remembered++ * b->count;
        for (int64_t k = 0; k < b->count; k++) row[k] = q[b->places[k]];
    }
    return 0;
}

/* PyMC's table: a scale grows where much is accepted, and shrinks where little is. */
static double tuned(double scale, double rate) {
    if (rate < 0.001) return scale * 0.1;
    if (rate < 0.05) return scale * 0.5;
    if (rate < 0.2) return scale * 0.9;
    if (rate > 0.95) return scale * 10.0;
    if (rate > 0.75) return scale * 2.0;
    if (rate > 0.5) return scale * 1.1;
    return scale;
}

static void tune(block *b) {
    if (!b->tune_interval || ++b->tries < b->tune_interval) return;
    if (b->kind == METROPOLIS)
        for (int64_t k = 0; k < b->count; k++) {
            b->scales[k] = tuned(b->scales[k], (double)b->accepted[k] / (double)b->tries);
            b->accepted[k] = 0;
        }
    if (b->kind == DIFFERENCES) {
        b->scales[0] = tuned(b->scales[0], (double)b->accepted[0] / (double)b->tries);
        b->accepted[0] = 0;
    }
    b->tries = 0;
}

/* All blocks once, from q (dim) to q, with gradient and log density there. Returns 0, the density's STOP_SAMPLING, or 1
 * where a slice was not found within its limit. */
int moves_sweep(double *q, double *grad, double *logp, void *memory) {
    moves *m = memory;
    memcpy(m->trial, q, m->dim * sizeof(double));
    for (int64_t i = 0; i < m->blocks; i++) {
        block *b = &m->block[i];
        int code = 0;
        switch (b->kind) {
        case METROPOLIS: code = metropolis(m, b, q, grad, logp); break;
        case SLICE: code = slice(m, b, q, grad, logp); break;
        case FLIP: code = flip(m, b, q, grad, logp); break;
        case CATEGORIES: code = categories(m, b, q, grad, logp); break;
        case DIFFERENCES: code = differences(m, b, q, grad, logp); break;
        }
        if (code) {
            if (code != STOP_SAMPLING) m->failed = i + 1;
            return code;
        }
        if (m->tuning) {
            if (b->kind != SLICE) tune(b);
            b->all_tried = b->all_accepted = 0;
        }
    }
    return 0;
}
