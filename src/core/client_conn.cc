#include "ringmain/core/client_conn.h"

#include "ringmain/core/pool.h"

namespace ringmain::core {

ClientConn::ClientConn(BlockPool& blocks, Pool& owner, uint64_t client_id)
    : pool(&owner), id(client_id), authenticated(owner.is_open()), out(blocks) {}

void ClientConn::note_taken(uint64_t batch, uint64_t count) {
    const auto now = static_cast<uint32_t>(batch);
    if (taken_in != now) taken = 0;
    taken_in = now;
    taken += static_cast<uint32_t>(count);
}

bool ClientConn::has_had_its_turn(uint64_t batch) const {
    return taken_in == static_cast<uint32_t>(batch) &&
           taken >= pool->options->requests_in_flight_max;
}

void ClientConn::cut_off() {
    note_end(End::Failed);
    cut = true;
    state = State::Closing;
    if (intake != nullptr) intake->input.clear();
    replies = Replies::Off;
    mute_all();
}

void ClientConn::mute_all() const {
    for (Request* request = requests.front(); request != nullptr; request = request->next) {
        request->mute = true;
    }
}

memcached::BinaryParser& ClientConn::begin_binary() {
    binary = std::make_unique<BinaryAnswers>();
    return intake->parser.emplace<memcached::BinaryParser>(pool->memcached_limits);
}

const ClientNames& ClientConn::called() const {
    static const ClientNames none;
    return names == nullptr ? none : *names;
}

ClientNames& ClientConn::own_names() {
    if (names == nullptr) names = std::make_unique<ClientNames>();
    return *names;
}

}  // namespace ringmain::core
