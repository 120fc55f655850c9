// src/core/info_section.h - what INFO is written of.

#pragma once

#include "ringmain/resp/info_sums.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::core {

class Pool;

class Section {
  public:
    Section(std::string& text, std::string_view title) : text_(text) {
        if (!text_.empty()) text_ += "\r\n";
        text_.append("# ").append(title).append("\r\n");
    }

    void add(std::string_view name, std::string_view value) {
        text_.append(name).append(":").append(value).append("\r\n");
    }

    void add(std::string_view name, uint64_t value) { add(name, std::to_string(value)); }

  private:
    std::string& text_;
};

// What the servers of a pool have answered to INFO. Views borrow the responses.
//
// Numbers of some that look like those of all would be worse than none: when one is missing the
// figures of all are, and `missing` says whose answer.
struct ServerInfo {
    std::vector<std::string_view> texts;  // by server; empty where there is none
    resp::InfoSums sums;                  // of all; of none when one is missing
    std::string missing;                  // names, with commas

    [[nodiscard]] bool is_whole() const { return missing.empty(); }
};

// `owners` are the indexes of those whose `responses` they are, which may be errors.
[[nodiscard]] ServerInfo read_server_info(const Pool& pool,
                                          std::span<const uint16_t> owners,
                                          std::span<const std::string_view> responses);

// Sections that are the servers'.
void write_memory(std::string& text, const ServerInfo& info);
void write_cpu(std::string& text, const ServerInfo& info);
void write_command_stats(std::string& text, const ServerInfo& info);
void write_error_stats(std::string& text, const ServerInfo& info);
void write_keyspace(std::string& text, const ServerInfo& info);

// What of others is.
void add_persistence(Section& section, const ServerInfo& info);
void add_stats(Section& section, const ServerInfo& info);

}  // namespace ringmain::core
