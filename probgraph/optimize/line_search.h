/* How far to go along a direction: to a point with the strong Wolfe conditions (Nocedal & Wright, Numerical Optimization,
   2006, algorithms 3.5 and 3.6), or near a minimum, where values differ by rounding only, with the approximate ones of
   Hager & Zhang (SIAM J. Optim. 2005), which ask the slopes instead. line_search.py is the same in Python. */

static const double DECREASE = 1e-4, CURVATURE = 0.9, FARTHER = 4.0, EDGE = 0.1;

enum search_end { WOLFE, LOWER, NO_LOWER };

typedef struct {
    double at, value, slope;
} place;

/* Where the cubic through two places is lowest; nan where it is nowhere. */
static double cubic_minimum(place a, place b) {
    const double d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.at - b.at);
    const double square = d1 * d1 - a.slope * b.slope;
    if (!(square >= 0)) return NAN;
    const double d2 = b.at > a.at ? sqrt(square) : -sqrt(square);
    return b.at - (b.at - a.at) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
}

/* From x along the direction, beginning with a step of `first`. Leaves point, gradient and value in x1, g1 and value1, and
   returns how they were found: WOLFE; LOWER, but without a slope that is flatter; NO_LOWER; or STOP. */
static int line_search(objective *o, const double *x, double value, double slope, const double *direction, double first,
                       double *x1, double *g1, double *value1) {
    const int64_t dim = o->dim;
    const double noise = o->rounding * fabs(value);
    place low = {0, value, slope}, high = {INFINITY, INFINITY, NAN};
    int high_is_finite = 0;
    double at = first, width = INFINITY, width_before = INFINITY;
    for (int trial = 0; trial < TRIALS; trial++) {
        for (int64_t i = 0; i < dim; i++) x1[i] = x[i] + at * direction[i];
        const int code = evaluate(o, x1, g1, value1);
        if (code == STOP) return STOP;
        if (code) {
            high = (place){at, INFINITY, NAN};
            high_is_finite = 0;
        } else {
            const place here = {at, *value1, dot(dim, g1, direction)};
            const int lower = here.value <= value + DECREASE * at * slope;
            const int like_before = fabs(here.value - value) <= noise;
            if (lower && fabs(here.slope) <= -CURVATURE * slope) return WOLFE;
            if (like_before && here.slope >= CURVATURE * slope && here.slope <= (2 * DECREASE - 1) * slope) return WOLFE;
            int too_far = !lower || here.value >= low.value;
            if (too_far && like_before && fabs(here.value - low.value) <= noise) too_far = here.slope >= 0;
            if (too_far) {
                high = here;
                high_is_finite = 1;
            } else {
                if (here.slope * (high.at - low.at) >= 0) {
                    high = low;
                    high_is_finite = 1;
                }
                const double gone = here.at - low.at;
                const place before = low;
                low = here;
                if (isinf(high.at)) {
                    at = cubic_minimum(before, here);
                    if (!(at <= here.at + FARTHER * gone)) at = here.at + FARTHER * gone;
                    if (at < here.at + (1 + EDGE) * gone) at = here.at + (1 + EDGE) * gone;
                    continue;
                }
            }
        }
        const double between = high.at - low.at;
        at = high_is_finite ? cubic_minimum(low, high) : NAN;
        const double share = (at - low.at) / between;
        /* The interval must shrink by a third in two trials, else it is halved. */
        if (!(share > 0 && share < 1) || fabs(between) > 0.66 * width_before) at = low.at + 0.5 * between;
        else if (share < EDGE) at = low.at + EDGE * between;
        else if (share > 1 - EDGE) at = low.at + (1 - EDGE) * between;
        width_before = width;
        width = fabs(between);
    }
    if (!(low.value < value)) return NO_LOWER;
    for (int64_t i = 0; i < dim; i++) x1[i] = x[i] + low.at * direction[i];
    const int code = evaluate(o, x1, g1, value1);
    return code == STOP ? STOP : code ? NO_LOWER : LOWER;
}
