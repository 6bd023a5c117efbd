/* What the two searches by second derivatives, newton.c and trust_newton.c, have in common; second_order.py is the same in
   Python. The second derivatives are an `objective` too: its gradient is what they are asked for, and its dim that's size. */

typedef struct {
    double tolerance, relative_change;
    int64_t calm_iterations, max_iterations, record;
} settings;

typedef struct {
    double value, norm, radius;
    int64_t iteration, calm, rejected;
} state;

/* A curvature below the largest times this is negative; above it, it may be rounding. */
static const double NEGATIVE = -1e-8;

enum departure { LEFT, NOTHING_LOWER };

/* From x, where there is next to no slope, along the unit vector v of negative curvature, whichever way is lower: 1 far, or
   a half, a quarter ... until the value falls by half of what the curvature promises. */
static int leave_saddle(objective *o, const double *x, double value, const double *v, double curvature, double *x1,
                        double *g1, double *value1) {
    double at = 1;
    for (int trial = 0; trial < TRIALS; trial++, at /= 2)
        for (int side = 0; side < 2; side++, at = -at) {
            for (int64_t i = 0; i < o->dim; i++) x1[i] = x[i] + at * v[i];
            const int code = evaluate(o, x1, g1, value1);
            if (code == STOP) return STOP;
            if (!code && *value1 < value + at * at * curvature / 4) return LEFT;
        }
    return NOTHING_LOWER;
}

/* x1 is where we are now. A value that hardly fell says that the search is at its end only where the curvature was upward:
   near a saddle it is the same. */
static void accept(const settings *s, state *at, int64_t dim, int upward, double value, const double *x1, const double *g1,
                   double *x, double *g, double *place_on_path) {
    memcpy(x, x1, dim * sizeof(double));
    memcpy(g, g1, dim * sizeof(double));
    const double fall = at->value - value, larger = fmax(fmax(fabs(value), fabs(at->value)), 1);
    const int small = s->relative_change > 0 && fall <= s->relative_change * larger;
    at->calm = upward && small ? at->calm + 1 : 0;
    at->value = value;
    at->norm = sqrt(dot(dim, g, g));
    at->rejected = 0;
    at->iteration++;
    if (s->record) memcpy(place_on_path, x, dim * sizeof(double));
}
