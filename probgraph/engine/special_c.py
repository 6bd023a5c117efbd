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
static inline unsigned long long pg_upow(unsigned long long a, unsigned long long n) {
    unsigned long long result = 1;
    for (; n; n >>= 1, a *= a) if (n & 1) result *= a;
    return result;
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
        const double r = x - __builtin_rint(x);
        if (r == 0 || x - x != 0) return __builtin_nan("");
        result = -3.14159265358979323846 / __builtin_tan(3.14159265358979323846 * r);
        x = 1 - x;
    }
    if (x > 1.4 && x < 1.53) {
        const double d = (x - 1.4616321449683622) - 9.549995429965697e-17;
        return result + d * (
            0.96767224544762117043 + d * (-0.44276316898359210609 + d * (
            0.25849976095565101062 + d * (-0.1639427054424065275 + d * (
            0.10782405069126236576 + d * (-0.072199561256454710926 + d * (
            0.048804288164143107225 + d * (-0.033161126474847359292 + d * (
            0.02259764823221810466 + d * (-0.015424765904948959139 + d * (
            0.010538791616612175388 + d * (-0.007204534386356868241 + d * (0.0049267813957298534464)))))))))))));
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
        const double r = x - __builtin_rint(x);
        if (r == 0 || x - x != 0) return __builtin_inf();
        const double s = 3.14159265358979323846 / __builtin_sin(3.14159265358979323846 * r);
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

LGAMMA = r"""
/* log |gamma(x)|. libm's keeps the sign of gamma in a static, which chains in threads would share. About 2 the
   Taylor series, with the coefficients (zeta(k) - 1) / k (Abramowitz & Stegun 6.1.33), which keeps the zeros at
   1 and 2 exact; from there by recurrence; above 10 Stirling's series (6.1.41); reflection below 0. */
static inline double pg_lgamma_about_2(double z) {
    return z * (
        0.42278433509846713939 + z * (0.32246703342411321824 + z * (
        -0.067352301053198095133 + z * (0.020580808427784547879 + z * (
        -0.0073855510286739852663 + z * (0.0028905103307415232858 + z * (
        -0.0011927539117032609771 + z * (0.00050966952474304242234 + z * (
        -0.00022315475845357937976 + z * (0.000099457512781808533715 + z * (
        -0.0000449262367381331417 + z * (0.000020507212775670691553 + z * (
        -9.439488275268395904e-6 + z * (4.3748667899074878042e-6 + z * (
        -2.0392157538013662368e-6 + z * (9.5514121304074198329e-7 + z * (
        -4.4924691987645660433e-7 + z * (2.1207184805554665869e-7 + z * (
        -1.0043224823968099609e-7 + z * (4.7698101693639805658e-8 + z * (
        -2.271109460894316491e-8 + z * (1.0838659214896954091e-8 + z * (
        -5.1834750419700466551e-9 + z * (2.4836745438024783172e-9 + z * (
        -1.1921401405860912074e-9 + z * (5.7313672416788620133e-10))))))))))))))))))))))))));
}
static inline double pg_lgamma(double x) {
    double reflected = 0, sign = 1;
    if (x <= 0) {
        if (x - x != 0) return x;
        const double r = x - __builtin_rint(x);
        if (r == 0) return __builtin_inf();
        if (x > -1e-17) return -__builtin_log(-x);
        reflected = __builtin_log(3.14159265358979323846 / __builtin_fabs(__builtin_sin(3.14159265358979323846 * r)));
        sign = -1;
        x = 1 - x;
    }
    double result;
    if (x >= 10) {
        const double y = 1 / (x * x);
        result = (x - 0.5) * (__builtin_log(x) - 1) + 0.41893853320467274178
            + (1.0 / 12 - y * (1.0 / 360 - y * (1.0 / 1260 - y * (1.0 / 1680 - y * (1.0 / 1188
            - y * (691.0 / 360360 - y * (1.0 / 156 - y * (3617.0 / 122400)))))))) / x;
    } else if (x >= 2.5) {
        double product = 1;
        while (x >= 2.5) { x -= 1; product *= x; }
        result = pg_lgamma_about_2(x - 2) + __builtin_log(product);
    } else if (x >= 1.5) {
        result = pg_lgamma_about_2(x - 2);
    } else if (x >= 0.5) {
        result = pg_lgamma_about_2(x - 1) - __builtin_log1p(x - 1);
    } else {
        result = pg_lgamma_about_2(x) - __builtin_log1p(x) - __builtin_log(x);
    }
    return reflected + sign * result;
}
"""
