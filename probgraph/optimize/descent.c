/* The loop of the gradient-descent family; descent.py is the same in Python, step by step.

   Everything that goes on from one call to the next is the caller's: so a long run is made of short ones, between which
   it may be interrupted. */
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef int (*function)(const double *x, double *gradient, double *value, void *data);

enum rule { PLAIN, MOMENTUM, NESTEROV, ADAGRAD, RMSPROP, ADAM };
enum ending { GOING_ON, SMALL_GRADIENT, CALM, OUT_OF_ITERATIONS, DIVERGED, STOPPED };

typedef struct {
    double rate, momentum, scale_memory, weight_decay, decay, clip;
    double tolerance, relative_change, ceiling, sign;
    int64_t rule, calm_iterations, max_iterations, record;
} settings;

/* NumPy's, as in numpy/random/bitgen.h. */
typedef struct {
    void *state;
    uint64_t (*next_uint64)(void *);
    uint32_t (*next_uint32)(void *);
    double (*next_double)(void *);
    uint64_t (*next_raw)(void *);
} bit_generator;

/* Rows of a mini-batch: the objective reads them. */
typedef struct {
    int64_t *rows, count, total;
} batch;

static void redraw(bit_generator *random, const batch *batches, int64_t count) {
    for (const batch *b = batches; b < batches + count; b++)
        for (int64_t i = 0; i < b->count; i++)
            b->rows[i] = (int64_t)(random->next_double(random->state) * (double)b->total);
}

typedef struct {
    double value, norm, best_value, best_norm;
    int64_t iteration, calm, evaluations;
} state;

static const int STOP = INT32_MIN;

/* One step of the rule from x, in place. */
static void move(const settings *s, int64_t dim, int64_t t, double *x, const double *g, double *m, double *v) {
    const double rate = s->rate / (1 + s->decay * (double)t);
    double shrink = 1;
    if (s->clip > 0) {
        double norm = 0;
        for (int64_t i = 0; i < dim; i++) norm += g[i] * g[i];
        norm = sqrt(norm);
        if (norm > s->clip) shrink = s->clip / norm;
    }
    const double beta = s->momentum, memory = s->scale_memory;
    const double first = 1 - pow(beta, (double)(t + 1)), second = 1 - pow(memory, (double)(t + 1));
    for (int64_t i = 0; i < dim; i++) {
        const double slope = shrink * g[i];
        double step;
        switch (s->rule) {
        case MOMENTUM: m[i] = beta * m[i] - rate * slope; step = m[i]; break;
        case NESTEROV: m[i] = beta * m[i] - rate * slope; step = beta * m[i] - rate * slope; break;
        case ADAGRAD: v[i] += slope * slope; step = -rate * slope / (sqrt(v[i]) + 1e-8); break;
        case RMSPROP: v[i] = memory * v[i] + (1 - memory) * slope * slope; step = -rate * slope / (sqrt(v[i]) + 1e-8); break;
        case ADAM:
            m[i] = beta * m[i] + (1 - beta) * slope;
            v[i] = memory * v[i] + (1 - memory) * slope * slope;
            step = -rate * (m[i] / first) / (sqrt(v[i] / second) + 1e-8);
            break;
        default: step = -rate * slope;
        }
        x[i] = x[i] + (step - rate * s->weight_decay * x[i]);
    }
}

/* Up to `most` iterations. x, gradient, best_x, m and v have dim numbers; path, if recorded, room for max_iterations + 1
   points. The state has the value and the norm at x on entry. Mini-batches are drawn anew before each evaluation. */
int64_t descend(const settings *s, state *at, function f, void *data, int64_t dim, double *x, double *gradient,
                double *best_x, double *m, double *v, double *path, bit_generator *random, const batch *batches,
                int64_t batch_count, int64_t most) {
    for (int64_t k = 0; k < most; k++) {
        if (at->norm <= s->tolerance) return SMALL_GRADIENT;
        if (at->calm >= s->calm_iterations) return CALM;
        if (at->iteration == s->max_iterations) return OUT_OF_ITERATIONS;
        move(s, dim, at->iteration, x, gradient, m, v);
        const double before = at->value;
        double value;
        redraw(random, batches, batch_count);
        const int code = f(x, gradient, &value, data);
        at->iteration++;
        at->evaluations++;
        if (code == STOP) return STOPPED;
        if (s->record) memcpy(path + at->iteration * dim, x, dim * sizeof(double));
        value *= s->sign;
        double norm = 0;
        for (int64_t i = 0; i < dim; i++) {
            gradient[i] *= s->sign;
            norm += gradient[i] * gradient[i];
        }
        norm = sqrt(norm);
        at->value = code ? INFINITY : value;
        at->norm = norm;
        if (code || !isfinite(value) || !isfinite(norm) || value > s->ceiling) return DIVERGED;
        if (value < at->best_value) {
            at->best_value = value;
            at->best_norm = norm;
            memcpy(best_x, x, dim * sizeof(double));
        }
        const double larger = fabs(value) > fabs(before) ? fabs(value) : fabs(before);
        at->calm = fabs(value - before) <= s->relative_change * larger ? at->calm + 1 : 0;
    }
    return GOING_ON;
}
