/* Newton's method by Cholesky factors of the Hessian, with a line search (Nocedal & Wright, Numerical Optimization, 2006,
   algorithms 3.2 and 3.3). newton.py is the same in Python.

   Everything that goes on from one call to the next is the caller's, as in descent.c. */

/* Pivots of at most so much of the diagonal are what rounding left of 0. */
static const double SINGULAR = 1e-14;

/* Writes the lower factor of H + shift into L and returns 1; or, where that is not positive definite, leaves in v a unit
   vector along which H is curved by `curvature` <= -shift, and returns 0.

   That is what the pivot of the row that failed is made of: v' (H + shift) v with v = (-w, 1, 0 ...), L' w the row before it. */
static int factor(int64_t dim, const double *H, double shift, double *L, double *v, double *curvature) {
    for (int64_t i = 0; i < dim; i++) {
        double *row = L + i * dim;
        for (int64_t j = 0; j < i; j++) row[j] = (H[i * dim + j] - dot(j, row, L + j * dim)) / L[j * dim + j];
        const double diagonal = H[i * dim + i] + shift, pivot = diagonal - dot(i, row, row);
        if (pivot > SINGULAR * fabs(diagonal)) {
            row[i] = sqrt(pivot);
            continue;
        }
        memset(v, 0, dim * sizeof(double));
        for (int64_t j = 0; j < i; j++) v[j] = -row[j];
        for (int64_t j = i - 1; j >= 0; j--) {
            v[j] /= L[j * dim + j];
            for (int64_t k = 0; k < j; k++) v[k] -= L[j * dim + k] * v[j];
        }
        v[i] = 1;
        const double square = dot(dim, v, v);
        *curvature = pivot / square - shift;
        for (int64_t j = 0; j <= i; j++) v[j] /= sqrt(square);
        return 0;
    }
    return 1;
}

/* Adds to `shift` what makes H + shift positive definite; leaves its factor in L, and returns whether it was so before.
   If not, v is curved downward, by a quarter at least of the steepest: each shift is at most four times what the last v was
   in the way of. */
static int shifted(int64_t dim, const double *H, double size, double shift, double *L, double *v, double *curvature) {
    int tries = 0;
    for (; !factor(dim, H, shift, L, v, curvature); tries++)
        shift = fmax(fmax(4 * shift, -2 * *curvature), -NEGATIVE * size);
    return tries == 0;
}

/* d = -(L L')^-1 g; and where H is curved downward along v, but d hardly goes there, as far along that too: so a ridge is
   left at once. */
static void direction(int64_t dim, const double *L, int definite, const double *v, const double *g, double *d) {
    for (int64_t i = 0; i < dim; i++) d[i] = (-g[i] - dot(i, L + i * dim, d)) / L[i * dim + i];
    for (int64_t i = dim - 1; i >= 0; i--) {
        d[i] /= L[i * dim + i];
        for (int64_t j = 0; j < i; j++) d[j] -= L[i * dim + j] * d[i];
    }
    if (definite) return;
    const double length = sqrt(dot(dim, d, d)), along = dot(dim, v, g) > 0 ? -length : length;
    if (fabs(dot(dim, v, d)) > length / 2) return;
    for (int64_t i = 0; i < dim; i++) d[i] += along * v[i];
}

/* Up to `most` iterations. x and g have dim numbers; memory has 2 * dim * dim + 4 * dim; path, if recorded, room for `most`
   points. The state has value and norm at x on entry. */
int64_t newton(const settings *s, state *at, objective *o, objective *hessian, double *x, double *g, double *memory,
               double *path, int64_t most) {
    const int64_t dim = o->dim;
    double *H = memory, *L = H + dim * dim, *v = L + dim * dim, *d = v + dim, *x1 = d + dim, *g1 = x1 + dim;
    for (int64_t k = 0; k < most; k++) {
        const int flat = at->norm <= s->tolerance;
        if (!flat && at->calm >= s->calm_iterations) return CALM;
        if (!flat && at->iteration == s->max_iterations) return OUT_OF_ITERATIONS;
        double ignored, value, curvature, size = 0;
        const int code = evaluate(hessian, x, H, &ignored);
        if (code == STOP) return STOPPED;
        for (int64_t i = 0; !code && i < dim * dim; i++) size = fmax(size, fabs(H[i]));
        int upward = 0, how;
        if (flat) {
            if (!size || shifted(dim, H, size, -NEGATIVE * size, L, v, &curvature)) return SMALL_GRADIENT;
            if (at->iteration == s->max_iterations) return OUT_OF_ITERATIONS;
            how = leave_saddle(o, x, at->value, v, curvature, x1, g1, &value);
            if (how == NOTHING_LOWER) return SMALL_GRADIENT;
        } else {
            int steepest = !size; /* where there are no second derivatives, or only zeros */
            if (!steepest) {
                upward = shifted(dim, H, size, 0, L, v, &curvature);
                direction(dim, L, upward, v, g, d);
            }
            for (;;) {
                if (steepest)
                    for (int64_t i = 0; i < dim; i++) d[i] = -g[i];
                const double slope = dot(dim, d, g), first = steepest ? 1 / fmax(at->norm, 1) : 1;
                how = slope < 0 ? line_search(o, x, at->value, slope, d, first, x1, g1, &value) : NO_LOWER;
                if (how != NO_LOWER) break;
                if (steepest) return STUCK;
                if (upward && s->relative_change > 0 && hidden(o, at->value, -slope / 2)) return CALM;
                steepest = 1; /* once more, against the gradient */
            }
            upward = upward && how == WOLFE;
        }
        if (how == STOP) return STOPPED;
        accept(s, at, dim, upward, value, x1, g1, x, g, path + k * dim);
    }
    return GOING_ON;
}
