/* The No-U-Turn sampler: Hamiltonian trajectories over any log density given as a C function.
 *
 * Hoffman & Gelman, "The No-U-Turn Sampler" (JMLR 2014), in the multinomial form of Betancourt, "A Conceptual
 * Introduction to Hamiltonian Monte Carlo" (arXiv:1701.02434): a trajectory doubles forwards or backwards at
 * random until it turns; states are drawn with weight exp(-energy), uniformly inside the subtrees and biased
 * towards the new half at the top. A tree turns by the generalised criterion, checked also across the seam of
 * its two halves.
 *
 * The one idea worth knowing: a trajectory needs few states at once, two ends and a proposal for each depth, so
 * all live in a pool made beforehand, are shared by counting their holders, and are never copied. All memory is
 * the caller's; nothing is static; chains may run as threads.
 */
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DIVERGENCE_THRESHOLD 1000.0
#define STOP_SAMPLING INT_MIN /* a density returns this when no further call makes sense */
#define LANE 8                /* vectors start at multiples of 64 bytes */

typedef int (*log_density)(const double *q, double *grad, double *logp, void *data);

/* NumPy's bitgen_t (numpy/random/bitgen.h), so that no header of NumPy is needed. */
typedef struct {
    void *state;
    uint64_t (*next_uint64)(void *);
    uint32_t (*next_uint32)(void *);
    double (*next_double)(void *);
    uint64_t (*next_raw)(void *);
} bit_generator;

/* The statistics of one draw; nuts.py has the same struct as a NumPy dtype. */
typedef struct {
    double lp, acceptance_rate, step_size, energy, energy_error;
    int64_t tree_depth, n_steps, index_in_trajectory;
    uint8_t diverging, reached_max_treedepth;
} statistics;

typedef struct state {
    double *q, *p, *grad;
    double logp, energy;
    int64_t index; /* leapfrog steps from the start of the trajectory, negative behind it */
    int holders;
} state;

/* A stretch of trajectory: its first and last state in the order of building, the sum of all its momenta, the
 * log of the sum of all its weights, and one of its states drawn by weight. */
typedef struct {
    state *first, *last, *proposal;
    const double *rho;
    double log_weight;
} tree;

typedef struct {
    int64_t dim, max_depth;
    log_density density;
    void *data;
    bit_generator *random;
    double *inverse_metric, *momentum_scale;
    double *rho; /* two sums for each depth: one for each half of the tree above; the last is the trajectory's */
    state *pool;
    state **unused;
    int64_t pool_size, unused_count;
    state *current;
    /* of the trajectory at hand: */
    double start_energy, sum_acceptance;
    int64_t steps;
    const volatile int32_t *stop;
} sampler;

typedef enum { COMPLETE, TURNING, DIVERGING, STOPPED } outcome;

/* ---- memory ---- */

static int64_t padded(int64_t n) { return (n + LANE - 1) / LANE * LANE; }
static int64_t pool_size(int64_t max_depth) { return 3 * (max_depth + 2) + 2; }

static double *vector_at(sampler *s, double *vectors, int64_t i) { return vectors + i * padded(s->dim); }

int64_t nuts_memory(int64_t dim, int64_t max_depth) {
    int64_t states = pool_size(max_depth), vectors = 3 * states + 2 + 2 * max_depth + 1;
    return sizeof(sampler) + states * (sizeof(state) + sizeof(state *)) + 64 +
           vectors * padded(dim) * (int64_t)sizeof(double);
}

static state *take(sampler *s) {
    state *x = s->unused[--s->unused_count];
    x->holders = 0;
    return x;
}

static state *hold(state *x) {
    x->holders++;
    return x;
}

static void drop(sampler *s, state *x) {
    if (--x->holders == 0) s->unused[s->unused_count++] = x;
}

static void drop_all_but_current(sampler *s) {
    s->unused_count = 0;
    for (int64_t i = 0; i < s->pool_size; i++)
        if (&s->pool[i] != s->current) s->unused[s->unused_count++] = &s->pool[i];
}

/* ---- randomness ---- */

static double uniform(sampler *s) { return s->random->next_double(s->random->state); }

/* Marsaglia's polar method: two normals from a point in the disc. */
static void draw_momentum(sampler *s, double *p) {
    for (int64_t i = 0; i < s->dim; i += 2) {
        double a, b, r2;
        do {
            a = 2.0 * uniform(s) - 1.0;
            b = 2.0 * uniform(s) - 1.0;
            r2 = a * a + b * b;
        } while (r2 >= 1.0 || r2 == 0.0);
        double stretch = sqrt(-2.0 * log(r2) / r2);
        p[i] = a * stretch * s->momentum_scale[i];
        if (i + 1 < s->dim) p[i + 1] = b * stretch * s->momentum_scale[i + 1];
    }
}

/* ---- Hamiltonian dynamics ---- */

static double kinetic_energy(const sampler *s, const double *p) {
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < s->dim; i++) sum += s->inverse_metric[i] * p[i] * p[i];
    return 0.5 * sum;
}

/* One leapfrog step; sets `to`, with infinite energy where there is no density. Returns the density's code. */
static int leapfrog(const sampler *s, double step, const state *from, state *to) {
    const double half = 0.5 * step, *inverse_metric = s->inverse_metric;
    double *q = to->q, *p = to->p, *grad = to->grad;
#pragma omp simd
    for (int64_t i = 0; i < s->dim; i++) {
        p[i] = from->p[i] + half * from->grad[i];
        q[i] = from->q[i] + step * inverse_metric[i] * p[i];
    }
    to->index = from->index + (step > 0 ? 1 : -1);
    to->energy = INFINITY;
    int code = s->density(q, grad, &to->logp, s->data);
    if (code == 0 && isfinite(to->logp)) {
#pragma omp simd
        for (int64_t i = 0; i < s->dim; i++) p[i] += half * grad[i];
        double energy = kinetic_energy(s, p) - to->logp;
        if (isfinite(energy)) to->energy = energy;
    }
    return code;
}

/* ---- trees ---- */

static double log_add(double a, double b) {
    return a > b ? a + log1p(exp(b - a)) : b + log1p(exp(a - b));
}

/* Does the trajectory made of two neighbours turn back? The velocities at two ends must both point along the sum
 * of momenta between them: over the whole, and over each half with the nearest state of the other. Leaves the
 * sum of the whole in rho, which may be that of a or b. */
static int turns(const sampler *s, const tree *a, const tree *b, double *rho) {
    const double *a_first = a->first->p, *a_last = a->last->p, *b_first = b->first->p, *b_last = b->last->p;
    const double *a_rho = a->rho, *b_rho = b->rho, *inverse_metric = s->inverse_metric;
    double whole_first = 0, whole_last = 0, left_first = 0, left_last = 0, right_first = 0, right_last = 0;
#pragma omp simd reduction(+ : whole_first, whole_last, left_first, left_last, right_first, right_last)
    for (int64_t i = 0; i < s->dim; i++) {
        double whole = a_rho[i] + b_rho[i];
        double left = inverse_metric[i] * (a_rho[i] + b_first[i]);
        double right = inverse_metric[i] * (b_rho[i] + a_last[i]);
        rho[i] = whole;
        whole *= inverse_metric[i];
        whole_first += a_first[i] * whole;
        whole_last += b_last[i] * whole;
        left_first += a_first[i] * left;
        left_last += b_first[i] * left;
        right_first += a_last[i] * right;
        right_last += b_last[i] * right;
    }
    return !(whole_first > 0 && whole_last > 0 && left_first > 0 && left_last > 0 && right_first > 0 &&
             right_last > 0);
}

/* Make `a` the tree of both; the states that nobody needs go back to the pool. */
static void join(sampler *s, tree *a, tree *b, const double *rho, double log_weight, int take_b) {
    if (take_b) {
        state *old = a->proposal;
        a->proposal = b->proposal;
        b->proposal = old;
    }
    drop(s, b->proposal);
    drop(s, a->last);
    drop(s, b->first);
    a->last = b->last;
    a->rho = rho;
    a->log_weight = log_weight;
}

static outcome build_leaf(sampler *s, double step, const state *from, tree *out) {
    if (*s->stop > 1) return STOPPED; /* asked twice: give up inside the trajectory */
    state *x = take(s);
    int code = leapfrog(s, step, from, x);
    if (code == STOP_SAMPLING) return STOPPED;
    double gain = s->start_energy - x->energy;
    s->steps++;
    s->sum_acceptance += gain > 0 ? 1.0 : exp(gain);
    if (!(gain >= -DIVERGENCE_THRESHOLD)) return DIVERGING;
    *out = (tree){hold(x), hold(x), hold(x), x->p, gain};
    return COMPLETE;
}

/* 2^depth leapfrog steps on from a state. `half` says which half of the tree above this one is. On any outcome
 * but COMPLETE the trajectory ends, so states need not be given back. */
static outcome build(sampler *s, int64_t depth, int half, double step, const state *from, tree *out) {
    if (depth == 0) return build_leaf(s, step, from, out);
    tree outer;
    outcome result = build(s, depth - 1, 0, step, from, out);
    if (result != COMPLETE) return result;
    result = build(s, depth - 1, 1, step, out->last, &outer);
    if (result != COMPLETE) return result;
    double log_weight = log_add(out->log_weight, outer.log_weight);
    int take_outer = uniform(s) < exp(outer.log_weight - log_weight);
    double *rho = vector_at(s, s->rho, 2 * depth + half);
    if (turns(s, out, &outer, rho)) return TURNING;
    join(s, out, &outer, rho, log_weight, take_outer);
    return COMPLETE;
}

/* One draw: from s->current to s->current. Returns 0 where it was given up. */
static int transition(sampler *s, double step_size, statistics *record) {
    state *start = hold(s->current);
    draw_momentum(s, start->p);
    start->index = 0;
    start->energy = s->start_energy = kinetic_energy(s, start->p) - start->logp;
    s->sum_acceptance = 0.0;
    s->steps = 0;

    tree whole = {hold(start), hold(start), hold(start), start->p, 0.0};
    double *rho = s->rho; /* of the whole trajectory */
    int facing = 1;       /* the direction in which whole.last is the end */
    outcome result = COMPLETE;
    int64_t depth = 0;
    while (depth < s->max_depth && result == COMPLETE) {
        int direction = uniform(s) < 0.5 ? -1 : 1;
        if (direction != facing) {
            state *end = whole.first;
            whole.first = whole.last;
            whole.last = end;
            facing = direction;
        }
        tree extension;
        result = build(s, depth, 0, direction * step_size, whole.last, &extension);
        if (result == COMPLETE) {
            depth++;
            int take_new = uniform(s) < exp(extension.log_weight - whole.log_weight);
            double log_weight = log_add(whole.log_weight, extension.log_weight);
            if (turns(s, &whole, &extension, rho)) result = TURNING;
            join(s, &whole, &extension, rho, log_weight, take_new);
        }
    }
    if (result == STOPPED) {
        s->current = start;
        drop_all_but_current(s);
        return 0;
    }
    s->current = whole.proposal;
    drop_all_but_current(s);
    *record = (statistics){
        .lp = s->current->logp,
        .acceptance_rate = s->steps ? s->sum_acceptance / (double)s->steps : 1.0,
        .step_size = step_size,
        .energy = s->current->energy,
        .energy_error = s->current->energy - s->start_energy,
        .tree_depth = depth,
        .n_steps = s->steps,
        .index_in_trajectory = s->current->index,
        .diverging = result == DIVERGING,
        .reached_max_treedepth = result == COMPLETE,
    };
    return 1;
}

/* ---- what Python calls ---- */

/* Lay a sampler out in `memory` (64-byte aligned, nuts_memory() bytes) and put it at q. Returns the density's
 * code there; the log density goes to *logp. */
int nuts_start(void *memory, int64_t dim, int64_t max_depth, log_density density, void *data,
               bit_generator *random, const double *q, double *logp) {
    sampler *s = memory;
    *s = (sampler){.dim = dim, .max_depth = max_depth, .density = density, .data = data, .random = random};
    s->pool_size = pool_size(max_depth);
    s->pool = (state *)(s + 1);
    s->unused = (state **)(s->pool + s->pool_size);
    double *vectors = (double *)(((uintptr_t)(s->unused + s->pool_size) + 63) / 64 * 64);
    s->inverse_metric = vectors;
    s->momentum_scale = vector_at(s, vectors, 1);
    s->rho = vector_at(s, vectors, 2);
    double *next = vector_at(s, s->rho, 2 * max_depth + 1);
    for (int64_t i = 0; i < s->pool_size; i++, next = vector_at(s, next, 3))
        s->pool[i] = (state){.q = next, .p = vector_at(s, next, 1), .grad = vector_at(s, next, 2)};
    s->current = &s->pool[0];
    drop_all_but_current(s);
    memcpy(s->current->q, q, dim * sizeof(double));
    int code = density(s->current->q, s->current->grad, &s->current->logp, data);
    *logp = s->current->logp;
    return code;
}

void nuts_set_metric(void *memory, const double *inverse_metric) {
    sampler *s = memory;
    for (int64_t i = 0; i < s->dim; i++) {
        s->inverse_metric[i] = inverse_metric[i];
        s->momentum_scale[i] = 1.0 / sqrt(inverse_metric[i]);
    }
}

/* The energy lost by one leapfrog step with a fresh momentum (the position stays): how good a step size is.
 * Minus infinity where the step leaves the density; nan where the density stops the sampling. */
double nuts_try_step(void *memory, double step_size) {
    sampler *s = memory;
    state *x = take(s);
    draw_momentum(s, s->current->p);
    double energy = kinetic_energy(s, s->current->p) - s->current->logp;
    int code = leapfrog(s, step_size, s->current, x);
    drop_all_but_current(s);
    return code == STOP_SAMPLING ? NAN : energy - x->energy;
}

/* Draw n times into draws (n, dim) and records (n). *done counts the finished draws for whoever watches. Ends
 * early when *stop becomes nonzero, or when the density asks for it. Returns the number of finished draws. */
int64_t nuts_run(void *memory, double step_size, int64_t n, double *draws, statistics *records,
                 const volatile int32_t *stop, volatile int64_t *done) {
    sampler *s = memory;
    s->stop = stop;
    int64_t i = 0;
    while (i < n && !*stop && transition(s, step_size, &records[i])) {
        memcpy(draws + i * s->dim, s->current->q, s->dim * sizeof(double));
        *done = ++i;
    }
    return i;
}
