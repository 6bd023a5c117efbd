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

_COMPLEX_DOUBLE = {
    "exp2": r"""
static inline double _Complex pg_cexp2(double _Complex z) { return __builtin_cexp(z * 0.69314718055994530942); }
""",
    "log2": r"""
static inline double _Complex pg_clog2(double _Complex z) { return __builtin_clog(z) * 1.44269504088896340736; }
""",
    "log10": r"""
static inline double _Complex pg_clog10(double _Complex z) { return __builtin_clog(z) * 0.43429448190325182765; }
""",
    "expm1": r"""
static inline double _Complex pg_cexpm1(double _Complex z) {
    const double x = __builtin_creal(z), y = __builtin_cimag(z), half = __builtin_sin(0.5 * y);
    return __builtin_complex(__builtin_expm1(x) * __builtin_cos(y) - 2 * half * half, __builtin_exp(x) * __builtin_sin(y));
}
""",
    "log1p": r"""
/* log |1 + z| is half of log1p(2 x + x^2 + y^2), a sum in which x < 0 cancels: it is taken in twice the digits. */
static inline double _Complex pg_clog1p(double _Complex z) {
    const double x = __builtin_creal(z), y = __builtin_cimag(z), angle = __builtin_atan2(y, 1 + x);
    if (!(__builtin_fabs(x) < 1e100 && __builtin_fabs(y) < 1e100))
        return __builtin_complex(__builtin_creal(__builtin_clog(1 + z)), angle);
    const double xx = x * x, yy = y * y;
    const double rest = __builtin_fma(x, x, -xx) + __builtin_fma(y, y, -yy);
    const double a = 2 * x + yy, ea = __builtin_fabs(2 * x) > yy ? yy - (a - 2 * x) : 2 * x - (a - yy);
    const double b = a + xx, eb = __builtin_fabs(a) > xx ? xx - (b - a) : a - (b - xx);
    return __builtin_complex(0.5 * __builtin_log1p(b + (ea + eb + rest)), angle);
}
""",
}
#: functions of complex numbers that libm lacks, by the name of their operation
COMPLEX = {
    name: text
    + f"static inline float _Complex pg_c{name}f(float _Complex z) {{ return (float _Complex)pg_c{name}(z); }}\n"
    for name, text in _COMPLEX_DOUBLE.items()
}

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

POLYGAMMA = r"""
/* The n-th derivative of digamma: recurrence up to where the asymptotic series is short (Abramowitz & Stegun 6.4.6,
   6.4.11). The numbers are Bernoulli's over factorials. Far below 0 the recurrence
   would not end: nan. From 171! on factorials are infinite. */
static double pg_polygamma(double n, double x) {
    static const double series[] = {
        0.0833333333333333287,
        -0.00138888888888888894,
        0.0000330687830687830642,
        -8.26719576719576754e-7,
        2.08767569878681002e-8,
        -5.28419013868749322e-10,
        1.33825365306846805e-11,
        -3.38968029632258272e-13,
        8.58606205627784517e-15,
        -2.17486869855806192e-16,
        5.50900282836022953e-18,
        -1.39544646858125247e-19};
    if (n == 0) return pg_digamma(x);
    if (!(n > 0) || n != __builtin_rint(n) || x != x) return __builtin_nan("");
    if (x <= 0 && x == __builtin_rint(x)) return __builtin_inf() * (__builtin_fmod(n, 2) == 0 ? -1 : 1);
    if (x < -1e7 || n > 170) return n > 170 && x > 0 ? __builtin_inf() * __builtin_pow(x, -n - 1) : __builtin_nan("");
    double below = 0;
    while (x < 15 + 1.5 * n) { below += __builtin_pow(x, -n - 1); x += 1; }
    double sum = 1 + n / (2 * x), rising = 1;
    const double y = 1 / (x * x);
    double power = y;
    for (int k = 0; k < 12; k++) {
        rising *= (n + 2 * k) * (n + 2 * k + 1);
        sum += series[k] * rising * power;
        power *= y;
    }
    const double value = __builtin_tgamma(n) * (__builtin_pow(x, -n) * sum + n * below);
    return __builtin_fmod(n, 2) == 0 ? -value : value;
}
"""
