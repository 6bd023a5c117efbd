/* What every search here is made of: a function with its gradient, and the reasons to end.

   This text stands before that of each search; endings.py has the same numbers. */
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef int (*function)(const double *x, double *gradient, double *value, void *data);

enum ending { GOING_ON, SMALL_GRADIENT, CALM, OUT_OF_ITERATIONS, DIVERGED, STOPPED, STUCK };

/* What a function returns to end the search: there is an exception to be raised. */
static const int STOP = INT32_MIN;

/* Points that are tried for one step. */
static const int TRIALS = 30;

/* A function of `dim` numbers, or its negative with sign -1; values of it that differ by `rounding` of their size may
   differ by rounding only; and how often it was called. */
typedef struct {
    function f;
    void *data;
    double sign, rounding;
    int64_t dim, evaluations;
} objective;

static inline double dot(int64_t dim, const double *a, const double *b) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < dim; i++) sum += a[i] * b[i];
    return sum;
}

/* Whether a fall that a quadratic model promises is one that rounding hides. */
static int hidden(const objective *o, double value, double fall) { return fall <= o->rounding * fmax(fabs(value), 1); }

/* 0 where value and gradient are finite, STOP, or another number. */
static int evaluate(objective *o, const double *x, double *gradient, double *value) {
    const int code = o->f(x, gradient, value, o->data);
    o->evaluations++;
    if (code) {
        *value = INFINITY;
        return code;
    }
    *value *= o->sign;
    int finite = isfinite(*value);
    for (int64_t i = 0; i < o->dim; i++) {
        gradient[i] *= o->sign;
        finite &= isfinite(gradient[i]) != 0;
    }
    return finite ? 0 : 1;
}
