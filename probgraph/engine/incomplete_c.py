"""C text of the derivatives of the incomplete gamma and beta functions by their shape parameters.

No library has these. The series for the functions themselves have positive terms only, and so have their
derivatives, on the side of the mean that is nearer; the other side is the complement.
"""

from __future__ import annotations

_LARGE = r"""
/* log(1 + x) - x for x about 0: the series of 2 artanh(r) - x with r = x / (2 + x). */
static inline double pg_log1pmx(double x) {
    const double r = x / (2 + x), s = r * r;
    double term = r, sum = 0;
    for (int k = 3; k < 200; k += 2) {
        term *= s;
        const double more = term / k;
        sum += more;
        if (__builtin_fabs(more) <= 1e-18 * __builtin_fabs(sum)) break;
    }
    return 2 * sum - x * r;
}
/* a log(x / a) - (x - a), without loss for x near a. */
static inline double pg_deviance(double a, double x) {
    const double away = (x - a) / a;
    return away < -0.5 || away > 1 ? a * __builtin_log(x / a) - (x - a) : a * pg_log1pmx(away);
}
/* log gamma(x) less Stirling's formula, for x >= 10 (Abramowitz & Stegun 6.1.41). */
static inline double pg_stirling_error(double x) {
    const double y = 1 / (x * x);
    return (1.0 / 12 - y * (1.0 / 360 - y * (1.0 / 1260 - y * (1.0 / 1680 - y * (1.0 / 1188
        - y * (691.0 / 360360 - y * (1.0 / 156 - y * (3617.0 / 122400)))))))) / x;
}
"""

GAMMA = (
    _LARGE,
    r"""
/* x^a exp(-x) / gamma(a + 1); for large a by the distance of x from a (Loader 2000). */
static inline double pg_gamma_weight(double a, double x) {
    if (a < 10) return __builtin_exp(a * __builtin_log(x) - x - pg_lgamma(a + 1));
    return __builtin_exp(pg_deviance(a, x) - pg_stirling_error(a)) / __builtin_sqrt(6.283185307179586 * a);
}
/* dP(a, x) / da of the regularised lower incomplete gamma function: below a + 1 the series (Moore 1982, AS 187), above
   it minus the derivative of the upper one, whose continued fraction (Abramowitz & Stegun 6.5.31) is differentiated
   along with it. */
static double pg_gammainc_da(double a, double x) {
    if (!(a > 0) || !(x >= 0)) return __builtin_nan("");
    if (x == 0 || x - x != 0 || a - a != 0) return 0;
    if (a > 1e8) { /* Temme (1979): the leading terms of the uniform expansion, right to about 1 / a */
        const double far = -pg_deviance(a, x), mu = (x - a) / a;
        if (far > 745) return 0;
        const double eta = __builtin_copysign(__builtin_sqrt(2 * far / a), mu);
        const int near = __builtin_fabs(eta) < 1e-3;
        const double ratio = near ? 1 + eta * (1.0 / 3 + eta / 36) : mu / eta;
        const double c0 = near ? -1.0 / 3 + eta / 12 : 1 / mu - 1 / eta;
        return __builtin_exp(-far) / __builtin_sqrt(6.283185307179586 * a)
            * (eta / 2 - ratio - c0 * __builtin_log1p(mu));
    }
    const double weight = pg_gamma_weight(a, x);
    if (weight == 0) return 0;
    if (x <= a + 1) {
        double term = 1, sum = 1, harmonic = 0, slope = 0;
        for (long n = 1; n < 3000000; n++) {
            term *= x / (a + n);
            harmonic += 1 / (a + n);
            sum += term;
            slope += term * harmonic;
            if (term * (1 + harmonic) <= 1e-17 * (slope + sum) && n > x - a) break;
        }
        return weight * (sum * (__builtin_log(x) - pg_digamma(a + 1)) - slope);
    }
    /* f = 1 / (b0 - a1 / (b1 - a2 / ...)), bk = x + 2k + 1 - a, ak = k (k - a), by Lentz; d are derivatives by a. */
    double b = x + 1 - a, c = 1e300, dc = 0, d = 1 / b, dd = d * d, h = d, dh = dd;
    for (long k = 1; k < 3000000; k++) {
        const double an = -(double)k * (k - a), dan = (double)k;
        b += 2;
        double t = an * d + b, dt = dan * d + an * dd - 1;
        if (t == 0) t = 1e-300;
        const double u = b + an / c, du = -1 + dan / c - an * dc / (c * c);
        c = u == 0 ? 1e-300 : u;
        dc = du;
        d = 1 / t;
        dd = -dt * d * d;
        const double step = c * d, dstep = dc * d + c * dd;
        dh = dh * step + h * dstep;
        h *= step;
        if (__builtin_fabs(step - 1) < 1e-16 && __builtin_fabs(dstep * h) <= 1e-16 * __builtin_fabs(dh)) break;
    }
    return -(weight * a) * (h * (__builtin_log(x) - pg_digamma(a)) + dh);
}
""",
)

BETA = (
    _LARGE,
    r"""
/* x^a (1 - x)^b / (a B(a, b)); for large a and b by the distance of x from the mean. `y` is 1 - x. */
static inline double pg_beta_weight(double a, double b, double x, double y) {
    if (a < 10 || b < 10)
        return __builtin_exp(a * __builtin_log(x) + b * __builtin_log(y) - __builtin_log(a)
                             + pg_lgamma(a + b) - pg_lgamma(a) - pg_lgamma(b));
    const double n = a + b;
    return __builtin_exp(pg_deviance(a, n * x) + pg_deviance(b, n * y)
                         + pg_stirling_error(n) - pg_stirling_error(a) - pg_stirling_error(b))
        * __builtin_sqrt(b / (6.283185307179586 * a * n));
}
/* The derivatives of I_x(a, b) by a and by b, from I = weight sum (a + b)_n / (a + 1)_n x^n (DLMF 8.17.8). */
static void pg_beta_series(double a, double b, double x, double y, double *by_a, double *by_b) {
    const double weight = pg_beta_weight(a, b, x, y);
    *by_a = *by_b = 0;
    if (weight == 0) return;
    double term = 1, sum = 1, both = 0, own = 0, slope_both = 0, slope_own = 0;
    for (long n = 0; n < 3000000; n++) {
        term *= (a + b + n) / (a + 1 + n) * x;
        both += 1 / (a + b + n);
        own += 1 / (a + 1 + n);
        sum += term;
        slope_both += term * both;
        slope_own += term * own;
        if (term * (1 + both + own) <= 1e-17 * (sum + slope_both) && n * y > b * x - a * y) break;
    }
    const double at = pg_digamma(a + b);
    *by_a = weight * (sum * (__builtin_log(x) + at - pg_digamma(a + 1)) + slope_both - slope_own);
    *by_b = weight * (sum * (__builtin_log(y) + at - pg_digamma(b)) + slope_both);
}
static double pg_betainc_slope(double a, double b, double x, int second) {
    if (!(a > 0) || !(b > 0) || !(x >= 0 && x <= 1)) return __builtin_nan("");
    if (x == 0 || x == 1 || a - a != 0 || b - b != 0) return 0;
    double by_a, by_b;
    const double y = 1 - x;
    if (a > 1e11 && b > 1e11) { /* the normal approximation in the root of the deviance, right to about 1e-5 */
        const double n = a + b, far = -pg_deviance(a, n * x) - pg_deviance(b, n * y);
        if (!(far < 745)) return 0;
        const double z = __builtin_copysign(__builtin_sqrt(2 * far), x * b - y * a);
        const double by = second ? __builtin_log(b / (n * y)) : __builtin_log(a / (n * x));
        const double ratio = far < 1e-8 ? (second ? 1 : -1) * __builtin_sqrt((second ? a / b : b / a) / n) : by / z;
        return 0.3989422804014327 * __builtin_exp(-far) * ratio;
    }
    /* Close to 1 the series in 1 - x is short, however large a is. */
    if (x <= a / (a + b) && (x < 0.999 || (b >= 1 && a < 1e6))) {
        pg_beta_series(a, b, x, y, &by_a, &by_b);
        return second ? by_b : by_a;
    }
    pg_beta_series(b, a, y, x, &by_b, &by_a);
    return second ? -by_b : -by_a;
}
""",
)
