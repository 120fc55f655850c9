#include "reader.h"

#include "ringmain/buffer/block.h"
#include "ringmain/memcached/request_parser.h"
#include "ringmain/placement/node.h"

#include <algorithm>
#include <array>
#include <utility>

#include "address.h"
#include "advice.h"
#include "listens.h"
#include "units.h"
#include "value.h"
#include "words.h"

namespace ringmain::config {

namespace {

// Names that other proxies, or other places of this file, have for a thing.
struct Synonym {
    std::string_view key;
    std::string_view remedy;
    Section section = Section::Pool;
};

constexpr std::array synonyms = {
    Synonym{"redis", "write protocol = \"redis\" or protocol = \"memcached\""},
    Synonym{"memcached", "write protocol = \"memcached\""},
    Synonym{"reuseport", "leave it out: every worker has a listener of its own"},
    Synonym{"threads", "threads are [proxy] workers = N"},
    Synonym{"password", "the password of a pool is redis_auth"},
    Synonym{"user", "who ringmain is to the servers is redis_user; who clients may be is users"},
    Synonym{"redis_auth", "the password of a server is password", Section::Server},
    Synonym{"redis_user", "the user of a server is user", Section::Server},
    Synonym{"keepalive", "it is tcpkeepalive = true"},
    Synonym{"tcp_keepalive", "it is tcpkeepalive = true"},
    Synonym{"name", "a pool's name stands in its header: [pool.NAME]"},
};

std::string in_title(std::string_view title) {
    return " in " + std::string(title);
}

}  // namespace

Config Reader::read() {
    const Node& root = tree_->root();
    bool has_pools = false;
    for (const Node* node = tree_->first(root); node != nullptr; node = tree_->next(*node)) {
        if (findings_->full()) break;
        if (node->key == "proxy") {
            read_proxy(*node);
        } else if (node->key == "stats") {
            if (!expect_table(*node, "[stats]")) continue;
            read_section(Section::Stats, *node, {.stats = &config_.stats}, "[stats]");
            check_listen(tree_->find(*node, "listen"), config_.stats.listen, "[stats]");
        } else if (node->key == "admin") {
            if (!expect_table(*node, "[admin]")) continue;
            read_section(Section::Admin, *node, {.admin = &config_.admin}, "[admin]");
            check_listen(tree_->find(*node, "listen"), config_.admin.listen, "[admin]");
        } else if (node->key == "pool") {
            has_pools = true;
            read_pools(*node);
        } else {
            unknown_section(*node);
        }
    }
    if (!tree_->has_gaps) check_circles();
    if (!has_pools && !tree_->has_gaps && findings_->error_count() == 0) {
        findings_->error({}, "no pool: add a section [pool.NAME] with listen and servers");
    }
    if (findings_->error_count() == 0 && !tree_->has_gaps) advise(*tree_, config_, *findings_);
    return std::move(config_);
}

void Reader::read_proxy(const Node& table) {
    if (!expect_table(table, "[proxy]")) return;
    Proxy& proxy = config_.proxy;
    read_section(Section::Proxy, table, {.proxy = &proxy}, "[proxy]");
    if (!proxy.pid_file.empty() && proxy.pid_file == proxy.log_file) {
        findings_->error(tree_->find(table, "pid_file")->place,
                         "'pid_file' and 'log_file' are the same file; give one of them another "
                         "path");
    }
    if (proxy.workers == 0) proxy.workers = std::clamp(cpus_allowed_, 1U, 256U);

    const uint64_t buffers = uint64_t{proxy.receive_buffers} * block_size;
    if (buffers > proxy.buffer_memory / 2) {
        const Node* node = tree_->find(table, "receive_buffers");
        if (node == nullptr) node = tree_->find(table, "buffer_memory");
        findings_->error(node == nullptr ? table.key_place : node->key_place,
                         "receive_buffers take " + size_text(static_cast<int64_t>(buffers)) +
                             " (16 KiB each), which is more than half of buffer_memory (" +
                             size_text(static_cast<int64_t>(proxy.buffer_memory)) + ")");
    }
}

void Reader::read_pools(const Node& table) {
    if (!expect_table(table, "[pool.NAME]")) return;
    size_t count = 0;
    for (const Node* node = tree_->first(table); node != nullptr; node = tree_->next(*node)) {
        if (findings_->full()) return;
        if (node->kind != Node::Kind::Table) {
            const bool is_option = find_option(Section::Pool, node->key) != nullptr;
            findings_->error(
                node->key_place,
                is_option ? "'" + node->key +
                                "' belongs to a pool, and a pool has a "
                                "name: write [pool.NAME] above it"
                          : "a pool is a section [pool.NAME]; " + quoted(node->key) + " is not");
            continue;
        }
        count += 1;
        if (count > pool_count_max) {
            findings_->error(node->key_place,
                             "there are more than " + std::to_string(pool_count_max) +
                                 " pools; let a second ringmain serve the rest");
            return;
        }
        read_pool(*node);
    }
    if (count == 0 && !tree_->has_gaps && findings_->error_count() == 0) {
        findings_->error(table.key_place, "no pool: a pool is a section [pool.NAME]");
    }
}

void Reader::read_pool(const Node& table) {
    const size_t errors_before = findings_->error_count();
    const Status name_status = check_name("the pool's name", table.key);
    const std::string title = "[pool." + (name_status.ok() ? table.key : quoted(table.key)) + "]";
    if (!name_status.ok()) findings_->error(table.key_place, name_status.error());

    Pool pool;
    pool.name = table.key;
    read_section(Section::Pool, table, {.pool = &pool}, title);
    check_pool(table, pool);
    if (pool.protocol == Protocol::Memcached) pool.key_size_max = memcached::key_size_max;

    std::vector<Place> places;
    if (const Node* list = tree_->find(table, "servers")) {
        std::vector<ServerDraft> drafts = read_servers(*list);
        if (!tree_->has_gaps) {
            check_credentials(table, pool, drafts);
            check_servers(pool, *list, drafts);
        }
        for (ServerDraft& draft : drafts) {
            pool.servers.push_back(std::move(draft.server));
            places.push_back(draft.place);
        }
    }
    if (const Node* list = tree_->find(table, "users")) {
        read_users(*list, pool);
    }
    if (findings_->error_count() == errors_before && !tree_->has_gaps) {
        advise(*tree_, table, pool, *findings_);
    }
    config_.pools.push_back(std::move(pool));
    server_places_.push_back(std::move(places));
}

void Reader::check_pool(const Node& table, const Pool& pool) {
    for (const Option& option : options(Section::Pool)) {
        const Node* node = tree_->find(table, option.name);
        if (option.required && node == nullptr && !tree_->has_gaps) {
            findings_->error(table.key_place,
                             "'" + std::string(option.name) + "' is missing in [pool." + table.key +
                                 "]: " + std::string(option.help));
        }
        if (option.redis_only && node != nullptr && pool.protocol == Protocol::Memcached) {
            findings_->error(node->key_place,
                             "'" + std::string(option.name) + "' is for redis pools, and [pool." +
                                 table.key +
                                 "] has protocol = \"memcached\"; take one of them out");
        }
    }
    check_listen(tree_->find(table, "listen"), pool.listen, "[pool." + table.key + "]");
}

void Reader::check_listen(const Node* node, const Address& listen, const std::string& owner) {
    if (node == nullptr || listen.empty()) return;
    const std::pair key(listen.port, listen.path);
    const auto [begin, end] = listeners_.equal_range(key);
    const auto other = std::find_if(begin, end, [&listen](const auto& entry) {
        return share_a_place(entry.second.address, listen);
    });
    if (other == end) {
        listeners_.emplace(key, Listening{.address = listen, .owner = owner});
        return;
    }
    const Listening& rival = other->second;
    const std::string place = quoted(listen.text());
    const std::string other_place = quoted(rival.address.text());
    findings_->error(node->place,
                     owner + " and " + rival.owner + " both listen on " + place +
                         (place == other_place ? "" : ", which is also at " + other_place) +
                         "; give one of them another port");
}

std::vector<ServerDraft> Reader::read_servers(const Node& list) {
    std::vector<ServerDraft> drafts;
    if (list.kind != Node::Kind::Array) {
        findings_->error(list.place,
                         "'servers' must be a list, as in servers = "
                         "[\"127.0.0.1:6379:1 cache1\"], not " +
                             std::string(name_of(list.kind)));
        return drafts;
    }
    for (const Node* node = tree_->first(list); node != nullptr; node = tree_->next(*node)) {
        if (findings_->full()) break;
        if (drafts.size() == server_count_max) {
            findings_->error(node->place,
                             "a pool has at most " + std::to_string(server_count_max) + " servers");
            break;
        }
        ServerDraft draft{.server = {}, .place = node->place};
        if (!read_server(*node, draft.server)) continue;
        draft.server.ring_name = placement::ring_name(
            draft.server.name,
            draft.server.address.is_path() ? draft.server.address.path : draft.server.address.host,
            draft.server.address.port);
        drafts.push_back(std::move(draft));
    }
    if (tree_->first(list) == nullptr && !tree_->has_gaps) {
        findings_->error(list.key_place, "'servers' is empty: a pool needs at least one server");
    }
    return drafts;
}

bool Reader::read_server(const Node& node, Server& server) {
    const size_t errors_before = findings_->error_count();
    if (node.kind == Node::Kind::String) {
        Result<Server> parsed = parse_server(node.text);
        if (parsed.ok()) {
            server = std::move(parsed.value());
        } else {
            findings_->error(node.place, "servers: " + parsed.error());
        }
    } else if (node.kind == Node::Kind::Table) {
        read_section(Section::Server, node, {.server = &server}, "a server");
        if (tree_->find(node, "address") == nullptr) {
            findings_->error(node.place,
                             "'address' is missing: a server is written { address = "
                             "\"127.0.0.1:6379\", weight = 1, name = \"cache1\" }");
        }
        for (const auto& [key, name] : {std::pair("name", server.name), {"user", server.user}}) {
            if (name.empty()) continue;
            const Status status = check_name("the server's " + std::string(key), name);
            if (!status.ok()) findings_->error(tree_->find(node, key)->place, status.error());
        }
    } else {
        findings_->error(node.place,
                         "a server is text, \"host:port:weight name\", or a table { "
                         "address, weight, name, user, password }, not " +
                             std::string(name_of(node.kind)));
    }
    return findings_->error_count() == errors_before;
}

// A user is nobody without a password.
void Reader::check_credentials(const Node& table,
                               const Pool& pool,
                               const std::vector<ServerDraft>& drafts) {
    for (const ServerDraft& draft : drafts) {
        const Server& server = draft.server;
        const std::string who = "server " + quoted(server.ring_name);
        const bool has_own = !server.user.empty() || !server.password.empty();
        if (pool.protocol == Protocol::Memcached) {
            if (!has_own) continue;
            findings_->error(draft.place,
                             who + " has a user or a password, which is for redis pools, and " +
                                 "[pool." + pool.name +
                                 "] has protocol = \"memcached\"; take one of them out");
        } else if (!server.user.empty() && pool.credentials_of(server).password.empty()) {
            findings_->error(draft.place,
                             who + " has a user and no password: give it one, or set redis_auth");
        }
    }
    const Node* user = tree_->find(table, "redis_user");
    const bool any_without = std::ranges::any_of(drafts, [&pool](const ServerDraft& draft) {
        return draft.server.user.empty() && pool.credentials_of(draft.server).password.empty();
    });
    if (user == nullptr || pool.redis_user.empty()) return;
    const Status status = check_name("redis_user", pool.redis_user);
    if (!status.ok()) findings_->error(user->place, status.error());
    if (!any_without) return;
    findings_->error(user->place,
                     "'redis_user' needs a password: set redis_auth, or give each server one");
}

// Puts them into the order of placement, where equal names are neighbours.
void Reader::check_servers(const Pool& pool, const Node& list, std::vector<ServerDraft>& drafts) {
    std::vector<std::string> names;
    uint64_t weight_sum = 0;
    for (const ServerDraft& draft : drafts) {
        names.push_back(draft.server.ring_name);
        weight_sum += draft.server.weight;
    }
    for (const ServerDraft& draft : drafts) {
        const Address server = normal_address(draft.server.address);
        if (pool.listen.empty() || !leads_to(server, pool.listen)) continue;
        findings_->error(draft.place,
                         "server " + quoted(draft.server.ring_name) + " is where [pool." +
                             pool.name +
                             "] listens: its requests would come back to it; give it the "
                             "server's own address");
    }
    std::vector<ServerDraft> sorted;
    for (const uint32_t index : placement::sorted_order(names)) {
        sorted.push_back(std::move(drafts[index]));
    }
    drafts = std::move(sorted);
    for (size_t i = 1; i < drafts.size(); ++i) {
        if (drafts[i].server.ring_name != drafts[i - 1].server.ring_name) continue;
        findings_->error(drafts[i].place,
                         "two servers have the name " + quoted(drafts[i].server.ring_name) +
                             " in [pool." + pool.name +
                             "]; it is their place on the ring, so it "
                             "must differ");
    }
    if (weight_sum > placement::total_weight_max) {
        findings_->error(list.key_place,
                         "the weights in [pool." + pool.name + "] add up to " +
                             std::to_string(weight_sum) + ", at most " +
                             std::to_string(placement::total_weight_max) +
                             " are possible; divide all by the same number");
    }
}

void Reader::read_section(Section section,
                          const Node& table,
                          const Target& target,
                          std::string_view title) {
    for (const Node* node = tree_->first(table); node != nullptr; node = tree_->next(*node)) {
        if (findings_->full()) return;
        const Option* option = find_option(section, node->key);
        if (option == nullptr) {
            unknown_key(section, *node, title);
        } else if (option->type == Type::Strings) {
            read_strings(*option, *node, target);
        } else if (option->type != Type::Servers && option->type != Type::Users) {
            read_option(*option, *node, target);
        }
    }
}

void Reader::read_option(const Option& option, const Node& node, const Target& target) {
    const Result<Value> value = read_value(option, node);
    if (!value.ok()) {
        findings_->error(node.place, value.error());
        return;
    }
    option.store(target, value.value());
}

void Reader::read_strings(const Option& option, const Node& list, const Target& target) {
    if (list.kind != Node::Kind::Array) {
        findings_->error(list.place,
                         "'" + std::string(option.name) + "' must be a list of texts, as in " +
                             std::string(option.example) + ", not " +
                             std::string(name_of(list.kind)));
        return;
    }
    Value value;
    for (const Node* node = tree_->first(list); node != nullptr; node = tree_->next(*node)) {
        const bool fits = node->kind == Node::Kind::String && !node->text.empty() &&
                          std::cmp_less_equal(node->text.size(), option.max);
        if (!fits) {
            findings_->error(node->place,
                             "'" + std::string(option.name) + "' holds texts of 1 to " +
                                 std::to_string(option.max) + " bytes, as in " +
                                 std::string(option.example));
            return;
        }
        value.texts.push_back(node->text);
    }
    if (value.texts.empty() && !tree_->has_gaps) {
        // Redis's ACL lets nobody do anything then: whoever writes it means none, not all.
        const std::string name(option.name);
        findings_->error(list.place,
                         "'" + name +
                             "' is empty, which would be no restriction; leave it out for that, "
                             "or say what may be used, as in " +
                             name + " = " + std::string(option.example));
        return;
    }
    option.store(target, value);
}

void Reader::unknown_key(Section section, const Node& node, std::string_view title) {
    const std::string what = "unknown key " + quoted(node.key) + in_title(title);
    for (const Synonym& synonym : synonyms) {
        if (section == synonym.section && node.key == synonym.key) {
            findings_->error(node.key_place, what + "; " + std::string(synonym.remedy));
            return;
        }
    }
    for (const Section other : sections) {
        if (other == Section::Server || other == Section::User ||
            find_option(other, node.key) == nullptr) {
            continue;
        }
        findings_->error(node.key_place, what + "; it belongs in " + std::string(title_of(other)));
        return;
    }
    findings_->error(node.key_place, what + did_you_mean(node.key, option_names(section)));
}

void Reader::unknown_section(const Node& node) {
    constexpr std::array<std::string_view, 4> words = {"proxy", "stats", "admin", "pool"};
    const bool is_table = node.kind == Node::Kind::Table;
    std::string message =
        std::string("unknown ") + (is_table ? "section " : "key ") + quoted(node.key);
    const bool is_pool = is_table && (tree_->find(node, "listen") != nullptr ||
                                      tree_->find(node, "servers") != nullptr);
    const std::string_view near = nearest(node.key, words);
    if (is_pool && near.empty()) {
        message += "; a pool is written [pool." + node.key + "]";
    } else if (is_table || !near.empty()) {
        message += near.empty() ? "; possible are [proxy], [stats], [admin] and [pool.NAME]"
                                : "; did you mean '" + std::string(near) + "'?";
    } else {
        message += "; every option stands in a section: [proxy], [stats], [admin] or [pool.NAME]";
    }
    findings_->error(node.key_place, message);
}

bool Reader::expect_table(const Node& node, std::string_view title) {
    if (node.kind == Node::Kind::Table) return true;
    findings_->error(node.key_place,
                     "'" + node.key + "' is a section; write " + std::string(title));
    return false;
}

}  // namespace ringmain::config
