// ringmain/memcached/forward.h - memcached requests on the way to servers, responses on the way
// back: what is written anew, split and joined.
//
// Every request is given a response to pair with: "noreply" and the meta flag q are left out
// towards the server and their effect is applied here. The line is written anew with single
// blanks, so that no server can read it differently than we did.

#pragma once

#include "ringmain/buffer/bytes.h"
#include "ringmain/memcached/request_parser.h"
#include "ringmain/memcached/response_parser.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::memcached {

inline constexpr std::string_view end_of_values = "END\r\n";  // and of statistics

// Places of all keys of a get, gets, gat or gats, in order; replaces what `keys` held.
void keys_of(const RequestFrame& frame,
             const Bytes& bytes,
             std::string& scratch,
             std::vector<ByteRange>& keys);

// How many of `named`, which hold no blank, from the first on are among the keys of a get, parted
// by blanks, each behind the one before it and from `at` on. `at` goes behind the last one that was
// found; to the end when one was not.
[[nodiscard]] size_t find_ahead(const Bytes& keys,
                                std::span<const std::string_view> named,
                                std::string& scratch,
                                uint32_t& at);

// The key that is hashed: decoded where the request carries flag b. `scratch` backs the view.
[[nodiscard]] std::string_view placed_key(const RequestFrame& frame,
                                          const Bytes& bytes,
                                          std::string& scratch);

// The key that a response names, decoded likewise. There is one (first_key).
[[nodiscard]] std::string_view named_key(const ResponseFrame& frame,
                                         const Bytes& bytes,
                                         std::string& scratch);

// Appends the whole request as a server shall see it; of one that is unfinished the line and what
// is there of its data. False when the arena is exhausted.
[[nodiscard]] bool write_request(const RequestFrame& frame, const Bytes& bytes, Chain& target);

// Appends a get/gets/gat/gats for some of its keys, in order.
[[nodiscard]] bool write_fragment(const RequestFrame& frame,
                                  const Bytes& bytes,
                                  std::span<const ByteRange> keys,
                                  Chain& target);

// Adds a key to the get or gets of whole keys that write_request() put at the end of `target`,
// whose line end it replaces. False, with nothing changed, when the line end lies in two blocks.
// There must be room for another block.
[[nodiscard]] bool extend_get(std::string_view key, Chain& target);

// What a client that asked for silence still gets: false when this response is to be swallowed.
[[nodiscard]] bool is_shown(const RequestFrame& frame, const ResponseFrame& response);

// The same from what a request keeps in flight.
[[nodiscard]] bool is_shown(Verb verb, bool noreply, bool quiet, const ResponseFrame& response);

// A response fits the request that it answers: Values or an error for get, VA/HD/EN for mg, one
// line for set ... Anything else means that the stream is out of step.
[[nodiscard]] bool fits(Verb verb, const ResponseFrame& response);

// That word is all that the response says.
[[nodiscard]] bool is_word(const ResponseFrame& response, std::string_view word);

// An error to the line of a classic command with a data block, which the server may not swallow:
// it does not know the command, or cannot read a number (CLIENT_ERROR). What is wrong with the data
// itself is a SERVER_ERROR.
[[nodiscard]] bool is_before_data(Verb verb, const ResponseFrame& error);

// Joins the responses of the fragments of one get. `keys` are the requested keys in order, each a
// view; `owners[i]` names the fragment of key i. Appends VALUE blocks in the order of the keys and
// one END. False when a response holds a key that was not asked for, or in the wrong order: the
// target is then to be dropped.
[[nodiscard]] bool join_values(std::span<const std::string_view> keys,
                               std::span<const uint16_t> owners,
                               std::span<const Chain* const> responses,
                               Chain& target,
                               OpenBlock* open);

}  // namespace ringmain::memcached
