// What a copy costs by where in their pages its source and its target lie (src/design/0004).
//
// The kernel copies with one instruction where the processor says that this is fast.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <benchmark/benchmark.h>

namespace ringmain {

namespace {

constexpr size_t page = 4096;
constexpr size_t size = 16 * 1024;

void copy(char* target, const char* source, size_t count) {
#if defined(__x86_64__)
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(count) : : "memory");
#else
    std::memcpy(target, source, count);
    benchmark::ClobberMemory();
#endif
}

// The target begins so far behind where the source begins in its page.
void copy_behind(benchmark::State& state) {
    const auto behind = static_cast<size_t>(state.range(0));
    const std::unique_ptr<char, decltype(&std::free)> memory(
        static_cast<char*>(std::aligned_alloc(page, 4 * size)), &std::free);
    std::memset(memory.get(), 'x', 4 * size);
    for ([[maybe_unused]] auto unused : state) {
        copy(memory.get() + 2 * size + behind, memory.get(), size);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(size));
}

BENCHMARK(copy_behind)->Arg(0)->Arg(5)->Arg(15)->Arg(16)->Arg(64)->Arg(2048 + 5);

}  // namespace

}  // namespace ringmain
