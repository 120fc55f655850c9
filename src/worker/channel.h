// src/worker/channel.h - one socket of the driver and the operations that the kernel holds for it.
//
// A channel outlives its connection in the proxy: when that lets go, the channel cancels what is
// under way, waits for the last completion and only then closes the socket, so that neither the
// descriptor nor memory that the kernel still reads is reused too early.

#pragma once

#include "ringmain/base/time.h"
#include "ringmain/buffer/chain.h"
#include "ringmain/core/client_conn.h"
#include "ringmain/core/server_conn.h"

#include <cstdint>

namespace ringmain::worker {

// Of the socket that a channel has now: the next one begins anew.
struct ChannelState {
    bool receiving = false;     // a receive is armed
    bool send_pending = false;  // a send is under way
    bool connecting = false;    // to its server
    bool end_awaited = false;   // by a poll of its own (listen_for_end)
    bool send_failed = false;   // none is possible any more; what has come is still read
    bool cancelling = false;    // the receive is being cancelled
    bool starved = false;       // the receive found no buffer
    bool connected = false;     // to its server
    bool watched = false;       // nudge_quiet() will look at it
    bool quiet = false;         // nothing received since it looked last
    bool ending = false;        // the peer sent its last byte, known before it is read
    bool ended = false;         // and it is read
    bool shut = false;          // we sent ours; a client lingers until it has read it
    bool closing = false;       // the connection is gone; waits for `operations`
};

struct Channel : ChannelState {
    explicit Channel(BlockPool& blocks) : sending(blocks) {}

    int socket = -1;
    uint32_t index = 0;
    uint32_t generation = 0;
    uint16_t operations = 0;             // that will still complete
    core::ClientConn* client = nullptr;  // at most one of the two
    core::ServerConn* server = nullptr;
    Chain sending;  // with the kernel, or the rest of it
};

}  // namespace ringmain::worker
