// Gradient of a convolution with respect to its filter, for AVX-512 and AVX2 processors.
//
//   gradient[kh, kw, i, o] = sum over images n and positions (h, w) of
//       maps[n, h * stride + kh - pad, w * stride + kw - pad, i] * errors[n, h, w, o]
//
// This is a product of two long, thin matrices for each (kh, kw). Both operands are
// packed into panels that stay in the cache, and a tile of sums in registers, 4 x 64 or
// with AVX2 4 x 24, runs down a panel. bfloat16 operands are packed in pairs of positions, which one
// instruction multiplies and adds up in float32. Every number of the result is summed
// by one thread, in one order: it does not depend on the number of threads.
#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_tensor.h"

namespace {

#ifdef __AVX512F__
using Vector = __m512;
constexpr int64_t kTileRegisters = 4;  // registers across a tile
constexpr int64_t kPanel = 256;  // positions in a panel: it fits the first cache

Vector load(const float* from) { return _mm512_loadu_ps(from); }
void store(float* to, Vector numbers) { _mm512_storeu_ps(to, numbers); }
Vector broadcast(float number) { return _mm512_set1_ps(number); }
Vector add_product(Vector sum, Vector a, Vector b) { return _mm512_fmadd_ps(a, b, sum); }
#else
using Vector = __m256;
constexpr int64_t kTileRegisters = 2;
constexpr int64_t kPanel = 128;

Vector load(const float* from) { return _mm256_loadu_ps(from); }
void store(float* to, Vector numbers) { _mm256_storeu_ps(to, numbers); }
Vector broadcast(float number) { return _mm256_set1_ps(number); }
Vector add_product(Vector sum, Vector a, Vector b) { return _mm256_fmadd_ps(a, b, sum); }
#endif
constexpr int64_t kLanes = sizeof(Vector) / sizeof(float);
constexpr int64_t kTileIn = 4;  // input maps of a tile
constexpr int64_t kTileOut = kTileRegisters * kLanes;
constexpr int64_t kPack = 16;  // maps that are packed at a time

struct Shape {
  int64_t images, height, width, in_maps;
  int64_t out_height, out_width, out_maps;
  int64_t kernel, stride, pad_top, pad_left;
};

// What differs between the number formats. A word is 32 bits: kDepth numbers of one
// map at neighboring positions. Words are moved as if they were floats.
struct Float32 {
  using Number = float;
  static constexpr int64_t kDepth = 1;

  static void pack(const Number* first, const Number*, float* to) {
    std::memcpy(to, first, kPack * sizeof(float));
  }
  static Vector add_product(Vector sum, Vector a, Vector b) {
    return ::add_product(sum, a, b);
  }
};

#ifdef __AVX512BF16__
struct BFloat16 {
  using Number = uint16_t;
  static constexpr int64_t kDepth = 2;

  static __m512i wide(const Number* from) {
    return _mm512_cvtepu16_epi32(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static void pack(const Number* first, const Number* second, float* to) {
    _mm512_storeu_si512(
        to, _mm512_or_si512(wide(first), _mm512_slli_epi32(wide(second), 16)));
  }
  static Vector add_product(Vector sum, Vector a, Vector b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
  }
};
#endif

using Buffer = std::unique_ptr<float, decltype(&std::free)>;

Buffer allocate(int64_t words) {
  const int64_t bytes = (words * 4 + 63) / 64 * 64;
  return {static_cast<float*>(std::aligned_alloc(64, bytes)), &std::free};
}

// A band of rows, the same in a few images: the positions of one panel.
struct Panel {
  int64_t first_image, images, first_row, rows;
};

// Input maps [first, first + maps) and filter rows [top, bottom): one thread's share.
struct Share {
  int64_t first, maps, top, bottom;
};

template <class Format>
class FilterGradient {
 public:
  using Number = typename Format::Number;

  FilterGradient(const Shape& shape, const Number* maps, const Number* errors,
                 float* gradient)
      : s_(shape),
        maps_(maps),
        errors_(errors),
        gradient_(gradient),
        row_words_(shape.out_width / Format::kDepth),
        // Bands where one image fills a panel, whole images where it does not.
        panel_rows_(std::clamp(kPanel / shape.out_width, int64_t{1}, shape.out_height)),
        panel_images_(std::clamp(kPanel / (shape.out_width * shape.out_height),
                                 int64_t{1}, shape.images)),
        zeros_(shape.in_maps) {}

  void compute(const Share& share) const {
    const int64_t most_rows =
        (panel_rows_ - 1) * s_.stride + share.bottom - share.top;
    const Buffer errors =
        allocate(panel_images_ * panel_rows_ * row_words_ * s_.out_maps);
    const Buffer maps = allocate(panel_images_ * most_rows * row_words_ * share.maps);
    for (int64_t image = 0; image < s_.images; image += panel_images_)
      for (int64_t row = 0; row < s_.out_height; row += panel_rows_) {
        const Panel panel{image, std::min(panel_images_, s_.images - image), row,
                          std::min(panel_rows_, s_.out_height - row)};
        pack_errors(panel, errors.get());
        for (int64_t kw = 0; kw < s_.kernel; ++kw) {
          pack_maps(panel, share, kw, maps.get());
          multiply(panel, share, kw, maps.get(), errors.get());
        }
      }
  }

 private:
  int64_t packed_rows(const Panel& panel, const Share& share) const {
    return (panel.rows - 1) * s_.stride + share.bottom - share.top;
  }

  // To [block of kTileOut output maps][image][row][words][kTileOut].
  void pack_errors(const Panel& panel, float* to) const {
    const int64_t words = panel.images * panel.rows * row_words_;
    for (int64_t image = 0; image < panel.images; ++image) {
      const int64_t row =
          (panel.first_image + image) * s_.out_height + panel.first_row;
      const Number* first = errors_ + row * s_.out_width * s_.out_maps;
      for (int64_t w = 0; w < panel.rows * row_words_; ++w, to += kTileOut) {
        const Number* second = first + s_.out_maps;
        for (int64_t o = 0; o < s_.out_maps; o += kTileOut)
          for (int64_t i = o; i < o + kTileOut; i += kPack)
            Format::pack(first + i, second + i, to + o * words + i - o);
        first += Format::kDepth * s_.out_maps;
      }
    }
  }

  // To [image][row][words][maps], rows and columns as filter column kw meets them.
  void pack_maps(const Panel& panel, const Share& share, int64_t kw,
                 float* to) const {
    const int64_t rows = packed_rows(panel, share);
    const int64_t top = panel.first_row * s_.stride + share.top - s_.pad_top;
    for (int64_t image = 0; image < panel.images; ++image)
      for (int64_t row = top; row < top + rows; ++row) {
        const bool inside = row >= 0 && row < s_.height;
        const int64_t line = (panel.first_image + image) * s_.height + row;
        const Number* from = maps_ + line * s_.width * s_.in_maps + share.first;
        const auto pixel = [&](int64_t column) {
          const bool exists = inside && column >= 0 && column < s_.width;
          return exists ? from + column * s_.in_maps : zeros_.data();
        };
        int64_t column = kw - s_.pad_left;
        for (int64_t w = 0; w < row_words_; ++w, to += share.maps) {
          const Number* first = pixel(column);
          const Number* second = pixel(column + s_.stride);
          for (int64_t i = 0; i < share.maps; i += kPack)
            Format::pack(first + i, second + i, to + i);
          column += Format::kDepth * s_.stride;
        }
      }
  }

  void multiply(const Panel& panel, const Share& share, int64_t kw,
                const float* maps, const float* errors) const {
    const int64_t words = panel.images * panel.rows * row_words_;
    for (int64_t kh = share.top; kh < share.bottom; ++kh)
      for (int64_t o = 0; o < s_.out_maps; o += kTileOut)
        for (int64_t i = 0; i < share.maps; i += kTileIn)
          tile(panel, share, maps + (kh - share.top) * row_words_ * share.maps + i,
               errors + o * words,
               gradient_ +
                   ((kh * s_.kernel + kw) * s_.in_maps + share.first + i) * s_.out_maps +
                   o);
  }

  void tile(const Panel& panel, const Share& share, const float* maps,
            const float* errors, float* to) const {
    // From zero in every panel: sums of sums round less than one long sum.
    Vector sums[kTileIn][kTileRegisters] = {};
    const int64_t row_step = s_.stride * row_words_ * share.maps;
    const int64_t image_step = packed_rows(panel, share) * row_words_ * share.maps;
    for (int64_t image = 0; image < panel.images; ++image)
      for (int64_t row = 0; row < panel.rows; ++row) {
        const float* a = maps + image * image_step + row * row_step;
        for (int64_t w = 0; w < row_words_; ++w, a += share.maps, errors += kTileOut) {
          Vector b[kTileRegisters];
#pragma GCC unroll 4
          for (int64_t j = 0; j < kTileRegisters; ++j)
            b[j] = load(errors + j * kLanes);
#pragma GCC unroll 4
          for (int64_t i = 0; i < kTileIn; ++i)
#pragma GCC unroll 4
            for (int64_t j = 0; j < kTileRegisters; ++j)
              sums[i][j] = Format::add_product(sums[i][j], broadcast(a[i]), b[j]);
        }
      }
#pragma GCC unroll 4
    for (int64_t i = 0; i < kTileIn; ++i)
#pragma GCC unroll 4
      for (int64_t j = 0; j < kTileRegisters; ++j) {
        float* at = to + i * s_.out_maps + j * kLanes;
        store(at, load(at) + sums[i][j]);
      }
  }

  const Shape s_;
  const Number* const maps_;
  const Number* const errors_;
  float* const gradient_;
  const int64_t row_words_, panel_rows_, panel_images_;
  const std::vector<Number> zeros_;
};

// One share a thread or more, none of them thinner than kPack input maps.
std::vector<Share> shares_of(const Shape& s, int64_t threads) {
  int64_t maps = s.in_maps;
  while (maps % (2 * kPack) == 0 && (maps > 64 || s.in_maps / maps < threads))
    maps /= 2;
  const int64_t band = s.in_maps / maps < threads ? 1 : s.kernel;
  std::vector<Share> shares;
  for (int64_t top = 0; top < s.kernel; top += band)
    for (int64_t first = 0; first < s.in_maps; first += maps)
      shares.push_back({first, maps, top, top + band});
  return shares;
}

template <class Format>
void filter_gradient(const Shape& shape, const void* maps, const void* errors,
                     float* gradient) {
  using Number = typename Format::Number;
  const FilterGradient<Format> all(shape, static_cast<const Number*>(maps),
                                   static_cast<const Number*>(errors), gradient);
  const int64_t threads = std::max(1u, std::thread::hardware_concurrency());
  const std::vector<Share> shares = shares_of(shape, threads);
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < shares.size(); i = next++) all.compute(shares[i]);
  };
  std::vector<std::thread> others;
  for (size_t t = 1; t < std::min<size_t>(threads, shares.size()); ++t)
    others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
}

// TensorFlow's side.

struct Attributes {
  int32_t kernel, stride;
};

using Status = std::unique_ptr<TF_Status, decltype(&TF_DeleteStatus)>;
using Tensor = std::unique_ptr<TF_Tensor, decltype(&TF_DeleteTensor)>;

Status new_status() { return {TF_NewStatus(), &TF_DeleteStatus}; }

void* create(TF_OpKernelConstruction* construction) {
  auto* attributes = new Attributes;
  const Status status = new_status();
  TF_OpKernelConstruction_GetAttrInt32(construction, "kernel", &attributes->kernel,
                                       status.get());
  TF_OpKernelConstruction_GetAttrInt32(construction, "stride", &attributes->stride,
                                       status.get());
  return attributes;
}

void destroy(void* attributes) { delete static_cast<Attributes*>(attributes); }

Tensor input(TF_OpKernelContext* context, int index, TF_Status* status) {
  TF_Tensor* tensor = nullptr;
  TF_GetInput(context, index, &tensor, status);
  return {tensor, &TF_DeleteTensor};
}

// Zeros in front of an axis under TensorFlow's SAME padding.
int64_t same_padding(int64_t side, int64_t out_side, int64_t kernel, int64_t stride) {
  return std::max<int64_t>(0, (out_side - 1) * stride + kernel - side) / 2;
}

bool fits(const Shape& s, const TF_Tensor* errors, TF_DataType type) {
  const int64_t depth = type == TF_BFLOAT16 ? 2 : 1;
  return s.kernel > 0 && s.stride > 0 && s.in_maps > 0 && s.out_maps > 0 &&
         s.in_maps % kPack == 0 && s.out_maps % kTileOut == 0 &&
         s.out_width % depth == 0 && s.images == TF_Dim(errors, 0) &&
         s.out_height == (s.height + s.stride - 1) / s.stride &&
         s.out_width == (s.width + s.stride - 1) / s.stride;
}

void compute(void* kernel, TF_OpKernelContext* context) {
  const auto* attributes = static_cast<const Attributes*>(kernel);
  const Status status = new_status();
  const Tensor maps = input(context, 0, status.get());
  const Tensor errors = input(context, 1, status.get());
  if (TF_NumDims(maps.get()) != 4 || TF_NumDims(errors.get()) != 4) {
    TF_SetStatus(status.get(), TF_INVALID_ARGUMENT, "expected two arrays of 4 axes");
    TF_OpKernelContext_Failure(context, status.get());
    return;
  }
  const auto m = [&](int axis) { return TF_Dim(maps.get(), axis); };
  const auto e = [&](int axis) { return TF_Dim(errors.get(), axis); };
  Shape s{m(0), m(1), m(2), m(3), e(1), e(2), e(3), attributes->kernel,
          attributes->stride, 0, 0};
  const TF_DataType type = TF_TensorType(maps.get());
  if (!fits(s, errors.get(), type)) {
    TF_SetStatus(status.get(), TF_INVALID_ARGUMENT,
                 "expected input maps in sixteens, output maps in 64s and errors of "
                 "the shape that SAME padding gives");
    TF_OpKernelContext_Failure(context, status.get());
    return;
  }
  s.pad_top = same_padding(s.height, s.out_height, s.kernel, s.stride);
  s.pad_left = same_padding(s.width, s.out_width, s.kernel, s.stride);
  const int64_t sides[] = {s.kernel, s.kernel, s.in_maps, s.out_maps};
  const size_t bytes =
      sizeof(float) * s.kernel * s.kernel * s.in_maps * s.out_maps;
  const Tensor gradient{
      TF_AllocateOutput(context, 0, TF_FLOAT, sides, 4, bytes, status.get()),
      &TF_DeleteTensor};
  if (TF_GetCode(status.get()) != TF_OK) {
    TF_OpKernelContext_Failure(context, status.get());
    return;
  }
  auto* to = static_cast<float*>(TF_TensorData(gradient.get()));
  std::memset(to, 0, bytes);
  const auto* from = TF_TensorData(maps.get());
  const auto* by = TF_TensorData(errors.get());
#ifdef __AVX512BF16__
  if (type == TF_BFLOAT16) return filter_gradient<BFloat16>(s, from, by, to);
#endif
  filter_gradient<Float32>(s, from, by, to);
}

void unknown_shape(TF_ShapeInferenceContext* context, TF_Status* status) {
  TF_ShapeInferenceContextSetUnknownShape(context, status);
}

__attribute__((constructor)) void add_to_tensorflow() {
  static const char kName[] = "TfgansynthFilterGradient";
  const Status status = new_status();
  TF_OpDefinitionBuilder* op = TF_NewOpDefinitionBuilder(kName);
  TF_OpDefinitionBuilderAddInput(op, "maps: T");
  TF_OpDefinitionBuilderAddInput(op, "errors: T");
  TF_OpDefinitionBuilderAddOutput(op, "gradient: float");
#ifdef __AVX512BF16__
  TF_OpDefinitionBuilderAddAttr(op, "T: {bfloat16, float}");
#else
  TF_OpDefinitionBuilderAddAttr(op, "T: {float}");
#endif
  TF_OpDefinitionBuilderAddAttr(op, "kernel: int");
  TF_OpDefinitionBuilderAddAttr(op, "stride: int");
  TF_OpDefinitionBuilderSetShapeInferenceFunction(op, &unknown_shape);
  TF_RegisterOpDefinition(op, status.get());
  TF_RegisterKernelBuilder(
      kName, TF_NewKernelBuilder(kName, "CPU", &create, &compute, &destroy),
      status.get());
}

}  // namespace
