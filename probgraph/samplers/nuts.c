/* The No-U-Turn sampler: Hamiltonian trajectories over any log density given as a C function.
 *
 * Hoffman & Gelman, "The No-U-Turn Sampler" (JMLR 2014), in the multinomial form of Betancourt, "A Conceptual
 * Introduction to Hamiltonian Monte Carlo" (arXiv:1701.02434): a trajectory doubles forwards or backwards at
 * random until it turns; states are drawn with weight exp(-energy), uniformly inside the subtrees and biased
 * towards the new half at the top. A tree turns by the generalised criterion, checked also across the seam of
 * its two halves.
 *
 * Momenta are kept in the coordinates in which the metric is the identity: with inverse metric L L', the momentum is a
 * standard normal p, the velocity L p, and the force on p is L' grad. So the metric is met in each step only, and
 * trees are built as if there were none.
 *
 * With a bound on the energy error it is the within-orbit adaptive sampler, WALNUTS (Bou-Rabee, Carpenter, Kleppe &
 * Liu, arXiv:2506.18746): each step of the trajectory is halved until no finer one would be needed, and is taken only
 * if the way back would choose the same halving, which keeps it reversible.
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
#define SMALLEST_STEP 1e-10
#define LARGEST_STEP 1e7
#define AVERAGING_GAMMA 0.05
#define AVERAGING_T0 10.0
#define AVERAGING_KAPPA 0.75
#define LANE 8                /* vectors start at multiples of 64 bytes */

typedef int (*log_density)(const double *q, double *grad, double *logp, void *data);
/* Moves of some coordinates, without gradients (moves.c): changes q, and grad and logp with it; nonzero ends the run. */
typedef int (*sweep)(double *q, double *grad, double *logp, void *data);

/* What is known of a good step size; adaptation.py has the same struct, begins it and says where it is from. */
typedef struct {
    double target_accept, mu, mean_error, mean_log_step, step_size;
    int64_t count;
} dual_averaging;

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
    double lp, acceptance_rate, acceptance_rate_symmetric, step_size, energy, energy_error;
    int64_t tree_depth, n_steps, index_in_trajectory;
    uint8_t diverging, reached_max_treedepth;
} statistics;

/* A point of a trajectory, in coordinates that are the density's over their scales. There the inverse metric is S²: of the
 * identity, velocity and push are momentum and force themselves. Otherwise they are kept beside them, so that each step
 * needs one product with S² and no other. */
typedef struct state {
    double *q, *p, *grad, *force;
    double *velocity, *push;             /* S² p and S² force */
    double *own_velocity, *own_push;     /* room for them */
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
    double *scales; /* of the coordinates; L = diag(scales) S with S the identity, or I + sum of stretch v v', or full */
    /* The caller's, or null: the powers 2, 1 and -1 of S (3, dim, dim); v (rank, dim), and the stretches in those
     * powers (3, rank). */
    const double *matrices, *vectors, *stretches;
    int64_t rank;
    double first_error; /* of the energy, where the adaptive step at hand was not halved yet */
    double max_error; /* of the energy within a step of the trajectory; 0 leaves the steps as they are */
    int64_t max_halvings;
    double path_length, path_jitter; /* of trajectories of a fixed length; 0 where they end by turning */
    int64_t max_steps;
    double *rho; /* two sums for each depth: one for each half of the tree above; the last is the trajectory's */
    state *pool;
    state **unused;
    int64_t pool_size, unused_count;
    state *current;
    /* of the trajectory at hand: */
    double start_energy, sum_acceptance, sum_symmetric;
    int64_t steps, leaves;
    const volatile int32_t *stop;
    sweep between; /* what moves the coordinates whose scale is 0, after each trajectory; or null */
    void *between_data;
    int all_between; /* those are all coordinates: there are no trajectories */
} sampler;

typedef enum { COMPLETE, TURNING, DIVERGING, STOPPED } outcome;

/* ---- memory ---- */

static int64_t padded(int64_t n) { return (n + LANE - 1) / LANE * LANE; }
static int64_t pool_size(int64_t max_depth) { return 3 * (max_depth + 2) + 4; }

enum { PER_STATE = 6 };

static double *vector_at(sampler *s, double *vectors, int64_t i) { return vectors + i * padded(s->dim); }

int64_t nuts_memory(int64_t dim, int64_t max_depth) {
    int64_t states = pool_size(max_depth), vectors = PER_STATE * states + 1 + 2 * max_depth + 1;
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

/* ---- Hamiltonian dynamics ---- */

typedef enum { SQUARED, ITSELF, INVERSE } power;

static double dot(int64_t n, const double *a, const double *b) {
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static double kinetic_energy(const sampler *s, const state *x) { return 0.5 * dot(s->dim, x->p, x->velocity); }

static int is_diagonal(const sampler *s) { return !s->matrices && !s->rank; }

/* out += sum of stretch (v'x) v over `count` vectors, each of which is read from memory once: 1 or 4 of them. */
static void add_along(int64_t n, const double *v, const double *stretch, const double *x, double *out) {
    const double along = *stretch * dot(n, v, x);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) out[i] += along * v[i];
}

static void add_along_four(int64_t n, const double *v, const double *stretch, const double *x, double *out) {
    const double *v0 = v, *v1 = v + n, *v2 = v + 2 * n, *v3 = v + 3 * n;
    double a0 = 0.0, a1 = 0.0, a2 = 0.0, a3 = 0.0;
#pragma omp simd reduction(+ : a0, a1, a2, a3)
    for (int64_t i = 0; i < n; i++) {
        a0 += v0[i] * x[i];
        a1 += v1[i] * x[i];
        a2 += v2[i] * x[i];
        a3 += v3[i] * x[i];
    }
    a0 *= stretch[0];
    a1 *= stretch[1];
    a2 *= stretch[2];
    a3 *= stretch[3];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) out[i] += (a0 * v0[i] + a1 * v1[i]) + (a2 * v2[i] + a3 * v3[i]);
}

/* out = a power of S times x; out is not x. */
static void mix(const sampler *s, power which, const double *x, double *out) {
    const int64_t n = s->dim;
    if (s->matrices) {
        const double *matrix = s->matrices + which * n * n;
        for (int64_t i = 0; i < n; i++) out[i] = dot(n, matrix + i * n, x);
        return;
    }
    memcpy(out, x, n * sizeof(double));
    const double *stretch = s->stretches + which * s->rank, *v = s->vectors;
    int64_t left = s->rank;
    for (; left >= 4; left -= 4, v += 4 * n, stretch += 4) add_along_four(n, v, stretch, x, out);
    for (; left; left--, v += n, stretch++) add_along(n, v, stretch, x, out);
}

/* Marsaglia's polar method: two normals from a point in the disc. */
static void draw_normals(sampler *s, double *p) {
    for (int64_t i = 0; i < s->dim; i += 2) {
        double a, b, r2;
        do {
            a = 2.0 * uniform(s) - 1.0;
            b = 2.0 * uniform(s) - 1.0;
            r2 = a * a + b * b;
        } while (r2 >= 1.0 || r2 == 0.0);
        double stretch = sqrt(-2.0 * log(r2) / r2);
        p[i] = s->scales[i] == 0 ? 0 : a * stretch;
        if (i + 1 < s->dim) p[i + 1] = s->scales[i + 1] == 0 ? 0 : b * stretch;
    }
}

/* A fresh momentum, with the velocity that belongs to it. */
static void draw_momentum(sampler *s, state *x) {
    if (is_diagonal(s)) {
        draw_normals(s, x->p);
        return;
    }
    double *normals = s->rho; /* which no trajectory needs yet */
    draw_normals(s, normals);
    mix(s, ITSELF, normals, x->velocity);
    mix(s, INVERSE, normals, x->p);
}

static void set_force(const sampler *s, state *x) {
#pragma omp simd
    for (int64_t i = 0; i < s->dim; i++) x->force[i] = s->scales[i] * x->grad[i];
    if (!is_diagonal(s)) mix(s, SQUARED, x->force, x->push);
}

/* Half a step of the momentum, and of the velocity with it. */
static void kick(const sampler *s, double half, const state *from, const state *by, state *to) {
#pragma omp simd
    for (int64_t i = 0; i < s->dim; i++) to->p[i] = from->p[i] + half * by->force[i];
    if (is_diagonal(s)) return;
#pragma omp simd
    for (int64_t i = 0; i < s->dim; i++) to->velocity[i] = from->velocity[i] + half * by->push[i];
}

/* One leapfrog step; sets `to`, with infinite energy where there is no density. Returns the density's code. */
static int leapfrog(const sampler *s, double step, const state *from, state *to) {
    const double half = 0.5 * step, *scales = s->scales;
    double *q = to->q;
    kick(s, half, from, from, to);
    const double *velocity = to->velocity;
#pragma omp simd
    for (int64_t i = 0; i < s->dim; i++) q[i] = from->q[i] + step * scales[i] * velocity[i];
    to->index = from->index + (step > 0 ? 1 : -1);
    to->energy = INFINITY;
    int code = s->density(q, to->grad, &to->logp, s->data);
    if (code == 0 && isfinite(to->logp)) {
        set_force(s, to);
        kick(s, half, to, to, to);
        double energy = kinetic_energy(s, to) - to->logp;
        if (isfinite(energy)) to->energy = energy;
    }
    return code;
}

/* So many leapfrog steps that together are `step`, to `to`. Returns whether all energies on the way, with that at `from`,
 * lie within max_error of each other, which is the same seen from either end; the density's code goes to *code. */
static int fine_steps(sampler *s, double step, int64_t count, const state *from, state *to, int *code) {
    const double part = step / (double)count;
    state *other = take(s);
    double low = from->energy, high = from->energy;
    int within = 1;
    for (int64_t i = 0; i < count && within; i++) {
        state *next = (count - i) % 2 ? to : other; /* the last is `to` */
        *code = leapfrog(s, part, from, next);
        s->steps++;
        low = fmin(low, next->energy);
        high = fmax(high, next->energy);
        within = *code != STOP_SAMPLING && high - low <= s->max_error;
        from = next;
    }
    s->unused[s->unused_count++] = other;
    return within;
}

/* One step of the trajectory with as few leapfrog steps as the bound on the energy error allows: 1, 2, 4 ... */
static outcome adaptive_step(sampler *s, double step, const state *from, state *to) {
    int code = 0;
    for (int64_t halvings = 0; halvings <= s->max_halvings; halvings++) {
        int within = fine_steps(s, step, (int64_t)1 << halvings, from, to, &code);
        if (halvings == 0) s->first_error = to->energy - from->energy;
        if (within) {
            to->index = from->index + (step > 0 ? 1 : -1);
            /* Who comes back from `to` must not be content with fewer, or the step could not be undone. */
            outcome result = COMPLETE;
            state *back = take(s);
            for (int64_t fewer = 0; fewer < halvings && result == COMPLETE; fewer++) {
                if (fine_steps(s, -step, (int64_t)1 << fewer, to, back, &code)) result = TURNING;
                if (code == STOP_SAMPLING) result = STOPPED;
            }
            s->unused[s->unused_count++] = back;
            return result;
        }
        if (code == STOP_SAMPLING) return STOPPED;
    }
    return DIVERGING;
}

/* ---- trees ---- */

static double log_add(double a, double b) {
    return a > b ? a + log1p(exp(b - a)) : b + log1p(exp(a - b));
}

/* Does the trajectory made of two neighbours turn back? The velocities at two ends must both point along the sum
 * of momenta between them: over the whole, and over each half with the nearest state of the other. Leaves the
 * sum of the whole in rho, which may be that of a or b. */
static int turns(const sampler *s, const tree *a, const tree *b, double *rho) {
    const double *a_first = a->first->velocity, *a_last = a->last->velocity;
    const double *b_first = b->first->velocity, *b_last = b->last->velocity;
    const double *a_rho = a->rho, *b_rho = b->rho, *a_end = a->last->p, *b_start = b->first->p;
    double whole_first = 0, whole_last = 0, left_first = 0, left_last = 0, right_first = 0, right_last = 0;
#pragma omp simd reduction(+ : whole_first, whole_last, left_first, left_last, right_first, right_last)
    for (int64_t i = 0; i < s->dim; i++) {
        double whole = a_rho[i] + b_rho[i];
        double left = a_rho[i] + b_start[i];
        double right = b_rho[i] + a_end[i];
        rho[i] = whole;
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
    outcome result = COMPLETE;
    if (s->max_error > 0) {
        result = adaptive_step(s, step, from, x);
    } else {
        if (leapfrog(s, step, from, x) == STOP_SAMPLING) result = STOPPED;
        s->steps++;
    }
    if (result == STOPPED) return STOPPED;
    if (result == DIVERGING) x->energy = INFINITY;
    double gain = s->start_energy - x->energy;
    s->leaves++;
    s->sum_acceptance += gain > 0 ? 1.0 : exp(gain);
    s->sum_symmetric += 2.0 / (1.0 + exp(fabs(s->max_error > 0 ? s->first_error : gain)));
    if (!(gain >= -DIVERGENCE_THRESHOLD)) return DIVERGING;
    if (result != COMPLETE) return result;
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
    draw_momentum(s, start);
    start->index = 0;
    start->energy = s->start_energy = kinetic_energy(s, start) - start->logp;
    s->sum_acceptance = s->sum_symmetric = 0.0;
    s->steps = s->leaves = 0;

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
        .acceptance_rate = s->leaves ? s->sum_acceptance / (double)s->leaves : 1.0,
        .acceptance_rate_symmetric = s->leaves ? s->sum_symmetric / (double)s->leaves : 1.0,
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

/* One draw by plain Hamiltonian Monte Carlo: as many steps as make the path length, which each trajectory varies by its
 * own factor, and then the end or the start, by their energies (Neal, "MCMC using Hamiltonian dynamics", 2011). */
static int fixed_transition(sampler *s, double step_size, statistics *record) {
    state *start = hold(s->current), *x[2] = {take(s), take(s)};
    draw_momentum(s, start);
    start->index = 0;
    start->energy = kinetic_energy(s, start) - start->logp;
    double length = s->path_length * (1.0 + s->path_jitter * (2.0 * uniform(s) - 1.0));
    double wanted = ceil(length / step_size);
    int64_t steps = wanted < 1.0 ? 1 : wanted < (double)s->max_steps ? (int64_t)wanted : s->max_steps, done = 0;
    const state *end = start;
    double gain = 0.0;
    int stopped = 0;
    while (done < steps && !stopped && gain >= -DIVERGENCE_THRESHOLD) {
        state *next = x[done % 2];
        stopped = *s->stop > 1 || leapfrog(s, step_size, end, next) == STOP_SAMPLING;
        end = next;
        gain = start->energy - end->energy;
        done++;
    }
    if (!stopped) {
        int diverging = !(gain >= -DIVERGENCE_THRESHOLD), accepted = uniform(s) < exp(gain) && !diverging;
        s->current = accepted ? x[(done - 1) % 2] : start;
        *record = (statistics){
            .lp = s->current->logp,
            .acceptance_rate = gain > 0 ? 1.0 : exp(gain),
            .acceptance_rate_symmetric = 2.0 / (1.0 + exp(fabs(gain))),
            .step_size = step_size,
            .energy = s->current->energy,
            .energy_error = s->current->energy - start->energy,
            .n_steps = done,
            .index_in_trajectory = accepted ? done : 0,
            .diverging = diverging,
            .reached_max_treedepth = wanted > (double)s->max_steps,
        };
    }
    drop_all_but_current(s);
    return !stopped;
}

/* ---- what Python calls ---- */

/* Velocities and pushes are momenta and forces where the metric is diagonal, and vectors of their own elsewhere. */
static void choose_vectors(sampler *s) {
    const int shared = is_diagonal(s);
    for (state *x = s->pool; x < s->pool + s->pool_size; x++) {
        x->velocity = shared ? x->p : x->own_velocity;
        x->push = shared ? x->force : x->own_push;
    }
}

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
    s->scales = vectors;
    for (int64_t i = 0; i < dim; i++) s->scales[i] = 1.0;
    s->rho = vector_at(s, vectors, 1);
    double *next = vector_at(s, s->rho, 2 * max_depth + 1);
    for (int64_t i = 0; i < s->pool_size; i++, next = vector_at(s, next, PER_STATE))
        s->pool[i] = (state){.q = next,
                             .p = vector_at(s, next, 1),
                             .grad = vector_at(s, next, 2),
                             .force = vector_at(s, next, 3),
                             .own_velocity = vector_at(s, next, 4),
                             .own_push = vector_at(s, next, 5)};
    choose_vectors(s);
    s->current = &s->pool[0];
    drop_all_but_current(s);
    memcpy(s->current->q, q, dim * sizeof(double));
    int code = density(s->current->q, s->current->grad, &s->current->logp, data);
    set_force(s, s->current);
    *logp = s->current->logp;
    return code;
}

/* The metric with inverse L L', L = diag(scales) S; where `matrices` is null, S = I + sum of stretches v v'. The scales are
 * copied; matrices, vectors and stretches stay the caller's and must live as long as they are used. */
void nuts_set_metric(void *memory, const double *scales, const double *matrices, int64_t rank,
                     const double *vectors, const double *stretches) {
    sampler *s = memory;
    memcpy(s->scales, scales, s->dim * sizeof(double));
    s->matrices = matrices;
    s->rank = rank;
    s->vectors = vectors;
    s->stretches = stretches;
    choose_vectors(s);
    set_force(s, s->current);
}

/* Bound the energy error within each step of the trajectory; 0 is no bound. */
void nuts_set_bound(void *memory, double max_error, int64_t max_halvings) {
    sampler *s = memory;
    s->max_error = max_error;
    s->max_halvings = max_halvings;
}

/* Trajectories of a fixed length, with at most so many steps; 0 for those that end by turning. */
void nuts_set_path(void *memory, double length, double jitter, int64_t max_steps) {
    sampler *s = memory;
    s->path_length = length;
    s->path_jitter = jitter;
    s->max_steps = max_steps;
}

/* Moves after each trajectory, of the coordinates whose scale is 0; `all` says that those are all there are. */
void nuts_set_between(void *memory, sweep between, void *data, int all) {
    sampler *s = memory;
    s->between = between;
    s->between_data = data;
    s->all_between = all;
}

/* Where the chain is: q, the gradient there (dim each). */
void nuts_where(void *memory, double *q, double *grad) {
    sampler *s = memory;
    memcpy(q, s->current->q, s->dim * sizeof(double));
    memcpy(grad, s->current->grad, s->dim * sizeof(double));
}

/* The energy lost by one leapfrog step with a fresh momentum (the position stays): how good a step size is.
 * Minus infinity where the step leaves the density; nan where the density stops the sampling. */
double nuts_try_step(void *memory, double step_size) {
    sampler *s = memory;
    state *x = take(s);
    draw_momentum(s, s->current);
    double energy = kinetic_energy(s, s->current) - s->current->logp;
    int code = leapfrog(s, step_size, s->current, x);
    drop_all_but_current(s);
    return code == STOP_SAMPLING ? NAN : energy - x->energy;
}

static int draw(sampler *s, double step, statistics *record) {
    if (s->all_between) *record = (statistics){.acceptance_rate = 1.0, .acceptance_rate_symmetric = 1.0};
    else if (!(s->path_length > 0 ? fixed_transition : transition)(s, step, record)) return 0;
    if (s->between) {
        state *x = s->current;
        if (s->between(x->q, x->grad, &x->logp, s->between_data)) return 0;
        set_force(s, x);
        record->lp = x->logp;
        if (s->all_between) record->energy = -x->logp;
    }
    return 1;
}

/* As `draw`, with the step size varied by the jitter; to q and, unless null, grad go the place and the gradient there. */
static int draw_to(sampler *s, double step_size, double jitter, double *q, double *grad, statistics *record) {
    const double step = jitter > 0 ? step_size * (1.0 + jitter * (2.0 * uniform(s) - 1.0)) : step_size;
    if (!draw(s, step, record)) return 0;
    memcpy(q, s->current->q, s->dim * sizeof(double));
    if (grad) memcpy(grad, s->current->grad, s->dim * sizeof(double));
    return 1;
}

/* Row i of vectors (n, dim), which may be null. */
static double *row(const sampler *s, double *vectors, int64_t i) { return vectors ? vectors + i * s->dim : 0; }

/* Draw n times into draws (n, dim), records (n) and, unless null, gradients (n, dim), those at the draws; the step size
 * of draw i is step_size * (1 + jitter * u), u uniform between -1 and 1. *done counts the finished draws for whoever watches. Ends
 * early when *stop becomes nonzero, or when the density asks for it. Returns the number of finished draws. */
int64_t nuts_run(void *memory, double step_size, double jitter, int64_t n, double *draws, double *gradients,
                 statistics *records, const volatile int32_t *stop, volatile int64_t *done) {
    sampler *s = memory;
    s->stop = stop;
    int64_t i = 0;
    while (i < n && !*stop && draw_to(s, step_size, jitter, row(s, draws, i), row(s, gradients, i), &records[i]))
        *done = ++i;
    return i;
}

/* Take note of the acceptance rate of one transition; the step size is then that for the next. Volatile are products that
 * no compiler may fuse with the sum: what is rounded here as in Python is the same with either kernel. */
static void update(dual_averaging *a, double acceptance_rate) {
    const double t = (double)++a->count, weight = 1.0 / (t + AVERAGING_T0);
    volatile double change = weight * (a->target_accept - acceptance_rate - a->mean_error);
    a->mean_error += change;
    volatile double away = sqrt(t) / AVERAGING_GAMMA * a->mean_error;
    const double log_step = fmin(fmax(a->mu - away, log(SMALLEST_STEP)), log(LARGEST_STEP));
    change = pow(t, -AVERAGING_KAPPA) * (log_step - a->mean_log_step);
    a->mean_log_step += change;
    a->step_size = exp(log_step);
}

/* The difference between the largest and the smallest log density of n draws. */
static double spread_of(const statistics *records, int64_t n) {
    double least = INFINITY, most = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        least = fmin(least, records[i].lp);
        most = fmax(most, records[i].lp);
    }
    return most - least;
}

/* Go on with a warm-up of which *done draws are made until there are `end`, as nuts_run does, with a step size that follows
 * the acceptance rate, the symmetric one or the other. Ends early also after a draw with which the log densities of the
 * latest `lately` draws spread more than `spread`. Returns 0 where it was stopped. */
int nuts_warm_up(void *memory, double *draws, double *gradients, statistics *records, dual_averaging *averaging,
                 const volatile int32_t *stop, volatile int64_t *done, int64_t end, int64_t lately,
                 double spread, double jitter, int symmetric) {
    sampler *s = memory;
    s->stop = stop;
    for (int64_t i = *done; i < end;) {
        statistics *record = &records[i];
        if (*stop || !draw_to(s, averaging->step_size, jitter, row(s, draws, i), row(s, gradients, i), record))
            return 0;
        update(averaging, symmetric ? record->acceptance_rate_symmetric : record->acceptance_rate);
        *done = ++i;
        const int64_t from = i > lately ? i - lately : 0;
        if (spread_of(records + from, i - from) > spread) break;
    }
    return 1;
}

/* One draw from each of the n positions in q (n, dim), which it takes the place of; gradients (n, dim) are those there. A
 * position without density stays. Returns the number that were done, fewer than n where the density asked to end. */
int64_t nuts_each(void *memory, double step_size, double jitter, int64_t n, double *q, double *gradients,
                  statistics *records, const volatile int32_t *stop) {
    sampler *s = memory;
    s->stop = stop;
    for (int64_t i = 0; i < n; i++) {
        state *x = s->current;
        memcpy(x->q, q + i * s->dim, s->dim * sizeof(double));
        const int code = s->density(x->q, x->grad, &x->logp, s->data);
        if (code == STOP_SAMPLING) return i;
        if (code == 0 && isfinite(x->logp)) {
            set_force(s, x);
            if (!draw_to(s, step_size, jitter, row(s, q, i), row(s, gradients, i), &records[i])) return i;
        } else {
            records[i] = (statistics){.lp = -INFINITY};
            memcpy(gradients + i * s->dim, x->grad, s->dim * sizeof(double));
        }
    }
    return n;
}
