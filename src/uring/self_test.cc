#include "ringmain/uring/self_test.h"

#include "ringmain/uring/buffer_ring.h"
#include "ringmain/uring/descriptor.h"
#include "ringmain/uring/preflight.h"
#include "ringmain/uring/ring.h"
#include "ringmain/uring/socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace ringmain::uring {
namespace {

enum class Op : uint8_t { Receive = 1, Cancel = 2 };

constexpr uint32_t buffer_count = 4;
constexpr uint32_t buffer_size = 61;  // odd, so that chunks and buffers never line up
constexpr uint32_t chunk_count = 24;
constexpr uint32_t rounds_max = 1000;
constexpr Duration patience = Duration::millis(1000);  // for what should take a microsecond

constexpr UserData user_data_of(Op op) {
    return {.kind = static_cast<uint8_t>(op)};
}

// Each position of the stream has a byte of its own as far as mix-ups of buffers go.
constexpr char pattern_at(uint64_t position) {
    return static_cast<char>(position * 131 + (position >> 8) * 29 + 7);
}

class SelfTest {
  public:
    Status run(const Features& features);

  private:
    Status open(const Features& features);
    Status run_steps();
    Status receive_chunks();
    Status run_out_of_buffers();
    Status see_the_end();
    Status cancel_receive();

    Status write_pattern(uint32_t size);
    Status receive_until(uint64_t position, bool give_back);
    Status on_received(const Completion& done, bool give_back);
    Status wait_for_end();
    void arm();
    void give_back_all();

    // In this order: the buffer ring is closed before its ring, and the memory outlives both.
    std::array<std::array<char, buffer_size>, buffer_count> memory_ = {};
    Descriptor near_;
    Descriptor far_;
    Descriptor next_near_;  // the last step's
    Descriptor next_far_;
    Ring ring_;
    BufferRing buffers_;
    uint64_t written_ = 0;
    uint64_t received_ = 0;
    bool armed_ = false;
    bool saw_no_buffers_ = false;  // during the last receive_until()
    int32_t last_result_ = 0;
    uint32_t cancels_answered_ = 0;
};

Status connect_pair(Descriptor& near, Descriptor& far) {
    int pair[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return Error{why_failed("socketpair", errno)};
    }
    near = Descriptor(pair[0]);
    far = Descriptor(pair[1]);
    return {};
}

// All that a step needs. What fails here is no fault of the kernel's.
Status SelfTest::open(const Features& features) {
    Status opened =
        ring_.open({.submission_entries = 16, .completion_entries = 64, .features = features});
    if (!opened.ok()) return opened;
    Status provided = buffers_.open(ring_, {.entries = buffer_count, .group = 7});
    if (!provided.ok()) return provided;
    give_back_all();
    Status connected = connect_pair(near_, far_);
    if (!connected.ok()) return connected;
    return connect_pair(next_near_, next_far_);
}

Status SelfTest::write_pattern(uint32_t size) {
    std::array<char, 1024> chunk = {};
    RM_ASSERT(size <= chunk.size());
    for (uint32_t i = 0; i < size; ++i) {
        chunk[i] = pattern_at(written_ + i);
    }
    if (write(far_.get(), chunk.data(), size) != static_cast<ssize_t>(size)) {
        return Error{"write: " + error_text(errno)};
    }
    written_ += size;
    return {};
}

void SelfTest::arm() {
    ring_.receive(near_.get(), buffers_.group(), {}, user_data_of(Op::Receive));
    armed_ = true;
}

void SelfTest::give_back_all() {
    for (uint16_t id = 0; id < buffer_count; ++id) {
        if (!buffers_.holds(id)) buffers_.provide(id, memory_[id].data(), buffer_size);
    }
    buffers_.publish();
}

Status SelfTest::on_received(const Completion& done, bool give_back) {
    if (!done.more()) armed_ = false;
    last_result_ = done.result;
    if (done.result == -ENOBUFS) saw_no_buffers_ = true;
    if (!done.has_buffer()) {
        return done.result > 0 ? Status(Error{"bytes came without a buffer"}) : Status();
    }
    const uint16_t id = done.buffer();
    if (id >= buffer_count || !buffers_.holds(id)) return Error{"a buffer was used twice"};
    if (done.result > static_cast<int32_t>(buffer_size)) return Error{"a buffer was overrun"};
    const std::string_view bytes(memory_[id].data(), static_cast<size_t>(std::max(done.result, 0)));
    for (const char byte : bytes) {
        if (byte != pattern_at(received_)) {
            return Error{"byte " + std::to_string(received_) + " of the stream is wrong"};
        }
        received_ += 1;
    }
    buffers_.taken(id);
    if (give_back) {
        buffers_.provide(id, memory_[id].data(), buffer_size);
        buffers_.publish();
    }
    return {};
}

// Up to that position of the stream, or, buffers not being given back, until there are none.
Status SelfTest::receive_until(uint64_t position, bool give_back) {
    saw_no_buffers_ = false;
    for (uint32_t round = 0; received_ < position; ++round) {
        if (saw_no_buffers_ && !give_back) return {};
        if (round == rounds_max) return Error{"it never ends"};
        if (!armed_) arm();
        const Wait wait = ring_.submit_and_wait(patience);
        std::array<Completion, 16> batch;
        const uint32_t count = ring_.reap(batch);
        if (count == 0 && wait == Wait::TimedOut) return Error{"bytes did not arrive"};
        for (const Completion& done : std::span(batch).first(count)) {
            Status status = on_received(done, give_back);
            if (!status.ok()) return status;
            if (done.result <= 0 && done.result != -ENOBUFS) {
                return Error{"receive: " + error_text(done.result)};
            }
        }
    }
    return {};
}

Status SelfTest::receive_chunks() {
    for (uint32_t i = 0; i < chunk_count; ++i) {
        Status status = write_pattern(1 + i * 37 % 181);
        // Each byte comes at once; every other time two chunks are waiting.
        if (status.ok() && i % 2 == 0) status = receive_until(written_, true);
        if (!status.ok()) return status;
    }
    return receive_until(written_, true);
}

Status SelfTest::run_out_of_buffers() {
    Status status = write_pattern(buffer_size * buffer_count * 2);
    if (status.ok()) status = receive_until(written_, false);
    if (!status.ok()) return status;
    if (!saw_no_buffers_) return Error{"more arrived than there were buffers for"};
    if (armed_) return Error{"a receive without buffers went on"};
    if (buffers_.held() != 0) return Error{"buffers were left when they had run out"};
    give_back_all();
    return receive_until(written_, true);
}

Status SelfTest::wait_for_end() {
    for (uint32_t round = 0; armed_; ++round) {
        if (round == rounds_max) return Error{"it never ends"};
        const Wait wait = ring_.submit_and_wait(patience);
        std::array<Completion, 16> batch;
        const uint32_t count = ring_.reap(batch);
        if (count == 0 && wait == Wait::TimedOut) return Error{"the receive did not end"};
        for (const Completion& done : std::span(batch).first(count)) {
            if (done.user_data == user_data_of(Op::Cancel)) {
                cancels_answered_ += 1;
                continue;
            }
            Status status = on_received(done, true);
            if (!status.ok()) return status;
        }
    }
    return {};
}

Status SelfTest::see_the_end() {
    if (!armed_) arm();
    ring_.submit();
    if (shutdown(far_.get(), SHUT_WR) != 0) return Error{"shutdown: " + error_text(errno)};
    Status status = wait_for_end();
    if (!status.ok()) return status;
    if (last_result_ != 0) return Error{"the end was reported as " + error_text(last_result_)};
    return {};
}

Status SelfTest::cancel_receive() {
    near_ = std::move(next_near_);
    far_ = std::move(next_far_);
    arm();
    ring_.submit();
    ring_.cancel(near_.get(), user_data_of(Op::Receive), user_data_of(Op::Cancel));
    Status status = wait_for_end();
    if (!status.ok()) return status;
    // Before 6.5 a cancelled multishot receive may end with ENOBUFS.
    if (last_result_ >= 0) return Error{"the cancelled receive succeeded"};
    return {};
}

Status SelfTest::run_steps() {
    struct Step {
        std::string_view name;
        Status (SelfTest::*run)();
    };

    constexpr std::array<Step, 4> steps = {{
        {"receive chunks", &SelfTest::receive_chunks},
        {"run out of buffers", &SelfTest::run_out_of_buffers},
        {"end of stream", &SelfTest::see_the_end},
        {"cancel", &SelfTest::cancel_receive},
    }};
    for (const Step& step : steps) {
        Status status = (this->*step.run)();
        if (!status.ok()) {
            return Error{"step '" + std::string(step.name) + "': " + status.error()};
        }
    }
    return {};
}

Status SelfTest::run(const Features& features) {
    const Status opened = open(features);
    if (!opened.ok()) return Error{"the self-test cannot begin: " + opened.error()};
    const Status passed = run_steps();
    if (passed.ok()) return {};
    const std::string_view remedy =
        features.has(Feature::MultishotReceive)
            ? "RINGMAIN_IGNORE_FEATURES=multishot_receive, or use a newer kernel"
            : "use a newer kernel";
    return Error{"this kernel's io_uring fails the self-test: " + passed.error() +
                 ". Fix: " + std::string(remedy) + "."};
}

}  // namespace

Status self_test(const Features& features) {
    SelfTest test;
    return test.run(features);
}

}  // namespace ringmain::uring
