/* Convolutions of the laboratory, for WebAssembly with SIMD; built by build.sh.

   A picture is rows of pixels, a pixel is c floats, c a multiple of 4 (missing channels are 0).
   Outside a picture there are zeros. Weights of a layer lie in blocks of eight output channels:
   [block][ky][kx][input channel][8]. Scratch memory is the caller's. */
#include <wasm_simd128.h>

#define EXPORT __attribute__((visibility("default")))
#define SPLAT(x) wasm_f32x4_splat(x)
#define ADD wasm_f32x4_add
#define SUB wasm_f32x4_sub
#define MUL wasm_f32x4_mul
#define LOAD(p) wasm_v128_load(p)
#define STORE(p, v) wasm_v128_store(p, v)

typedef v128_t vec;

static inline vec leaky(vec v, vec slope) {
  vec zero = SPLAT(0);
  return ADD(wasm_f32x4_pmax(v, zero), MUL(wasm_f32x4_pmin(v, zero), slope));
}

static inline int smaller(int a, int b) { return a < b ? a : b; }

/* out[P][8] = start + in[P][n] times k[n][8], for P rows of `step` floats; two vectors a row. */
#define PRODUCT(P, start0, start1, in, step, n, k)                                 \
  vec a[P], b[P];                                                                  \
  for (int p = 0; p < P; p++) a[p] = start0, b[p] = start1;                        \
  for (int j = 0; j < n; j++, k += 8) {                                            \
    vec k0 = LOAD(k), k1 = LOAD(k + 4);                                            \
    for (int p = 0; p < P; p++) {                                                  \
      vec v = wasm_v128_load32_splat((in) + j + p * (step));                       \
      a[p] = ADD(a[p], MUL(v, k0)), b[p] = ADD(b[p], MUL(v, k1));                  \
    }                                                                              \
  }

#define DIRECT(P)                                                                  \
  {                                                                                \
    const float *k = kernel, *q = scratch + x * stride * ci;                       \
    vec a[P], b[P];                                                                \
    for (int p = 0; p < P; p++) a[p] = bias0, b[p] = bias1;                        \
    for (int ky = 0; ky < ks; ky++, q += row) {                                    \
      for (int j = 0; j < ks * ci; j++, k += 8) {                                  \
        vec k0 = LOAD(k), k1 = LOAD(k + 4);                                        \
        for (int p = 0; p < P; p++) {                                              \
          vec v = wasm_v128_load32_splat(q + j + p * stride * ci);                 \
          a[p] = ADD(a[p], MUL(v, k0)), b[p] = ADD(b[p], MUL(v, k1));              \
        }                                                                          \
      }                                                                            \
    }                                                                              \
    for (int p = 0; p < P; p++) finish(out, add, at + (x + p) * gap * co, a[p], b[p], half, s); \
    x += P;                                                                        \
  }

static inline void finish(float *out, const float *add, int at, vec a, vec b, int half, vec slope) {
  if (add) a = ADD(a, LOAD(add + at));
  STORE(out + at, leaky(a, slope));
  if (half) return;
  if (add) b = ADD(b, LOAD(add + at + 4));
  STORE(out + at + 4, leaky(b, slope));
}

/* Row y of the input with `border` zeros on each side, activated. */
static void fetch(const float *in, float *to, int y, int h, int w, int c, int border, vec pre) {
  int n = (w + 2 * border) * c;
  for (int i = 0; i < n; i += 4) STORE(to + i, SPLAT(0));
  if (y < 0 || y >= h) return;
  in += y * w * c, to += border * c;
  for (int i = 0; i < w * c; i += 4) STORE(to + i, leaky(LOAD(in + i), pre));
}

/* A convolution of ks x ks (odd), with zero padding ks / 2.

   h, w: size of the input. gap, oy, ox: outputs go to every gap-th pixel from (oy, ox), for a
   transposed convolution. add: another picture to add, or 0. pre, slope: of leaky ReLUs before and
   after; 1 is none. scratch: ks (w + ks) ci floats. */
EXPORT void direct(const float *in, const float *weights, const float *bias, float *out,
                   const float *add, float *scratch, int h, int w, int ci, int co, int ks,
                   int stride, int gap, int oy, int ox, float pre, float slope) {
  int border = ks / 2, row = (w + 2 * border) * ci;
  int ho = (h + stride - 1) / stride, wo = (w + stride - 1) / stride;
  vec s = SPLAT(slope), before = SPLAT(pre);
  for (int y = 0; y < ho; y++) {
    for (int ky = 0; ky < ks; ky++)
      fetch(in, scratch + ky * row, y * stride + ky - border, h, w, ci, border, before);
    for (int block = 0; block < co; block += 8) {
      const float *kernel = weights + block * ks * ks * ci;
      vec bias0 = LOAD(bias + block), bias1 = LOAD(bias + block + 4);
      int half = co - block < 8, at = ((y * gap + oy) * wo * gap + ox) * co + block, x = 0;
      while (x + 4 <= wo) DIRECT(4)
      while (x < wo) DIRECT(1)
    }
  }
}

/* Winograd's F(4 x 4, 3 x 3): 36 products for 16 outputs instead of 144 (Lavin and Gray 2016). */

/* The rows of B^T d, six values to six. */
static inline void spread(const vec *d, int step, vec *v, int to) {
  vec two = SPLAT(2), four = SPLAT(4), five = SPLAT(5);
  vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
  vec p = SUB(d4, MUL(four, d2)), q = SUB(d3, MUL(four, d1)), r = SUB(d4, d2), t = MUL(two, SUB(d3, d1));
  v[0] = ADD(SUB(MUL(four, d0), MUL(five, d2)), d4);
  v[to] = ADD(p, q), v[2 * to] = SUB(p, q);
  v[3 * to] = ADD(r, t), v[4 * to] = SUB(r, t);
  v[5 * to] = ADD(SUB(MUL(four, d1), MUL(five, d3)), d5);
}

/* The rows of A^T m, six values to four. */
static inline void gather(const vec *m, int step, vec *o, int to) {
  vec m0 = m[0], m1 = m[step], m2 = m[2 * step], m3 = m[3 * step], m4 = m[4 * step], m5 = m[5 * step];
  vec p = ADD(m1, m2), q = SUB(m1, m2), r = ADD(m3, m4), t = SUB(m3, m4);
  o[0] = ADD(m0, ADD(p, r));
  o[to] = ADD(q, MUL(SPLAT(2), t));
  o[2 * to] = ADD(p, MUL(SPLAT(4), r));
  o[3 * to] = ADD(ADD(q, MUL(SPLAT(8), t)), m5);
}

/* The rows of G g, three values to six. */
static inline void widen(const vec *g, int step, vec *u, int to) {
  vec g0 = g[0], g1 = g[step], g2 = g[2 * step], sixth = SPLAT(-1.f / 6);
  vec even = MUL(sixth, ADD(g0, g2)), odd = MUL(sixth, g1);
  vec wide = ADD(MUL(SPLAT(1.f / 24), g0), MUL(SPLAT(1.f / 6), g2)), mid = MUL(SPLAT(1.f / 12), g1);
  u[0] = MUL(SPLAT(0.25f), g0);
  u[to] = ADD(even, odd), u[2 * to] = SUB(even, odd);
  u[3 * to] = ADD(wide, mid), u[4 * to] = SUB(wide, mid);
  u[5 * to] = g2;
}

/* Weights [block][3][3][ci][8] as G g G^T, [36][block][ci][8]; co a multiple of 8. */
EXPORT void winograd_weights(const float *weights, float *to, int ci, int co) {
  for (int block = 0; block < co / 8; block++)
    for (int i = 0; i < ci * 8; i += 4) {
      vec g[9], half[18], u[36];
      for (int k = 0; k < 9; k++) g[k] = LOAD(weights + (block * 9 + k) * ci * 8 + i);
      for (int x = 0; x < 3; x++) widen(g + x, 3, half + x, 3);
      for (int y = 0; y < 6; y++) widen(half + 3 * y, 1, u + 6 * y, 1);
      for (int k = 0; k < 36; k++) STORE(to + (k * co + block * 8) * ci + i, u[k]);
    }
}

#define TILES 16 /* of 4 x 4 outputs, done together */

#define MULTIPLY(P)                                                                \
  {                                                                                \
    const float *k = kernel, *q = from + t * ci;                                   \
    PRODUCT(P, SPLAT(0), SPLAT(0), q, ci, ci, k)                                   \
    for (int p = 0; p < P; p++) {                                                  \
      STORE(to + (t + p) * wide + block, a[p]);                                    \
      STORE(to + (t + p) * wide + block + 4, b[p]);                                \
    }                                                                              \
    t += P;                                                                        \
  }

/* As `direct` for 3 x 3 with stride 1; weights by `winograd_weights`.
   scratch: 36 * 16 * (ci + co rounded up to 8) floats. */
EXPORT void winograd(const float *in, const float *weights, const float *bias, float *out,
                     const float *add, float *scratch, int h, int w, int ci, int co, float pre,
                     float slope) {
  int wide = (co + 7) & ~7, across = (w + 3) / 4;
  float *spectra = scratch, *products = scratch + 36 * TILES * ci;
  vec s = SPLAT(slope), before = SPLAT(pre);
  for (int y = 0; y < h; y += 4)
    for (int first = 0; first < across; first += TILES) {
      int n = smaller(TILES, across - first);
      for (int t = 0; t < n; t++) {
        int left = (first + t) * 4 - 1, top = y - 1;
        int whole = top >= 0 && top + 6 <= h && left >= 0 && left + 6 <= w;
        for (int c = 0; c < ci; c += 4) {
          vec d[36], half[36];
          const float *from = in + (top * w + left) * ci + c;
          for (int i = 0; i < 6; i++)
            for (int j = 0; j < 6; j++) {
              int inside = whole || (top + i >= 0 && top + i < h && left + j >= 0 && left + j < w);
              d[6 * i + j] = inside ? LOAD(from + (i * w + j) * ci) : SPLAT(0);
            }
          if (pre != 1)
            for (int k = 0; k < 36; k++) d[k] = leaky(d[k], before);
          for (int j = 0; j < 6; j++) spread(d + j, 6, half + j, 6);
          for (int i = 0; i < 6; i++) spread(half + 6 * i, 1, d + 6 * i, 1);
          for (int k = 0; k < 36; k++) STORE(spectra + (k * TILES + t) * ci + c, d[k]);
        }
      }
      for (int k = 0; k < 36; k++)
        for (int block = 0; block < wide; block += 8) {
          const float *kernel = weights + (k * wide + block) * ci, *from = spectra + k * TILES * ci;
          float *to = products + k * TILES * wide;
          int t = 0;
          while (t + 4 <= n) MULTIPLY(4)
          while (t < n) MULTIPLY(1)
        }
      for (int t = 0; t < n; t++)
        for (int c = 0; c < co; c += 4) {
          vec m[36], half[24], o[16], b = LOAD(bias + c);
          int left = (first + t) * 4;
          for (int k = 0; k < 36; k++) m[k] = LOAD(products + (k * TILES + t) * wide + c);
          for (int j = 0; j < 6; j++) gather(m + j, 6, half + j, 6);
          for (int i = 0; i < 4; i++) gather(half + 6 * i, 1, o + 4 * i, 1);
          for (int i = 0; i < 4 && y + i < h; i++)
            for (int j = 0; j < 4 && left + j < w; j++)
              finish(out, add, ((y + i) * w + left + j) * co + c, ADD(o[4 * i + j], b), b, 1, s);
        }
    }
}
