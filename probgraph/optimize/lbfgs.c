/* L-BFGS (Liu & Nocedal 1989): steps by an inverse Hessian that the last steps tell of. lbfgs.py is the same in Python.

   Everything that goes on from one call to the next is the caller's, as in descent.c. */

typedef struct {
    double tolerance, relative_change;
    int64_t history, calm_iterations, max_iterations, record;
} settings;

typedef struct {
    double value, norm;
    int64_t iteration, calm, stored, newest;
} state;

/* -(inverse Hessian) g, by the two loops of Nocedal (1980); the newest step tells how long it is where no step told. */
static void quasi_newton(const settings *s, const state *at, int64_t dim, const double *g, const double *steps,
                         const double *changes, const double *products, double *weights, double *d) {
    for (int64_t i = 0; i < dim; i++) d[i] = -g[i];
    for (int64_t k = 0; k < at->stored; k++) {
        const int64_t j = (at->newest - k + s->history) % s->history;
        const double *step = steps + j * dim, *change = changes + j * dim;
        const double w = weights[j] = dot(dim, step, d) / products[j];
        for (int64_t i = 0; i < dim; i++) d[i] -= w * change[i];
    }
    const double *change = changes + at->newest * dim;
    const double scale = at->stored ? products[at->newest] / dot(dim, change, change) : 1;
    for (int64_t i = 0; i < dim; i++) d[i] *= scale;
    for (int64_t k = at->stored - 1; k >= 0; k--) {
        const int64_t j = (at->newest - k + s->history) % s->history;
        const double *step = steps + j * dim, *change = changes + j * dim;
        const double w = weights[j] - dot(dim, change, d) / products[j];
        for (int64_t i = 0; i < dim; i++) d[i] += w * step[i];
    }
}

/* Up to `most` iterations. x and g have dim numbers; memory has history * (2 * dim + 2) + 3 * dim; path, if recorded, room
   for `most` points. The state has value and norm at x on entry. */
int64_t lbfgs(const settings *s, state *at, objective *o, double *x, double *g, double *memory, double *path,
              int64_t most) {
    const int64_t dim = o->dim, m = s->history;
    double *steps = memory, *changes = steps + m * dim, *products = changes + m * dim, *weights = products + m;
    double *d = weights + m, *x1 = d + dim, *g1 = x1 + dim;
    for (int64_t k = 0; k < most;) {
        if (at->norm <= s->tolerance) return SMALL_GRADIENT;
        if (at->calm >= s->calm_iterations) return CALM;
        if (at->iteration == s->max_iterations) return OUT_OF_ITERATIONS;
        quasi_newton(s, at, dim, g, steps, changes, products, weights, d);
        double slope = dot(dim, d, g), value;
        if (!(slope < 0)) { /* nothing that rounding left is to be trusted */
            at->stored = 0;
            for (int64_t i = 0; i < dim; i++) d[i] = -g[i];
            slope = -at->norm * at->norm;
        }
        const double first = at->stored || at->norm < 1 ? 1 : 1 / at->norm;
        const int how = line_search(o, x, at->value, slope, d, first, x1, g1, &value);
        if (how == STOP) return STOPPED;
        if (how == NO_LOWER) {
            if (!at->stored) return STUCK;
            if (s->relative_change > 0 && hidden(o, at->value, -slope / 2)) return CALM;
            at->stored = 0; /* once more, against the gradient */
            continue;
        }
        const int64_t j = (at->newest + 1) % m;
        double *step = steps + j * dim, *change = changes + j * dim;
        for (int64_t i = 0; i < dim; i++) {
            step[i] = x1[i] - x[i];
            change[i] = g1[i] - g[i];
        }
        products[j] = dot(dim, step, change);
        if (products[j] > 2.2e-16 * dot(dim, change, change)) {
            at->newest = j;
            if (at->stored < m) at->stored++;
        }
        memcpy(x, x1, dim * sizeof(double));
        memcpy(g, g1, dim * sizeof(double));
        const double fall = at->value - value, larger = fmax(fmax(fabs(value), fabs(at->value)), 1);
        const int small = s->relative_change > 0 && fall <= s->relative_change * larger;
        at->calm = how == WOLFE && small ? at->calm + 1 : 0;
        at->value = value;
        at->norm = sqrt(dot(dim, g, g));
        if (s->record) memcpy(path + k * dim, x, dim * sizeof(double));
        at->iteration++;
        k++;
    }
    return GOING_ON;
}
