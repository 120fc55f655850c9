#include "yaml_pools.h"

#include "ringmain/base/assert.h"

#include "findings.h"
#include <yaml.h>

namespace ringmain::config {

namespace {

Place place_of(const yaml_mark_t& begin, const yaml_mark_t& end) {
    const bool one_line = begin.line == end.line && end.column > begin.column;
    return {.line = static_cast<uint32_t>(begin.line + 1),
            .column = static_cast<uint32_t>(begin.column + 1),
            .length = one_line ? static_cast<uint32_t>(end.column - begin.column) : 1};
}

class Event {
  public:
    Event() = default;

    ~Event() { yaml_event_delete(&event_); }

    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    Event(Event&&) = delete;
    Event& operator=(Event&&) = delete;

    [[nodiscard]] bool next(yaml_parser_t& parser) {
        yaml_event_delete(&event_);
        return yaml_parser_parse(&parser, &event_) == 1;
    }

    [[nodiscard]] yaml_event_type_t type() const { return event_.type; }

    [[nodiscard]] bool is_flow() const {
        return event_.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
    }

    [[nodiscard]] Place place() const { return place_of(event_.start_mark, event_.end_mark); }

    [[nodiscard]] YamlScalar scalar() const {
        RM_ASSERT(event_.type == YAML_SCALAR_EVENT);
        const auto& scalar = event_.data.scalar;
        return {std::string(reinterpret_cast<const char*>(scalar.value), scalar.length), place()};
    }

  private:
    yaml_event_t event_ = {};
};

// One document: a map of pools, each a map of directives, each a scalar or a list of scalars.
class YamlReader {
  public:
    YamlReader(std::string_view text, std::vector<Diagnostic>& diagnostics)
        : text_(text), diagnostics_(&diagnostics) {
        RM_ASSERT(yaml_parser_initialize(&parser_) == 1);
        yaml_parser_set_input_string(
            &parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    }

    ~YamlReader() { yaml_parser_delete(&parser_); }

    YamlReader(const YamlReader&) = delete;
    YamlReader& operator=(const YamlReader&) = delete;
    YamlReader(YamlReader&&) = delete;
    YamlReader& operator=(YamlReader&&) = delete;

    std::vector<YamlPool> run() {
        Event event;
        do {
            if (!event.next(parser_)) {
                broken();
                break;
            }
        } while (event.type() != YAML_STREAM_END_EVENT && take(event));
        if (!diagnostics_->empty()) cut();
        return std::move(pools_);
    }

  private:
    enum class State : uint8_t { Outside, PoolName, PoolBody, Key, Value, Items };

    // False after an error.
    bool take(const Event& event) {
        switch (state_) {
            case State::Outside:
                return outside(event);
            case State::PoolName:
                return pool_name(event);
            case State::PoolBody:
                return pool_body(event);
            case State::Key:
                return key(event);
            case State::Value:
                return value(event);
            case State::Items:
                return item(event);
        }
        RM_ASSERT(false);
    }

    // Reading stopped: what the last pool lacks may follow, and its last directive may go on.
    void cut() {
        if (pools_.empty()) return;
        YamlPool& last = pools_.back();
        last.is_whole = state_ == State::PoolName || state_ == State::Outside;
        if (!last.is_whole && !last.directives.empty()) last.directives.pop_back();
    }

    bool outside(const Event& event) {
        const yaml_event_type_t type = event.type();
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_END_EVENT) return true;
        if (type == YAML_DOCUMENT_START_EVENT) {
            documents_ += 1;
            return documents_ == 1 || fail(event, "a second YAML document: twemproxy reads one");
        }
        if (type != YAML_MAPPING_START_EVENT) {
            return fail(event,
                        "the file must be a map of pools, as in 'alpha:' with indented lines");
        }
        state_ = State::PoolName;
        return true;
    }

    bool pool_name(const Event& event) {
        if (event.type() == YAML_MAPPING_END_EVENT) {
            state_ = State::Outside;
            return true;
        }
        if (event.type() != YAML_SCALAR_EVENT) return fail(event, "the name of a pool is expected");
        pools_.push_back({event.scalar(), {}});
        state_ = State::PoolBody;
        return true;
    }

    bool pool_body(const Event& event) {
        if (event.type() != YAML_MAPPING_START_EVENT) {
            return fail(event,
                        "the pool's directives are expected, as indented 'key: value' lines");
        }
        state_ = State::Key;
        return true;
    }

    bool key(const Event& event) {
        if (event.type() == YAML_MAPPING_END_EVENT) {
            state_ = State::PoolName;
            return true;
        }
        if (event.type() != YAML_SCALAR_EVENT) {
            return fail(event, "the name of a directive is expected");
        }
        pools_.back().directives.push_back({.key = event.scalar()});
        state_ = State::Value;
        return true;
    }

    bool value(const Event& event) {
        YamlDirective& directive = pools_.back().directives.back();
        if (event.type() == YAML_SCALAR_EVENT) {
            directive.value = event.scalar();
            state_ = State::Key;
            return true;
        }
        if (event.type() == YAML_MAPPING_START_EVENT && event.is_flow()) {
            return fail(event,
                        "text that begins with '{' stands in quotes, as in " + directive.key.text +
                            ": \"{}\"");
        }
        if (event.type() != YAML_SEQUENCE_START_EVENT) {
            return fail(event, "a value or a list is expected: " + deeper(event));
        }
        directive.is_list = true;
        directive.value.place = event.place();
        state_ = State::Items;
        return true;
    }

    bool item(const Event& event) {
        if (event.type() == YAML_SEQUENCE_END_EVENT) {
            state_ = State::Key;
            return true;
        }
        if (event.type() != YAML_SCALAR_EVENT) {
            return fail(event, "an entry of a list is text: " + deeper(event));
        }
        pools_.back().directives.back().items.push_back(event.scalar());
        return true;
    }

    static std::string deeper(const Event& event) {
        return event.type() == YAML_ALIAS_EVENT
                   ? "twemproxy knows no aliases (*); write out what it stands for"
                   : "twemproxy knows no deeper nesting";
    }

    bool fail(const Event& event, std::string_view message) {
        diagnostics_->push_back({.place = event.place(), .message = std::string(message)});
        return false;
    }

    void broken() {
        Diagnostic diagnostic;
        const bool is_encoding = parser_.error == YAML_READER_ERROR;
        diagnostic.place = is_encoding ? place_of_offset(text_, parser_.problem_offset)
                                       : place_of(parser_.problem_mark, parser_.problem_mark);
        diagnostic.message = "this is not YAML";
        if (parser_.problem != nullptr) diagnostic.message += std::string(": ") + parser_.problem;
        if (is_encoding) diagnostic.message += "; the file must be UTF-8";
        const size_t index = parser_.problem_mark.index;
        if (!is_encoding && index < text_.size() && text_[index] == '\t') {
            diagnostic.message += "; YAML is indented with blanks, not with tabs";
        }
        // The rest of a password may stand anywhere in a file that cannot be read.
        diagnostic.shows_line = text_.find("redis_auth") == std::string_view::npos;
        diagnostics_->push_back(std::move(diagnostic));
    }

    std::string_view text_;
    std::vector<Diagnostic>* diagnostics_;
    yaml_parser_t parser_ = {};
    State state_ = State::Outside;
    uint32_t documents_ = 0;
    std::vector<YamlPool> pools_;
};

}  // namespace

std::vector<YamlPool> read_yaml(std::string_view text, std::vector<Diagnostic>& diagnostics) {
    return YamlReader(text, diagnostics).run();
}

}  // namespace ringmain::config
