"""C text of scalar functions that libm lacks, each a `static inline` to paste before its first use."""

from __future__ import annotations

FLOOR_DIVISION = r"""
/* Division that rounds down, and its remainder, as Python and NumPy define them. */
static inline double pg_mod(double a, double b) {
    double r = __builtin_fmod(a, b);
    if (r != 0) return (r < 0) != (b < 0) ? r + b : r;
    return __builtin_copysign(0.0, b);
}
static inline float pg_modf(float a, float b) {
    float r = __builtin_fmodf(a, b);
    if (r != 0) return (r < 0) != (b < 0) ? r + b : r;
    return __builtin_copysignf(0.0f, b);
}
static inline double pg_floordiv(double a, double b) {
    if (b == 0) return a / b;
    double r = __builtin_fmod(a, b), q = (a - r) / b;
    if (r != 0 && (r < 0) != (b < 0)) q -= 1;
    if (q == 0) return __builtin_copysign(0.0, a / b);
    double whole = __builtin_floor(q);
    return q - whole > 0.5 ? whole + 1 : whole;
}
static inline float pg_floordivf(float a, float b) {
    if (b == 0) return a / b;
    float r = __builtin_fmodf(a, b), q = (a - r) / b;
    if (r != 0 && (r < 0) != (b < 0)) q -= 1;
    if (q == 0) return __builtin_copysignf(0.0f, a / b);
    float whole = __builtin_floorf(q);
    return q - whole > 0.5f ? whole + 1 : whole;
}
static inline long long pg_floordiv_i(long long a, long long b) {
    if (b == 0) return 0;
    if (b == -1) return (long long)(0ULL - (unsigned long long)a);
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
static inline long long pg_mod_i(long long a, long long b) {
    if (b == 0 || b == -1) return 0;
    long long r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
"""

INTEGER_POWER = r"""
/* Integer power by squaring; a negative exponent gives the quotient rounded towards zero. */
static inline long long pg_ipow(long long a, long long n) {
    if (n < 0) return a == 1 ? 1 : a == -1 ? (n % 2 == 0 ? 1 : -1) : 0;
    unsigned long long result = 1, base = (unsigned long long)a;
    for (; n; n >>= 1, base *= base) if (n & 1) result *= base;
    return (long long)result;
}
"""

COMPLEX_SIGN = r"""
static inline double _Complex pg_csgn(double _Complex z) {
    double r = __builtin_cabs(z);
    return r == 0 ? 0 : z / r;
}
static inline float _Complex pg_csgnf(float _Complex z) {
    float r = __builtin_cabsf(z);
    return r == 0 ? 0 : z / r;
}
"""

DIGAMMA = r"""
/* Recurrence up to 10, then the asymptotic series (Abramowitz & Stegun 6.3.18); reflection below 0. The
   series about the positive root 1.4616... keeps its neighbourhood exact. */
static inline double pg_digamma(double x) {
    double result = 0;
    if (x <= 0) {
        if (x == 0) return -__builtin_copysign(__builtin_inf(), x);
        double r = x - __builtin_floor(x);
        if (r == 0 || x != x || x - x != 0) return __builtin_nan("");
        result = -3.14159265358979323846 / __builtin_tan(3.14159265358979323846 * r);
        x = 1 - x;
    }
    if (x > 1.4 && x < 1.53) {
        const double d = (x - 1.46163214496836225053) - 9.549995429965697715e-17;
        return result + d * (0.96767224544762128 + d * (-0.44276316898359176 + d * (0.25832129738144086
            + d * (-0.16394270582340068 + d * (0.10782418628210656 + d * (-0.072199502128397486
            + d * (0.048804294233542443 + d * (-0.033161127001268283 + d * (0.022597627983196563
            + d * (-0.015425087283379117 + d * (0.010538856120178424 + d * (-0.0072046150217
            + d * 0.0049266)))))))))));
    }
    while (x < 10) { result -= 1 / x; x += 1; }
    const double y = 1 / (x * x);
    return result + __builtin_log(x) - 0.5 / x
        - y * (1.0 / 12 - y * (1.0 / 120 - y * (1.0 / 252 - y * (1.0 / 240 - y * (1.0 / 132
        - y * (691.0 / 32760 - y * (1.0 / 12)))))));
}
"""

TRIGAMMA = r"""
/* Recurrence up to 12, then the asymptotic series (Abramowitz & Stegun 6.4.12); reflection below 0. */
static inline double pg_trigamma(double x) {
    double result = 0, sign = 1;
    if (x <= 0) {
        if (x == __builtin_floor(x)) return __builtin_inf();
        const double s = 3.14159265358979323846 / __builtin_sin(3.14159265358979323846 * (x - __builtin_floor(x)));
        result = s * s;
        sign = -1;
        x = 1 - x;
    }
    double rest = 0;
    while (x < 12) { rest += 1 / (x * x); x += 1; }
    const double y = 1 / (x * x);
    rest += 1 / x + 0.5 * y + y / x * (1.0 / 6 - y * (1.0 / 30 - y * (1.0 / 42 - y * (1.0 / 30
        - y * (5.0 / 66 - y * (691.0 / 2730 - y * (7.0 / 6)))))));
    return result + sign * rest;
}
"""
