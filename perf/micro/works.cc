#include "perf/micro/works.h"

namespace ringmain::perf {

namespace {

constexpr size_t key_count = 100;
constexpr size_t small = 64;
constexpr size_t large = 16'384;

// All of one size. The number comes first: FNV puts keys that differ in their last letters only all
// on one server. These are on four of them 26, 26, 25 and 23.
std::string key(size_t index) {
    const std::string number = std::to_string(index % key_count);
    return number + ".key" + std::string(6 - number.size(), '0');
}

// Those above have values of the small size, these the large one.
std::string large_key(size_t index) {
    return std::to_string(index % key_count) + ".large";
}

std::string array(const std::vector<std::string>& words) {
    std::string text = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) {
        text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    }
    return text;
}

std::string value(size_t size) {
    std::string text(size, 'v');
    return text;
}

std::string resp_get(size_t index) {
    return array({"GET", key(index)});
}

std::string resp_get_large(size_t index) {
    return array({"GET", large_key(index)});
}

std::string resp_set(size_t index) {
    return array({"SET", key(index), value(small)});
}

template <size_t count>
std::string resp_mget(size_t index) {
    std::vector<std::string> words = {"MGET"};
    for (size_t i = 0; i < count; ++i) {
        words.push_back(key(index * count + i));
    }
    return array(words);
}

std::string memcached_get(size_t index) {
    return "get " + key(index) + "\r\n";
}

std::string memcached_mget(size_t /*index*/) {
    std::string text = "get";
    for (size_t i = 0; i < key_count; ++i) {
        text += " " + key(i);
    }
    return text + "\r\n";
}

std::string memcached_set(size_t index) {
    return "set " + key(index) + " 0 0 " + std::to_string(small) + "\r\n" + value(small) + "\r\n";
}

struct Kind {
    std::string_view name;
    config::Protocol protocol;
    size_t servers;
    std::vector<size_t> depths;
    std::string (*request)(size_t index);
};

std::vector<Work> make_works() {
    const std::vector<Kind> kinds = {
        {"resp get 64 B", config::Protocol::Redis, 1, {1, 16, 100}, resp_get},
        {"resp set 64 B", config::Protocol::Redis, 1, {1, 16, 100}, resp_set},
        {"resp get 16 KiB", config::Protocol::Redis, 1, {1, 16}, resp_get_large},
        {"resp get 64 B of 4 servers", config::Protocol::Redis, 4, {16}, resp_get},
        {"resp mget 10 keys of 4 servers", config::Protocol::Redis, 4, {1, 16}, resp_mget<10>},
        {"resp mget 100 keys of 4 servers", config::Protocol::Redis, 4, {1}, resp_mget<key_count>},
        {"memcached get 64 B", config::Protocol::Memcached, 1, {1, 16}, memcached_get},
        {"memcached set 64 B", config::Protocol::Memcached, 1, {1, 16}, memcached_set},
        {"memcached get 100 keys", config::Protocol::Memcached, 1, {1}, memcached_mget},
        {"memcached get 100 keys of 4 servers",
         config::Protocol::Memcached,
         4,
         {1},
         memcached_mget},
    };
    std::vector<Work> all;
    for (const Kind& kind : kinds) {
        for (const size_t depth : kind.depths) {
            Work work = {.name = std::string(kind.name) + ", depth " + std::to_string(depth),
                         .protocol = kind.protocol,
                         .servers = kind.servers,
                         .depth = depth,
                         .requests = {}};
            for (size_t i = 0; i < depth; ++i) {
                work.requests += kind.request(i);
            }
            all.push_back(std::move(work));
        }
    }
    return all;
}

}  // namespace

const std::vector<Work>& works() {
    static const std::vector<Work> all = make_works();
    return all;
}

std::unique_ptr<Replay> Work::replay() const {
    auto replay = std::make_unique<Replay>(protocol, servers);
    for (size_t i = 0; i < key_count; ++i) {
        replay->put(key(i), value(small));
        replay->put(large_key(i), value(large));
    }
    return replay;
}

}  // namespace ringmain::perf
