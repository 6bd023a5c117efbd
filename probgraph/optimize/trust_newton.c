/* Newton's method in a region where the quadratic model is trusted (Nocedal & Wright, Numerical Optimization, 2006,
   algorithms 4.1 and 7.2), by products of the Hessian with vectors alone. trust_newton.py is the same in Python.

   Everything that goes on from one call to the next is the caller's, as in descent.c. */

/* Steps are taken from ACCEPTED of the promised fall on; below POOR the region shrinks, above GOOD it grows. */
static const double ACCEPTED = 0.1, POOR = 0.25, GOOD = 0.75;
/* Products that are spent at most on the question whether a point without slope is a saddle. */
static const int64_t LOOKS = 200;
/* The part that a vector of all directions has at least in any one, compared with the mean. */
static const double LEAST_PART = 1e-4;

enum inner_end { INTERIOR, BOUNDARY, DOWNWARD };

/* How far to go from z along d to be `radius` from the origin. */
static double to_boundary(int64_t dim, const double *z, const double *d, double radius) {
    const double a = dot(dim, d, d), b = dot(dim, z, d), c = dot(dim, z, z) - radius * radius;
    return -c / (b + sqrt(b * b - a * c));
}

/* Steihaug's conjugate gradients for the z in the region where g'z + z'Hz/2 is least; r becomes g + H z. They end where r is
   `small`, at the boundary, or with a direction of curvature that is not upward, and along it at the boundary. pair has the
   point and after it the direction, the two that the product is asked for; `steepest` the largest curvature met. */
static int steihaug(objective *product, int64_t dim, const double *g, double radius, double small, int64_t most,
                    double *pair, double *Hd, double *z, double *r, double *steepest) {
    double *d = pair + dim, ignored;
    for (int64_t i = 0; i < dim; i++) {
        z[i] = 0;
        r[i] = g[i];
        d[i] = -g[i];
    }
    double square = dot(dim, r, r);
    for (int64_t k = 0; k < most; k++) {
        const int code = evaluate(product, pair, Hd, &ignored);
        if (code == STOP) return STOP;
        if (code) memset(Hd, 0, dim * sizeof(double)); /* where there are no second derivatives, down the slope */
        const double bend = dot(dim, d, Hd), length = dot(dim, d, d);
        *steepest = fmax(*steepest, fabs(bend) / length);
        double step = square / bend;
        int outside = !(bend > 0);
        if (!outside) {
            double next = 0;
            for (int64_t i = 0; i < dim; i++) next += (z[i] + step * d[i]) * (z[i] + step * d[i]);
            outside = !(sqrt(next) < radius);
        }
        if (outside) step = to_boundary(dim, z, d, radius);
        for (int64_t i = 0; i < dim; i++) {
            z[i] += step * d[i];
            r[i] += step * Hd[i];
        }
        if (outside) return bend > 0 ? BOUNDARY : DOWNWARD;
        const double next = dot(dim, r, r);
        if (sqrt(next) <= small) return INTERIOR;
        for (int64_t i = 0; i < dim; i++) d[i] = next / square * d[i] - r[i];
        square = next;
    }
    return INTERIOR;
}

/* Whether H is curved downward in some direction; that is then in pair + dim, of length 1. Conjugate gradients on a vector b
   that has a part in every direction meet it (Royer, O'Neill & Wright, Math. Programming 2020). As long as they have not,
   their residual's part in that direction is b's own at least: where the residual is smaller, there is none. */
static int bends_down(objective *product, int64_t dim, double *pair, double *Hd, double *z, double *r, double *b,
                      double *curvature) {
    double *d = pair + dim, steepest = 0;
    /* Of ever higher frequency, lest it be like a wave that a Hessian on a grid has for an eigenvector. */
    for (int64_t i = 0; i < dim; i++) b[i] = cos((double)(i + 1) * (double)(i + 1));
    const double small = LEAST_PART * sqrt(dot(dim, b, b) / (double)dim);
    const int how = steihaug(product, dim, b, INFINITY, small, LOOKS, pair, Hd, z, r, &steepest);
    if (how != DOWNWARD) return how;
    const double length = sqrt(dot(dim, d, d));
    *curvature = dot(dim, d, Hd) / (length * length);
    for (int64_t i = 0; i < dim; i++) d[i] /= length;
    return *curvature < NEGATIVE * steepest ? DOWNWARD : INTERIOR;
}

/* Up to `most` iterations. x and g have dim numbers; memory has 8 * dim; path, if recorded, room for `most` points. The state
   has value and norm at x on entry, and the radius. */
int64_t trust_newton(const settings *s, state *at, objective *o, objective *product, double *x, double *g, double *memory,
                     double *path, int64_t most) {
    const int64_t dim = o->dim;
    double *pair = memory, *Hd = pair + 2 * dim, *z = Hd + 2 * dim, *r = z + dim, *x1 = r + dim, *g1 = x1 + dim;
    for (int64_t k = 0; k < most;) {
        const int flat = at->norm <= s->tolerance;
        if (!flat && at->calm >= s->calm_iterations) return CALM;
        if (!flat && at->iteration == s->max_iterations) return OUT_OF_ITERATIONS;
        memcpy(pair, x, dim * sizeof(double));
        double value, curvature, steepest = 0;
        int how;
        if (flat) {
            how = bends_down(product, dim, pair, Hd, z, r, g1, &curvature);
            if (how == STOP) return STOPPED;
            if (how != DOWNWARD) return SMALL_GRADIENT;
            if (at->iteration == s->max_iterations) return OUT_OF_ITERATIONS;
            const int left = leave_saddle(o, x, at->value, pair + dim, curvature, x1, g1, &value);
            if (left == STOP) return STOPPED;
            if (left == NOTHING_LOWER) return SMALL_GRADIENT;
        } else {
            const double small = fmin(0.5, sqrt(at->norm)) * at->norm;
            how = steihaug(product, dim, g, at->radius, small, 2 * dim, pair, Hd, z, r, &steepest);
            if (how == STOP) return STOPPED;
            const double promised = -0.5 * (dot(dim, z, g) + dot(dim, z, r)), length = sqrt(dot(dim, z, z));
            for (int64_t i = 0; i < dim; i++) x1[i] = x[i] + z[i];
            const int code = evaluate(o, x1, g1, &value);
            if (code == STOP) return STOPPED;
            double kept = -INFINITY;
            if (!code) kept = (at->value - value) / promised;
            /* Where values differ by rounding only, the slope says whether it was a good step. */
            if (!code && !(promised > o->rounding * fabs(at->value))) kept = sqrt(dot(dim, g1, g1)) < at->norm;
            if (!(kept >= POOR)) at->radius = length / 4;
            else if (kept > GOOD && how != INTERIOR) at->radius *= 2;
            if (!(kept > ACCEPTED)) {
                if (how == INTERIOR && s->relative_change > 0 && hidden(o, at->value, promised)) return CALM;
                if (++at->rejected == TRIALS) return STUCK;
                continue;
            }
        }
        accept(s, at, dim, how == INTERIOR, value, x1, g1, x, g, path + k * dim);
        k++;
    }
    return GOING_ON;
}
